/// Puts fields together to bytes that are kept over a restart; the lowest byte of a number comes first.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ number: some FixedWidthInteger & UnsignedInteger) {
        for shift in stride(from: 0, to: number.bitWidth, by: 8) {
            self.bytes.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }

    /// At most 65,535 bytes, with their number.
    mutating func put(_ bytes: [UInt8]) {
        let count = min(bytes.count, Int(UInt16.max))
        self.put(UInt16(count))
        self.bytes += bytes[..<count]
    }
}

/// Takes bytes apart that may be anything: every field is `nil` where there are not enough of them.
struct ByteReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { self.rest = bytes[...] }

    /// Whether all bytes were taken.
    var isAtEnd: Bool { self.rest.isEmpty }

    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(_: Number.Type) -> Number? {
        let count = Number.bitWidth / 8
        guard self.rest.count >= count else { return nil }
        defer { self.rest = self.rest.dropFirst(count) }
        return self.rest.prefix(count).reversed().reduce(0) { $0 << 8 | Number($1) }
    }

    /// Bytes with their number, at most `limit`.
    mutating func bytes(limit: Int) -> [UInt8]? {
        guard let count = self.number(UInt16.self), count <= limit, self.rest.count >= count else { return nil }
        defer { self.rest = self.rest.dropFirst(Int(count)) }
        return Array(self.rest.prefix(Int(count)))
    }
}
