import Glibc
import TestSupport

/// A `layoutd` process on a directory, listening on a Unix socket.
final class ServerProcess {
    let url: String
    let directory: TestDirectory
    private let sockets: TestDirectory
    private let process: ChildProcess
    private var isRunning = true

    /// Starts the server and waits until it says that it is ready.
    init(on fileSystem: TestFileSystem, _ options: [String] = []) throws {
        self.directory = try fileSystem.makeDirectory()
        self.sockets = try TestDirectory()
        let socket = self.sockets.file("layoutd.sock")
        self.url = "layout+unix://\(socket)"
        let program = try builtProgram("layoutd")
        let arguments = [
            "serve", "--export", self.directory.path, "--listen", "unix://\(socket)", "--log-level", "error",
            "--state", self.sockets.file("state"),
        ]
        self.process = try ChildProcess(program, arguments + options)
        while true {
            let line = self.process.readLine()
            if line.contains("layoutd ready") { break }
            guard !line.isEmpty else { throw TestFailure("layoutd ended before it was ready") }
        }
    }

    /// A program of this package, built beside the tests.
    static func program(_ name: String) throws -> String { try builtProgram(name) }

    /// Ends the server as an operator would, and returns its exit code.
    @discardableResult
    func stop() -> Int32 {
        guard self.isRunning else { return 0 }
        self.isRunning = false
        self.process.signal(SIGTERM)
        return self.process.wait().status
    }

    deinit { self.stop() }
}
