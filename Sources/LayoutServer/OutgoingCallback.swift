import LayoutCore
import LayoutXDR
import LeaseEngine
import NIOCore
import Sessions

/// A call to a client, from its making to its end.
final class OutgoingCallback {
    /// What the client is asked.
    enum Content {
        case recall(LeaseEngine.Recall)
        case recallAny(keep: UInt32)
    }

    /// Where it is on its way.
    enum State {
        /// Waits for a slot. Next: `inFlight`, or dropped.
        case queued
        /// Sent; the answer is awaited. Next: the end, or `stranded`.
        case inFlight
        /// Its connection broke, or its client is silent: it keeps its slot and sequence, and is sent again, as the
        /// same call, when the session has another connection (RFC 8881 §2.10.6.2).
        case stranded
    }

    let client: ClientID
    let content: Content
    var state = State.queued
    /// The slot and sequence that it was sent under.
    var callback: ServerSessions.Callback?

    init(to client: ClientID, _ content: Content) {
        self.client = client
        self.content = content
    }

    /// The recall, if it is one.
    var recall: LeaseEngine.Recall? {
        switch self.content {
        case .recall(let recall): recall
        case .recallAny: nil
        }
    }
}

/// The calls to clients that have not ended.
struct CallbackTable {
    /// Recalls that are queued, in flight or stranded.
    private(set) var byRecall: [RecallID: OutgoingCallback] = [:]
    /// When each recall was sent first.
    var sentAt: [RecallID: Instant] = [:]
    private var queued: [ClientID: FIFO<OutgoingCallback>] = [:]
    private var stranded: [SessionID: [OutgoingCallback]] = [:]

    mutating func add(_ callback: OutgoingCallback) {
        if let recall = callback.recall { self.byRecall[recall.id] = callback }
    }

    /// The callback has ended, or its recall has: nobody waits for it any more.
    mutating func remove(_ callback: OutgoingCallback) {
        if let recall = callback.recall, self.byRecall[recall.id] === callback { self.byRecall[recall.id] = nil }
        if callback.state == .queued { self.queued[callback.client]?.removeAll { $0 === callback } }
    }

    mutating func enqueue(_ callback: OutgoingCallback) {
        callback.state = .queued
        self.queued[callback.client, default: FIFO()].append(callback)
    }

    mutating func dequeue(for client: ClientID) -> OutgoingCallback? {
        let next = self.queued[client]?.popFirst()
        if self.queued[client]?.isEmpty == true { self.queued[client] = nil }
        return next
    }

    /// Puts back what there was no slot for: it stays the first.
    mutating func requeue(_ callback: OutgoingCallback) {
        self.queued[callback.client, default: FIFO()].prepend(callback)
    }

    mutating func strand(_ callback: OutgoingCallback, on session: SessionID) {
        callback.state = .stranded
        self.stranded[session, default: []].append(callback)
    }

    mutating func takeStranded(on session: SessionID) -> [OutgoingCallback] {
        self.stranded.removeValue(forKey: session) ?? []
    }

    /// The session is gone, and with it the slots of what is stranded on it: a recall among them is a new call
    /// elsewhere.
    mutating func forgetStranded(on session: SessionID) {
        for callback in self.takeStranded(on: session) { self.remove(callback) }
    }

    mutating func forget(_ client: ClientID) {
        while let callback = self.dequeue(for: client) { self.remove(callback) }
    }
}
