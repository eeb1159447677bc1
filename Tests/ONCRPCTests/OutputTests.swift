import NIOCore
import NIOEmbedded
import Testing

@testable import ONCRPC

/// How replies are put into writes, seen from the channel.
@Suite("Output")
struct OutputTests {
    private func connect() throws -> (EmbeddedChannel, TestService, ConnectionGroup) {
        let channel = EmbeddedChannel()
        let service = TestService()
        let group = ConnectionGroup(eventLoop: channel.eventLoop, limits: RPCLimits(), delegate: service)
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        try channel.connect(to: address).wait()
        _ = try group.add(channel, peer: .tcp(local: address, remote: address), isAccepted: true)
        return (channel, service, group)
    }

    private func writes(_ channel: EmbeddedChannel) throws -> [[UInt8]] {
        var writes: [[UInt8]] = []
        while let write = try channel.readOutbound(as: ByteBuffer.self) {
            writes.append(Array(write.readableBytesView))
        }
        return writes
    }

    @Test("The replies of one burst of calls leave in one write")
    func burst() throws {
        let (channel, _, group) = try self.connect()
        try channel.writeInbound(ByteBuffer(bytes: (0..<64).flatMap { Wire.record(Wire.call(xid: $0)) }))
        #expect(try self.writes(channel) == [(0..<64).flatMap { Wire.record(Wire.reply(xid: $0)) }])
        #expect(group.statistics.bytesSent == 64 * 28)
        #expect(group.statistics.recordsSent == 64)
        _ = try channel.finish()
    }

    @Test("Late replies and callbacks of one turn of the loop leave in one write")
    func late() throws {
        let (channel, service, _) = try self.connect()
        try channel.writeInbound(ByteBuffer(bytes: (0..<3).flatMap { Wire.record(Wire.call(xid: $0, procedure: 2)) }))
        for (call, connection) in service.parked { connection.reply(to: call.id, body: ByteBuffer()) }
        let connection = try #require(service.opened.first)
        connection.call(program: 1, version: 1, procedure: 1, body: ByteBuffer(), deadline: .distantFuture) { _ in }
        #expect(try self.writes(channel).isEmpty)
        channel.embeddedEventLoop.run()
        let writes = try self.writes(channel)
        #expect(writes.count == 1)
        #expect(writes.first?.count == 3 * 28 + 44)
        _ = try channel.finish()
    }

    @Test("A long body is written by itself, in order and without a copy of it")
    func longBody() throws {
        let (channel, _, group) = try self.connect()
        let calls = [
            Wire.call(xid: 1), Wire.call(xid: 2, procedure: 3, body: Wire.words(100_000)), Wire.call(xid: 3),
        ]
        try channel.writeInbound(ByteBuffer(bytes: calls.flatMap { Wire.record($0) }))
        let writes = try self.writes(channel)
        #expect(writes.map(\.count) == [28 + 28, 100_000, 28])
        let body = [UInt8](repeating: 0x5a, count: 100_000)
        let expected = [Wire.reply(xid: 1), Wire.reply(xid: 2, body: body), Wire.reply(xid: 3)]
        #expect(writes.flatMap { $0 } == expected.flatMap { Wire.record($0) })
        #expect(group.statistics.bytesSent == UInt64(100_000 + 3 * 28))
        _ = try channel.finish()
    }
}
