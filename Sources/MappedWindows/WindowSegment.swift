/// File bytes that a window shows.
package struct WindowSegment: Hashable, Sendable {
    /// Where the bytes appear, in bytes from the window's start; a multiple of the page size.
    package var windowOffset: Int
    /// How many bytes; a multiple of the page size.
    package var length: Int
    /// The open file.
    ///
    /// The window keeps no copy of the descriptor; the mapping keeps the file open.
    package var descriptor: Int32
    /// Where the bytes are in the file; a multiple of the page size.
    package var fileOffset: Int64

    /// Makes a segment; it is checked when it is mapped.
    package init(windowOffset: Int, length: Int, descriptor: Int32, fileOffset: Int64) {
        self.windowOffset = windowOffset
        self.length = length
        self.descriptor = descriptor
        self.fileOffset = fileOffset
    }
}

/// What a window shows where no segment is.
package enum WindowGap: Hashable, Sendable {
    /// Touches raise `SIGBUS`, as beyond the end of a file.
    case failed
    /// Loads see zeros, stores are errors.
    case zero
}

/// A stretch of a window that is mapped by one call.
struct WindowRun: Hashable, Sendable {
    enum Source: Hashable, Sendable {
        case file(descriptor: Int32, offset: Int64)
        case gap(WindowGap)
    }

    var offset: Int
    var length: Int
    var source: Source

    var end: Int { self.offset + self.length }

    /// Covers a window with runs: the segments, joined where they follow each other in the file too, and the gaps.
    static func covering(size: Int, segments: [WindowSegment], gaps: WindowGap) throws(WindowError) -> [WindowRun] {
        var runs: [WindowRun] = []
        var covered = 0
        for segment in segments {
            try segment.check(from: covered, to: size)
            if segment.windowOffset > covered {
                runs.append(WindowRun(offset: covered, length: segment.windowOffset - covered, source: .gap(gaps)))
            }
            if let last = runs.last, last.isContinued(by: segment) {
                runs[runs.count - 1].length += segment.length
            } else {
                let source = Source.file(descriptor: segment.descriptor, offset: segment.fileOffset)
                runs.append(WindowRun(offset: segment.windowOffset, length: segment.length, source: source))
            }
            covered = segment.windowOffset + segment.length
        }
        if covered < size {
            runs.append(WindowRun(offset: covered, length: size - covered, source: .gap(gaps)))
        }
        return runs
    }

    private func isContinued(by segment: WindowSegment) -> Bool {
        guard case .file(let descriptor, let offset) = self.source else { return false }
        return segment.windowOffset == self.end && segment.descriptor == descriptor
            && segment.fileOffset == offset + Int64(self.length)
    }
}

extension WindowSegment {
    /// Checks that the segment can follow what ends at `covered`, in a window of `size` bytes.
    fileprivate func check(from covered: Int, to size: Int) throws(WindowError) {
        let mask = pageSize - 1
        let complaint: String
        if self.windowOffset & mask != 0 || self.length & mask != 0 || self.fileOffset & Int64(mask) != 0 {
            complaint = "offsets and lengths have to be multiples of the page size, \(pageSize)"
        } else if self.windowOffset < covered {
            complaint = "it begins before the end of the one before it, \(covered): put segments in order"
        } else if self.length <= 0 || self.length > size || self.windowOffset > size - self.length {
            complaint = "it is empty or does not fit into the window's \(size) bytes"
        } else if self.fileOffset < 0 || self.fileOffset > .max - Int64(self.length) {
            complaint = "no file has these bytes"
        } else {
            return
        }
        throw WindowError(
            .invalidSegments,
            "cannot map \(self.length) bytes at \(self.fileOffset) of descriptor \(self.descriptor) "
                + "to byte \(self.windowOffset) of the window: \(complaint)"
        )
    }
}
