/// A page that names itself: word 0 is its name, every other word the name and how often it was stored.
enum Page {
    static var size: Int { 4096 }
    private static var words: Int { Self.size / 8 }

    static func stamp(_ name: UInt64, _ count: UInt64) -> UInt64 { name << 32 | count }

    /// Stores a page, word by word.
    static func store(_ name: UInt64, _ count: UInt64, to bytes: UnsafeMutableRawBufferPointer) {
        unsafe bytes.storeBytes(of: name, as: UInt64.self)
        for word in 1..<Self.words {
            unsafe bytes.storeBytes(of: Self.stamp(name, count), toByteOffset: word * 8, as: UInt64.self)
        }
    }

    static func bytes(_ name: UInt64, _ count: UInt64) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.size)
        unsafe bytes.withUnsafeMutableBytes { unsafe Self.store(name, count, to: $0) }
        return bytes
    }

    /// A page as it was found.
    struct Found: Hashable {
        var name: UInt64
        /// The least and the greatest count in it.
        var counts: ClosedRange<UInt64>
        /// Whether all words are the page's own: its name and a count, or zeros all through.
        var isOwn: Bool
    }

    /// Looks at a page; `part` of a page of zeros is one with the name 0.
    static func look(at bytes: ArraySlice<UInt8>) -> Found {
        var words: [UInt64] = []
        words.reserveCapacity(Self.words)
        unsafe bytes.withUnsafeBytes { buffer in
            for word in 0..<Self.words {
                unsafe words.append(buffer.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self))
            }
        }
        let name = words[0]
        var counts = UInt64.max...UInt64.max
        var isOwn = true
        for (index, word) in words.dropFirst().enumerated() {
            if name == 0 ? word != 0 : word >> 32 != name { isOwn = false }
            let count = word & 0xffff_ffff
            counts = index == 0 ? count...count : min(counts.lowerBound, count)...max(counts.upperBound, count)
        }
        return Found(name: name, counts: counts, isOwn: isOwn)
    }

    /// All pages of a file.
    static func all(of bytes: [UInt8]) -> [Found] {
        stride(from: 0, to: bytes.count - Self.size + 1, by: Self.size).map { start in
            Self.look(at: bytes[start..<start + Self.size])
        }
    }
}
