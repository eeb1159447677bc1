import LayoutXDR
import NIOCore
import Sessions

/// A number that stands for a call in its slot: two calls with the same one are the same call (RFC 8881 §2.10.6.1.3.1).
///
/// It covers procedure, principal and arguments, but not `highest_slotid`, which may differ in a retry. Not
/// cryptographic: a client that makes two of its own calls collide only gets an answer that it was given before.
enum CallDigest {
    /// `highest_slotid` in the arguments: behind the session ID, the sequence and the slot.
    private static let volatileBytes = 24..<28

    static func digest(procedure: Procedure, body: ByteBuffer, principal: Principal) -> UInt64 {
        var state = Self.mix(UInt64(procedure.rawValue) << 32 | UInt64(principal.uid), 0x9e37_79b9_7f4a_7c15)
        state = Self.mix(state, UInt64(body.readableBytes) << 1 | (principal.isVerified ? 1 : 0))
        unsafe body.withUnsafeReadableBytes { bytes in
            var offset = 0
            while offset + 8 <= bytes.count {
                var word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                if offset == Self.volatileBytes.lowerBound { word = Self.withoutFirstHalf(word) }
                state = Self.mix(state, word)
                offset += 8
            }
            while offset < bytes.count {
                if !Self.volatileBytes.contains(offset) { state = Self.mix(state, unsafe UInt64(bytes[offset])) }
                offset += 1
            }
        }
        return state
    }

    /// The word without the four bytes that come first in memory.
    private static func withoutFirstHalf(_ word: UInt64) -> UInt64 {
        (UInt64(littleEndian: word) >> 32) << 32
    }

    /// Multiplies and folds: every bit of both goes into every bit of the result.
    private static func mix(_ state: UInt64, _ word: UInt64) -> UInt64 {
        let product = (state ^ 0xa076_1d64_78bd_642f).multipliedFullWidth(by: word ^ 0xe703_7ed1_a0b4_28db)
        return product.high ^ product.low ^ (state << 23 | state >> 41)
    }
}
