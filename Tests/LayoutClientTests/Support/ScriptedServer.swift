import Glibc
import LayoutClient
import LayoutCore
import LayoutXDR
import LinuxFiles
import NIOCore
import NIOPosix
import ONCRPC
import TestSupport

/// A server of one file and one client that does what a test says: it dies and comes back with or without its memory, and
/// answers what no honest server would.
final class ScriptedServer: Sendable {
    /// What a life of the server knows of the one before.
    enum Memory {
        /// Clients, what they hold, and the replies of changes.
        case everything
        /// The client, and nothing that it holds.
        case clients
        case nothing
    }

    let url: String
    /// The file, on this side.
    let filePath: String
    private let socketPath: String
    private let core: NIOLoopBound<ScriptedServerCore>
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let descriptors: DescriptorSocketServer
    private let directory: TestDirectory

    /// Makes a file of blocks of 4096 bytes, each of which holds its number as bytes, and begins to serve it.
    init(blocks: Int = 16) async throws {
        let directory = try TestDirectory()
        self.directory = directory
        self.socketPath = directory.file("s.sock")
        self.url = "layout+unix://\(self.socketPath)"
        self.filePath = directory.file("file")
        let file = unsafe open(self.filePath, O_CREAT | O_RDWR | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw TestFailure("cannot make '\(self.filePath)'") }
        for block in 0..<blocks {
            let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: block + 1), count: 4096)
            guard unsafe pwrite(file, bytes, 4096, off_t(block * 4096)) == 4096 else { throw TestFailure("pwrite") }
        }
        close(file)
        let tokens = ScriptedTokens(path: self.filePath)
        self.descriptors = try DescriptorSocketServer(path: directory.file("d.sock")) { token, _ in
            tokens.redeem(token)
        }
        let loop = self.group.next()
        let (socket, size, bootID) = (directory.file("d.sock"), UInt64(blocks * 4096), try Host.bootID())
        self.core = try await loop.submit {
            let core = ScriptedServerCore(
                loop: loop,
                tokens: tokens,
                size: size,
                device: .file(bootID: Array(bootID.utf8), descriptorSocket: Array(socket.utf8))
            )
            return NIOLoopBound(core, eventLoop: loop)
        }.get()
        try await self.start(.nothing)
    }

    /// Looks at the server, or tells it something.
    @discardableResult
    func with<Value: Sendable>(_ body: @escaping @Sendable (ScriptedServerCore) throws -> Value) async throws -> Value {
        let core = self.core
        return try await core.eventLoop.submit { try body(core.value) }.get()
    }

    /// Dies: connections break, and nobody listens.
    func kill() async throws {
        let (core, loop) = (self.core, self.core.eventLoop)
        try await loop.flatSubmit {
            for connection in core.value.transport?.connections ?? [] { connection.close("killed") }
            return core.value.transport?.shutDown(within: .zero) ?? loop.makeSucceededVoidFuture()
        }.get()
        try await self.with { $0.transport = nil }
    }

    /// Lives again; without `memory` it was only out of reach.
    func start(_ memory: Memory?) async throws {
        let (path, core, loop) = (self.socketPath, self.core, self.core.eventLoop)
        try await loop.flatSubmit {
            if let memory { core.value.begin(memory) }
            do {
                let transport = try RPCServer(eventLoop: loop, delegate: core.value)
                core.value.transport = transport
                return transport.listen(on: .unix(path: path, mode: 0o600)).map { _ in }
            } catch {
                return loop.makeFailedFuture(error)
            }
        }.get()
    }

    func restart(_ memory: Memory) async throws {
        try await self.kill()
        try await self.start(memory)
    }

    func connect(_ adjust: (inout ClientConfiguration) -> Void = { _ in }) async throws -> LayoutClient {
        var configuration = ClientConfiguration()
        configuration.connectTimeout = .seconds(5)
        // Should a test fail, threads that wait must not end the process some time later.
        configuration.giveUpAfter = .seconds(3600)
        adjust(&configuration)
        return try await LayoutClient.connect(to: self.url, configuration: configuration)
    }

    /// Moves the bytes of the file down, as another client's change would.
    func collapse(blocks: Int) throws {
        let file = unsafe open(self.filePath, O_RDWR | O_CLOEXEC)
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = unsafe pread(file, &bytes, bytes.count, off_t(blocks * 4096))
        guard count > 0, unsafe pwrite(file, bytes, count, 0) == count else { throw TestFailure("cannot move bytes") }
    }

    func stop() async {
        try? await self.kill()
        self.descriptors.stop()
        try? await self.group.shutdownGracefully()
        withExtendedLifetime(self.directory) {}
    }
}
