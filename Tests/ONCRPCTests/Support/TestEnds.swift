import NIOCore
import NIOPosix
import Testing

@testable import ONCRPC

/// What a test connects over.
enum Transport: CaseIterable, Sendable {
    case tcp4
    case tcp6
    case unix

    /// A free address of this kind.
    var listenAddress: RPCListenAddress {
        switch self {
        case .tcp4: .tcp(host: "127.0.0.1", port: 0)
        case .tcp6: .tcp(host: "::1", port: 0)
        case .unix: .unix(path: "/tmp/oncrpc-test-\(UInt64.random(in: 0...(.max))).sock", mode: 0o600)
        }
    }
}

extension SocketAddress {
    /// The address as a client names it.
    var serverAddress: RPCServerAddress {
        self.pathname.map { .unix(path: $0) } ?? .tcp(host: self.ipAddress ?? "", port: self.port ?? 0)
    }
}

/// A server with a service on a loop of its own, for tests that run outside the loop.
struct TestServer {
    let loop: any EventLoop
    private let parts: NIOLoopBound<(server: RPCServer, service: TestService)>

    /// Runs `body` with a server, and shuts it down.
    ///
    /// All connections must then have gone, and been reported.
    static func run(_ limits: RPCLimits = RPCLimits(), _ body: (TestServer) throws -> Void) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { try? group.syncShutdownGracefully() }
        let server = try TestServer(group.next(), limits)
        try body(server)
        try server.on { $0.server.shutDown(within: .zero) }.wait()
        let (statistics, opened, closed) = try server.on { parts in
            (parts.server.statistics, parts.service.opened.count, parts.service.closed.count)
        }
        #expect(statistics.connectionsOpen == 0)
        #expect(opened == closed)
    }

    private init(_ loop: any EventLoop, _ limits: RPCLimits) throws {
        self.loop = loop
        self.parts = try loop.submit {
            let service = TestService()
            let server = try RPCServer(eventLoop: loop, limits: limits, delegate: service)
            return NIOLoopBound((server, service), eventLoop: loop)
        }.wait()
    }

    /// Runs `body` on the loop.
    func on<T: Sendable>(
        _ body: @escaping @Sendable ((server: RPCServer, service: TestService)) throws -> T
    ) throws -> T {
        try self.loop.submit { try body(self.parts.value) }.wait()
    }

    func listen(_ transport: Transport = .unix) throws -> SocketAddress {
        try self.listen(on: transport.listenAddress)
    }

    func listen(on address: RPCListenAddress) throws -> SocketAddress {
        try self.on { $0.server.listen(on: address) }.wait()
    }

    func statistics() throws -> RPCStatistics { try self.on { $0.server.statistics } }

    /// Waits until `condition`, which runs on the loop, holds.
    ///
    /// False if it does not within two seconds.
    func eventually(
        _ condition: @escaping @Sendable ((server: RPCServer, service: TestService)) -> Bool
    ) throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(2)
        while ContinuousClock.now < deadline {
            if try self.on(condition) { return true }
            try self.loop.scheduleTask(in: .milliseconds(2)) {}.futureResult.wait()
        }
        return false
    }
}

/// A client connection on a loop of its own, for tests that run outside the loop.
struct TestClient {
    let loop: any EventLoop
    private let parts: NIOLoopBound<Parts>

    final class Parts {
        let connector: RPCClientConnector
        let service: TestService
        var connection: RPCConnection?
        var results: [Result<ByteBuffer, RPCError>] = []

        init(_ connector: RPCClientConnector, _ service: TestService) {
            self.connector = connector
            self.service = service
        }
    }

    /// Connects, and runs `body`.
    static func run(
        to address: RPCServerAddress,
        _ limits: RPCLimits = RPCLimits(),
        _ body: (TestClient) throws -> Void
    ) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { try? group.syncShutdownGracefully() }
        try body(try TestClient(group.next(), to: address, limits))
    }

    private init(_ loop: any EventLoop, to address: RPCServerAddress, _ limits: RPCLimits) throws {
        self.loop = loop
        let parts = try loop.submit {
            let service = TestService()
            let connector = RPCClientConnector(eventLoop: loop, limits: limits, delegate: service)
            return NIOLoopBound(Parts(connector, service), eventLoop: loop)
        }.wait()
        self.parts = parts
        let connected = loop.makePromise(of: Void.self)
        loop.execute {
            parts.value.connector.connect(to: address, timeout: .seconds(2)) { result in
                parts.value.connection = try? result.get()
                connected.completeWith(result.map { _ in }.mapError { $0 as any Error })
            }
        }
        try connected.futureResult.wait()
    }

    /// Runs `body` on the loop.
    func on<T: Sendable>(_ body: @escaping @Sendable (Parts) throws -> T) throws -> T {
        try self.loop.submit { try body(self.parts.value) }.wait()
    }

    func withConnection<T: Sendable>(_ body: @escaping @Sendable (RPCConnection) throws -> T) throws -> T {
        try self.on { try body(#require($0.connection)) }
    }

    /// Starts a call.
    func start(
        _ procedure: TestService.Procedure,
        _ body: [UInt8] = [],
        credential: RPCCredential = .none,
        patience: TimeAmount = .seconds(5)
    ) throws -> EventLoopFuture<Result<ByteBuffer, RPCError>> {
        let promise = self.loop.makePromise(of: Result<ByteBuffer, RPCError>.self)
        try self.withConnection { connection in
            _ = connection.call(
                program: Wire.program,
                version: Wire.version,
                procedure: procedure.rawValue,
                credential: credential,
                body: ByteBuffer(bytes: body),
                deadline: .now() + patience
            ) { promise.succeed($0) }
        }
        return promise.futureResult
    }

    /// Calls, and waits for what comes of it.
    func call(
        _ procedure: TestService.Procedure,
        _ body: [UInt8] = [],
        credential: RPCCredential = .none,
        patience: TimeAmount = .seconds(5)
    ) throws -> Result<ByteBuffer, RPCError> {
        try self.start(procedure, body, credential: credential, patience: patience).wait()
    }
}
