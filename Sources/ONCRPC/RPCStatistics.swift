/// Counters of a server, or of a client's connections, since its start.
///
/// Read them on the event loop. Counters only grow, except for ``connectionsOpen``.
package struct RPCStatistics: Hashable, Sendable {
    /// Connections that were opened, accepted or connected.
    package var connectionsOpened: UInt64 = 0
    /// Connections that are open now.
    package var connectionsOpen: UInt64 = 0
    /// Connections closed to make room for another one at the cap.
    package var connectionsEvicted: UInt64 = 0
    /// Connections closed as soon as they were accepted, since every other one was in use.
    package var connectionsRefused: UInt64 = 0
    /// How often accepting paused, since the process or the system was out of descriptors or memory.
    package var acceptPauses: UInt64 = 0

    /// Bytes received, fragment headers included.
    package var bytesReceived: UInt64 = 0
    /// Bytes given to the transport, fragment headers included.
    package var bytesSent: UInt64 = 0
    /// Complete records received.
    package var recordsReceived: UInt64 = 0
    /// Records written, calls and replies.
    package var recordsSent: UInt64 = 0

    /// Calls handed to the delegate.
    package var callsReceived: UInt64 = 0
    /// Calls made to peers.
    package var callsSent: UInt64 = 0
    /// Calls made to peers that ended at their deadline or were cancelled.
    package var callsGivenUp: UInt64 = 0
    /// Replies that matched an outstanding call.
    package var repliesReceived: UInt64 = 0
    /// Replies that matched none.
    package var repliesUnmatched: UInt64 = 0
    /// Replies that came from the delegate after their connection had closed, or a second time for one call.
    package var repliesDropped: UInt64 = 0

    /// Calls refused because of ``RPCLimits/callsInFlight``.
    package var rejectedInFlight: UInt64 = 0
    /// Calls refused for their credential or verifier.
    package var rejectedAuthentication: UInt64 = 0
    /// Calls refused for their version of the RPC protocol.
    package var rejectedVersion: UInt64 = 0
    /// Calls that the delegate rejected.
    package var rejectedByDelegate: UInt64 = 0

    /// Connections closed for a record over the limits of length or fragments.
    package var closedRecordLimits: UInt64 = 0
    /// Connections closed for a record that is no RPC message.
    package var closedMalformed: UInt64 = 0
    /// Connections closed at the deadline of a record or of the first call.
    package var closedReadDeadline: UInt64 = 0
    /// Connections closed because the peer did not read.
    package var closedWriteStall: UInt64 = 0
    /// Connections closed for replies that matched no call.
    package var closedUnmatchedReplies: UInt64 = 0

    /// Makes counters that are all zero.
    package init() {}

    /// Counts the end of a connection.
    mutating func count(_ reason: RPCCloseReason) {
        self.connectionsOpen -= 1
        switch reason {
        case .recordTooLong, .tooManyFragments: self.closedRecordLimits += 1
        case .malformedMessage: self.closedMalformed += 1
        case .partialRecordDeadline, .firstCallDeadline: self.closedReadDeadline += 1
        case .writeStalled, .inputOverrun: self.closedWriteStall += 1
        case .unmatchedReplies: self.closedUnmatchedReplies += 1
        case .evicted: self.connectionsEvicted += 1
        case .peerClosed, .transportFailed, .shutdown, .requested: break
        }
    }
}
