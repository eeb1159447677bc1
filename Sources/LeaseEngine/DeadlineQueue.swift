import LayoutCore

/// Points in time at which the engine has something to do, soonest first.
///
/// A binary heap. Entries are never taken out early: what they were for may be over when they come due, and whoever
/// handles them looks.
struct DeadlineQueue: Hashable, Sendable {
    enum Subject: Hashable, Sendable {
        /// The recall's deadline.
        case recall(RecallID)
        /// A recall that the client answered with DELAY is to be sent again.
        case resend(RecallID)
        /// The change's patience ends.
        case change(ChangeID)
        /// The LAYOUTGET's patience ends.
        case get(CallID)
        /// The holder's fence is to be tried again.
        case fence(LeaseEngine.HolderID)
        /// Under the cooperative policy: the lease of a client with an overdue recall ends.
        case lease(ClientID)
    }

    private struct Entry: Hashable, Sendable {
        var at: Instant
        /// Entries of the same time come out in the order in which they went in.
        var order: UInt64
        var subject: Subject

        func isBefore(_ other: Entry) -> Bool { (self.at, self.order) < (other.at, other.order) }
    }

    private var heap: [Entry] = []
    private var lastOrder: UInt64 = 0

    /// The soonest deadline.
    var first: Instant? { self.heap.first?.at }

    mutating func add(_ subject: Subject, at: Instant) {
        self.lastOrder += 1
        self.heap.append(Entry(at: at, order: self.lastOrder, subject: subject))
        var child = self.heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard self.heap[child].isBefore(self.heap[parent]) else { return }
            self.heap.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes out the soonest entry that is due at `now`.
    mutating func popDue(at now: Instant) -> Subject? {
        guard let first = self.heap.first, first.at <= now else { return nil }
        let last = self.heap.removeLast()
        if !self.heap.isEmpty {
            self.heap[0] = last
            var parent = 0
            while true {
                var smallest = parent
                for child in [2 * parent + 1, 2 * parent + 2] where child < self.heap.count {
                    if self.heap[child].isBefore(self.heap[smallest]) { smallest = child }
                }
                guard smallest != parent else { break }
                self.heap.swapAt(smallest, parent)
                parent = smallest
            }
        }
        return first.subject
    }
}
