import CLayoutXDR
import CTIRPC
import NIOCore

/// A struct of `layout.x` together with the routine that rpcgen wrote for it.
///
/// All zero must be a valid value without pointers, which holds for everything that rpcgen makes.
protocol WireType {
    init()

    /// Encodes, decodes or frees `value`, as the stream says.
    static func transcode(_ stream: UnsafeMutablePointer<XDR>, _ value: UnsafeMutablePointer<Self>) -> bool_t
}

/// Moves C structs between a `ByteBuffer` and libtirpc's `xdrmem` streams, in place.
enum XDRStream {
    /// Decodes all of `body` as a `Wire` and turns it into a value.
    ///
    /// What libtirpc accepts leniently is refused (`compare_xdr.h`): the decoded struct is encoded again into a stream
    /// that compares, so that a message is accepted only if its bytes are the ones that an encoder writes. Compared
    /// with a scan of the bytes before decoding this needs no second description of the messages that could differ from
    /// the first, and it takes no memory.
    ///
    /// What libtirpc allocated is free again when this returns, whatever happens; `convert` must copy what it keeps.
    static func decode<Wire: WireType, Value>(
        _ type: Wire.Type,
        _ body: ByteBuffer,
        _ convert: (inout Wire) throws(CodecError) -> Value
    ) throws(CodecError) -> Value {
        let result = unsafe body.withUnsafeReadableBytes { bytes -> Result<Value, CodecError> in
            var wire = Wire()
            do throws(CodecError) {
                defer { Self.free(&wire) }
                unsafe try Self.fill(&wire, from: bytes)
                return .success(try convert(&wire))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Appends a `Wire` to `buffer`.
    ///
    /// - Parameters:
    ///   - buffer: Grows as needed, by at most the size of the struct and what it points to.
    ///   - borrowed: Bytes that the struct will point to outside of the arena.
    ///   - make: Makes the struct; what it points to comes from the arena.
    /// - Precondition: Every array and opaque is within its bound.
    static func encode<Wire: WireType>(
        into buffer: inout ByteBuffer,
        borrowing borrowed: Int = 0,
        _ make: (inout WireArena) -> Wire
    ) {
        unsafe withUnsafeTemporaryAllocation(byteCount: WireArena.stackBytes, alignment: 16) { block in
            var arena = unsafe WireArena(block)
            var wire = make(&arena)
            // On the wire nothing is longer than in memory: words and hypers have their C sizes, a union is as long as
            // its longest arm, and a count takes the place of a count and a pointer.
            let room = MemoryLayout<Wire>.size + arena.wireBytes + WireArena.padded(borrowed)
            unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { bytes in
                var stream = unsafe XDR()
                unsafe xdrmem_create(
                    &stream,
                    bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                    UInt32(clamping: bytes.count),
                    XDR_ENCODE
                )
                guard unsafe Wire.transcode(&stream, &wire) != 0 else {
                    preconditionFailure(
                        "\(Wire.self): a value is over its bound in layout.x, or \(room) bytes are too few"
                    )
                }
                return unsafe Self.position(&stream)
            }
        }
    }

    private static func fill<Wire: WireType>(
        _ wire: inout Wire,
        from bytes: UnsafeRawBufferPointer
    ) throws(CodecError) {
        // xdrmem asks for a pointer that it could write to; a decoding stream only reads.
        let start = unsafe UnsafeMutableRawPointer(mutating: bytes.baseAddress)?.assumingMemoryBound(to: CChar.self)
        let length = UInt32(clamping: bytes.count)

        var stream = unsafe XDR()
        unsafe xdrmem_create(&stream, start, length, XDR_DECODE)
        guard unsafe Wire.transcode(&stream, &wire) != 0 else {
            throw CodecError("\(Wire.self)", .truncatedOrOverBound)
        }
        let end = unsafe Self.position(&stream)
        guard end == bytes.count else { throw CodecError("\(Wire.self)", .trailingBytes(bytes.count - end)) }

        unsafe ll_xdr_compare_create(&stream, bytes.baseAddress, length)
        guard unsafe Wire.transcode(&stream, &wire) != 0 else {
            throw CodecError("\(Wire.self)", .notCanonical(offset: unsafe Self.position(&stream)))
        }
    }

    /// What `xdr_free` does, which Swift cannot call: its routine argument is variadic.
    private static func free<Wire: WireType>(_ wire: inout Wire) {
        var stream = unsafe XDR()
        unsafe stream.x_op = XDR_FREE
        _ = unsafe Wire.transcode(&stream, &wire)
    }

    private static func position(_ stream: inout XDR) -> Int {
        guard let position = unsafe stream.x_ops.pointee.x_getpostn else { return 0 }
        return Int(unsafe position(&stream))
    }
}
