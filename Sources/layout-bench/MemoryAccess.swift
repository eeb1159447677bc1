import CBenchPeer

/// A way of touching memory.
struct MemoryAccess: Hashable, Sendable {
    enum Kind: String, CaseIterable, Sendable {
        case load
        case store
    }

    enum Order: String, CaseIterable, Sendable {
        case sequential
        case random
    }

    let kind: Kind
    let order: Order
    /// How many bytes are touched, from the first on; a power of two.
    let bytes: Int

    /// Loads and stores, in both orders, over memory that the CPU's second-level cache holds as a rule, and that it does
    /// not hold.
    static let all: [MemoryAccess] = Kind.allCases.flatMap { kind in
        Order.allCases.flatMap { order in
            [2 << 20, 64 << 20].map { MemoryAccess(kind: kind, order: order, bytes: $0) }
        }
    }

    var name: String { "\(self.order.rawValue) \(self.kind.rawValue)s, \(self.bytes >> 20) MiB" }

    /// Samples in each round.
    static var turns: Int { 12 }
    /// Accesses in a sample: about a millisecond's, so that the scheduler seldom comes between.
    private var accesses: Int { self.order == .random ? 1 << 18 : 1 << 20 }

    /// Touches the memory from `base` on, and returns nanoseconds per access.
    ///
    /// Sequential samples follow each other through the memory, over and over; each random one goes another way.
    func time(_ base: UnsafeMutableRawPointer, sample: Int) -> Double {
        let words = self.bytes / 8
        let part = min(words, self.accesses)
        let place = unsafe base + sample * part % words * 8
        let seed = 0x9e37_79b9_7f4a_7c15 &+ UInt64(sample)
        let start = bench_now()
        switch (self.kind, self.order) {
        case (.load, .sequential): _ = unsafe bench_load_sequential(place, part, self.accesses / part)
        case (.store, .sequential): _ = unsafe bench_store_sequential(place, part, self.accesses / part)
        case (.load, .random): _ = unsafe bench_load_random(base, words, self.accesses, seed)
        case (.store, .random): _ = unsafe bench_store_random(base, words, self.accesses, seed)
        }
        return Double(bench_now() - start) / Double(self.accesses)
    }
}
