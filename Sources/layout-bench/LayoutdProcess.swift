import Glibc

/// A `layoutd serve` of the benchmark's own, on a directory and a Unix socket of its own.
final class LayoutdProcess: Sendable {
    /// The exported directory.
    let exportPath: String
    /// Where it listens.
    let socketPath: String
    /// Where it passes descriptors.
    var descriptorSocketPath: String { self.socketPath + ".fd" }
    /// What the library connects to.
    var url: String { "layout+unix://\(self.socketPath)" }

    private let process: ChildProcess

    /// Starts the server and waits until it serves.
    ///
    /// - Throws: ``BenchError`` if it cannot be started, or does not become ready.
    init(binary: String, in directory: TemporaryDirectory) throws {
        self.exportPath = try directory.makeDirectory("export")
        self.socketPath = directory.path + "/layoutd.sock"
        self.process = try ChildProcess(
            binary,
            [
                "serve", "--export", self.exportPath, "--listen", "unix://\(self.socketPath)",
                "--state", directory.path + "/state",
            ]
        ) { $0.hasPrefix("layoutd ready") }
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
