import NIOCore

/// What the connections of one server, or of one connector, have in common.
///
/// Bound to one event loop.
final class ConnectionGroup {
    let eventLoop: any EventLoop
    let limits: RPCLimits
    let delegate: any RPCConnectionDelegate
    var statistics = RPCStatistics()
    /// Called when a connection has ended and left ``connections``.
    var connectionEnded: (() -> Void)?
    private(set) var connections: [RPCConnection.ID: RPCConnection] = [:]
    private var nextID: UInt64 = 0

    init(eventLoop: any EventLoop, limits: RPCLimits, delegate: any RPCConnectionDelegate) {
        eventLoop.preconditionInEventLoop()
        self.eventLoop = eventLoop
        self.limits = limits
        self.delegate = delegate
    }

    /// Puts a connection onto a channel whose transport is being opened, or is open.
    func add(_ channel: any Channel, peer: RPCPeer, isAccepted: Bool) throws -> RPCConnection {
        let connection = RPCConnection(
            id: RPCConnection.ID(rawValue: self.nextID),
            peer: peer,
            isAccepted: isAccepted,
            group: self
        )
        self.nextID += 1
        try channel.pipeline.syncOperations.addHandler(RPCChannelHandler(connection))
        self.connections[connection.id] = connection
        return connection
    }

    func remove(_ connection: RPCConnection) {
        guard self.connections.removeValue(forKey: connection.id) != nil else { return }
        self.connectionEnded?()
    }

    /// Closes the connection that is missed least, if there is one.
    ///
    /// First go those whose peer never made a call, oldest first; then those that the delegate does not hold on to and
    /// that wait for nothing, least recently used first. Complexity: O(connections), and only at the cap.
    func evictOne() -> Bool {
        let candidates = self.connections.values.compactMap { connection in
            connection.evictionRank.map { (rank: $0, connection: connection) }
        }
        guard let victim = candidates.min(by: { $0.rank < $1.rank }) else { return false }
        victim.connection.close(.evicted)
        return true
    }
}
