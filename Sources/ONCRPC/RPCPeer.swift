package import NIOCore

/// Who is at the other end of a connection, as the kernel tells it.
package enum RPCPeer: Hashable, Sendable {
    /// A Unix socket: the process that connected or, seen from a client, that listens (`SO_PEERCRED`, unix(7)).
    /// `pid` is 0 if the process is outside this one's PID namespace.
    case unix(pid: Int32, uid: UInt32, gid: UInt32)
    /// A TCP connection and the addresses of both of its ends.
    case tcp(local: SocketAddress, remote: SocketAddress)

    /// Whether both ends are on one host: a Unix socket, or TCP between equal or loopback addresses.
    ///
    /// A statement about the network, not about the peer's rights: any local user can make such a connection.
    package var isSameHost: Bool {
        switch self {
        case .unix:
            return true
        case .tcp(let local, let remote):
            guard let local = local.plainIPAddress, let remote = remote.plainIPAddress else { return false }
            return local == remote || (local.hasPrefix("127.") && remote.hasPrefix("127."))
        }
    }
}

extension RPCPeer: CustomStringConvertible {
    /// The process and user, or the remote address.
    package var description: String {
        switch self {
        case .unix(let pid, let uid, _): "process \(pid) of user \(uid)"
        case .tcp(_, let remote): "\(remote)"
        }
    }
}

extension SocketAddress {
    /// The IP address without its port, as text; an IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) counts as IPv4.
    fileprivate var plainIPAddress: String? {
        guard let text = self.ipAddress else { return nil }
        return text.hasPrefix("::ffff:") && text.contains(".") ? String(text.dropFirst("::ffff:".count)) : text
    }
}
