import CTIRPC
import Glibc
package import NIOCore

/// Tells the host's rpcbind(8) at which ports a program is served (RFC 1833), through libtirpc.
///
/// These calls block until rpcbind answers, up to a minute: never call them on an event loop. Any thread will do.
/// Registrations outlive the process, so they are to be taken back at its end.
package enum RPCBind {
    /// Why rpcbind was not told.
    package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// What kind of failure it is.
        package enum Code: Hashable, Sendable {
            /// rpcbind does not answer.
            case notRunning
            /// rpcbind refused, such as for a registration that belongs to another user.
            case refused
            /// The host has no such transport.
            case noTransport
        }

        /// What kind of failure it is.
        package var code: Code
        /// What happened and what to do about it.
        package var message: String

        /// The message.
        package var description: String { self.message }
    }

    /// A transport of netconfig(5).
    package enum Transport: String, CaseIterable, Hashable, Sendable {
        /// TCP over IPv4.
        case tcp
        /// TCP over IPv6.
        case tcp6
    }

    /// Registers a program at an address, in place of what was registered for it on that transport.
    ///
    /// - Parameters:
    ///   - program: The program number.
    ///   - version: The program's version.
    ///   - address: The TCP address that the server listens on, with its port.
    /// - Throws: ``Failure``; with ``Failure/Code/noTransport`` also for a Unix socket.
    package static func register(program: UInt32, version: UInt32, address: SocketAddress) throws(Failure) {
        let transport: Transport
        switch address {
        case .v4: transport = .tcp
        case .v6: transport = .tcp6
        case .unixDomainSocket:
            throw Failure(
                code: .noTransport,
                message: "a Unix socket cannot be registered with rpcbind; its path is its name"
            )
        }
        // A server that was killed has left its registration behind, and rpcbind would refuse another port.
        _ = self.update(transport, program, version, nil)
        try self.check(self.update(transport, program, version, address), "register program \(program) with", transport)
    }

    /// Takes back the registration of a program on a transport.
    ///
    /// Nothing happens if there is none.
    ///
    /// - Throws: ``Failure``, but not for what is not registered: rpcbind does not tell that apart from a refusal.
    package static func unregister(program: UInt32, version: UInt32, transport: Transport) throws(Failure) {
        let result = self.update(transport, program, version, nil)
        if result.outcome == CTIRPC_RPCB_REFUSED { return }
        try self.check(result, "take program \(program) back from", transport)
    }

    private static func update(
        _ transport: Transport,
        _ program: UInt32,
        _ version: UInt32,
        _ address: SocketAddress?
    ) -> ctirpc_rpcb_result {
        guard let address else { return unsafe ctirpc_rpcb_update(transport.rawValue, program, version, nil, 0) }
        return unsafe address.withSockAddr { pointer, length in
            unsafe ctirpc_rpcb_update(transport.rawValue, program, version, pointer, socklen_t(length))
        }
    }

    private static func check(
        _ result: ctirpc_rpcb_result,
        _ what: String,
        _ transport: Transport
    ) throws(Failure) {
        switch result.outcome {
        case CTIRPC_RPCB_DONE:
            return
        case CTIRPC_RPCB_REFUSED:
            throw Failure(
                code: .refused,
                message:
                    "cannot \(what) rpcbind for \(transport.rawValue): it refused; look with rpcinfo for a registration"
                    + " of another user, and remove that as root with rpcinfo -d"
            )
        case CTIRPC_RPCB_NO_NETID:
            throw Failure(
                code: .noTransport,
                message: "cannot \(what) rpcbind: /etc/netconfig has no transport '\(transport.rawValue)'"
            )
        default:
            let status = unsafe String(cString: clnt_sperrno(clnt_stat(rawValue: UInt32(bitPattern: result.status))))
            let cause = result.error == 0 ? "" : " (\(unsafe String(cString: strerror(result.error))))"
            throw Failure(
                code: .notRunning,
                message: "cannot \(what) rpcbind: \(status)\(cause); start rpcbind (systemctl start rpcbind), or turn"
                    + " registration off: clients that know the port do not need it"
            )
        }
    }
}
