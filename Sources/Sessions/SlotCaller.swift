/// The calling side of a channel: which slot a call uses, one call per slot at a time (RFC 8881 §2.10.6.1).
///
/// The client keeps one per session for the fore channel, the server one for the back channel.
package struct SlotCaller: Hashable, Sendable {
    /// A slot in use and the sequence of the call on it.
    ///
    /// A retry uses the same two numbers.
    package struct Ticket: Hashable, Sendable {
        package let slot: UInt32
        package let sequence: UInt32
        /// The highest slot in use when the ticket was made.
        package let highestSlot: UInt32
    }

    private var sequences: [UInt32]
    /// Free slots in ascending order: the lowest one is used first.
    private var free: [UInt32]

    /// Makes a caller for `count` slots, at least one.
    package init(count: Int) {
        let count = max(1, count)
        self.sequences = Array(repeating: 0, count: count)
        self.free = (0..<UInt32(count)).map { $0 }
    }

    /// The number of slots.
    package var count: Int { self.sequences.count }

    /// The number of slots without a call.
    package var freeCount: Int { self.free.count }

    /// Takes a slot for a new call, or `nil` if all are in use.
    package mutating func take() -> Ticket? {
        guard !self.free.isEmpty else { return nil }
        let slot = self.free.removeFirst()
        self.sequences[Int(slot)] &+= 1
        return Ticket(slot: slot, sequence: self.sequences[Int(slot)], highestSlot: self.highestInUse(with: slot))
    }

    /// The call on the ticket's slot is answered: the slot is free again.
    ///
    /// `wasSequenced` is `false` if the peer refused the call before it looked at the sequence, which it then did not
    /// count (RFC 8881 §2.10.6.1.3).
    package mutating func release(_ ticket: Ticket, wasSequenced: Bool) {
        guard self.sequences[Int(ticket.slot)] == ticket.sequence, !self.free.contains(ticket.slot) else { return }
        if !wasSequenced { self.sequences[Int(ticket.slot)] &-= 1 }
        let place = self.free.firstIndex { $0 > ticket.slot } ?? self.free.endIndex
        self.free.insert(ticket.slot, at: place)
    }

    private func highestInUse(with slot: UInt32) -> UInt32 {
        // The free list is sorted: walk down from the top until a slot is missing from it.
        var highest = UInt32(self.sequences.count)
        for freeSlot in self.free.reversed() {
            guard freeSlot + 1 == highest else { break }
            highest = freeSlot
        }
        return max(slot, highest == 0 ? 0 : highest - 1)
    }
}
