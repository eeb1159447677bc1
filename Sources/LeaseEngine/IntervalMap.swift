import LayoutCore

/// Values on byte ranges that may overlap: insertion, removal and overlap queries in logarithmic time.
///
/// An AVL tree in an array, ordered by lower bound and then by `key`, each node knowing the largest upper bound below
/// it. Its depth has a bound whatever offsets a client chooses, and it never depends on hash seeds.
struct IntervalMap<Value: Hashable & Sendable>: Hashable, Sendable {
    private struct Node: Hashable, Sendable {
        var lower: UInt64
        var upper: UInt64
        var maxUpper: UInt64
        var key: UInt64
        var value: Value
        var left: Int32 = -1
        var right: Int32 = -1
        var height: Int32 = 1
    }

    /// An element of the map.
    struct Element: Hashable, Sendable {
        var range: ByteRange
        var key: UInt64
        var value: Value
    }

    private var nodes: [Node] = []
    private var root: Int32 = -1
    private(set) var count = 0

    var isEmpty: Bool { self.count == 0 }

    /// Adds a value.
    ///
    /// The pair of lower bound and key must not be there yet.
    mutating func insert(_ range: ByteRange, key: UInt64, _ value: Value) {
        let node = Node(
            lower: range.lowerBound,
            upper: range.upperBound,
            maxUpper: range.upperBound,
            key: key,
            value: value
        )
        self.nodes.append(node)
        self.root = self.inserting(Int32(self.nodes.count - 1), below: self.root)
        self.count += 1
    }

    /// Removes the value with this lower bound and key, which must be there.
    mutating func remove(lowerBound: UInt64, key: UInt64) {
        var removed: Int32 = -1
        self.root = self.removing(lowerBound, key, below: self.root, removed: &removed)
        precondition(removed >= 0, "no segment at \(lowerBound) with key \(key)")
        self.count -= 1
        self.vacate(removed)
    }

    /// Calls `body` for each value whose range overlaps `range`, in order, until it returns `false`.
    func forEachOverlapping(_ range: ByteRange, _ body: (Element) -> Bool) {
        _ = self.visit(self.root, range, body)
    }

    /// The values whose range overlaps `range`, in order.
    func overlapping(_ range: ByteRange) -> [Element] {
        var found: [Element] = []
        self.forEachOverlapping(range) {
            found.append($0)
            return true
        }
        return found
    }

    /// Whether any value overlaps `range` and satisfies `predicate`.
    func contains(in range: ByteRange, where predicate: (Element) -> Bool) -> Bool {
        var isFound = false
        self.forEachOverlapping(range) {
            isFound = predicate($0)
            return !isFound
        }
        return isFound
    }

    /// Whether every byte of `range` has a value that satisfies `predicate`; for values that do not overlap.
    func covers(_ range: ByteRange, where predicate: (Value) -> Bool) -> Bool {
        self.firstGap(in: range, where: predicate) == nil
    }

    /// The first byte of `range` without a value that satisfies `predicate`, or `nil` if there is none; for values that
    /// do not overlap.
    func firstGap(in range: ByteRange, where predicate: (Value) -> Bool) -> UInt64? {
        var next = range.lowerBound
        self.forEachOverlapping(range) { element in
            guard element.range.lowerBound <= next, predicate(element.value) else { return false }
            next = element.range.upperBound
            return true
        }
        return next < range.upperBound ? next : nil
    }

    /// Everything, in order.
    var elements: [Element] { self.overlapping(.all) }

    // MARK: The tree

    private func visit(_ index: Int32, _ range: ByteRange, _ body: (Element) -> Bool) -> Bool {
        guard index >= 0 else { return true }
        let node = self.nodes[Int(index)]
        guard node.maxUpper > range.lowerBound else { return true }
        guard self.visit(node.left, range, body) else { return false }
        guard node.lower < range.upperBound else { return true }
        if node.upper > range.lowerBound, let found = ByteRange(node.lower, node.upper) {
            guard body(Element(range: found, key: node.key, value: node.value)) else { return false }
        }
        return self.visit(node.right, range, body)
    }

    private func precedes(_ lower: UInt64, _ key: UInt64, _ index: Int32) -> Bool {
        let node = self.nodes[Int(index)]
        return (lower, key) < (node.lower, node.key)
    }

    private mutating func inserting(_ new: Int32, below index: Int32) -> Int32 {
        guard index >= 0 else { return new }
        let (lower, key) = (self.nodes[Int(new)].lower, self.nodes[Int(new)].key)
        if self.precedes(lower, key, index) {
            let left = self.inserting(new, below: self.nodes[Int(index)].left)
            self.nodes[Int(index)].left = left
        } else {
            let right = self.inserting(new, below: self.nodes[Int(index)].right)
            self.nodes[Int(index)].right = right
        }
        return self.balanced(index)
    }

    private mutating func removing(
        _ lower: UInt64,
        _ key: UInt64,
        below index: Int32,
        removed: inout Int32
    ) -> Int32 {
        guard index >= 0 else { return index }
        let node = self.nodes[Int(index)]
        if node.lower == lower, node.key == key {
            removed = index
            guard node.left >= 0 else { return node.right }
            guard node.right >= 0 else { return node.left }
            // The leftmost node on the right takes the place of the one that goes.
            var successor: Int32 = -1
            let right = self.removingFirst(below: node.right, first: &successor)
            self.nodes[Int(successor)].left = node.left
            self.nodes[Int(successor)].right = right
            return self.balanced(successor)
        }
        if self.precedes(lower, key, index) {
            let left = self.removing(lower, key, below: node.left, removed: &removed)
            self.nodes[Int(index)].left = left
        } else {
            let right = self.removing(lower, key, below: node.right, removed: &removed)
            self.nodes[Int(index)].right = right
        }
        return self.balanced(index)
    }

    private mutating func removingFirst(below index: Int32, first: inout Int32) -> Int32 {
        let node = self.nodes[Int(index)]
        guard node.left >= 0 else {
            first = index
            return node.right
        }
        let left = self.removingFirst(below: node.left, first: &first)
        self.nodes[Int(index)].left = left
        return self.balanced(index)
    }

    /// Fills the place of a removed node with the last one, so that the array has no gaps.
    private mutating func vacate(_ index: Int32) {
        let last = Int32(self.nodes.count - 1)
        if index != last {
            let moved = self.nodes[Int(last)]
            self.nodes[Int(index)] = moved
            self.redirect(moved.lower, moved.key, from: last, to: index)
        }
        self.nodes.removeLast()
    }

    private mutating func redirect(_ lower: UInt64, _ key: UInt64, from old: Int32, to new: Int32) {
        if self.root == old {
            self.root = new
            return
        }
        var index = self.root
        while true {
            if self.precedes(lower, key, index) {
                if self.nodes[Int(index)].left == old {
                    self.nodes[Int(index)].left = new
                    return
                }
                index = self.nodes[Int(index)].left
            } else {
                if self.nodes[Int(index)].right == old {
                    self.nodes[Int(index)].right = new
                    return
                }
                index = self.nodes[Int(index)].right
            }
        }
    }

    private func height(_ index: Int32) -> Int32 { index < 0 ? 0 : self.nodes[Int(index)].height }
    private func maxUpper(_ index: Int32) -> UInt64 { index < 0 ? 0 : self.nodes[Int(index)].maxUpper }

    private mutating func update(_ index: Int32) {
        let (left, right) = (self.nodes[Int(index)].left, self.nodes[Int(index)].right)
        self.nodes[Int(index)].height = 1 + max(self.height(left), self.height(right))
        self.nodes[Int(index)].maxUpper = max(
            self.nodes[Int(index)].upper,
            max(self.maxUpper(left), self.maxUpper(right))
        )
    }

    private mutating func rotatedRight(_ index: Int32) -> Int32 {
        let pivot = self.nodes[Int(index)].left
        self.nodes[Int(index)].left = self.nodes[Int(pivot)].right
        self.nodes[Int(pivot)].right = index
        self.update(index)
        self.update(pivot)
        return pivot
    }

    private mutating func rotatedLeft(_ index: Int32) -> Int32 {
        let pivot = self.nodes[Int(index)].right
        self.nodes[Int(index)].right = self.nodes[Int(pivot)].left
        self.nodes[Int(pivot)].left = index
        self.update(index)
        self.update(pivot)
        return pivot
    }

    private mutating func balanced(_ index: Int32) -> Int32 {
        let (left, right) = (self.nodes[Int(index)].left, self.nodes[Int(index)].right)
        let tilt = self.height(left) - self.height(right)
        if tilt > 1 {
            if self.height(self.nodes[Int(left)].left) < self.height(self.nodes[Int(left)].right) {
                self.nodes[Int(index)].left = self.rotatedLeft(left)
            }
            return self.rotatedRight(index)
        }
        if tilt < -1 {
            if self.height(self.nodes[Int(right)].right) < self.height(self.nodes[Int(right)].left) {
                self.nodes[Int(index)].right = self.rotatedRight(right)
            }
            return self.rotatedLeft(index)
        }
        self.update(index)
        return index
    }
}
