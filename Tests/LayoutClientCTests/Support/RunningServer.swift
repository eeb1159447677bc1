import Glibc
import TestSupport
import Testing

/// A `layoutd` process on an empty directory, which ends with the object.
final class RunningServer: Sendable {
    let directory: TestDirectory
    private let places: TestDirectory
    private let process: ChildProcess

    var url: String { "layout+unix://\(self.places.file("socket"))" }

    init(on fileSystem: TestFileSystem) throws {
        self.directory = try fileSystem.makeDirectory()
        self.places = try TestDirectory()
        self.process = try ChildProcess(
            try builtProgram("layoutd"),
            [
                "serve", "--export", self.directory.path, "--listen", "unix://\(self.places.file("socket"))",
                "--state", self.places.file("state"), "--log-level", "error", "--guard", "off",
            ]
        )
        let line = self.process.readLine()
        guard line.contains("layoutd ready") else {
            self.process.end()
            throw TestFailure("layoutd does not start: \(line)")
        }
    }

    deinit { self.process.end() }
}

/// Runs a program with variables (`NAME=VALUE`) in its environment; it has 100 seconds.
func run(_ program: String, _ arguments: [String], with environment: [String] = []) throws -> ProcessResult {
    try runProcess("env", environment + ["timeout", "--kill-after=5", "100", program] + arguments)
}

/// Runs a program that must end well and say nothing but this.
func expect(
    _ program: String,
    _ arguments: [String],
    with environment: [String] = [],
    toSay output: String,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let result = try run(program, arguments, with: environment)
    #expect(result.status == 0, "\(result.output)", sourceLocation: sourceLocation)
    #expect(result.output == output, sourceLocation: sourceLocation)
}
