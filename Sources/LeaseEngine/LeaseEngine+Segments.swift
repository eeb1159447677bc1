package import LayoutCore
import Recovery

extension LeaseEngine {
    /// Adds a segment to a holder, over its old ones: read-write parts stay read-write, neighbours that are alike merge.
    ///
    /// Returns whether the holder holds more than before.
    @discardableResult
    mutating func add(_ segment: Segment, _ range: ByteRange, to holder: HolderID) -> Bool {
        guard let file = self.holders[holder]?.file, let segments = self.holders[holder]?.segments else { return false }
        // Asking again for what is held is common, and changes nothing.
        if segments.contains(in: range, where: { $0.range.contains(range) && $0.value.includes(segment) }) {
            return false
        }
        // One byte on either side, to find neighbours to merge with.
        let around = ByteRange(
            range.lowerBound == 0 ? 0 : range.lowerBound - 1,
            range.isToEnd ? .max : range.upperBound + 1
        )
        let old = segments.overlapping(around ?? range)
        let new = Self.merged(old, with: segment, range)
        let isSame =
            old.count == new.count && zip(old, new).allSatisfy { $0.range == $1.range && $0.value.isLike($1.segment) }
        if isSame { return false }
        for element in old { self.removeSegment(element, of: holder, on: file) }
        for piece in new { self.insertSegment(piece.segment, piece.range, of: holder, on: file) }
        return true
    }

    /// Whether a client holds a layout of an iomode on a file.
    package func holds(_ ioMode: IOMode, of file: FileID, _ client: ClientID) -> Bool {
        guard let holder = self.clients[client]?.holders[file] else { return false }
        return self.holders[holder]?.segments.contains(in: .all) { $0.value.ioMode == ioMode } ?? false
    }

    private static func merged(
        _ old: [IntervalMap<Segment>.Element],
        with segment: Segment,
        _ range: ByteRange
    ) -> [(range: ByteRange, segment: Segment)] {
        var pieces: [(range: ByteRange, segment: Segment)] = []
        var next = range.lowerBound
        for element in old {
            let (before, after) = element.range.subtracting(range)
            let overlap = element.range.intersection(range)
            if let before { pieces.append((before, element.value)) }
            if let overlap {
                if let gap = ByteRange(next, overlap.lowerBound) { pieces.append((gap, segment)) }
                var merged = segment
                // What was granted stays, until it is returned (specification R6.1-10, R6.1-12).
                if element.value.ioMode == .readWrite { merged.ioMode = .readWrite }
                merged.breaksOnWrite = segment.breaksOnWrite || element.value.breaksOnWrite
                merged.isExclusive = segment.isExclusive || element.value.isExclusive
                pieces.append((overlap, merged))
                next = overlap.upperBound
            }
            if let after {
                if let gap = ByteRange(next, Swift.min(range.upperBound, after.lowerBound)) {
                    pieces.append((gap, segment))
                    next = gap.upperBound
                }
                pieces.append((after, element.value))
            }
        }
        if let gap = ByteRange(next, range.upperBound) { pieces.append((gap, segment)) }
        pieces.sort { $0.range.lowerBound < $1.range.lowerBound }
        var runs: [(range: ByteRange, segment: Segment)] = []
        for piece in pieces {
            if let last = runs.last, last.range.upperBound == piece.range.lowerBound, last.segment.isLike(piece.segment)
            {
                runs[runs.count - 1].range = last.range.hull(piece.range)
                runs[runs.count - 1].segment.grantedAt = Swift.min(last.segment.grantedAt, piece.segment.grantedAt)
            } else {
                runs.append(piece)
            }
        }
        return runs
    }

    /// Changes the parts of a holder's segments that lie in `range`: to what `change` makes of them, or to nothing.
    ///
    /// `change` leaves alone what it has made. Returns whether any part changed.
    @discardableResult
    mutating func change(_ range: ByteRange, of holder: HolderID, _ change: (Segment) -> Segment?) -> Bool {
        guard let file = self.holders[holder]?.file, let segments = self.holders[holder]?.segments else { return false }
        var didChange = false
        for element in segments.overlapping(range) {
            let changed = change(element.value)
            guard changed != element.value, let overlap = element.range.intersection(range) else { continue }
            didChange = true
            self.removeSegment(element, of: holder, on: file)
            let (before, after) = element.range.subtracting(range)
            if let before { self.insertSegment(element.value, before, of: holder, on: file) }
            if let after { self.insertSegment(element.value, after, of: holder, on: file) }
            if let changed { self.add(changed, overlap, to: holder) }
        }
        return didChange
    }

    /// Takes the parts of a holder's segments that lie in `range` and match `ioMode`, or downgrades them to read.
    mutating func remove(_ range: ByteRange, _ ioMode: IOModeSelector, isDowngrade: Bool, of holder: HolderID) {
        let didChange = self.change(range, of: holder) { segment in
            guard ioMode.matches(segment.ioMode) else { return segment }
            return isDowngrade ? segment.downgraded : nil
        }
        if didChange { self.persistLater(holder) }
    }

    private mutating func insertSegment(_ segment: Segment, _ range: ByteRange, of holder: HolderID, on file: FileID) {
        self.holders[holder]?.segments.insert(range, key: 0, segment)
        self.files[file]?.index.insert(range, key: holder.rawValue, segment)
        self.layoutCount += 1
        if let client = self.holders[holder]?.client { self.clients[client]?.layoutCount += 1 }
    }

    private mutating func removeSegment(
        _ element: IntervalMap<Segment>.Element,
        of holder: HolderID,
        on file: FileID
    ) {
        self.holders[holder]?.segments.remove(lowerBound: element.range.lowerBound, key: 0)
        self.files[file]?.index.remove(lowerBound: element.range.lowerBound, key: holder.rawValue)
        self.layoutCount -= 1
        if let client = self.holders[holder]?.client { self.clients[client]?.layoutCount -= 1 }
    }
}
