import Foundation

/// What should be in the file: pieces of the original and zeros, in order.
///
/// It knows nothing of layouts or servers.
struct FileModel {
    private struct Piece {
        /// Where in the original; `nil` for zeros.
        var source: UInt64?
        var length: UInt64
    }

    private let original: Data
    private var pieces: [Piece]

    /// The file as it was copied in.
    init(original: Data) {
        self.original = original
        self.pieces = [Piece(source: 0, length: UInt64(original.count))]
    }

    /// Bytes.
    var size: UInt64 { self.pieces.reduce(0) { $0 + $1.length } }

    /// Does to the model what a change does to the file.
    mutating func apply(_ operation: Operation) {
        switch operation {
        case .insert(let offset, let length):
            self.replace(offset..<offset, with: Piece(source: nil, length: length))
        case .collapse(let offset, let length):
            self.replace(offset..<offset + length, with: nil)
        case .punch(let offset, let length), .zero(let offset, let length):
            self.replace(offset..<offset + length, with: Piece(source: nil, length: length))
        case .truncate(let size):
            let old = self.size
            if size < old {
                self.replace(size..<old, with: nil)
            } else {
                self.pieces.append(Piece(source: nil, length: size - old))
            }
        }
    }

    private mutating func replace(_ range: Range<UInt64>, with piece: Piece?) {
        let before = self.pieces(in: 0..<range.lowerBound)
        let behind = self.pieces(in: range.upperBound..<self.size)
        self.pieces = before + (piece.map { [$0] } ?? []) + behind
    }

    private func pieces(in range: Range<UInt64>) -> [Piece] {
        var found: [Piece] = []
        var start: UInt64 = 0
        for piece in self.pieces {
            let part = range.clamped(to: start..<start + piece.length)
            if !part.isEmpty {
                let source = piece.source.map { $0 + part.lowerBound - start }
                found.append(Piece(source: source, length: part.upperBound - part.lowerBound))
            }
            start += piece.length
        }
        return found
    }

    /// The bytes of a range, up to the end of the file.
    func bytes(in range: Range<UInt64>) -> [UInt8] {
        let pieces = self.pieces(in: range)
        let count = pieces.reduce(0) { $0 + Int($1.length) }
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            for piece in pieces {
                let part = unsafe UnsafeMutableRawBufferPointer(buffer)[initialized..<initialized + Int(piece.length)]
                let place = unsafe UnsafeMutableRawBufferPointer(rebasing: part)
                if let source = piece.source {
                    let start = self.original.startIndex + Int(source)
                    unsafe self.original.copyBytes(to: place, from: start..<start + place.count)
                } else {
                    unsafe place.initializeMemory(as: UInt8.self, repeating: 0)
                }
                initialized += Int(piece.length)
            }
        }
    }
}
