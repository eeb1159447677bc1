/// What serves the calls of a connection's peer.
///
/// All methods are called on the connection's event loop, never from inside a call that the delegate itself makes to
/// this module (closing included), so a delegate needs no lock and no re-entrancy guard. They must not block: while one
/// runs, no other connection of the loop is served. The module holds a strong reference.
package protocol RPCConnectionDelegate: AnyObject {
    /// A connection is open: accepted by a server, or connected by a connector.
    func connectionOpened(_ connection: RPCConnection)

    /// The peer has made a call.
    ///
    /// Each is to be answered once, by ``RPCConnection/reply(to:body:)`` or ``RPCConnection/reject(_:_:)``: at once or
    /// any time later, in any order. The program, version and procedure are not checked.
    func received(_ call: RPCCall, on connection: RPCConnection)

    /// A connection has ended, and with it all calls on it. Called once for each connection that was opened.
    ///
    /// The calls to the peer that were outstanding have failed just before. Answers that come later are dropped.
    func connectionClosed(_ connection: RPCConnection, reason: RPCCloseReason)
}
