/// FNV-1a with words of 64 bits for bytes: enough to notice any change, and fast without optimisation.
struct Checksum: Hashable, Sendable, CustomStringConvertible {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    /// Of plain memory: loads, and nothing else.
    init(_ bytes: UnsafeRawBufferPointer) {
        let words = bytes.count / 8
        for index in 0..<words {
            self.add(unsafe bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
        }
        for index in words * 8..<bytes.count { self.add(UInt64(unsafe bytes[index])) }
    }

    private mutating func add(_ word: UInt64) { self.value = (self.value ^ word) &* 0x100_0000_01b3 }

    init(_ bytes: [UInt8]) { self = unsafe bytes.withUnsafeBytes { unsafe Checksum($0) } }

    var description: String {
        let digits = String(self.value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
