import Glibc
package import NIOCore
import NIOPosix

/// Listens for RPC connections, on one event loop and with one delegate.
///
/// Bound to its event loop, like its connections: every method and property is to be used there only.
package final class RPCServer {
    private struct Listener {
        var channel: any Channel
        var unix: UnixListener?
    }

    /// Connections that wait to be accepted; the kernel bounds it further (`net.core.somaxconn`).
    private static let backlog: CInt = 1024

    /// The most connections at a time: ``RPCLimits/connections``, or what `RLIMIT_NOFILE` leaves.
    package let connectionLimit: Int
    /// Told when a listener has ended by an error of the system, with its address; no connection comes from it any more.
    package var listenerFailed: ((RPCListenAddress, any Error) -> Void)?

    private let group: ConnectionGroup
    private var listeners: [Listener] = []
    private var shutdown: EventLoopPromise<Void>?

    /// Makes a server that does not listen yet.
    ///
    /// - Parameters:
    ///   - eventLoop: A loop of a `MultiThreadedEventLoopGroup`; this is to be called on it.
    ///   - limits: The bounds of the server and its connections.
    ///   - delegate: Serves the calls; held until the server is gone.
    /// - Throws: ``RPCTransportError/Code/descriptorLimit`` if `RLIMIT_NOFILE` leaves no connection.
    package init(
        eventLoop: any EventLoop,
        limits: RPCLimits = RPCLimits(),
        delegate: any RPCConnectionDelegate
    ) throws(RPCTransportError) {
        var descriptors = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors) == 0 else {
            throw RPCTransportError(code: .system, message: "cannot read RLIMIT_NOFILE, the limit of open files")
        }
        let available = Int(clamping: descriptors.rlim_cur) - limits.descriptorReserve
        guard available > 0 else {
            throw RPCTransportError(
                code: .descriptorLimit,
                message: "\(descriptors.rlim_cur) open files (RLIMIT_NOFILE) leave none for connections after a reserve"
                    + " of \(limits.descriptorReserve); raise LimitNOFILE= or ulimit -n"
            )
        }
        self.connectionLimit = min(limits.connections, available)
        self.group = ConnectionGroup(eventLoop: eventLoop, limits: limits, delegate: delegate)
        self.group.connectionEnded = { [weak self] in self?.finishShutdown() }
    }

    /// What has happened so far.
    package var statistics: RPCStatistics { self.group.statistics }

    /// The open connections, in no particular order.
    package var connections: [RPCConnection] { Array(self.group.connections.values) }

    // MARK: Listening

    /// Listens at one more address.
    ///
    /// A Unix socket file on which nobody answers any more is replaced.
    /// - Parameter address: Where to listen.
    /// - Returns: The address, with the port that was taken. Fails with ``RPCTransportError``.
    package func listen(on address: RPCListenAddress) -> EventLoopFuture<SocketAddress> {
        self.group.eventLoop.preconditionInEventLoop()
        let listening: EventLoopFuture<any Channel>
        var unix: UnixListener?
        do throws(RPCTransportError) {
            guard self.shutdown == nil else {
                throw RPCTransportError(code: .system, message: "cannot listen on '\(address)': the server shuts down")
            }
            switch address {
            case .tcp(let host, let port):
                listening = try self.listenTCP(address, host: host, port: port)
            case .unix(let path, let mode):
                let listener = try UnixListener(path: path, mode: mode, backlog: Self.backlog)
                unix = listener
                listening = self.bootstrap(address).withBoundSocket(listener.descriptor)
            }
        } catch {
            return self.group.eventLoop.makeFailedFuture(error)
        }
        let isolated = listening.assumeIsolated()
        return isolated.map { (channel: any Channel) -> SocketAddress? in
            self.listeners.append(Listener(channel: channel, unix: unix))
            return channel.localAddress
        }.flatMapErrorThrowing { error in
            unix?.removeFile()
            throw Self.listenError(address, error)
        }.flatMapThrowing { (bound: SocketAddress?) throws -> SocketAddress in
            guard let bound else {
                throw RPCTransportError(code: .system, message: "'\(address)' has no local address")
            }
            return bound
        }.nonisolated()
    }

    private func listenTCP(
        _ address: RPCListenAddress,
        host: String,
        port: Int
    ) throws(RPCTransportError) -> EventLoopFuture<any Channel> {
        // Names are not looked up: that would block the loop.
        guard (0...65_535).contains(port), let socket = try? SocketAddress(ipAddress: host, port: port) else {
            throw RPCTransportError(
                code: .invalidAddress,
                message:
                    "cannot listen on '\(address)': give a numeric IP address, such as 0.0.0.0, :: or 127.0.0.1, and"
                    + " a port from 0 to 65535"
            )
        }
        var bootstrap = self.bootstrap(address)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
        if case .v6 = socket {
            // So that "::" and "0.0.0.0" can both be listened on, and an IPv4 peer has an IPv4 address.
            bootstrap = bootstrap.serverChannelOption(
                ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only),
                value: 1
            )
        }
        return bootstrap.bind(to: socket)
    }

    private func bootstrap(_ address: RPCListenAddress) -> ServerBootstrap {
        let limits = self.group.limits
        let server = NIOLoopBound(self, eventLoop: self.group.eventLoop)
        return ServerBootstrap(group: self.group.eventLoop)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let server = server.value
                    let handler = AcceptHandler(
                        pause: TimeAmount(limits.acceptPause),
                        exhausted: { [weak server] in server?.makeRoomAfterExhaustion() ?? false },
                        failed: { [weak server] in server?.listenerFailed?(address, Self.listenError(address, $0)) }
                    )
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .childChannelOption(
                .writeBufferWaterMark,
                value: .init(low: limits.writeBufferLow, high: limits.writeBufferHigh)
            )
            .childChannelInitializer { server.value.accept($0) }
    }

    private static func listenError(_ address: RPCListenAddress, _ error: any Error) -> RPCTransportError {
        if let error = error as? RPCTransportError { return error }
        if let error = error as? IOError, error.errnoCode == EADDRINUSE {
            return RPCTransportError(
                code: .addressInUse,
                message: "cannot listen on '\(address)': a server answers there; stop it, or choose another port"
            )
        }
        return RPCTransportError(code: .system, message: "cannot listen on '\(address)': \(error)")
    }

    // MARK: Accepting

    private func accept(_ channel: any Channel) -> EventLoopFuture<Void> {
        guard self.shutdown == nil, self.group.connections.count < self.connectionLimit || self.group.evictOne() else {
            // Closed at once rather than left in the queue: its owner learns that there is no place.
            self.group.statistics.connectionsRefused += 1
            return channel.eventLoop.makeFailedFuture(NoRoomError())
        }
        return RPCPeer.look(up: channel).assumeIsolated().flatMapThrowing { peer in
            _ = try self.group.add(channel, peer: peer, isAccepted: true)
        }.nonisolated()
    }

    private func makeRoomAfterExhaustion() -> Bool {
        self.group.statistics.acceptPauses += 1
        return self.group.evictOne()
    }

    // MARK: Shutdown

    /// Stops listening, lets the calls in flight be answered, and closes all connections.
    ///
    /// - Parameter grace: How long answers may take. Then connections are closed with calls in flight.
    /// - Returns: Completes when all connections and listeners are closed. Calling this again gives the same future.
    package func shutDown(within grace: Duration) -> EventLoopFuture<Void> {
        self.group.eventLoop.preconditionInEventLoop()
        if let shutdown = self.shutdown { return shutdown.futureResult }
        let shutdown = self.group.eventLoop.makePromise(of: Void.self)
        self.shutdown = shutdown
        for listener in self.listeners {
            listener.unix?.removeFile()
            listener.channel.close(promise: nil)
        }
        self.listeners = []
        for connection in self.connections { connection.drain() }
        let deadline = self.group.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(grace)) {
            for connection in self.connections { connection.close(.shutdown) }
        }
        shutdown.futureResult.whenComplete { _ in deadline.cancel() }
        self.finishShutdown()
        return shutdown.futureResult
    }

    private func finishShutdown() {
        guard let shutdown = self.shutdown, self.group.connections.isEmpty else { return }
        // Later, so that the delegate has heard of the last connection's end.
        self.group.eventLoop.assumeIsolated().execute { shutdown.succeed() }
    }
}

/// A connection was accepted that there is no place for.
private struct NoRoomError: Error {}
