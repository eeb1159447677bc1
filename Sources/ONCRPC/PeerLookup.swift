import CTIRPC
import Glibc
import NIOCore

/// Why the peer of a connection cannot be told: its transport is gone already, or of another kind.
struct UnknownPeerError: Error {}

extension RPCPeer {
    /// Asks the kernel who is at the other end of a connected channel.
    ///
    /// To be called on its event loop.
    ///
    /// The future is complete when this returns, so nothing is read in between.
    static func look(up channel: any Channel) -> EventLoopFuture<RPCPeer> {
        if case .unixDomainSocket? = channel.localAddress ?? channel.remoteAddress {
            guard let options = channel as? any SocketOptionProvider else {
                return channel.eventLoop.makeFailedFuture(UnknownPeerError())
            }
            let credentials: EventLoopFuture<ctirpc_peer_credentials> = options.unsafeGetSocketOption(
                level: .socket,
                name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
            )
            return credentials.map { .unix(pid: $0.pid, uid: $0.uid, gid: $0.gid) }
        }
        guard let local = channel.localAddress, let remote = channel.remoteAddress else {
            return channel.eventLoop.makeFailedFuture(UnknownPeerError())
        }
        return channel.eventLoop.makeSucceededFuture(.tcp(local: local, remote: remote))
    }
}
