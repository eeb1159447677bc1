import LayoutXDR
import NIOCore

/// The bytes of a call, encoded once and sent many times with other numbers in it.
struct CallRecord {
    /// Where things are in the record: the mark, ten words of header (RFC 5531 §9, AUTH_NONE), then the arguments.
    enum Offset {
        static var transaction: Int { 4 }
        static var body: Int { 44 }
        /// `ll_sequence_args.sequenceid`, behind the session ID.
        static var sequence: Int { Self.body + 16 }
        /// `LL_LAYOUTGETargs.stateid`, behind the 32 bytes of the sequence and the 32 of the file handle.
        static var layoutStateID: Int { Self.body + 64 }
    }

    private(set) var bytes: [UInt8]

    /// Makes the record of a call; the arguments are XDR.
    init(program: UInt32, version: UInt32, procedure: UInt32, arguments: ByteBuffer = ByteBuffer()) {
        let size = UInt32(Offset.body - 4 + arguments.readableBytes)
        let header: [UInt32] = [size | 0x8000_0000, 0, 0, 2, program, version, procedure, 0, 0, 0, 0]
        self.bytes = header.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - $0 * 8)) } }
        self.bytes += arguments.readableBytesView
    }

    /// Makes the record of a call to layoutd.
    init(_ call: LayoutCall) {
        var arguments = ByteBuffer()
        LayoutCodec.encode(call, into: &arguments)
        // LAYOUT_PROGRAM and LAYOUT_V1 of Protocol/layout.x.
        self.init(
            program: 0x2000_4c4c,
            version: 1,
            procedure: LayoutCodec.procedure(of: call.request).rawValue,
            arguments: arguments
        )
    }

    /// Puts another number in its place.
    mutating func patch(_ value: UInt32, at offset: Int) {
        for index in 0..<4 { self.bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (24 - index * 8)) }
    }

    /// Puts bytes of an answer in their place.
    mutating func patch(_ range: Range<Int>, of socket: RecordSocket, at offset: Int) {
        socket.copy(range, to: &self.bytes, at: offset)
    }
}
