import LayoutCore

/// Something that is going to happen, to a process or to the world.
struct Step {
    var process: SimulatedProcess?
    var run: () -> Void
}

/// What is going to happen, soonest first; at the same time, in the order in which it was added.
///
/// Unlike `TimedQueue` it keeps its elements apart from their times: millions of steps go through it each second, and moving
/// a number in a heap is cheaper than moving a closure.
struct StepQueue {
    private struct Key {
        var time: UInt64
        var order: UInt64
        var place: Int

        @inline(__always)
        func isBefore(_ other: Key) -> Bool {
            self.time == other.time ? self.order < other.order : self.time < other.time
        }
    }

    private var heap: [Key] = []
    private var steps: [Step?] = []
    private var free: [Int] = []
    private var lastOrder: UInt64 = 0

    /// The soonest time, or `nil` if the queue is empty.
    var first: Instant? { self.heap.first.map { Instant(nanoseconds: $0.time) } }

    mutating func add(_ step: Step, at time: Instant) {
        self.lastOrder += 1
        let place: Int
        if let old = self.free.popLast() {
            place = old
            self.steps[place] = step
        } else {
            place = self.steps.count
            self.steps.append(step)
        }
        let key = Key(time: time.nanoseconds, order: self.lastOrder, place: place)
        self.heap.append(key)
        var child = self.heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 4
            guard key.isBefore(self.heap[parent]) else { break }
            self.heap[child] = self.heap[parent]
            child = parent
        }
        self.heap[child] = key
    }

    /// Takes out the soonest step.
    mutating func pop() -> (at: Instant, step: Step)? {
        guard let first = self.heap.first, let last = self.heap.popLast() else { return nil }
        if !self.heap.isEmpty { self.sift(last) }
        guard let step = self.steps[first.place] else { preconditionFailure("a step is gone") }
        self.steps[first.place] = nil
        self.free.append(first.place)
        return (Instant(nanoseconds: first.time), step)
    }

    /// Puts a key where it belongs, from the top down.
    private mutating func sift(_ key: Key) {
        var parent = 0
        while true {
            let children = 4 * parent + 1
            guard children < self.heap.count else { break }
            var smallest = children
            for child in (children + 1)..<max(children + 1, min(children + 4, self.heap.count))
            where self.heap[child].isBefore(self.heap[smallest]) { smallest = child }
            guard self.heap[smallest].isBefore(key) else { break }
            self.heap[parent] = self.heap[smallest]
            parent = smallest
        }
        self.heap[parent] = key
    }
}
