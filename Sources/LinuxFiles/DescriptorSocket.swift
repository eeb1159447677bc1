import CLinuxFiles
import Glibc
package import LayoutCore

/// How a descriptor comes from the server to a client: over a Unix socket of its own (`SOCK_SEQPACKET`, `unix(7)`).
///
/// The client connects, sends the 16 bytes of a token that a grant gave it, and receives one byte of status, with the
/// descriptor if that is 0. Then the connection is closed. The service is ``DescriptorSocketServer``.
package enum DescriptorSocket {
    /// Bytes in a request.
    static var tokenSize: Int { 16 }

    /// The answer's byte.
    enum Answer {
        /// A descriptor comes with it.
        static var granted: UInt8 { 0 }
        /// The token is not, or no longer, one of the server's, or is another peer's.
        static var refused: UInt8 { 1 }
    }

    /// Asks for the descriptor of a grant.
    ///
    /// Blocks, at most `timeout`; any thread.
    ///
    /// - Parameters:
    ///   - token: From the grant; good once.
    ///   - path: Of the socket, at most 107 bytes.
    ///   - timeout: For all of it.
    /// - Returns: The descriptor, close-on-exec.
    /// - Throws: ``LayoutCore/LayoutStatus/delay`` after `timeout`; ``LayoutCore/LayoutStatus/stale`` if the server does not
    ///   know the token; ``LayoutCore/LayoutStatus/noEntry`` or ``LayoutCore/LayoutStatus/serverFault`` if nobody serves the
    ///   socket, or does it wrong.
    package static func redeem(
        _ token: DescriptorToken,
        socketPath path: String,
        timeout: Duration
    ) throws(LinuxError) -> OwnedDescriptor {
        let attempt = "redeem a token at '\(path)'"
        let deadline = Host.now.advanced(by: timeout)
        let connected = unsafe lf_connect(path, Self.remaining(deadline))
        if connected == -Int64(ECONNREFUSED) {
            throw LinuxError(
                errno: ECONNREFUSED,
                call: "connect",
                attempt: attempt,
                remedy: "check that the server runs"
            )
        }
        let socket = OwnedDescriptor(adopting: try checked(connected, "connect", attempt))
        let request = Self.bytes(of: token)
        try checked(lf_set_timeout(socket.number, Self.remaining(deadline)), "setsockopt", attempt)
        try checked(unsafe lf_send(socket.number, request, request.count), "send", attempt)

        var status: UInt8 = 0
        var number: CInt = -1
        var received: Int64
        repeat {
            try checked(lf_set_timeout(socket.number, Self.remaining(deadline)), "setsockopt", attempt)
            received = unsafe lf_receive_descriptor(socket.number, &status, &number)
        } while received == -Int64(EINTR) && Host.now < deadline
        try checked(received, "recvmsg", attempt)
        let descriptor: OwnedDescriptor? = number < 0 ? nil : OwnedDescriptor(adopting: number)

        guard received == 1 else {
            throw LinuxError(
                refusing: .stale,
                "cannot \(attempt): the server hung up; ask for the layout again"
            )
        }
        guard status == Answer.granted else {
            throw LinuxError(
                refusing: .stale,
                "cannot \(attempt): the server does not know it any more; ask for the layout again"
            )
        }
        guard let descriptor else {
            throw LinuxError(
                refusing: .serverFault,
                "cannot \(attempt): the answer has no descriptor; raise this process's limit of open files, or check "
                    + "what serves the socket"
            )
        }
        return descriptor
    }

    /// The token as it travels: the 16 bytes that stand on the wire of the RPC protocol too.
    static func bytes(of token: DescriptorToken) -> [UInt8] {
        [token.rawValue.low, token.rawValue.high].flatMap { half in
            (0..<8).map { UInt8(truncatingIfNeeded: half >> ($0 * 8)) }
        }
    }

    /// The token in exactly 16 bytes; `nil` for any other number of them.
    static func token(from bytes: ArraySlice<UInt8>) -> DescriptorToken? {
        guard bytes.count == Self.tokenSize else { return nil }
        func half(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        return DescriptorToken(Opaque16(low: half(bytes.prefix(8)), high: half(bytes.suffix(8))))
    }

    /// Milliseconds to `deadline`, at least 1: all zero would mean for ever to the kernel.
    private static func remaining(_ deadline: Instant) -> Int64 {
        max(1, Int64(deadline.duration(since: Host.now).wholeMilliseconds))
    }
}

/// Who is at the other end of a Unix socket, as the kernel saw it when it connected.
package struct PeerCredentials: Sendable {
    /// The process; another one may have the number by now, which is what ``process`` is for.
    package let pid: Int32
    package let uid: UInt32
    package let gid: UInt32
    /// The process itself (a pidfd); `nil` before Linux 6.5, or if it is gone.
    package let process: SharedDescriptor?
    /// When the process started (``ProcessState/startTime``), by which a later life of this process finds it again.
    ///
    /// `nil` if it cannot be told.
    package let startTime: UInt64?

    /// Asks the kernel (`SO_PEERCRED`, `SO_PEERPIDFD`; `unix(7)`).
    ///
    /// - Parameter socket: The descriptor of a connected Unix socket; it stays the caller's.
    /// - Throws: ``LayoutCore/LayoutStatus/serverFault`` for what is no Unix socket.
    package init(ofSocket socket: CInt) throws(LinuxError) {
        var peer = lf_peer()
        try checked(unsafe lf_peer_credentials(socket, &peer), "getsockopt", "ask who a peer is")
        self.pid = peer.pid
        self.uid = peer.uid
        self.gid = peer.gid
        let pidfd = lf_peer_pidfd(socket)
        self.process = pidfd < 0 ? nil : OwnedDescriptor(adopting: pidfd).shared()
        let state = ProcessState(of: peer.pid)
        // If it is alive after the look, it was it that was looked at, and not a later one of its number.
        self.startTime = self.process.map { lf_is_alive($0.number) == 1 } == true ? state?.startTime : nil
    }
}
