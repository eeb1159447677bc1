/// A queue: elements leave in the order in which they came.
///
/// - Complexity: O(1), amortised; O(n) to put an element in front of others that never left.
struct FIFO<Element> {
    private var elements: [Element] = []
    private var head = 0

    var isEmpty: Bool { self.head == self.elements.count }
    var count: Int { self.elements.count - self.head }

    mutating func append(_ element: Element) { self.elements.append(element) }

    /// Puts an element back in front.
    mutating func prepend(_ element: Element) {
        if self.head > 0 {
            self.head -= 1
            self.elements[self.head] = element
        } else {
            self.elements.insert(element, at: 0)
        }
    }

    mutating func popFirst() -> Element? {
        guard self.head < self.elements.count else { return nil }
        let element = self.elements[self.head]
        self.head += 1
        if self.head == self.elements.count {
            self.elements.removeAll(keepingCapacity: self.elements.capacity <= 64)
            self.head = 0
        } else if self.head >= 64, self.head * 2 >= self.elements.count {
            // Elements that have left are let go of before they are half of what is kept.
            self.elements.removeFirst(self.head)
            self.head = 0
        }
        return element
    }

    /// Takes out what matches, wherever it waits.
    mutating func removeAll(where matches: (Element) -> Bool) {
        self.elements.removeFirst(self.head)
        self.head = 0
        self.elements.removeAll(where: matches)
    }
}
