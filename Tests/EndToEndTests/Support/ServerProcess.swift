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
        let program = try Self.program("layoutd")
        let arguments = [
            "serve", "--export", self.directory.path, "--listen", "unix://\(socket)", "--log-level", "error",
        ]
        self.process = try ChildProcess(program, arguments + options)
        while true {
            let line = self.process.readLine()
            if line.contains("layoutd ready") { break }
            guard !line.isEmpty else { throw TestFailure("layoutd ended before it was ready") }
        }
    }

    /// A program of this package, built beside the tests.
    static func program(_ name: String) throws -> String {
        let bundle = try Self.link("/proc/self/exe").split(separator: "/").dropLast()
        // The tests run inside the toolchain's runner, or as a program of their own beside the others.
        var folders = ["/" + bundle.joined(separator: "/")]
        for argument in CommandLine.arguments where argument.contains(".xctest") {
            folders.append("/" + argument.split(separator: "/").dropLast().joined(separator: "/"))
        }
        for folder in folders where unsafe access("\(folder)/\(name)", X_OK) == 0 { return "\(folder)/\(name)" }
        throw TestFailure("no '\(name)' in \(folders.joined(separator: " or ")): build the package first")
    }

    private static func link(_ path: String) throws -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            guard let base = unsafe bytes.bindMemory(to: CChar.self).baseAddress else { return -1 }
            return unsafe readlink(path, base, bytes.count)
        }
        guard count > 0 else { throw TestFailure("cannot read \(path): errno \(errno)") }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

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
