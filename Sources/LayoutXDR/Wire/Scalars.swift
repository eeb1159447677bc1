import CLayoutXDR
import CTIRPC
import LayoutCore

// Opaques of fixed size are tuples of bytes in C. They become integers with the first byte in the lowest bits, on any
// host.

extension Opaque16 {
    init(wire: ll_token) {
        let (low, high) = unsafe unsafeBitCast(wire, to: (UInt64, UInt64).self)
        self.init(low: UInt64(littleEndian: low), high: UInt64(littleEndian: high))
    }

    var wire: ll_token {
        unsafe unsafeBitCast((self.low.littleEndian, self.high.littleEndian), to: ll_token.self)
    }
}

extension FileHandle {
    init(wire: ll_fh) {
        let (a, b) = unsafe unsafeBitCast(wire, to: (ll_token, ll_token).self)
        self.init(low: Opaque16(wire: a), high: Opaque16(wire: b))
    }

    var wire: ll_fh { unsafe unsafeBitCast((self.low.wire, self.high.wire), to: ll_fh.self) }
}

extension UInt64 {
    init(wire: ll_verifier) { self.init(littleEndian: unsafe unsafeBitCast(wire, to: UInt64.self)) }

    var wireVerifier: ll_verifier { unsafe unsafeBitCast(self.littleEndian, to: ll_verifier.self) }
}

extension StateID {
    init(wire: ll_stateid) {
        let (number, boot) = unsafe unsafeBitCast(wire.other, to: (UInt64, UInt32).self)
        self.init(
            seqid: wire.seqid,
            other: StateIDOther(number: UInt64(littleEndian: number), boot: UInt32(littleEndian: boot))
        )
    }

    /// A stateid that is only there if `present` is true, and must be all zero if not.
    static func optional(
        _ wire: ll_stateid,
        present: bool_t,
        _ field: String
    ) throws(CodecError) -> StateID? {
        let stateID = StateID(wire: wire)
        guard present == 0 else { return stateID }
        guard stateID == .none else { throw CodecError(field, .inconsistent("a stateid where none is present")) }
        return nil
    }

    var wire: ll_stateid {
        ll_stateid(
            seqid: self.seqid,
            other: unsafe unsafeBitCast(
                (self.other.number.littleEndian, self.other.boot.littleEndian),
                to: type(of: ll_stateid().other)
            )
        )
    }
}

extension ByteRange {
    /// A range that the sender computed: empty or overflowing ones are refused.
    init(wire offset: UInt, _ length: UInt, _ field: String) throws(CodecError) {
        guard let range = ByteRange(offset: UInt64(offset), length: UInt64(length)) else {
            throw CodecError(field, .badRange(offset: UInt64(offset), length: UInt64(length)))
        }
        self = range
    }

    /// Offset and length as they travel.
    var wire: (offset: UInt, length: UInt) { (UInt(self.lowerBound), UInt(self.wireLength)) }
}

extension RawRepresentable where RawValue == UInt32 {
    /// The case for a number, which libtirpc does not check.
    init(wire number: UInt32, _ field: String) throws(CodecError) {
        guard let value = Self(rawValue: number) else { throw CodecError(field, .unknownValue(number)) }
        self = value
    }
}

extension Bool {
    /// `bool_t`, already known to be 0 or 1.
    init(wire: bool_t) { self = wire != 0 }

    var wire: bool_t { self ? 1 : 0 }
}

extension [UInt8] {
    /// A copy of an opaque; its pointer is null if it is empty.
    init(wire pointer: UnsafeMutablePointer<CChar>?, _ count: UInt32) {
        self = unsafe [UInt8](UnsafeRawBufferPointer(start: pointer, count: pointer == nil ? 0 : Int(count)))
    }
}

extension Array {
    /// Values for the elements of an array; its pointer is null if it is empty.
    init<Wire>(
        wire pointer: UnsafeMutablePointer<Wire>?,
        _ count: UInt32,
        _ convert: (Wire) throws(CodecError) -> Element
    ) throws(CodecError) {
        self = []
        guard let pointer = unsafe pointer else { return }
        self.reserveCapacity(Int(count))
        for index in 0..<Int(count) { self.append(try convert(unsafe pointer[index])) }
    }
}
