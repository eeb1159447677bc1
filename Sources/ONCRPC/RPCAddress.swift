/// Where a server listens.
package enum RPCListenAddress: Hashable, Sendable {
    /// TCP at a numeric address: "0.0.0.0", "::" (IPv6 only), "127.0.0.1". Port 0 takes a free one.
    case tcp(host: String, port: Int)
    /// A Unix socket. `mode` are its permission bits; who may write to it may connect.
    case unix(path: String, mode: UInt32)
}

/// Where a client connects to.
package enum RPCServerAddress: Hashable, Sendable {
    /// TCP; the host is a name or a numeric address.
    case tcp(host: String, port: Int)
    /// A Unix socket.
    case unix(path: String)
}

extension RPCListenAddress: CustomStringConvertible {
    /// The host and port, or the path.
    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path, _): path
        }
    }
}

extension RPCServerAddress: CustomStringConvertible {
    /// The host and port, or the path.
    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        }
    }
}

/// Why a server cannot listen, or a client cannot connect.
package struct RPCTransportError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    package enum Code: Hashable, Sendable {
        /// A server listens at the address.
        case addressInUse
        /// The address cannot be used at all: not numeric, too long, or in the way of another kind of file.
        case invalidAddress
        /// The process may open too few files.
        case descriptorLimit
        /// Nobody answers at the address.
        case unreachable
        /// The system refused; the message has its text.
        case system
    }

    /// What kind of failure it is.
    package var code: Code
    /// What happened, where, and what to do about it.
    package var message: String

    /// The message.
    package var description: String { self.message }
}
