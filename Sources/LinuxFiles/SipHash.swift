/// SipHash-2-4 over whole 64-bit words: a short keyed code that cannot be forged without the key.
///
/// Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), §2. The words count as little-endian bytes, so the
/// results are those of the reference code for inputs whose length is a multiple of 8.
package struct SipHash: Sendable {
    /// The 128 secret bits.
    package struct Key: Hashable, Sendable {
        let low: UInt64
        let high: UInt64

        /// Makes a key from its two halves.
        package init(_ low: UInt64, _ high: UInt64) {
            self.low = low
            self.high = high
        }
    }

    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64
    private var length: UInt64 = 0

    /// Starts with nothing taken in.
    package init(key: Key) {
        self.v0 = key.low ^ 0x736f_6d65_7073_6575
        self.v1 = key.high ^ 0x646f_7261_6e64_6f6d
        self.v2 = key.low ^ 0x6c79_6765_6e65_7261
        self.v3 = key.high ^ 0x7465_6462_7974_6573
    }

    /// Takes eight more bytes in.
    package mutating func combine(_ word: UInt64) {
        self.length &+= 8
        self.compress(word)
    }

    /// Takes bytes in, with their number: so what was taken in one after the other cannot be confused.
    package mutating func combine(_ bytes: some Collection<UInt8>) {
        self.combine(UInt64(bytes.count))
        var word: UInt64 = 0
        var filled: UInt64 = 0
        for byte in bytes {
            word |= UInt64(byte) << (8 * filled)
            filled += 1
            if filled == 8 {
                self.combine(word)
                (word, filled) = (0, 0)
            }
        }
        if filled > 0 { self.combine(word) }
    }

    /// The code over all that was taken in.
    package consuming func finish() -> UInt64 {
        // The last block carries the length in bytes, modulo 256, in its highest byte.
        self.compress(self.length << 56)
        self.v2 ^= 0xff
        for _ in 0..<4 { self.round() }
        return self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    private mutating func compress(_ word: UInt64) {
        self.v3 ^= word
        self.round()
        self.round()
        self.v0 ^= word
    }

    private mutating func round() {
        self.v0 &+= self.v1
        self.v1 = Self.rotate(self.v1, 13) ^ self.v0
        self.v0 = Self.rotate(self.v0, 32)
        self.v2 &+= self.v3
        self.v3 = Self.rotate(self.v3, 16) ^ self.v2
        self.v0 &+= self.v3
        self.v3 = Self.rotate(self.v3, 21) ^ self.v0
        self.v2 &+= self.v1
        self.v1 = Self.rotate(self.v1, 17) ^ self.v2
        self.v2 = Self.rotate(self.v2, 32)
    }

    private static func rotate(_ word: UInt64, _ bits: UInt64) -> UInt64 { word << bits | word >> (64 - bits) }
}
