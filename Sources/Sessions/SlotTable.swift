package import LayoutCore

/// The replying side of a channel: which call is new, which is a retry, and what was answered (RFC 8881 §2.10.6.1).
///
/// The server keeps one per session for the fore channel, the client one for the back channel.
package struct SlotTable: Hashable, Sendable {
    /// What to do with a call.
    package enum Decision: Hashable, Sendable {
        /// It is new: execute it, then ``SlotTable/complete(slot:reply:)``.
        case execute
        /// It is a retry: send these bytes again. Nothing else happens.
        case replay([UInt8])
        /// Answer this status. The slot is as it was.
        case refuse(LayoutStatus)
    }

    private enum Memory: Hashable, Sendable {
        /// No call was made on the slot yet.
        case none
        /// The last call is being executed. Next: `uncached` or `cached`.
        case executing
        /// The last call was executed; its reply was not kept.
        case uncached
        /// The last call was executed and answered with these bytes.
        case cached([UInt8])
    }

    private struct Slot: Hashable, Sendable {
        var sequence: UInt32 = 0
        var digest: UInt64 = 0
        var memory = Memory.none
    }

    private var slots: [Slot]

    /// Makes a table of `count` slots, at least one; the first call on each has sequence 1.
    package init(count: Int) {
        self.slots = Array(repeating: Slot(), count: max(1, count))
    }

    /// The number of slots.
    package var count: Int { self.slots.count }

    /// Decides about a call.
    ///
    /// `digest` stands for its procedure, arguments and principal.
    package mutating func begin(slot: UInt32, highestSlot: UInt32, sequence: UInt32, digest: UInt64) -> Decision {
        guard slot < UInt32(self.slots.count) else { return .refuse(.badSlot) }
        guard highestSlot < UInt32(self.slots.count) else { return .refuse(.badHighSlot) }
        let last = self.slots[Int(slot)]
        if sequence == last.sequence &+ 1 {
            guard last.memory != .executing else { return .refuse(.sequenceMisordered) }
            self.slots[Int(slot)] = Slot(sequence: sequence, digest: digest, memory: .executing)
            return .execute
        }
        return self.retry(slot: slot, sequence: sequence, digest: digest) ?? .refuse(.sequenceMisordered)
    }

    /// Decides about a call that is not executed if it is new; `nil` if it is no retry of the slot's last call.
    package func retry(slot: UInt32, sequence: UInt32, digest: UInt64) -> Decision? {
        guard slot < UInt32(self.slots.count), sequence == self.slots[Int(slot)].sequence else { return nil }
        let last = self.slots[Int(slot)]
        switch last.memory {
        case .none:
            return nil
        case .executing:
            // Not cached: the retry after this one gets the reply.
            return .refuse(last.digest == digest ? .delay : .falseRetry)
        case .uncached:
            return .refuse(last.digest == digest ? .retryUncachedReply : .falseRetry)
        case .cached(let reply):
            return last.digest == digest ? .replay(reply) : .refuse(.falseRetry)
        }
    }

    /// Makes `slot` remember a call of an earlier life; ignored if there is no such slot.
    package mutating func restore(slot: UInt32, sequence: UInt32, digest: UInt64, reply: [UInt8]?) {
        guard slot < UInt32(self.slots.count) else { return }
        let memory = reply.map { Memory.cached($0) } ?? .uncached
        self.slots[Int(slot)] = Slot(sequence: sequence, digest: digest, memory: memory)
    }

    /// The call on `slot` has been answered with `reply`, or with bytes that are not kept (`nil`).
    package mutating func complete(slot: UInt32, reply: [UInt8]?) {
        precondition(self.slots[Int(slot)].memory == .executing, "slot \(slot) executes nothing")
        self.slots[Int(slot)].memory = reply.map { .cached($0) } ?? .uncached
    }
}
