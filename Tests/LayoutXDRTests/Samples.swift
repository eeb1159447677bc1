import LayoutCore
import LayoutXDR
import Testing

/// A message with a vector of its own in `Protocol/Vectors`.
struct Sample: Sendable {
    var name: String
    var message: Message

    /// One or more for each procedure: arguments, results and an error.
    static let all = Self.sessions + Self.files + Self.layouts + Self.changes + Self.operators + Self.callbacks

    static func call(_ name: String, _ request: Request) -> Sample {
        let procedure = LayoutCodec.procedure(of: request)
        return Sample(
            name: "\(name)-call",
            message: .call(
                LayoutCall(sequence: procedure.carriesSequence ? Self.sequence : nil, request: request)
            )
        )
    }

    static func reply(_ name: String, _ procedure: Procedure, _ response: Response) -> Sample {
        Sample(
            name: "\(name)-reply",
            message: .reply(
                procedure,
                LayoutReply(
                    sequence: procedure.carriesSequence ? Self.sequenceResult : nil,
                    result: .success(response)
                )
            )
        )
    }

    static func failure(
        _ name: String,
        _ procedure: Procedure,
        _ status: LayoutStatus,
        _ detail: String
    ) -> Sample {
        Sample(
            name: "\(name)-error",
            message: .reply(
                procedure,
                LayoutReply(
                    sequence: procedure.carriesSequence ? Self.sequenceResult : nil,
                    result: .failure(Failure(status, detail))
                )
            )
        )
    }

    static let session = SessionID(Self.opaque(0x50))
    static let handle = FileHandle(low: Self.opaque(0xa0), high: Self.opaque(0xb0))
    static let otherHandle = FileHandle(low: Self.opaque(0xc0), high: Self.opaque(0xd0))
    static let device = DeviceID(Self.opaque(0x10))
    static let token = DescriptorToken(Self.opaque(0x20))
    static let client = ClientID(0x1122_3344_5566_7788)
    static let stateID = StateID(seqid: 3, other: StateIDOther(number: 0x0807_0605_0403_0201, boot: 0x0c0b_0a09))
    static let sequence = SequenceArguments(
        session: Self.session,
        sequence: 7,
        slot: 2,
        highestSlot: 5,
        cacheThis: true
    )
    static let sequenceResult = SequenceResult(
        status: .ok,
        sequence: 7,
        slot: 2,
        highestSlot: 15,
        targetHighestSlot: 31,
        flags: [.callbackPathDown, .someRevoked]
    )
    static let attributes = FileAttributes(
        type: .regular,
        mode: 0o100_640,
        linkCount: 1,
        uid: 1000,
        gid: 100,
        blockSize: 4096,
        flags: .dax,
        fileNumber: 131,
        size: 1 << 30,
        used: 1 << 29,
        change: 12,
        epoch: 4,
        accessTime: FileTime(seconds: -1, nanoseconds: 999_999_999),
        modificationTime: FileTime(seconds: 1_700_000_000, nanoseconds: 1),
        changeTime: FileTime(seconds: 1_700_000_001, nanoseconds: 0)
    )

    /// Sixteen bytes that count up from `first`.
    static func opaque(_ first: UInt8) -> Opaque16 {
        func half(_ start: UInt8) -> UInt64 {
            (0..<8).reduce(0) { $0 | UInt64(start + UInt8($1)) << (8 * UInt64($1)) }
        }
        return Opaque16(low: half(first), high: half(first + 8))
    }

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A range that is known not to be empty.
    static func range(_ lower: UInt64, _ upper: UInt64) -> ByteRange {
        guard let range = ByteRange(lower, upper) else { preconditionFailure("[\(lower), \(upper)) is empty") }
        return range
    }
}

extension Sample: CustomTestStringConvertible {
    var testDescription: String { self.name }
}
