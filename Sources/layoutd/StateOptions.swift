import ArgumentParser
import Glibc
import LinuxFiles
import Recovery

/// Where the recovery store is: what the server has to know when it is started again.
struct StateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Where the server keeps what it has to know when it is started again; a directory of its own, on a local \
            filesystem (default: /var/lib/layoutd/ID of the export, or ~/.local/state/layoutd/ID if not root).
            """,
            valueName: "dir"
        )
    )
    var state: String?

    /// The directory for an export.
    func path(for identity: StoreIdentity) -> String {
        if let state = self.state { return state }
        let numbers = [identity.fileSystem, identity.exportInode, identity.exportGeneration]
        return Self.parent + "/" + numbers.map { String($0, radix: 16) }.joined(separator: "-")
    }

    /// The directory for an export; what is missing above it is made.
    func directory(for identity: StoreIdentity) throws -> String {
        let path = self.path(for: identity)
        guard self.state == nil else { return path }
        var parent = ""
        for component in Self.parent.split(separator: "/") {
            parent += "/" + component
            guard unsafe mkdir(parent, 0o700) != 0, errno != EEXIST, errno != EISDIR else { continue }
            // On the way down what is there may be read-only: only the last one matters, and the store says so.
            guard unsafe access(parent, F_OK) != 0 else { continue }
            throw LinuxError(
                errno: errno,
                call: "mkdir",
                attempt: "make '\(parent)' for the recovery store",
                remedy: "make it, or name another directory with --state"
            )
        }
        return path
    }

    /// Where stores are that nobody has named a place for.
    private static var parent: String {
        guard geteuid() != 0 else { return "/var/lib/layoutd" }
        func variable(_ name: String) -> String? {
            unsafe getenv(name).map { unsafe String(cString: $0) }.flatMap { $0.first == "/" ? $0 : nil }
        }
        if let state = variable("XDG_STATE_HOME") { return "\(state)/layoutd" }
        return "\(variable("HOME") ?? "/var/tmp/layoutd-\(geteuid())")/.local/state/layoutd"
    }

    /// What is in the way of using a directory, as far as can be seen without making anything; `nil` if nothing is.
    static func obstacle(to path: String) -> String? {
        var place = path[...]
        while !place.isEmpty {
            if unsafe access(String(place), F_OK) == 0 {
                guard unsafe access(String(place), W_OK | X_OK) == 0 else {
                    return "'\(place)' cannot be written by this user"
                }
                return nil
            }
            guard let slash = place.lastIndex(of: "/") else { break }
            place = place[..<slash]
        }
        return unsafe access("/", W_OK | X_OK) == 0 ? nil : "'/' cannot be written by this user"
    }
}
