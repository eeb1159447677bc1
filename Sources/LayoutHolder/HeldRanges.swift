import LayoutCore

/// What is held of one file: disjoint ranges in order, neighbours of the same iomode merged.
struct HeldRanges: Hashable, Sendable {
    struct Element: Hashable, Sendable {
        var range: ByteRange
        var ioMode: IOMode
    }

    private var ranges: [Element] = []

    var isEmpty: Bool { self.ranges.isEmpty }

    var elements: [(range: ByteRange, ioMode: IOMode)] { self.ranges.map { ($0.range, $0.ioMode) } }

    /// The end of the last range.
    var end: UInt64? { self.ranges.last?.range.upperBound }

    /// Adds a range; parts that are held read-write stay read-write, as on the server.
    mutating func add(_ range: ByteRange, _ ioMode: IOMode) {
        var pieces = [Element(range: range, ioMode: ioMode)]
        if ioMode == .read {
            pieces = self.gaps(in: range, for: .readWrite).map { Element(range: $0, ioMode: .read) }
        }
        for piece in pieces {
            self.remove(piece.range, .any)
            let place = self.ranges.firstIndex { $0.range.lowerBound > piece.range.lowerBound } ?? self.ranges.endIndex
            self.ranges.insert(piece, at: place)
        }
        self.merge()
    }

    /// Removes the parts in `range` whose iomode is meant.
    mutating func remove(_ range: ByteRange, _ ioMode: IOModeSelector) {
        var left: [Element] = []
        for element in self.ranges {
            guard element.range.overlaps(range), ioMode.matches(element.ioMode) else {
                left.append(element)
                continue
            }
            let (before, after) = element.range.subtracting(range)
            if let before { left.append(Element(range: before, ioMode: element.ioMode)) }
            if let after { left.append(Element(range: after, ioMode: element.ioMode)) }
        }
        self.ranges = left
    }

    /// Whether any part in `range` has an iomode that is meant.
    func overlaps(_ range: ByteRange, _ ioMode: IOModeSelector) -> Bool {
        self.ranges.contains { $0.range.overlaps(range) && ioMode.matches($0.ioMode) }
    }

    /// The parts of `range` that are not held well enough for `ioMode`, in order.
    func gaps(in range: ByteRange, for ioMode: IOMode) -> [ByteRange] {
        var gaps: [ByteRange] = []
        var next = range.lowerBound
        for element in self.ranges where element.range.overlaps(range) {
            guard ioMode == .read || element.ioMode == .readWrite else { continue }
            if let gap = ByteRange(next, element.range.lowerBound) { gaps.append(gap) }
            next = Swift.max(next, element.range.upperBound)
        }
        if let gap = ByteRange(next, range.upperBound) { gaps.append(gap) }
        return gaps
    }

    private mutating func merge() {
        var merged: [Element] = []
        for element in self.ranges {
            if let last = merged.last, last.range.upperBound == element.range.lowerBound, last.ioMode == element.ioMode
            {
                merged[merged.count - 1].range = last.range.hull(element.range)
            } else {
                merged.append(element)
            }
        }
        self.ranges = merged
    }
}
