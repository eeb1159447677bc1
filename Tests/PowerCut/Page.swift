import Glibc

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

    /// Looks at a page; one of zeros has the name 0.
    static func look(at bytes: ArraySlice<UInt8>) -> Found {
        unsafe bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return Found(name: 0, counts: 0...0, isOwn: false) }
            let name = unsafe buffer.loadUnaligned(as: UInt64.self)
            let first = unsafe buffer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            var counts = first & 0xffff_ffff...first & 0xffff_ffff
            var isOwn = first >> 32 == name && (name != 0 || first == 0)
            // Each word is as the one before it: the usual case, and quick.
            if unsafe memcmp(base + 8, base + 16, Self.size - 16) == 0 {
                return Found(name: name, counts: counts, isOwn: isOwn)
            }
            for index in 2..<Self.words {
                let word = unsafe buffer.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)
                if name == 0 || word >> 32 != name { isOwn = false }
                let count = word & 0xffff_ffff
                counts = min(counts.lowerBound, count)...max(counts.upperBound, count)
            }
            return Found(name: name, counts: counts, isOwn: isOwn)
        }
    }

    /// All pages of a file.
    static func all(of bytes: [UInt8]) -> [Found] {
        stride(from: 0, to: bytes.count - Self.size + 1, by: Self.size).map { start in
            Self.look(at: bytes[start..<start + Self.size])
        }
    }
}
