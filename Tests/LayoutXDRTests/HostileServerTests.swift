import LayoutCore
import LayoutXDR
import NIOCore
import Testing

/// A client relies on nothing that a server has not shown to be in order.
@Suite struct HostileServerTests {
    private static func range(_ lower: UInt64, _ upper: UInt64) -> ByteRange { Sample.range(lower, upper) }

    private static func data(_ lower: UInt64, _ upper: UInt64, at storage: UInt64 = 0) -> Extent {
        Extent(range: Self.range(lower, upper), storageOffset: storage, state: .data)
    }

    private static func shift(_ epoch: UInt64, _ offset: UInt64 = 0, _ length: UInt64 = 4096) -> LoggedShift {
        LoggedShift(epoch: epoch, shift: Shift(isInsert: true, offset: offset, length: length))
    }

    /// A reply as our encoder would never send it, decoded.
    private static func decode(
        range: ByteRange = Self.range(0, 8192),
        epoch: UInt64 = 10,
        shifts: [LoggedShift]? = [],
        extents: [Extent] = [Self.data(0, 8192)]
    ) throws -> LayoutReply {
        let grant = LayoutGetResult(
            stateID: Sample.stateID,
            range: range,
            ioMode: .read,
            returnOnClose: false,
            device: Sample.device,
            token: .none,
            capabilities: [],
            fileSize: 8192,
            epoch: epoch,
            shifts: shifts,
            extents: extents
        )
        let reply = LayoutReply(sequence: Sample.sequenceResult, result: .success(.layoutGet(grant)))
        var buffer = ByteBuffer()
        LayoutCodec.encode(reply, for: .layoutGet, into: &buffer)
        let decoded = try LayoutCodec.decodeReply(procedure: .layoutGet, buffer)
        #expect(decoded == reply)
        return decoded
    }

    @Test func extentsInOrderAreAccepted() throws {
        _ = try Self.decode()
        _ = try Self.decode(extents: [Self.data(0, 4096), Self.data(4096, 8192)])
        _ = try Self.decode(range: Self.range(4096, 8192), extents: [Self.data(0, 16_384)])
    }

    @Test func extentsHaveNoGapsAndDoNotOverlap() {
        for extents in [
            [Self.data(0, 4096), Self.data(4097, 8192)],
            [Self.data(0, 4096), Self.data(4095, 8192)],
            [Self.data(4096, 8192), Self.data(0, 4096)],
            [Self.data(0, 8192), Self.data(0, 8192)],
            [Extent(range: ByteRange(from: 0), storageOffset: 0, state: .hole), Self.data(0, 4096)],
        ] {
            #expect(throws: CodecError.self, "\(extents)") { try Self.decode(extents: extents) }
        }
    }

    @Test func extentsCoverTheRange() {
        for extents in [[], [Self.data(0, 8191)], [Self.data(1, 8192)], [Self.data(8192, 16_384)]] {
            #expect(throws: CodecError.self, "\(extents)") { try Self.decode(extents: extents) }
        }
        #expect(throws: CodecError.self) { try Self.decode(range: .all, extents: [Self.data(0, 1 << 62)]) }
    }

    @Test func extentsStayWithinTheDevicesNumbers() {
        for storage: UInt64 in [.max, .max - 8192, .max - 8191] {
            #expect(throws: CodecError.self, "\(storage)") {
                try Self.decode(extents: [Self.data(0, 8192, at: storage)])
            }
        }
    }

    @Test func shiftsAreInTheOrderOfTheirEpochs() throws {
        _ = try Self.decode(shifts: [Self.shift(2), Self.shift(9), Self.shift(10)])
        for shifts in [
            [Self.shift(3), Self.shift(2)], [Self.shift(3), Self.shift(3)], [Self.shift(11)], [Self.shift(0)],
        ] {
            #expect(throws: CodecError.self, "\(shifts)") { try Self.decode(shifts: shifts) }
        }
    }

    @Test func shiftsDoNotOverflow() {
        for (offset, length): (UInt64, UInt64) in [(0, 0), (0, .max), (.max, 1), (1 << 63, 1 << 63), (.max - 1, 1)] {
            #expect(throws: CodecError.self, "\(offset) + \(length)") {
                try Self.decode(shifts: [Self.shift(2, offset, length)])
            }
        }
    }

    /// Offset and length where the server names a range: each must be refused when empty or overflowing.
    @Test(arguments: [
        ("layoutget-reply", "result.resok.offset"), ("layoutget-reply", "result.resok.extents[0].offset"),
        ("cb-layoutrecall-call", "offset"), ("cb-layoutrecall-call", "operation_offset"),
        ("state-layouts-reply", "result.resok.records.layouts[0].offset"),
        ("state-waiting-reply", "result.resok.records.waiting[0].offset"),
        ("state-recalls-reply", "result.resok.records.recalls[0].offset"),
    ])
    func rangesDoNotOverflow(_ sample: String, _ field: String) throws {
        let message = try #require(Sample.all.first { $0.name == sample }?.message)
        let items = try SchemaWalker.walk(message.encoded, as: message.kind.type(in: .layout), in: .layout).items
        let start = try #require(items.first { $0.meaning.hasPrefix(field + " ") }).bytes.startIndex
        for (offset, length): (UInt64, UInt64) in [(0, 0), (.max, .max), (.max, 1), (1 << 63, 1 << 63), (1, .max - 1)] {
            var buffer = ByteBuffer(bytes: message.encoded)
            buffer.setInteger(offset, at: start)
            buffer.setInteger(length, at: start + 8)
            let error = #expect(throws: CodecError.self) { try Message.decode(message.kind, buffer) }
            #expect(error?.reason == .badRange(offset: offset, length: length), "\(sample) \(field)")
        }
    }

    /// Only the server checks what a client asks for, and answers with a status.
    @Test func whatClientsAskForStaysRaw() throws {
        let sample = try #require(Sample.all.first { $0.name == "layoutget-unknown-addressing-call" })
        #expect(try Message.decode(sample.message.kind, sample.message.encoded) == sample.message)
    }

    @Test func aResultRepeatsTheSequencesFailure() throws {
        let failure = Failure(.delay, "slot is busy")
        var sequence = Sample.sequenceResult
        sequence.status = .badSlot
        for result: Result<Response, Failure> in [.failure(failure), .success(.void)] {
            var buffer = ByteBuffer()
            LayoutCodec.encode(LayoutReply(sequence: sequence, result: result), for: .sequence, into: &buffer)
            let reply = try LayoutCodec.decodeReply(procedure: .sequence, buffer)
            #expect(reply.sequence == sequence)
            #expect(throws: Failure.self) { _ = try reply.result.get() }
            guard case .failure(let decoded) = reply.result else { return }
            #expect(decoded.status == .badSlot)
        }
        // A server that says one thing in the sequence and another in the result is not believed.
        var buffer = ByteBuffer()
        sequence.status = .ok
        LayoutCodec.encode(LayoutReply(sequence: sequence, result: .failure(failure)), for: .sequence, into: &buffer)
        buffer.setInteger(LayoutStatus.badSlot.rawValue, at: 0)
        #expect(throws: CodecError.self) { try LayoutCodec.decodeReply(procedure: .sequence, buffer) }
    }
}
