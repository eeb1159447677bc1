import LayoutCore

/// What is to happen, soonest first; what is due at the same time happens in the order in which it was added.
struct EventQueue<Event> {
    private struct Entry {
        var at: Instant
        var order: UInt64
        var event: Event
        func isBefore(_ other: Entry) -> Bool { (self.at, self.order) < (other.at, other.order) }
    }

    private var heap: [Entry] = []
    private var lastOrder: UInt64 = 0

    var isEmpty: Bool { self.heap.isEmpty }

    mutating func add(_ event: Event, at: Instant) {
        self.lastOrder += 1
        self.heap.append(Entry(at: at, order: self.lastOrder, event: event))
        var child = self.heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard self.heap[child].isBefore(self.heap[parent]) else { return }
            self.heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> (at: Instant, event: Event)? {
        guard let first = self.heap.first else { return nil }
        let last = self.heap.removeLast()
        guard !self.heap.isEmpty else { return (first.at, first.event) }
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
        return (first.at, first.event)
    }
}
