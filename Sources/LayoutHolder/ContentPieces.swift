package import LayoutCore

/// Where the content of a window is in the file: pieces in order of address, moved by completed shifts.
package struct ContentPieces: Hashable, Sendable {
    /// A run of window bytes and the file bytes that they are.
    package struct Piece: Hashable, Sendable {
        package var windowOffset: UInt64
        package var range: ByteRange

        package init(windowOffset: UInt64, range: ByteRange) {
            self.windowOffset = windowOffset
            self.range = range
        }
    }

    /// In order of window offset; a gap between two is content that was removed.
    package private(set) var pieces: [Piece]

    /// Makes the pieces of a window that shows one range.
    package init(_ range: ByteRange) { self.pieces = [Piece(windowOffset: 0, range: range)] }

    /// Makes the pieces of a window from what is left of it, in order of window offset.
    init(_ pieces: [Piece]) { self.pieces = pieces }

    /// Whether all of the content was removed.
    package var isEmpty: Bool { self.pieces.isEmpty }

    /// Moves the pieces by one completed shift, splitting those that it cuts and dropping what it removed.
    package mutating func apply(_ shift: Shift) {
        var moved: [Piece] = []
        for piece in self.pieces {
            if shift.isInsert {
                Self.insert(piece, shift, into: &moved)
            } else {
                Self.collapse(piece, shift, into: &moved)
            }
        }
        self.pieces = moved
        self.merge()
    }

    private static func insert(_ piece: Piece, _ shift: Shift, into moved: inout [Piece]) {
        let (lower, upper) = (piece.range.lowerBound, piece.range.upperBound)
        if let below = ByteRange(lower, min(upper, shift.offset)) {
            moved.append(Piece(windowOffset: piece.windowOffset, range: below))
        }
        let start = max(lower, shift.offset)
        // No file has bytes beyond 2^63 - 1: what a server says has gone there is nowhere.
        let (end, overflow) = upper.addingReportingOverflow(shift.length)
        guard start < upper, !overflow, end <= UInt64(Int64.max) else { return }
        if let above = ByteRange(start + shift.length, end) {
            moved.append(Piece(windowOffset: piece.windowOffset + (start - lower), range: above))
        }
    }

    private static func collapse(_ piece: Piece, _ shift: Shift, into moved: inout [Piece]) {
        let (lower, upper) = (piece.range.lowerBound, piece.range.upperBound)
        if let below = ByteRange(lower, min(upper, shift.offset)) {
            moved.append(Piece(windowOffset: piece.windowOffset, range: below))
        }
        let start = max(lower, shift.offset &+ shift.length)
        if start < upper, let above = ByteRange(start - shift.length, upper - shift.length) {
            moved.append(Piece(windowOffset: piece.windowOffset + (start - lower), range: above))
        }
    }

    /// Joins neighbours that an insert cut and a collapse brought together again.
    private mutating func merge() {
        var merged: [Piece] = []
        for piece in self.pieces {
            if let last = merged.last, last.range.upperBound == piece.range.lowerBound,
                last.windowOffset + last.range.wireLength == piece.windowOffset
            {
                merged[merged.count - 1].range = last.range.hull(piece.range)
            } else {
                merged.append(piece)
            }
        }
        self.pieces = merged
    }
}
