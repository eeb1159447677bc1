import LayoutCore
import LayoutXDR
import NIOCore
import Testing

/// What libtirpc lets through and this codec does not.
@Suite struct StrictnessTests {
    /// `bytes` with the word at `offset` replaced.
    private static func patch(_ bytes: [UInt8], _ offset: Int, _ word: UInt32) -> [UInt8] {
        var bytes = bytes
        for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: word >> UInt32(24 - 8 * index)) }
        return bytes
    }

    /// Where the field whose meaning begins with `name` is in a sample.
    private static func find(
        _ name: String,
        in sample: String
    ) throws -> (message: Message, bytes: [UInt8], offset: Int) {
        let message = try #require(Sample.all.first { $0.name == sample }?.message)
        let bytes = message.encoded
        let items = try SchemaWalker.walk(bytes, as: message.kind.type(in: .layout), in: .layout).items
        let item = try #require(items.first { $0.meaning.hasPrefix(name) }, "\(sample) has no \(name)")
        return (message, bytes, item.bytes.startIndex)
    }

    @Test(arguments: [
        ("layoutget-call", "sequence.cachethis"), ("allocate-call", "keep_size"), ("write-call", "stable"),
        ("layoutcommit-call", "size_changed"), ("exchange-id-reply", "resok.confirmed"),
        ("layoutget-reply", "result.resok.return_on_close"), ("layoutget-reply", "result.resok.shifts_known"),
        ("layoutreturn-reply", "result.resok.present"), ("punch-hole-reply", "result.resok.layout_present"),
        ("read-reply", "result.resok.eof"), ("readdir-reply", "result.resok.eof"),
        ("state-clients-reply", "result.resok.records.clients[0].back_channel"),
        ("state-layouts-reply", "result.resok.records.layouts[0].recalled"),
    ])
    func aBoolIsZeroOrOne(_ sample: String, _ field: String) throws {
        let (message, bytes, offset) = try Self.find(field, in: sample)
        for value: UInt32 in [2, 0x100, 0x8000_0000, .max] {
            let error = #expect(throws: CodecError.self) {
                try Message.decode(message.kind, Self.patch(bytes, offset, value))
            }
            guard case .notCanonical = error?.reason else {
                Issue.record("\(sample) \(field) = \(value): \(String(describing: error))")
                return
            }
        }
    }

    @Test(arguments: [
        ("bind-conn-to-session-call", "dir"), ("bind-conn-to-session-reply", "resok.dir"),
        ("getattr-reply", "result.resok.attributes.type"), ("readdir-reply", "result.resok.entries[0].type"),
        ("layoutreturn-call", "type"), ("layoutreturn-call", "iomode"), ("layoutget-reply", "result.resok.iomode"),
        ("layoutget-reply", "result.resok.shifts[0].operation"), ("layoutget-reply", "result.resok.extents[0].state"),
        ("getdeviceinfo-device-reply", "result.device"), ("state-call", "kind"),
        ("state-layouts-reply", "result.resok.records.layouts[0].iomode"),
        ("state-waiting-reply", "result.resok.records.waiting[0].operation"),
        ("state-recalls-reply", "result.resok.records.recalls[0].operation"),
        ("cb-layoutrecall-call", "iomode"), ("cb-layoutrecall-call", "reason"),
        ("cb-layoutrecall-call", "operation"), ("cb-notify-deviceid-call", "type"),
    ])
    func anUnknownEnumIsRefused(_ sample: String, _ field: String) throws {
        let (message, bytes, offset) = try Self.find(field, in: sample)
        for value: UInt32 in [15, 99, 0x8000_0000, .max] {
            let error = #expect(throws: CodecError.self) {
                try Message.decode(message.kind, Self.patch(bytes, offset, value))
            }
            #expect(error?.reason == .unknownValue(value), "\(sample) \(field)")
        }
    }

    /// A record kind that the union has no arm for stops libtirpc itself.
    @Test func anUnknownRecordKindIsRefused() throws {
        let (message, bytes, offset) = try Self.find("result.resok.records.kind", in: "state-server-reply")
        #expect(throws: CodecError.self) { try Message.decode(message.kind, Self.patch(bytes, offset, 5)) }
    }

    /// The server answers these with UNKNOWN_LAYOUTTYPE, BADIOMODE and INVAL, so it has to see them.
    @Test(arguments: ["addressing", "iomode", "flags"])
    func layoutGetKeepsUnknownNumbers(_ field: String) throws {
        let (message, bytes, offset) = try Self.find(field, in: "layoutget-call")
        for value: UInt32 in [0, 3, 99, .max] {
            let patched = Self.patch(bytes, offset, value)
            let decoded = try Message.decode(message.kind, patched)
            #expect(decoded.encoded == patched)
        }
    }

    /// A newer peer's status survives.
    @Test func anUnknownStatusSurvives() throws {
        let (message, bytes, offset) = try Self.find("result.status", in: "layoutget-error")
        guard case .reply(_, let reply) = try Message.decode(message.kind, Self.patch(bytes, offset, 31_337)) else {
            Issue.record("not a reply")
            return
        }
        #expect(throws: Failure(LayoutStatus(rawValue: 31_337), "a collapse of [0, end) is under way; ask again")) {
            _ = try reply.result.get()
        }
    }

    @Test(arguments: ["rename-call", "write-call", "exchange-id-call", "layoutget-error", "cb-layoutrecall-call"])
    func paddingIsZero(_ name: String) throws {
        let message = try #require(Sample.all.first { $0.name == name }?.message)
        let bytes = message.encoded
        let type = try message.kind.type(in: .layout)
        // Every byte whose change only the padding rule of the schema notices.
        var found = 0
        for index in bytes.indices where bytes[index] == 0 {
            var changed = bytes
            changed[index] = 1
            let walk = Result { try SchemaWalker.walk(changed, as: type, in: .layout) }
            guard case .failure(let failure) = walk, "\(failure)".contains("padding") else { continue }
            found += 1
            let error = #expect(throws: CodecError.self) { try Message.decode(message.kind, changed) }
            guard case .notCanonical(let offset) = error?.reason else {
                Issue.record("byte \(index): \(String(describing: error))")
                continue
            }
            #expect((offset..<offset + 4).contains(index))
        }
        #expect(found > 0, "\(name) has no padding")
    }

    @Test func nullTakesNoArguments() {
        let body = ByteBuffer(bytes: [0, 0, 0, 0])
        #expect(throws: CodecError.self) { try LayoutCodec.decodeCall(procedure: .null, body) }
        #expect(throws: CodecError.self) { try LayoutCodec.decodeReply(procedure: .null, body) }
        #expect(throws: CodecError.self) { try LayoutCodec.decodeCallback(procedure: .null, body) }
    }

    /// What would be lost when the value is encoded again is refused.
    @Test(arguments: [
        ("layoutcommit-same-size-call", "new_size"), ("layoutreturn-all-reply", "result.resok.stateid"),
        ("truncate-reply", "result.resok.stateid"),
    ])
    func fieldsWithoutMeaningAreZero(_ sample: String, _ field: String) throws {
        let (message, bytes, offset) = try Self.find(field, in: sample)
        let error = #expect(throws: CodecError.self) {
            try Message.decode(message.kind, Self.patch(bytes, offset, 1))
        }
        guard case .inconsistent = error?.reason else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func unknownReturnFlagsAreRefused() throws {
        let (message, bytes, offset) = try Self.find("flags", in: "layoutreturn-call")
        let error = #expect(throws: CodecError.self) { try Message.decode(message.kind, Self.patch(bytes, offset, 2)) }
        #expect(error?.reason == .unknownValue(2))
    }
}
