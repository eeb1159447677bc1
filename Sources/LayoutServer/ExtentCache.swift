import LayoutCore

/// What the server remembers of a file's extents, so that a LAYOUTGET can be answered without a system call.
///
/// It is only used while somebody holds a layout of the file, and forgotten with every change that the server makes or
/// lets happen. A local program that the server does not see can make it stale: in `file` addressing extents are
/// advice, and the size is what the window of a holder is checked against by the kernel. A value, bound to its file's
/// entry.
struct ExtentCache {
    /// A run of bytes, and whether stores in it need nothing from the filesystem.
    struct Entry: Hashable {
        var extent: Extent
        var isStoreReady: Bool
    }

    /// Extents that are remembered of one file, at most.
    static var limit: Int { 16384 }

    /// Sorted, without overlaps; there may be gaps.
    private var entries: [Entry] = []
    /// The file's size in bytes, and whether stores to it are synchronous, if anything is known.
    private(set) var size: UInt64?
    private(set) var isSynchronous = false

    var count: Int { self.entries.count }

    mutating func removeAll() {
        self.entries = []
        self.size = nil
    }

    /// Takes what was read of a range, in place of what was known of it.
    mutating func insert(_ extents: [Extent], isStoreReady: Bool, size: UInt64, isSynchronous: Bool) {
        if self.size != size { self.removeAll() }
        self.size = size
        self.isSynchronous = isSynchronous
        guard let first = extents.first, let last = extents.last else { return }
        guard self.entries.count + extents.count <= Self.limit else {
            self.entries = extents.prefix(Self.limit).map { Entry(extent: $0, isStoreReady: isStoreReady) }
            return
        }
        let range = first.range.hull(last.range)
        let start = self.firstIndex(endingAfter: range.lowerBound)
        var end = start
        var kept: [Entry] = []
        while end < self.entries.count, self.entries[end].extent.range.overlaps(range) {
            let old = self.entries[end]
            let (before, after) = old.extent.range.subtracting(range)
            if let before { kept.append(Self.part(before, of: old)) }
            kept.append(contentsOf: end == start ? extents.map { Entry(extent: $0, isStoreReady: isStoreReady) } : [])
            if let after { kept.append(Self.part(after, of: old)) }
            end += 1
        }
        if end == start { kept = extents.map { Entry(extent: $0, isStoreReady: isStoreReady) } }
        self.entries.replaceSubrange(start..<end, with: kept)
    }

    /// The extents of the beginning of a range: up to `limit` of them, clipped to the range.
    ///
    /// `forStores`: all of it must be ready for stores. `nil` unless every byte is known, up to the end of the range or
    /// the limit.
    func find(_ range: ByteRange, limit: Int, forStores: Bool) -> [Extent]? {
        var found: [Extent] = []
        var position = range.lowerBound
        var index = self.firstIndex(endingAfter: position)
        while position < range.upperBound, found.count < limit {
            guard index < self.entries.count else { return nil }
            let entry = self.entries[index]
            guard entry.extent.range.contains(position), !forStores || entry.isStoreReady,
                let part = entry.extent.range.intersection(range)
            else { return nil }
            found.append(Self.part(part, of: entry).extent)
            position = part.upperBound
            index += 1
        }
        return found
    }

    /// The place of the first entry that ends behind `offset`.
    private func firstIndex(endingAfter offset: UInt64) -> Int {
        var low = 0
        var high = self.entries.count
        while low < high {
            let middle = (low + high) / 2
            if self.entries[middle].extent.range.upperBound <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func part(_ range: ByteRange, of entry: Entry) -> Entry {
        let extent = entry.extent
        guard range != extent.range else { return entry }
        let skipped = range.lowerBound - extent.range.lowerBound
        return Entry(
            extent: Extent(
                range: range,
                storageOffset: extent.storageOffset == 0 ? 0 : extent.storageOffset &+ skipped,
                state: extent.state
            ),
            isStoreReady: entry.isStoreReady
        )
    }
}
