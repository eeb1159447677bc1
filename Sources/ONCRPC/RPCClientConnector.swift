package import NIOCore
import NIOPosix

/// Opens RPC connections to servers, on one event loop and with one delegate.
///
/// The delegate serves the calls that servers make over these connections: the back channel. Bound to its event loop.
package final class RPCClientConnector {
    private let group: ConnectionGroup

    /// Makes a connector.
    ///
    /// - Parameters:
    ///   - eventLoop: A loop of a `MultiThreadedEventLoopGroup`; this is to be called on it.
    ///   - limits: The bounds of each connection; those of a server do not matter.
    ///   - delegate: Serves the servers' calls; held until the connector and its connections are gone.
    package init(eventLoop: any EventLoop, limits: RPCLimits = RPCLimits(), delegate: any RPCConnectionDelegate) {
        self.group = ConnectionGroup(eventLoop: eventLoop, limits: limits, delegate: delegate)
    }

    /// What has happened so far on all connections together.
    package var statistics: RPCStatistics { self.group.statistics }

    /// Connects to a server.
    ///
    /// - Parameters:
    ///   - address: The server. A name is looked up on another thread; its addresses are tried as RFC 8305 says.
    ///   - timeout: How long to wait for the transport.
    ///   - completion: Called once, on the event loop and never before this method returns, right after
    ///     ``RPCConnectionDelegate/connectionOpened(_:)``; or with ``RPCTransportError``.
    package func connect(
        to address: RPCServerAddress,
        timeout: Duration,
        completion: @escaping (Result<RPCConnection, RPCTransportError>) -> Void
    ) {
        self.group.eventLoop.preconditionInEventLoop()
        let limits = self.group.limits
        let bootstrap = ClientBootstrap(group: self.group.eventLoop)
            .connectTimeout(TimeAmount(timeout))
            // Nothing is read before the handler is there.
            .channelOption(.autoRead, value: false)
            .channelOption(
                .writeBufferWaterMark,
                value: .init(low: limits.writeBufferLow, high: limits.writeBufferHigh)
            )
        let connecting: EventLoopFuture<any Channel>
        switch address {
        case .tcp(let host, let port):
            connecting =
                bootstrap
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(.socketOption(.so_keepalive), value: 1)
                .connect(host: host, port: port)
        case .unix(let path):
            connecting = bootstrap.connect(unixDomainSocketPath: path)
        }
        let loop = self.group.eventLoop.assumeIsolated()
        let finish = { (result: Result<RPCConnection, any Error>) in
            let outcome = result.mapError { Self.connectError(address, $0) }
            loop.execute { completion(outcome) }
        }
        connecting.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel): self.start(channel, finish)
            case .failure(let error): finish(.failure(error))
            }
        }
    }

    private func start(_ channel: any Channel, _ finish: @escaping (Result<RPCConnection, any Error>) -> Void) {
        RPCPeer.look(up: channel).assumeIsolated().whenComplete { result in
            do {
                let connection = try self.group.add(channel, peer: result.get(), isAccepted: false)
                finish(.success(connection))
                channel.setOption(.autoRead, value: true).assumeIsolated().whenFailure { error in
                    connection.close(.transportFailed("\(error)"))
                }
            } catch {
                channel.close(promise: nil)
                finish(.failure(error))
            }
        }
    }

    private static func closedError(_ address: RPCServerAddress) -> RPCTransportError {
        RPCTransportError(
            code: .unreachable,
            message: "'\(address)' closed the connection at once; it may be at its connection limit, so try again later"
        )
    }

    private static func connectError(_ address: RPCServerAddress, _ error: any Error) -> RPCTransportError {
        if error is UnknownPeerError { return self.closedError(address) }
        return RPCTransportError(
            code: .unreachable,
            message:
                "cannot connect to '\(address)': \(error); check that the server runs and that the address is right"
        )
    }
}
