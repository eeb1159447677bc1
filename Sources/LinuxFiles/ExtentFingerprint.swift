package import LayoutCore

/// What a file looks like before an insert or a collapse: enough to say afterwards whether the call was carried out.
///
/// The size alone does not say it: XFS and ext4 set the new size before an insert moves anything, and others may change it
/// too. So the fingerprint keeps where the bytes are on storage, at both ends of what is about to move; a shift changes the
/// offsets of blocks, and leaves the blocks. See ``compare(to:)`` for what follows from it.
///
/// A value of bounded size, at most ``windowsMax`` times `limit` extents of 17 bytes each.
package struct ExtentFingerprint: Hashable, Sendable {
    /// Runs of extents without gaps, each in order.
    typealias Window = [Extent]

    /// How many extents of each window are kept.
    package static var limit: Int { 16 }
    /// How many windows there are at most.
    ///
    /// The first extents of what the shift affects and the last ones before the end of the file; of a collapse also the first
    /// ones of what moves and the last ones of what goes.
    static var windowsMax: Int { 4 }

    /// The shift that is about to be made.
    package let shift: Shift
    /// The file's size in bytes before it.
    package let size: UInt64
    /// Where the last block begins, if the file ends inside it; else the size.
    ///
    /// Setting the size writes zeros to the rest of that block, which gives it another place on storage where it is shared.
    let tail: UInt64
    /// What was seen of the extents, cut at ``tail``; none if nothing can be told from them.
    let windows: [Window]
    /// Whether the only window is all there is from the shift's offset to the end of the file.
    let isComplete: Bool

    /// Makes a fingerprint from its parts.
    init(shift: Shift, size: UInt64, tail: UInt64, windows: [Window], isComplete: Bool) {
        self.shift = shift
        self.size = size
        self.tail = tail
        self.windows = windows
        self.isComplete = isComplete
    }

    /// Takes the fingerprint of a file.
    ///
    /// Right before the shift, with changes of others kept away, and after an `fsync`: what is not allocated yet has no
    /// place to be known by. Blocks, and may be called from any thread.
    /// - Parameters:
    ///   - file: Open for reading.
    ///   - shift: What is about to be done; whole blocks inside the file, as ``MappingSupport`` has checked.
    ///   - blockSize: Of the filesystem, in bytes.
    /// - Throws: ``LayoutCore/LayoutStatus/invalid`` for a shift that the kernel would refuse;
    ///   ``LayoutCore/LayoutStatus/ioError``.
    /// - Complexity: Reads at most 128 extents, a few dozen times at worst: 3 ms.
    package init(
        of file: borrowing some Descriptor & ~Copyable,
        before shift: Shift,
        blockSize: UInt64
    ) throws(LinuxError) {
        let size = try FileFacts(of: file, "take the fingerprint of a file").size
        let number = file.number
        try self.init(size: size, before: shift, blockSize: blockSize, limit: Self.limit) {
            range,
            limit throws(LinuxError) in
            try ExtentMap.read(range, of: BorrowedDescriptor(number: number), limit: limit, syncing: true)
        }
    }

    /// Takes a fingerprint of whatever `read` shows; at least 2 extents are kept in each window.
    init(
        size: UInt64,
        before shift: Shift,
        blockSize: UInt64,
        limit: Int,
        reading read: (ByteRange, Int) throws(LinuxError) -> ExtentMap
    ) throws(LinuxError) {
        let limit = max(limit, 2)
        guard let shifted = ShiftedRange(shift, size: size), shift.offset % blockSize == 0,
            shift.length % blockSize == 0
        else {
            throw LinuxError(
                refusing: .invalid,
                "cannot take the fingerprint of a file of \(size) bytes before \(shift.length) bytes at \(shift.offset) are "
                    + "\(shift.isInsert ? "inserted" : "removed"): the kernel refuses that; name whole blocks inside the file"
            )
        }
        let first = try read(shifted.affected, limit)
        var maps = [first]
        let isComplete = first.covered == shifted.affected
        if !isComplete {
            // Of a collapse: what moves, and what goes, each from both sides. Of an insert all of it moves.
            if shifted.moving != shifted.affected { maps.append(try read(shifted.moving, limit)) }
            if let going = shifted.going, first.covered.upperBound < going.upperBound {
                maps.append(try Self.last(in: going, blockSize, limit, read))
            }
            maps.append(try Self.last(in: shifted.moving, blockSize, limit, read))
        }
        let tail = size - size % blockSize
        let windows = maps.map { $0.extents.flatMap { Self.cut($0, at: tail) } }
        // Data without a place in front of that cannot be told from other data.
        let isPlaced = windows.joined().allSatisfy {
            $0.state != .data || $0.storageOffset != 0 || $0.range.lowerBound >= tail
        }
        self.init(shift: shift, size: size, tail: tail, windows: isPlaced ? windows : [], isComplete: isComplete)
    }

    /// The last extents of a range: at most `limit`, with one that is allocated if there is any.
    private static func last(
        in range: ByteRange,
        _ blockSize: UInt64,
        _ limit: Int,
        _ read: (ByteRange, Int) throws(LinuxError) -> ExtentMap
    ) throws(LinuxError) -> ExtentMap {
        /// The part of the range from `start` on, if `limit` extents cover it.
        func tail(from start: UInt64) throws(LinuxError) -> ExtentMap? {
            let part = ByteRange(start, range.upperBound) ?? range
            let map = try read(part, limit)
            return map.covered == part ? map : nil
        }
        func isEvidence(_ map: ExtentMap) -> Bool { map.extents.contains { $0.state != .hole } }

        let end = range.upperBound - 1
        let lastBlock = max(end - end % blockSize, range.lowerBound)
        // So many blocks are not more extents than that.
        var length = UInt64(limit - 1) * blockSize
        var near = lastBlock
        var far: UInt64?
        while far == nil {
            let start = lastBlock - range.lowerBound > length ? lastBlock - length : range.lowerBound
            if let map = try tail(from: start) {
                if isEvidence(map) || start == range.lowerBound { return map }
                near = start
                length = min(length, 1 << 60) * 8
            } else {
                far = start
            }
        }
        // Behind `near` is one hole, and behind `far` there is too much. One block more is at most one extent more, so
        // somewhere in between it is right.
        var best = try tail(from: near)
        while let start = far, near - start > blockSize {
            let middle = start + (near - start) / 2 / blockSize * blockSize
            guard let map = try tail(from: middle) else {
                far = middle
                continue
            }
            if isEvidence(map) { return map }
            near = middle
            best = map
        }
        if let best { return best }
        return try read(range, limit)
    }

    /// The extent in one or two parts, none of which goes over `offset`.
    private static func cut(_ extent: Extent, at offset: UInt64) -> [Extent] {
        guard extent.range.contains(offset), let before = ByteRange(extent.range.lowerBound, offset),
            let after = ByteRange(offset, extent.range.upperBound)
        else { return [extent] }
        let place = extent.storageOffset == 0 ? 0 : extent.storageOffset &+ before.wireLength
        return [
            Extent(range: before, storageOffset: extent.storageOffset, state: extent.state),
            Extent(range: after, storageOffset: place, state: extent.state),
        ]
    }
}

/// The parts of a file that a shift treats differently.
struct ShiftedRange {
    /// From the shift's offset to the end of the file.
    let affected: ByteRange
    /// What a collapse removes.
    let going: ByteRange?
    /// What changes its offset.
    let moving: ByteRange
    /// The size afterwards.
    let sizeAfter: UInt64

    /// `nil` for a shift that is not inside a file of `size` bytes, or makes it larger than any file.
    init?(_ shift: Shift, size: UInt64) {
        guard shift.length > 0, size <= UInt64(Int64.max), let affected = ByteRange(shift.offset, size) else {
            return nil
        }
        self.affected = affected
        if shift.isInsert {
            let (after, overflow) = size.addingReportingOverflow(shift.length)
            guard !overflow, after <= UInt64(Int64.max) else { return nil }
            (self.going, self.moving, self.sizeAfter) = (nil, affected, after)
        } else {
            let (end, overflow) = shift.offset.addingReportingOverflow(shift.length)
            guard !overflow, let going = ByteRange(shift.offset, end), let moving = ByteRange(end, size) else {
                return nil
            }
            (self.going, self.moving, self.sizeAfter) = (going, moving, size - shift.length)
        }
    }
}

/// A descriptor that somebody else closes: for closures, which cannot hold what is only lent.
struct BorrowedDescriptor: Descriptor {
    let number: CInt
}
