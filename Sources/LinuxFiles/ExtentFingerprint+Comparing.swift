import LayoutCore

extension ExtentFingerprint {
    /// What a later look at the file says about the shift.
    package enum Verdict: Hashable, Sendable {
        /// It was not begun: the file is as it was when the fingerprint was taken.
        case before
        /// It was carried out, all of it.
        case after
        /// It stopped half way, or others have changed the file, or it cannot be known.
        case neither
    }

    /// Looks at the file again.
    ///
    /// First brings the file to stable storage: what the verdict says then survives a power cut, and data that was waiting for
    /// a place has one. Blocks; any thread; changes of others are kept away meanwhile.
    ///
    /// The verdict is right if nobody but the shift has changed the file. Why it cannot be fooled by a shift that stopped half
    /// way (XFS and ext4 move one extent after the other, in transactions that reach the disk in order):
    /// - If all of the extents were seen, every byte is where it was, or where it was to go: any file that passes has the
    ///   content that the verdict says. What reads as zeros is alike, hole or not.
    /// - An insert sets the size first, and moves the last extent first and the first one last. At the old size nothing was
    ///   begun; at the new one, and with the first extent in its new place, all have moved.
    /// - A collapse frees what goes from one end to the other, moves the first extent first and the last one last, then sets
    ///   the size. At the new size, and with the last extent in its new place, all is done. At the old size, with the first
    ///   and the last extent of what goes in place, nothing was freed or there was nothing to free; that nothing was
    ///   moved into its place yet shows where the two look different. Where what moves looks like what goes (clones of the
    ///   same blocks, one after the other) it does not, and the verdict is ``Verdict/neither``.
    ///
    /// Changes of others are noticed where they move, add or free blocks in a part that was seen, or change the size. Data
    /// that is overwritten in place changes nothing here.
    /// - Parameter file: Open for reading.
    /// - Returns: What the file says about the shift.
    /// - Throws: ``LayoutCore/LayoutStatus/ioError``.
    package func compare(to file: borrowing some Descriptor & ~Copyable) throws(LinuxError) -> Verdict {
        try MappingCalls.synchronize(file)
        let size = try FileFacts(of: file, "compare a file with its fingerprint").size
        let number = file.number
        return try self.verdict(size: size) { range, limit throws(LinuxError) in
            try ExtentMap.read(range, of: BorrowedDescriptor(number: number), limit: limit, syncing: true)
        }
    }

    /// The verdict over whatever `read` shows of a file of `size` bytes.
    func verdict(
        size: UInt64,
        reading read: (ByteRange, Int) throws(LinuxError) -> ExtentMap
    ) throws(LinuxError) -> Verdict {
        guard !self.windows.isEmpty, let range = ShiftedRange(self.shift, size: self.size) else { return .neither }
        switch size {
        case self.size:
            if self.looksAlikeMoved { return .neither }
            return try self.areInPlace(self.windows, tail: nil, read) ? .before : .neither
        case range.sizeAfter:
            let tail = self.shift.isInsert ? self.tail + self.shift.length : self.tail - self.shift.length
            return try self.areInPlace(self.moved, tail: tail, read) ? .after : .neither
        default:
            return .neither
        }
    }

    /// Whether a collapse that stopped in the middle could look as if it had not begun.
    private var looksAlikeMoved: Bool {
        guard !self.isComplete, !self.shift.isInsert, self.windows.count > 1 else { return false }
        let arriving = self.windows[1].compactMap(self.moved(_:))
        // A hole and nothing else: there is nothing to move.
        guard arriving.contains(where: { $0.state != .hole }) else { return false }
        return self.agree(arriving, self.windows[0], tail: nil)
    }

    /// The windows as they are once the shift is done.
    private var moved: [Window] {
        var moved = self.windows.map { $0.compactMap(self.moved(_:)) }.filter { !$0.isEmpty }
        if self.shift.isInsert, let new = ByteRange(self.shift.offset, self.shift.offset + self.shift.length) {
            moved.append([Extent(range: new, storageOffset: 0, state: .hole)])
        }
        return moved
    }

    /// The extent as it is once the shift is done; `nil` if a collapse removes it.
    private func moved(_ extent: Extent) -> Extent? {
        let (lower, upper, length) = (extent.range.lowerBound, extent.range.upperBound, self.shift.length)
        if self.shift.isInsert {
            return ByteRange(lower + length, upper + length).map {
                Extent(range: $0, storageOffset: extent.storageOffset, state: extent.state)
            }
        }
        let start = max(lower, self.shift.offset + length)
        return ByteRange(start - length, max(upper, start) - length).map {
            let place = extent.storageOffset == 0 ? 0 : extent.storageOffset &+ (start - lower)
            return Extent(range: $0, storageOffset: place, state: extent.state)
        }
    }

    /// Whether the file has these extents; from `tail` on, data of any place will do.
    private func areInPlace(
        _ windows: [Window],
        tail: UInt64?,
        _ read: (ByteRange, Int) throws(LinuxError) -> ExtentMap
    ) throws(LinuxError) -> Bool {
        for window in windows {
            guard let first = window.first, let last = window.last else { continue }
            let range = first.range.hull(last.range)
            // A shift cuts one extent, and a hole of unwritten blocks may come and go; a file that is cut up more has changed.
            let found = try read(range, 4 * Self.limit + window.count)
            guard found.covered == range, self.agree(window, found.extents, tail: tail) else { return false }
        }
        return true
    }

    /// Whether wherever both know something they know the same; both are in order.
    private func agree(_ expected: [Extent], _ found: [Extent], tail: UInt64?) -> Bool {
        var (left, right) = (expected[...], found[...])
        while let one = left.first, let other = right.first {
            if let part = one.range.intersection(other.range),
                !self.agree(one, other, from: part.lowerBound, tail: tail)
            {
                return false
            }
            if one.range.upperBound <= other.range.upperBound { left.removeFirst() } else { right.removeFirst() }
        }
        return true
    }

    /// Whether the same bytes are at `start` in both.
    private func agree(_ expected: Extent, _ found: Extent, from start: UInt64, tail: UInt64?) -> Bool {
        if self.isComplete, expected.state != .data, found.state != .data { return true }
        guard expected.state == found.state else { return false }
        if expected.state == .hole { return true }
        // That data is there is all that can be said of the last block once the size was set.
        if expected.state == .data, let tail, expected.range.lowerBound >= tail { return true }
        // Any place on storage is another one than "not known".
        guard (expected.storageOffset == 0) == (found.storageOffset == 0) else { return false }
        return expected.storageOffset &+ (start - expected.range.lowerBound)
            == found.storageOffset &+ (start - found.range.lowerBound)
    }
}
