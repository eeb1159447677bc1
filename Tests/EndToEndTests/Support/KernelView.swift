import Glibc
import TestSupport

/// A mapping of this process, as `/proc/self/smaps` shows it.
struct MemoryMapping: CustomStringConvertible {
    let path: String
    /// `VmFlags`: two letters each (`proc(5)`).
    let flags: [String]

    var description: String { "\(self.path) \(self.flags.joined(separator: " "))" }

    /// Those of files whose path ends so.
    static func all(of suffix: String) throws -> [MemoryMapping] {
        var found: [MemoryMapping] = []
        var path = ""
        for line in try contents(of: "/proc/self/smaps").split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count >= 5, words[0].contains("-"), !words[0].hasSuffix(":") {
                path = words.count > 5 ? words[5...].joined(separator: " ") : ""
            } else if words.first == "VmFlags:", path.hasSuffix(suffix) {
                found.append(MemoryMapping(path: path, flags: words.dropFirst().map { String($0) }))
            }
        }
        return found
    }
}

/// Counts the system calls of some names that this process makes, by tracefs.
final class SystemCallTrace {
    private let directory: String

    /// Begins to count; needs root and tracefs where it usually is.
    init(_ names: [String]) throws {
        self.directory = "/sys/kernel/tracing/instances/layoutd-\(getpid())"
        guard unsafe mkdir(self.directory, 0o700) == 0 || errno == EEXIST else {
            throw TestFailure("cannot make \(self.directory): errno \(errno); mount tracefs")
        }
        for name in names {
            let event = "\(self.directory)/events/syscalls/sys_enter_\(name)"
            try write("1", to: "\(event)/enable")
        }
        try write("", to: "\(self.directory)/trace")
    }

    deinit { unsafe rmdir(self.directory) }

    /// How many there were so far, of all threads of this process.
    func count() throws -> Int {
        let threads = try Self.threads()
        return try contents(of: "\(self.directory)/trace").split(separator: "\n").count { line in
            // "   swift-test-1234  [000] ..... 12.345: sys_fsync(fd: 3)"
            guard !line.hasPrefix("#"), let head = line.split(separator: "[").first else { return false }
            return head.split(separator: "-").last.flatMap { Int32($0.split(separator: " ").first ?? "") }
                .map { threads.contains($0) } ?? false
        }
    }

    private static func threads() throws -> Set<Int32> {
        let listing = try runProcess("ls", ["/proc/\(getpid())/task"]).output
        return Set(listing.split(separator: "\n").compactMap { Int32($0) })
    }
}

private func contents(of path: String) throws -> String {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw TestFailure("cannot open \(path): errno \(errno)") }
    defer { close(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = unsafe read(file, &buffer, buffer.count)
        guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
        bytes += buffer[..<count]
    }
}

private func write(_ text: String, to path: String) throws {
    let file = unsafe open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)
    guard file >= 0 else { throw TestFailure("cannot open \(path): errno \(errno)") }
    defer { close(file) }
    let bytes = Array(text.utf8)
    guard unsafe Glibc.write(file, bytes, bytes.count) == bytes.count else {
        throw TestFailure("cannot write \(path): errno \(errno)")
    }
}
