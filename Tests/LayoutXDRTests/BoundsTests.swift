import CLayoutXDR
import LayoutCore
import LayoutXDR
import NIOCore
import Testing

/// An announced count costs no more than its bound in `layout.x` allows, and a count over the bound nothing.
@Suite struct BoundsTests {
    /// Every variable-length field: a sample that has it, and its bound.
    private static let fields: [(sample: String, field: String, bound: Int)] = [
        ("exchange-id-call", "ownerid", ProtocolLimits.owner),
        ("exchange-id-reply", "resok.server_owner", ProtocolLimits.owner),
        ("exchange-id-error", "error.detail", ProtocolLimits.detail),
        ("layoutget-error", "result.error.detail", ProtocolLimits.detail),
        ("lookup-call", "path", ProtocolLimits.path),
        ("rename-call", "from", ProtocolLimits.path),
        ("rename-call", "to", ProtocolLimits.path),
        ("readdir-reply", "result.resok.entries", ProtocolLimits.entries),
        ("readdir-reply", "result.resok.entries[0].name", ProtocolLimits.name),
        ("layoutget-reply", "result.resok.shifts", ProtocolLimits.shifts),
        ("layoutget-reply", "result.resok.extents", ProtocolLimits.extents),
        ("getdeviceinfo-reply", "result.device.file.descriptor_socket", ProtocolLimits.path),
        ("read-reply", "result.resok.data", ProtocolLimits.io),
        ("write-call", "data", ProtocolLimits.io),
        ("state-clients-reply", "result.resok.records.clients", ProtocolLimits.records),
        ("state-layouts-reply", "result.resok.records.layouts", ProtocolLimits.records),
        ("state-waiting-reply", "result.resok.records.waiting", ProtocolLimits.records),
        ("state-waiting-reply", "result.resok.records.waiting[0].waits_for", ProtocolLimits.waitsFor),
        ("state-recalls-reply", "result.resok.records.recalls", ProtocolLimits.records),
        ("cb-layoutrecall-call", "requester_command", ProtocolLimits.name),
        ("cb-notify-deviceid-call", "deviceids", Int(LL_DEVICES_MAX)),
    ]

    @Test func announcedCountsAreNotBelieved() throws {
        for (sample, field, bound) in Self.fields {
            let message = try #require(Sample.all.first { $0.name == sample }?.message, "\(sample)")
            let items = try SchemaWalker.walk(message.encoded, as: message.kind.type(in: .layout), in: .layout).items
            let item = try #require(items.first { $0.meaning.hasPrefix("count of \(field) ") }, "\(sample) \(field)")
            for count in [UInt32(bound), UInt32(bound) + 1, 0x1000_0000, 0x7fff_ffff, 0x8000_0000, .max] {
                var buffer = ByteBuffer(bytes: message.encoded)
                buffer.setInteger(count, at: item.bytes.startIndex)
                #expect(throws: CodecError.self, "\(sample): \(count) \(field)") {
                    try Message.decode(message.kind, buffer)
                }
            }
        }
    }

    /// The worst that one short record makes libtirpc allocate, before it finds that the record is short.
    ///
    /// A count within its bound is allocated before the elements are read. What has been read by then was in the
    /// record, so the worst case is the largest bound, times the size of its element.
    @Test func theWorstCaseIsSmall() {
        let worst = [
            Int(LL_EXTENTS_MAX) * MemoryLayout<ll_extent>.stride,
            Int(LL_SHIFTS_MAX) * MemoryLayout<ll_shift>.stride,
            unsafe Int(LL_ENTRIES_MAX) * MemoryLayout<ll_entry>.stride,
            unsafe Int(LL_STATE_MAX) * MemoryLayout<ll_state_client>.stride,
            unsafe Int(LL_STATE_MAX) * MemoryLayout<ll_state_layout>.stride,
            unsafe Int(LL_STATE_MAX) * MemoryLayout<ll_state_waiting>.stride,
            unsafe Int(LL_STATE_MAX) * MemoryLayout<ll_state_recall>.stride,
            Int(LL_DEVICES_MAX) * MemoryLayout<ll_deviceid>.stride,
            Int(LL_REFERRING_MAX) * MemoryLayout<ll_clientid>.stride,
            ProtocolLimits.io,
            ProtocolLimits.path,
        ].max()
        #expect(worst == 262_144)
    }

    /// What fits is accepted, to the last element.
    @Test func fullMessagesPass() throws {
        let extents = (0..<UInt64(ProtocolLimits.extents)).map {
            Extent(range: Sample.range($0 * 4096, ($0 + 1) * 4096), storageOffset: $0 << 20, state: .data)
        }
        let grant = LayoutGetResult(
            stateID: Sample.stateID,
            range: Sample.range(0, UInt64(ProtocolLimits.extents) * 4096),
            ioMode: .read,
            returnOnClose: false,
            device: Sample.device,
            token: Sample.token,
            capabilities: [],
            fileSize: 1,
            epoch: 1000,
            shifts: (0..<UInt64(ProtocolLimits.shifts)).map {
                LoggedShift(epoch: $0 + 2, shift: Shift(isInsert: false, offset: $0, length: 1))
            },
            extents: extents
        )
        let sample = Sample.reply("full", .layoutGet, .layoutGet(grant))
        #expect(try Message.decode(.reply(.layoutGet), sample.message.encoded) == sample.message)

        let data = (0..<ProtocolLimits.io).map { UInt8(truncatingIfNeeded: $0) }
        let read = Sample.reply("full", .read, .read(ReadResult(isAtEnd: false, data: data)))
        #expect(try Message.decode(.reply(.read), read.message.encoded) == read.message)
    }

    /// Our own shell's mistakes trap; a peer's never do.
    @Test func tooManyExtentsTrap() async {
        await #expect(processExitsWith: .failure) {
            let extent = Extent(range: .all, storageOffset: 0, state: .hole)
            let grant = LayoutGetResult(
                stateID: .none,
                range: .all,
                ioMode: .read,
                returnOnClose: false,
                device: DeviceID(.zero),
                token: .none,
                capabilities: [],
                fileSize: 0,
                epoch: 0,
                shifts: nil,
                extents: [Extent](repeating: extent, count: ProtocolLimits.extents + 1)
            )
            _ = Sample.reply("over", .layoutGet, .layoutGet(grant)).message.encoded
        }
    }

    @Test func tooManyShiftsTrap() async {
        await #expect(processExitsWith: .failure) {
            let shift = LoggedShift(epoch: 2, shift: Shift(isInsert: true, offset: 0, length: 1))
            let grant = LayoutGetResult(
                stateID: .none,
                range: .all,
                ioMode: .read,
                returnOnClose: false,
                device: DeviceID(.zero),
                token: .none,
                capabilities: [],
                fileSize: 0,
                epoch: 2,
                shifts: [LoggedShift](repeating: shift, count: ProtocolLimits.shifts + 1),
                extents: []
            )
            _ = Sample.reply("over", .layoutGet, .layoutGet(grant)).message.encoded
        }
    }

    @Test func tooManyRecordsTrap() async {
        await #expect(processExitsWith: .failure) {
            let record = RecallState(
                id: RecallID(0),
                client: ClientID(0),
                handle: .root,
                path: [],
                operation: .none,
                range: .all,
                ageMilliseconds: 0,
                leftMilliseconds: 0,
                isAnswered: false,
                fenceAttempts: 0
            )
            let records = [RecallState](repeating: record, count: ProtocolLimits.records + 1)
            _ =
                Sample.reply("over", .state, .state(StateResult(records: .recalls(records), nextCookie: 0))).message
                .encoded
        }
    }

    @Test func tooLongPathsTrap() async {
        await #expect(processExitsWith: .failure) {
            let path = [UInt8](repeating: 0x61, count: ProtocolLimits.path + 1)
            _ = Sample.call("over", .lookup(PathArguments(directory: .root, path: path))).message.encoded
        }
    }

    @Test func aMissingSequenceTraps() async {
        await #expect(processExitsWith: .failure) {
            _ = Message.call(LayoutCall(sequence: nil, request: .sequence)).encoded
        }
    }

    @Test func theWrongResponseTraps() async {
        await #expect(processExitsWith: .failure) {
            _ = Sample.reply("wrong", .read, .void).message.encoded
        }
    }

    @Test func anOperationWithoutProcedureTraps() async {
        await #expect(processExitsWith: .failure) {
            let change = ChangeArguments(
                operation: .write,
                handle: .root,
                offset: 0,
                length: 0,
                waitMilliseconds: 0,
                keepSize: false
            )
            _ = LayoutCodec.procedure(of: .change(change))
        }
    }
}
