import CBenchPeer
import LayoutCore
import LayoutXDR
import NIOCore

/// The bytes of a call, with its mark.
struct CallRecord: Hashable, Sendable {
    /// Where things are in the record: the mark, ten words of header (RFC 5531 §9, AUTH_NONE), then the arguments.
    enum Offset {
        static var transaction: Int { 4 }
        /// The message's direction, in which an echo is told how long its answer is.
        static var direction: Int { 8 }
        static var body: Int { 44 }
        /// `ll_sequence_args.sequenceid`, behind the session ID.
        static var sequence: Int { Self.body + 16 }
        /// `LL_LAYOUTGETargs.stateid`, behind the 32 bytes of the sequence and the 32 of the file handle.
        static var layoutStateID: Int { Self.body + 64 }
        /// `LL_LAYOUTGETargs.offset`, behind the stateid, the addressing and the iomode.
        static var layoutOffset: Int { Self.layoutStateID + 24 }
    }

    private(set) var bytes: [UInt8]

    /// Makes the record of a call to layoutd.
    init(_ call: LayoutCall) {
        var arguments = ByteBuffer()
        LayoutCodec.encode(call, into: &arguments)
        let size = UInt32(Offset.body - 4 + arguments.readableBytes)
        // LAYOUT_PROGRAM and LAYOUT_V1 of Protocol/layout.x.
        let procedure = LayoutCodec.procedure(of: call.request).rawValue
        self.bytes = Self.bytes(of: [size | 0x8000_0000, 0, 0, 2, 0x2000_4c4c, 1, procedure, 0, 0, 0, 0])
        self.bytes += arguments.readableBytesView
    }

    /// Makes the record of the answer to a call of a server's.
    init(answering transaction: UInt32, body: ByteBuffer) {
        let size = UInt32(24 + body.readableBytes)
        self.bytes = Self.bytes(of: [size | 0x8000_0000, transaction, 1, 0, 0, 0, 0]) + body.readableBytesView
    }

    /// Puts another number in its place.
    mutating func patch(_ value: UInt32, at offset: Int) {
        self.bytes.replaceSubrange(offset..<offset + 4, with: Self.bytes(of: [value]))
    }

    private static func bytes(of words: [UInt32]) -> [UInt8] {
        words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - $0 * 8)) } }
    }
}

/// A call that is made many times, and what changes from time to time.
struct TimedCall: Sendable {
    /// Where things are in an answer: six words of header (RFC 5531 §9, AUTH_NONE), then the results.
    private enum Answer {
        static var body: UInt32 { 24 }
        /// The status behind the 24 bytes of `ll_sequence_res`.
        static var status: UInt32 { Self.body + 24 }
        /// `ll_layout_resok.stateid`.
        static var layoutStateID: UInt32 { Self.status + 4 }
    }

    private(set) var record: CallRecord
    private(set) var numbers = bench_numbers()

    /// A call without a sequence: NULL.
    static var null: TimedCall { TimedCall(record: CallRecord(LayoutCall(sequence: nil, request: .null))) }

    private init(record: CallRecord) { self.record = record }

    /// A call on a slot; each LAYOUTGET begins `step` bytes further in the file than the last.
    init(_ request: Request, _ sequence: SequenceArguments, step: UInt64 = 0) {
        self.record = CallRecord(LayoutCall(sequence: sequence, request: request))
        self.numbers.sequence_at = UInt32(CallRecord.Offset.sequence)
        (self.numbers.status_at, self.numbers.detail_at) = (Answer.body, Answer.status)
        guard case .layoutGet(let arguments) = request else { return }
        if arguments.stateID != .none {
            self.numbers.copy_from = Answer.layoutStateID
            self.numbers.copy_to = UInt32(CallRecord.Offset.layoutStateID)
            self.numbers.copy_size = 16
        }
        guard step > 0 else { return }
        self.numbers.offset_at = UInt32(CallRecord.Offset.layoutOffset)
        self.numbers.offset_step = step
    }

    /// The same bytes for the echo, which answers with as many as layoutd did.
    func echoed(answerSize: Int) -> TimedCall {
        var call = self
        call.record.patch(UInt32(answerSize), at: CallRecord.Offset.direction)
        return call
    }

    /// Whether the places where numbers change are those of `layout.x`.
    static func checkPlaces(_ get: LayoutGetArguments, _ sequence: SequenceArguments) throws {
        func record(_ number: UInt32, _ seqid: UInt32, _ offset: UInt64) -> CallRecord {
            var (get, sequence) = (get, sequence)
            sequence.sequence = number
            (get.stateID.seqid, get.offset) = (seqid, offset)
            return CallRecord(LayoutCall(sequence: sequence, request: .layoutGet(get)))
        }
        var patched = record(1, 2, 3)
        patched.patch(0x0102_0304, at: CallRecord.Offset.sequence)
        patched.patch(0x0506_0708, at: CallRecord.Offset.layoutStateID)
        patched.patch(0x090a_0b0c, at: CallRecord.Offset.layoutOffset)
        patched.patch(0x0d0e_0f10, at: CallRecord.Offset.layoutOffset + 4)
        guard patched == record(0x0102_0304, 0x0506_0708, 0x090a_0b0c_0d0e_0f10) else {
            throw BenchError("layout.x has changed: LAYOUTGET's fields are elsewhere; adapt CallRecord.Offset")
        }
    }
}
