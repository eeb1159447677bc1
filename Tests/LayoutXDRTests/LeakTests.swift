import Foundation
import LayoutCore
import LayoutXDR
import NIOCore
import Testing

/// What libtirpc allocated for a message is free again, also if the message is refused.
///
/// Each test in a process of its own: the threads of others take address space too, 64 MiB for each one's heap.
@Suite struct LeakTests {
    /// Bytes of address space of this process: what is allocated counts, whether it was touched or not.
    private static func addressSpace() throws -> Int {
        let statm = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        let pages = try #require(statm.split(separator: " ").first.flatMap { Int($0) })
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    private static let rounds = 2000

    /// Each round allocates 256 KiB; 500 MiB would be gone.
    ///
    /// The sanitizers hold back up to 256 MiB of what was freed.
    private static func expectNoGrowth(_ round: () -> Void) throws {
        let before = try Self.addressSpace()
        for _ in 0..<Self.rounds { round() }
        #expect(try Self.addressSpace() - before < 400 << 20)
    }

    @Test func aShortRecordWithALargeCountLeaksNothing() async {
        await #expect(processExitsWith: .success) {
            let sample = try #require(Sample.all.first { $0.name == "write-call" })
            var body = ByteBuffer(bytes: sample.message.encoded)
            // The data of the sample are five bytes with their padding, after their count.
            body.setInteger(UInt32(ProtocolLimits.io), at: body.readableBytes - 12)
            #expect(throws: CodecError.self) { try LayoutCodec.decodeCall(procedure: .write, body) }
            try LeakTests.expectNoGrowth { _ = try? LayoutCodec.decodeCall(procedure: .write, body) }
        }
    }

    @Test func aShortGrantLeaksNothing() async {
        await #expect(processExitsWith: .success) {
            let extent = Extent(range: Sample.range(0, 1), storageOffset: 0, state: .data)
            let grant = LayoutGetResult(
                stateID: Sample.stateID,
                range: .all,
                ioMode: .read,
                returnOnClose: false,
                device: Sample.device,
                token: .none,
                capabilities: [],
                fileSize: 0,
                epoch: 1,
                shifts: nil,
                extents: [extent]
            )
            var body = ByteBuffer()
            let reply = LayoutReply(sequence: Sample.sequenceResult, result: .success(.layoutGet(grant)))
            LayoutCodec.encode(reply, for: .layoutGet, into: &body)
            // One extent of 28 bytes follows the count; its announced companions are missing.
            body.setInteger(UInt32(ProtocolLimits.extents), at: body.readableBytes - 32)
            #expect(throws: CodecError.self) { try LayoutCodec.decodeReply(procedure: .layoutGet, body) }
            try LeakTests.expectNoGrowth { _ = try? LayoutCodec.decodeReply(procedure: .layoutGet, body) }
        }
    }

    @Test func acceptedDataAreFreed() async {
        await #expect(processExitsWith: .success) {
            let data = [UInt8](repeating: 0x5a, count: ProtocolLimits.io)
            let body = ByteBuffer(
                bytes: Sample.reply("full", .read, .read(ReadResult(isAtEnd: false, data: data))).message.encoded
            )
            try LeakTests.expectNoGrowth { _ = try? LayoutCodec.decodeReply(procedure: .read, body) }
        }
    }

    @Test func encodingFreesItsArena() async {
        await #expect(processExitsWith: .success) {
            let extents = (0..<UInt64(ProtocolLimits.extents)).map {
                Extent(range: Sample.range($0, $0 + 1), storageOffset: 0, state: .data)
            }
            let grant = LayoutGetResult(
                stateID: Sample.stateID,
                range: Sample.range(0, 1),
                ioMode: .read,
                returnOnClose: false,
                device: Sample.device,
                token: .none,
                capabilities: [],
                fileSize: 0,
                epoch: 1,
                shifts: nil,
                extents: extents
            )
            let reply = LayoutReply(sequence: Sample.sequenceResult, result: .success(.layoutGet(grant)))
            var body = ByteBuffer()
            try LeakTests.expectNoGrowth {
                body.clear()
                LayoutCodec.encode(reply, for: .layoutGet, into: &body)
            }
        }
    }
}
