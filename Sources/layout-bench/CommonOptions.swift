import ArgumentParser
import Glibc

/// What every benchmark can be told.
struct CommonOptions: ParsableArguments, Sendable {
    @Option(help: "How many rounds; each measures everything once.")
    var rounds = 21

    @Option(help: "CPUs: 'same' puts what measures and the servers on one, 'apart' on two, 'free' on any.")
    var pin: Placement?

    @Option(help: ArgumentHelp("Where files and sockets are made (default: $TMPDIR or /tmp).", valueName: "dir"))
    var directory: String?

    @Option(help: ArgumentHelp("The layoutd to start (default: the one beside this program).", valueName: "path"))
    var serverBinary: String?

    @Flag(help: "Print one JSON array instead of text.")
    var json = false

    @Flag(help: "End with status 1 if a goal is missed.")
    var check = false

    func validate() throws {
        guard (1...10_000).contains(self.rounds) else { throw ValidationError("--rounds takes 1 to 10000") }
    }

    /// Where processes run, if nothing else was asked for.
    func placement(_ usual: Placement = .same) -> Placement { self.pin ?? usual }

    func temporaryDirectory() throws -> TemporaryDirectory {
        let parent = unsafe self.directory ?? getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
        return try TemporaryDirectory(under: parent)
    }

    func serverPath() throws -> String {
        let path = try self.serverBinary ?? Program.neighbouringServer()
        guard unsafe access(path, X_OK) == 0 else {
            throw BenchError("run '\(path)'", errno: errno, "build layoutd, or name it with --server-binary")
        }
        return path
    }

    /// Prints what was found.
    ///
    /// - Throws: `ExitCode` if a goal is missed and that matters.
    func print(_ reports: [Report]) throws {
        if self.json {
            Swift.print(JSON.array(reports.map(\.json)))
        } else {
            Swift.print(reports.map(\.description).joined(separator: "\n\n"))
        }
        if self.check, reports.contains(where: \.missesGoal) { throw ExitCode.failure }
    }
}
