package import NIOCore

/// A call that the peer has made.
package struct RPCCall: Sendable {
    /// Names the call when it is answered.
    package var id: RPCCallID
    /// The program number.
    package var program: UInt32
    /// The program's version.
    package var version: UInt32
    /// The procedure; any number at all.
    package var procedure: UInt32
    /// Who the caller says it is.
    package var credential: RPCCredential
    /// The arguments: everything behind the header, possibly more than the procedure takes.
    ///
    /// A slice of the read buffer. Whoever keeps it beyond the delegate's method keeps all of that buffer (up to
    /// 64 KiB for a short call), so decode it at once or copy it.
    package var body: ByteBuffer
}

/// Names a call of the peer on one connection.
///
/// The transaction id is not unique: a peer may use it for two calls at once, and both are served.
package struct RPCCallID: Hashable, Sendable {
    /// The transaction id that the peer chose.
    package var xid: UInt32
    /// The place in the connection's table of calls in flight.
    var slot: UInt32
    /// Tells calls apart that had the same place one after the other.
    var generation: UInt32
}
