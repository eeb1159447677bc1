import Glibc
import LayoutClient
import LayoutServer
import Logging
import TestSupport

/// A server on an empty directory, and what tests need to reach it.
struct World: Sendable {
    let server: LayoutServer
    let directory: TestDirectory
    let socket: String

    /// The address of the server's Unix socket.
    var url: String { "layout+unix://\(self.socket)" }

    /// The address of the server's TCP port.
    var tcpURL: String {
        for address in self.server.addresses {
            if case .tcp(let host, let port) = address { return "layout://\(host):\(port)" }
        }
        return ""
    }

    func connect(
        to url: String? = nil,
        _ adjust: (inout ClientConfiguration) -> Void = { _ in }
    ) async throws -> LayoutClient {
        var configuration = ClientConfiguration()
        configuration.connectTimeout = .seconds(5)
        adjust(&configuration)
        return try await LayoutClient.connect(to: url ?? self.url, configuration: configuration)
    }

    /// Makes a file of blocks of 4096 bytes, each of which holds its number as bytes.
    func makeFile(_ name: String, blocks: Int) throws {
        var bytes: [UInt8] = []
        for block in 0..<blocks { bytes += [UInt8](repeating: UInt8(truncatingIfNeeded: block + 1), count: 4096) }
        try self.write(bytes, to: name)
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        let file = unsafe open(self.directory.file(name), O_CREAT | O_RDWR | O_TRUNC, 0o666)
        guard file >= 0 else { throw TestFailure("cannot make '\(name)'") }
        defer { close(file) }
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes[done...].withUnsafeBytes {
                unsafe pwrite(file, $0.baseAddress, $0.count, off_t(done))
            }
            guard count > 0 else { throw TestFailure("cannot write '\(name)'") }
            done += count
        }
    }

    /// The bytes of a file, read without the library.
    func bytes(of name: String) throws -> [UInt8] {
        let file = unsafe open(self.directory.file(name), O_RDONLY)
        guard file >= 0 else { throw TestFailure("cannot open '\(name)'") }
        defer { close(file) }
        let size = Int(lseek(file, 0, SEEK_END))
        var bytes = [UInt8](repeating: 0, count: size)
        var done = 0
        while done < size {
            let count = unsafe bytes[done...].withUnsafeMutableBytes {
                unsafe pread(file, $0.baseAddress, $0.count, off_t(done))
            }
            guard count > 0 else { throw TestFailure("cannot read '\(name)'") }
            done += count
        }
        return bytes
    }
}

/// Servers on one directory, one after the other; each knows nothing of what the one before promised.
final class ServerLives {
    private(set) var world: World
    private let configuration: ServerConfiguration
    private let sockets: TestDirectory

    /// Starts the first.
    init() async throws {
        let directory = try TestFileSystem.plain.makeDirectory()
        self.sockets = try TestDirectory()
        let socket = self.sockets.file("l.sock")
        var configuration = ServerConfiguration(exportPath: directory.path, addresses: [.unix(path: socket)])
        configuration.shutdownPatience = .milliseconds(10)
        configuration.logger.logLevel = .critical
        self.configuration = configuration
        let server = try await LayoutServer.start(configuration)
        self.world = World(server: server, directory: directory, socket: socket)
    }

    /// Stops the server.
    func end() async { await self.world.server.stop() }

    /// Starts the next server, after ``end()``.
    func begin() async throws {
        let server = try await LayoutServer.start(self.configuration)
        self.world = World(server: server, directory: self.world.directory, socket: self.world.socket)
    }
}

/// Starts a server on an empty directory, runs a test against it, and stops it.
func withWorld(
    on fileSystem: TestFileSystem = .plain,
    _ adjust: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (World) async throws -> Void
) async throws {
    let directory = try fileSystem.makeDirectory()
    let sockets = try TestDirectory()
    let socket = sockets.file("l.sock")
    var configuration = ServerConfiguration(
        exportPath: directory.path,
        addresses: [.unix(path: socket), .tcp(host: "127.0.0.1", port: 0)]
    )
    configuration.shutdownPatience = .milliseconds(200)
    configuration.logger.logLevel = .error
    adjust(&configuration)
    let server = try await LayoutServer.start(configuration)
    let world = World(server: server, directory: directory, socket: socket)
    do {
        try await body(world)
    } catch {
        await server.stop()
        throw error
    }
    await server.stop()
    withExtendedLifetime(sockets) {}
}

/// Waits until something is so.
func eventually(
    _ what: String,
    within timeout: Duration = .seconds(10),
    _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + timeout
    while try await !condition() {
        guard ContinuousClock.now < end else { throw TestFailure("not so within \(timeout): \(what)") }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// Runs a body on a thread of its own, for touches that may wait.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        startThread { continuation.resume(with: Result { try body() }) }
    }
}

/// Starts a thread that nobody waits for.
func startThread(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let work = unsafe Unmanaged.passRetained(ThreadWork(body))
    let result = unsafe pthread_create(
        &thread,
        nil,
        { argument in
            if let argument = unsafe argument {
                unsafe Unmanaged<ThreadWork>.fromOpaque(argument).takeRetainedValue().body()
            }
            return nil
        },
        unsafe work.toOpaque()
    )
    precondition(result == 0, "pthread_create")
    pthread_detach(thread)
}

private final class ThreadWork: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
