package import NIOCore

/// One connection between two RPC peers, each of which may call the other (RFC 5531).
///
/// Bound to its event loop: every method and property is to be used there only. Replies and calls of one burst of
/// input leave in one write. The connection lives as long as its transport; it may be held and used longer, as every
/// method does nothing, or fails in the way it documents, once it has closed.
package final class RPCConnection {
    /// Names a connection of a server or connector; never used twice.
    package struct ID: Hashable, Sendable {
        /// Counts up from 0.
        package let rawValue: UInt64
    }

    /// The connection's name.
    package let id: ID
    /// Who is at the other end.
    package let peer: RPCPeer
    /// Whether the peer connected to this side.
    package let isAccepted: Bool
    /// Free for the delegate, such as for the sessions that are bound to the connection.
    package var attachment: AnyObject?
    /// Whether a server at its cap may close the connection while it waits for nothing.
    ///
    /// A connection whose peer has never made a call may be closed in any case.
    package var isEvictable = true
    /// Why the connection ended or is ending; `nil` while it is open.
    package private(set) var closeReason: RPCCloseReason?

    let group: ConnectionGroup
    var context: ChannelHandlerContext?

    // Reading: RPCConnection+Reading.swift.
    var reader: RecordReader
    var calls: CallTable
    var credentialDecoder = CredentialDecoder()
    var hasBeenCalled = false
    var lastActivity = NIODeadline.now()
    /// Inside a burst of reads, or of records that waited: output is flushed at its end.
    var isReading = false
    /// Inside the loop over records, which must not be entered twice.
    var isProcessing = false
    /// The peer does not read what it is sent, so nothing is read from it.
    var isWriteBlocked = false
    /// The channel wanted to read while that was so.
    var isReadHeld = false

    // Writing: RPCConnection+Writing.swift.
    var output = ByteBuffer()
    var outputLengthHint = 0
    var hasUnflushedWrites = false
    var isFlushScheduled = false
    /// Closes as soon as no call is in flight and all is written.
    var isDraining = false

    // Calls to the peer: RPCConnection+Calling.swift.
    var outstanding: OutstandingCalls
    var credentialEncoder = CredentialEncoder()
    /// Replies that may still come for calls that were given up, and further ones that may match nothing.
    var unmatchedRepliesLeft: Int

    // Deadlines: RPCConnection+Deadlines.swift.
    var timer: Scheduled<Void>?
    var timerDeadline: NIODeadline?
    var partialRecordDeadline: NIODeadline?
    var firstCallDeadline: NIODeadline?
    var writeStallDeadline: NIODeadline?

    private var hasOpened = false
    private var hasEnded = false

    init(id: ID, peer: RPCPeer, isAccepted: Bool, group: ConnectionGroup) {
        self.id = id
        self.peer = peer
        self.isAccepted = isAccepted
        self.group = group
        let limits = group.limits
        self.reader = RecordReader(recordLengthMax: limits.recordLength, fragmentsMax: limits.fragmentsPerRecord)
        self.calls = CallTable(capacity: limits.callsInFlight)
        // Any start will do; a random one keeps the ids of one connection from being taken for another's in traces.
        self.outstanding = OutstandingCalls(capacity: limits.callsOutstanding, firstXID: .random(in: 0...(.max)))
        self.unmatchedRepliesLeft = limits.unmatchedReplies
    }

    /// The event loop to which the connection is bound.
    package var eventLoop: any EventLoop { self.group.eventLoop }

    /// Whether calls and replies can be sent.
    package var isOpen: Bool { self.hasOpened && self.closeReason == nil }

    /// Calls of the peer that wait for their reply.
    package var callsInFlight: Int { self.calls.count }

    /// Calls to the peer that wait for their reply.
    package var callsOutstanding: Int { self.outstanding.count }

    /// Ends the connection at once.
    ///
    /// What has been answered before is sent as far as the socket takes it without waiting.
    /// - Parameter reason: Says why, for the delegate, the failed calls and the log.
    package func close(_ reason: String) {
        self.close(.requested(reason))
    }

    func close(_ reason: RPCCloseReason) {
        guard self.closeReason == nil else { return }
        self.closeReason = reason
        self.flush()
        self.context?.close(promise: nil)
    }

    // MARK: What the transport does

    func attach(to context: ChannelHandlerContext) {
        self.context = context
    }

    func transportOpened() {
        guard !self.hasOpened, self.closeReason == nil else { return }
        self.hasOpened = true
        self.group.statistics.connectionsOpened += 1
        self.group.statistics.connectionsOpen += 1
        if self.isAccepted { self.startFirstCallDeadline() }
        self.group.delegate.connectionOpened(self)
    }

    func transportClosed() {
        guard !self.hasEnded else { return }
        self.hasEnded = true
        let reason = self.closeReason ?? .peerClosed
        self.closeReason = reason
        self.context = nil
        self.timer?.cancel()
        self.timer = nil
        self.output = ByteBuffer()
        self.reader = RecordReader(recordLengthMax: 0, fragmentsMax: 0)
        if self.hasOpened { self.group.statistics.count(reason) }
        self.group.remove(self)
        let completions = self.outstanding.endAll()
        guard self.hasOpened else { return }
        // Later, since the delegate itself may be closing the connection just now.
        self.eventLoop.assumeIsolated().execute {
            for completion in completions { completion(.failure(.connectionClosed(reason))) }
            self.group.delegate.connectionClosed(self, reason: reason)
        }
    }

    /// The order in which connections give way to others; `nil` if this one does not.
    var evictionRank: EvictionRank? {
        if !self.hasBeenCalled, self.isAccepted {
            return EvictionRank(wasCalled: false, lastActivity: self.lastActivity)
        }
        guard self.isEvictable, self.calls.count == 0, self.outstanding.count == 0 else { return nil }
        return EvictionRank(wasCalled: true, lastActivity: self.lastActivity)
    }
}

/// How readily a connection is given up: the smallest goes first.
struct EvictionRank: Comparable {
    var wasCalled: Bool
    var lastActivity: NIODeadline

    static func < (left: EvictionRank, right: EvictionRank) -> Bool {
        left.wasCalled == right.wasCalled ? left.lastActivity < right.lastActivity : right.wasCalled
    }
}
