package import LayoutCore

/// What is special about the extents of a range.
package struct ExtentTraits: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32

    /// Makes a set from its bits.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Blocks are shared with another file or with another place in this one (reflink).
    package static var shared: ExtentTraits { ExtentTraits(rawValue: 1) }
    /// Compressed, encrypted, or in another form that only the filesystem can read.
    package static var encoded: ExtentTraits { ExtentTraits(rawValue: 2) }
    /// Bytes live among metadata, or share a block with other files' tails.
    package static var inline: ExtentTraits { ExtentTraits(rawValue: 4) }
    /// Written to the page cache, with no place on storage yet.
    package static var delayed: ExtentTraits { ExtentTraits(rawValue: 8) }
    /// The place on storage is not known, or not a whole number of blocks.
    package static var unaddressed: ExtentTraits { ExtentTraits(rawValue: 16) }
}

/// The extents of a range of a file.
package struct ExtentMap: Hashable, Sendable {
    /// Sorted, without gaps or overlaps, exactly over ``covered``; holes are entries too.
    ///
    /// Neighbours that are one run on storage are one entry.
    package var extents: [Extent]
    /// What the extents cover: the range that was asked for, or, when the limit was reached, its beginning.
    package var covered: ByteRange
    /// What is true of at least one of the extents.
    package var traits: ExtentTraits
}

/// Puts extents together as a filesystem reports them.
///
/// Reports come in order, but with gaps, and, if the file changes meanwhile, with overlaps and beyond the range that was
/// asked for. A value, without system calls.
struct ExtentAssembler {
    /// One report of the filesystem.
    struct Report {
        var range: ByteRange
        /// 0: not known.
        var storageOffset: UInt64
        var state: ExtentState
        var traits: ExtentTraits
    }

    private let range: ByteRange
    private let limit: Int
    private var extents: [Extent] = []
    private var traits: ExtentTraits = []
    /// The first byte that no extent covers yet.
    private(set) var position: UInt64
    /// Whether nothing more is wanted: the range is covered, or the limit is reached.
    private(set) var isComplete = false

    /// Starts with nothing of `range`; at most `limit` extents are kept, at least 1.
    init(range: ByteRange, limit: Int) {
        self.range = range
        self.limit = max(limit, 1)
        self.position = range.lowerBound
    }

    /// Takes the next report.
    ///
    /// What lies before the last one is left out.
    mutating func add(_ report: Report) {
        guard !self.isComplete, let rest = ByteRange(self.position, self.range.upperBound) else { return }
        guard let part = report.range.intersection(rest) else {
            if report.range.lowerBound >= self.range.upperBound { self.fillWithHole(to: self.range.upperBound) }
            return
        }
        self.fillWithHole(to: part.lowerBound)
        guard !self.isComplete else { return }
        let skipped = part.lowerBound - report.range.lowerBound
        let (place, overflow) = report.storageOffset.addingReportingOverflow(skipped)
        let hasPlace = report.storageOffset != 0 && !overflow && report.state != .hole
        self.append(
            Extent(range: part, storageOffset: hasPlace ? place : 0, state: report.state),
            traits: report.traits
        )
    }

    /// What was put together; the rest of the range, if the limit allows, is a hole.
    consuming func finish() -> ExtentMap {
        self.fillWithHole(to: self.range.upperBound)
        // The first extent is always taken, so there is something to cover.
        let covered = ByteRange(self.range.lowerBound, self.position) ?? self.range
        return ExtentMap(extents: self.extents, covered: covered, traits: self.traits)
    }

    private mutating func fillWithHole(to end: UInt64) {
        guard !self.isComplete, let gap = ByteRange(self.position, end) else { return }
        self.append(Extent(range: gap, storageOffset: 0, state: .hole), traits: [])
    }

    private mutating func append(_ extent: Extent, traits: ExtentTraits) {
        if let last = self.extents.last, let merged = Self.merged(last, extent) {
            self.extents[self.extents.count - 1] = merged
        } else if self.extents.count < self.limit {
            self.extents.append(extent)
        } else {
            self.isComplete = true
            return
        }
        self.traits.formUnion(traits)
        self.position = extent.range.upperBound
        if self.position == self.range.upperBound { self.isComplete = true }
    }

    /// The two as one, if they are in one state and one run on storage.
    private static func merged(_ left: Extent, _ right: Extent) -> Extent? {
        guard left.state == right.state, left.range.upperBound == right.range.lowerBound else { return nil }
        if left.storageOffset == 0 || right.storageOffset == 0 {
            guard left.storageOffset == right.storageOffset else { return nil }
        } else {
            let (end, overflow) = left.storageOffset.addingReportingOverflow(left.range.wireLength)
            guard !overflow, end == right.storageOffset else { return nil }
        }
        return Extent(
            range: left.range.hull(right.range),
            storageOffset: left.storageOffset,
            state: left.state
        )
    }
}
