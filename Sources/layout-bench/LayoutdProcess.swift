import Glibc

/// A `layoutd serve` of the benchmark's own, on a directory, a Unix socket and a TCP port of its own.
final class LayoutdProcess: Sendable {
    /// The exported directory.
    let exportPath: String
    private let socketPath: String
    let process: ChildProcess
    private let port: UInt16

    /// Where it passes descriptors.
    var descriptorSocketPath: String { self.socketPath + ".fd" }
    /// What the library connects to.
    var url: String { "layout+unix://\(self.socketPath)" }

    /// Starts the server, with more options of `layoutd serve`, and waits until it serves.
    ///
    /// - Throws: ``BenchError`` if it cannot be started, or does not become ready.
    init(
        binary: String,
        in directory: TemporaryDirectory,
        name: String = "layoutd",
        _ arguments: [String] = []
    ) throws {
        self.exportPath = try directory.makeDirectory("\(name)-export")
        self.socketPath = "\(directory.path)/\(name).sock"
        self.process = try ChildProcess(
            binary,
            [
                "serve", "--export", self.exportPath, "--listen", "unix://\(self.socketPath)", "--listen",
                "tcp://127.0.0.1:0", "--state", "\(directory.path)/\(name)-state", "--log-level", "error",
            ] + arguments
        ) { $0.hasPrefix("layoutd ready") }
        let digits = self.process.greeting.split(separator: ":").last ?? ""
        guard let port = UInt16(digits) else {
            throw BenchError("layoutd's ready line has no TCP port: '\(self.process.greeting)'")
        }
        self.port = port
    }

    /// Where it listens.
    func endpoint(_ transport: Transport = .unix) -> Endpoint {
        switch transport {
        case .unix: .unix(self.socketPath)
        case .tcp: .tcp(port: self.port)
        }
    }
}

/// Where this program and its neighbours are.
enum Program {
    /// This program's own file.
    static func path() throws -> String {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return 0 }
            return unsafe readlink("/proc/self/exe", base.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard count > 0 else {
            throw BenchError("find this program's file", errno: errno, "mount /proc")
        }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }

    /// The `layoutd` in the directory of this program.
    static func neighbouringServer() throws -> String {
        let path = try Self.path()
        let directory = path.lastIndex(of: "/").map { path[..<$0] } ?? ""
        return "\(directory)/layoutd"
    }
}
