import NIOCore

/// The calls to the peer that wait for their replies, by transaction id.
struct OutstandingCalls {
    typealias Completion = (Result<ByteBuffer, RPCError>) -> Void

    private struct Call {
        var deadline: NIODeadline
        var completion: Completion
    }

    private let capacity: Int
    private var calls: [UInt32: Call] = [:]
    private var nextXID: UInt32

    init(capacity: Int, firstXID: UInt32) {
        self.capacity = capacity
        self.nextXID = firstXID
    }

    var count: Int { self.calls.count }

    /// The earliest deadline.
    ///
    /// Complexity: O(calls).
    var earliestDeadline: NIODeadline? { self.calls.values.lazy.map(\.deadline).min() }

    /// Registers a call under an id that no other outstanding call has; `nil` if there are too many.
    mutating func begin(deadline: NIODeadline, completion: @escaping Completion) -> UInt32? {
        guard self.calls.count < self.capacity else { return nil }
        while self.calls[self.nextXID] != nil { self.nextXID &+= 1 }
        let xid = self.nextXID
        self.nextXID &+= 1
        self.calls[xid] = Call(deadline: deadline, completion: completion)
        return xid
    }

    /// Ends a call.
    ///
    /// Returns what to call with its result, or `nil` if no such call is outstanding.
    mutating func end(_ xid: UInt32) -> Completion? {
        self.calls.removeValue(forKey: xid)?.completion
    }

    /// Ends the calls whose deadline has come, the earliest first.
    mutating func endExpired(at now: NIODeadline) -> [Completion] {
        let expired = self.calls.filter { $0.value.deadline <= now }
        for xid in expired.keys { self.calls.removeValue(forKey: xid) }
        return expired.values.sorted { $0.deadline < $1.deadline }.map(\.completion)
    }

    /// Ends all calls, in the order of their deadlines.
    mutating func endAll() -> [Completion] {
        defer { self.calls.removeAll() }
        return self.calls.values.sorted { $0.deadline < $1.deadline }.map(\.completion)
    }
}
