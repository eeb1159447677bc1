/// Elements with a time each, soonest first; those of the same time come out in the order in which they went in.
///
/// A binary heap in an array: adding and taking out are logarithmic. Elements cannot be withdrawn: whoever takes one out
/// looks whether it still matters.
package struct TimedQueue<Element> {
    fileprivate struct Entry {
        var at: Instant
        var order: UInt64
        var element: Element

        func isBefore(_ other: Entry) -> Bool { (self.at, self.order) < (other.at, other.order) }
    }

    private var heap: [Entry] = []
    private var lastOrder: UInt64 = 0

    /// Makes an empty queue.
    package init() {}

    /// The soonest time, or `nil` if the queue is empty.
    package var first: Instant? { self.heap.first?.at }

    /// Adds an element.
    package mutating func add(_ element: Element, at: Instant) {
        self.lastOrder += 1
        self.heap.append(Entry(at: at, order: self.lastOrder, element: element))
        var child = self.heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard self.heap[child].isBefore(self.heap[parent]) else { return }
            self.heap.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes out the soonest element.
    package mutating func pop() -> (at: Instant, element: Element)? {
        guard let first = self.heap.first else { return nil }
        let last = self.heap.removeLast()
        guard !self.heap.isEmpty else { return (first.at, first.element) }
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
        return (first.at, first.element)
    }

    /// Takes out the soonest element, if it is due at `now`.
    package mutating func popDue(at now: Instant) -> Element? {
        guard let first = self.first, first <= now else { return nil }
        return self.pop()?.element
    }
}

extension TimedQueue.Entry: Equatable where Element: Equatable {}
extension TimedQueue.Entry: Hashable where Element: Hashable {}
extension TimedQueue.Entry: Sendable where Element: Sendable {}
extension TimedQueue: Equatable where Element: Equatable {}
extension TimedQueue: Hashable where Element: Hashable {}
extension TimedQueue: Sendable where Element: Sendable {}
