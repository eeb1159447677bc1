import ArgumentParser
import CBenchPeer
import Glibc
import LayoutCore
import LinuxFiles
import MappingGuard

/// Who is asked before a program's call on a file goes on.
enum ListenerKind: String, CaseIterable, ExpressibleByArgument, Sendable {
    /// A fanotify group that marks the file and allows everything: the least that can be done.
    case bare
    /// The guard, as the server has it.
    case guarded
}

/// `layout-bench guard-listener`: one of these; started by the benchmark itself.
struct GuardListener: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guard-listener",
        abstract: "Is asked before calls on a file go on, and allows them.",
        shouldDisplay: false
    )

    @Option(help: "Which listener.")
    var kind: ListenerKind

    @Option(help: "The directory of the file.")
    var directory: String

    @Argument(help: "The file's name.")
    var file: String

    func run() throws {
        switch self.kind {
        case .bare:
            let error = unsafe bench_listen_and_allow("\(self.directory)/\(self.file)", STDOUT_FILENO)
            throw BenchError("listen for calls on '\(self.file)'", errno: -error, "run as root, on Linux 6.14 or later")
        case .guarded: try self.guardFile()
        }
    }

    private func guardFile() throws {
        var ends: [CInt] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw BenchError("make a pipe", errno: errno, "raise the limit of files") }
        let (reading, writing) = (ends[0], ends[1])
        let root = try ExportRoot(path: self.directory)
        // Reports may not call the guard: what is to be allowed goes through a pipe.
        let guardian = try MappingGuard.start(.init(root: root.directory, clones: false)) { report in
            guard case .arrived(let call) = report else { return }
            var id = call.id.rawValue
            _ = unsafe write(writing, &id, 8)
        }
        try guardian.watch(try root.resolve(Array(self.file.utf8)), as: FileID(1))
        guardian.settled()
        print("ready")
        fflush(nil)
        var id: UInt64 = 0
        while unsafe read(reading, &id, 8) == 8 { guardian.allow(GuardedCallID(id)) }
    }
}
