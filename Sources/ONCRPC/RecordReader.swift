import NIOCore

/// Takes a byte stream apart into records (record marking, RFC 5531 §11).
///
/// A value without I/O.
///
/// A record in one fragment, the usual case, is a slice of the bytes that came in; one of several fragments is put
/// together as they arrive. Memory follows the bytes received, never the length announced.
struct RecordReader {
    /// What the bytes so far amount to.
    enum Step {
        /// The next record.
        case record(ByteBuffer)
        /// More bytes are needed.
        case incomplete
        /// A limit is exceeded; the stream cannot be read further.
        case violation(RPCCloseReason)
    }

    private struct Fragment {
        var isLast: Bool
        /// Bytes still to come.
        var remaining: Int
    }

    private let recordLengthMax: Int
    private let fragmentsMax: Int
    /// Bytes not looked at yet.
    private var input = ByteBuffer()
    /// The fragment whose header was read last, until its end is reached.
    private var fragment: Fragment?
    /// The fragments so far of a record that has several.
    private var assembled: ByteBuffer?
    private var fragmentCount = 0

    init(recordLengthMax: Int, fragmentsMax: Int) {
        self.recordLengthMax = recordLengthMax
        self.fragmentsMax = fragmentsMax
    }

    /// Whether a record has begun and is not complete, or bytes wait for ``next()``.
    var isMidRecord: Bool {
        self.input.readableBytes > 0 || self.fragment != nil || self.assembled != nil
    }

    /// Bytes held.
    var bufferedLength: Int {
        self.input.readableBytes + (self.assembled?.readableBytes ?? 0)
    }

    /// Memory held for them.
    var capacity: Int {
        self.input.storageCapacity + (self.assembled?.storageCapacity ?? 0)
    }

    /// Adds bytes at the end of the stream.
    mutating func append(_ bytes: ByteBuffer) {
        guard self.input.readableBytes > 0 else {
            self.input = bytes
            return
        }
        self.input.discardReadBytes()
        self.input.writeImmutableBuffer(bytes)
    }

    /// The next record, if it is complete.
    ///
    /// To be called until it says otherwise.
    mutating func next() -> Step {
        while true {
            guard let fragment = self.fragment else {
                guard let word = self.input.readInteger(as: UInt32.self) else { return self.incomplete() }
                let length = Int(word & 0x7fff_ffff)
                let total = (self.assembled?.readableBytes ?? 0) + length
                self.fragmentCount += 1
                guard total <= self.recordLengthMax else { return .violation(.recordTooLong(announced: total)) }
                guard self.fragmentCount <= self.fragmentsMax else { return .violation(.tooManyFragments) }
                self.fragment = Fragment(isLast: word >> 31 == 1, remaining: length)
                continue
            }
            if fragment.isLast, self.assembled == nil {
                guard let record = self.input.readSlice(length: fragment.remaining) else { return self.incomplete() }
                return self.completed(record)
            }
            if let record = self.assemble(fragment) { return self.completed(record) }
            if self.fragment != nil { return self.incomplete() }
        }
    }

    /// Moves what is there of a fragment to the record.
    ///
    /// Returns the record if that was its end.
    private mutating func assemble(_ fragment: Fragment) -> ByteBuffer? {
        // Taken out while it grows, so that it is not copied.
        var record = self.assembled.take() ?? ByteBuffer()
        let length = min(fragment.remaining, self.input.readableBytes)
        if let part = self.input.readSlice(length: length) { record.writeImmutableBuffer(part) }
        let remaining = fragment.remaining - length
        self.fragment = remaining == 0 ? nil : Fragment(isLast: fragment.isLast, remaining: remaining)
        if fragment.isLast, remaining == 0 { return record }
        self.assembled = record
        return nil
    }

    private mutating func completed(_ record: ByteBuffer) -> Step {
        self.fragment = nil
        self.fragmentCount = 0
        return .record(record)
    }

    /// Lets go of the read buffer, or of most of it: a connection that waits must not hold 64 KiB for a few bytes.
    private mutating func incomplete() -> Step {
        let readable = self.input.readableBytes
        if readable == 0 {
            self.input = ByteBuffer()
        } else if self.input.storageCapacity > 4 * readable + 1024 {
            self.input = ByteBuffer(bytes: self.input.readableBytesView)
        }
        return .incomplete
    }
}
