import LayoutCore
import LayoutServer
import LayoutXDR
import LinuxFiles
import Logging
import Recovery
import Synchronization
import TestSupport

/// A recovery store in memory that fails where a test wants it to.
final class FaultyStore: RecoveryStore {
    /// What goes wrong.
    enum Fault: Hashable, Sendable {
        case none
        /// There is no room for anything.
        case full
        /// An intent is written, and then the server is as good as dead: nothing that follows is written.
        case endAfterIntent
        /// What is written with the end of an intent is not.
        case endBeforeReply
        /// What is kept cannot be read.
        case damaged
    }

    let memory = MemoryStore()
    private let fault = Mutex(Fault.none)

    func set(_ fault: Fault) { self.fault.withLock { $0 = fault } }

    func load() throws(RecoveryStoreError) -> RecoveredState {
        guard self.fault.withLock({ $0 }) != .damaged else {
            throw RecoveryStoreError(.damaged, "a test has damaged the store; repair it")
        }
        return try self.memory.load()
    }

    func write(_ records: [RecoveryRecord], _ durability: Durability) throws(RecoveryStoreError) {
        let failure = RecoveryStoreError(.unavailable, "a test has unplugged the store; plug it in again")
        switch self.fault.withLock({ $0 }) {
        case .none, .damaged:
            try self.memory.write(records, durability)
        case .full:
            throw RecoveryStoreError(.full, "a test has filled the store; make room")
        case .endAfterIntent:
            let isIntent = records.contains { if case .intent = $0 { true } else { false } }
            if isIntent { try self.memory.write(records, durability) }
            throw failure
        case .endBeforeReply:
            let endsIntent = records.contains { if case .intentEnded = $0 { true } else { false } }
            guard !endsIntent else { throw failure }
            try self.memory.write(records, durability)
        }
    }

    func close() { self.memory.close() }
}

/// An export that is served by one server after the other, with one store.
final class RestartWorld: Sendable {
    let directory: TestDirectory
    let store = FaultyStore()
    private let sockets: TestDirectory
    private let adjust: @Sendable (inout ServerConfiguration) -> Void
    private let server = Mutex<LayoutServer?>(nil)
    /// What servers said when they could not go on.
    let failures = Mutex<[String]>([])

    init(
        on fileSystem: TestFileSystem,
        adjust: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in }
    ) throws {
        self.directory = try fileSystem.makeDirectory()
        self.sockets = try TestDirectory()
        self.adjust = adjust
    }

    /// The address of all its servers.
    var address: ServerAddress { .unix(path: self.sockets.file("layoutd.sock")) }

    /// Starts the next server.
    @discardableResult
    func start() async throws -> LayoutServer {
        var configuration = ServerConfiguration(exportPath: self.directory.path, addresses: [self.address])
        configuration.logger.logLevel = .error
        let store = self.store
        configuration.openStore = { _ in store }
        configuration.storeFailed = { [weak self] message in self?.failures.withLock { $0.append(message) } }
        self.adjust(&configuration)
        let server = try await LayoutServer.start(configuration)
        self.server.withLock { $0 = server }
        return server
    }

    /// Ends the server like `kill -9`: nobody is asked for anything.
    func crash() async {
        let server = self.server.withLock { server in
            defer { server = nil }
            return server
        }
        await server?.abandon()
        self.store.set(.none)
    }

    /// Ends the server and starts the next one.
    @discardableResult
    func restart() async throws -> LayoutServer {
        await self.crash()
        return try await self.start()
    }

    /// Runs a test, and ends the last server.
    static func run(
        on fileSystem: TestFileSystem,
        adjust: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in },
        _ body: (RestartWorld, LayoutServer) async throws -> Void
    ) async throws {
        let world = try RestartWorld(on: fileSystem, adjust: adjust)
        let server = try await world.start()
        do {
            try await body(world, server)
        } catch {
            await world.crash()
            throw error
        }
        await world.crash()
    }
}

/// A client with a layout of a file, and the descriptor that goes with it.
struct Holding: ~Copyable {
    let client: WireClient
    let file: FileHandle
    let layout: LayoutGetResult
    let descriptor: OwnedDescriptor

    private init(client: WireClient, file: FileHandle, layout: LayoutGetResult, descriptor: consuming OwnedDescriptor) {
        self.client = client
        self.file = file
        self.layout = layout
        self.descriptor = descriptor
    }

    /// Makes a file of `size` bytes, takes a layout of all of it, and fetches the descriptor.
    static func make(
        _ owner: String,
        of path: String,
        size: Int = 16384,
        at world: RestartWorld,
        _ ioMode: IOMode = .readWrite
    ) async throws -> Holding {
        let client = try await WireClient.connect(world.address, .init(owner))
        let file = try await client.open(path).handle
        let piece = [UInt8](repeating: 1, count: min(size, 65536))
        for offset in stride(from: 0, to: size, by: piece.count) {
            _ = try await client.write(piece, at: UInt64(offset), to: file)
        }
        let layout = try await client.layoutGet(file, ioMode)
        let descriptor = try DescriptorSocket.redeem(
            layout.token,
            socketPath: world.descriptorSocketPath,
            timeout: .seconds(5)
        )
        return Holding(client: client, file: file, layout: layout, descriptor: descriptor)
    }
}

extension RestartWorld {
    /// Where all its servers pass descriptors.
    var descriptorSocketPath: String { self.sockets.file("layoutd.sock.fd") }
}
