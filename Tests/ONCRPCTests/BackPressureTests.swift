import NIOCore
import Testing

@testable import ONCRPC

@Suite("Back-pressure")
struct BackPressureTests {
    private static var limits: RPCLimits {
        var limits = RPCLimits()
        limits.writeBufferHigh = 64 * 1024
        limits.writeBufferLow = 16 * 1024
        return limits
    }

    /// Bytes that the first connection's channel and the connection itself hold.
    private func held(_ server: TestServer) throws -> Int {
        try server.on { parts -> EventLoopFuture<Int> in
            let connection = try #require(parts.service.opened.first)
            let channel = try #require(connection.context?.channel)
            let own = connection.output.readableBytes + connection.reader.bufferedLength
            return channel.getOption(.bufferedWritableBytes).map { $0 + own }
        }.wait()
    }

    @Test(
        "bad-input 18: nothing more is read from a peer that does not read; when it does, all is served",
        arguments: Transport.allCases
    )
    func neverReads(transport: Transport) throws {
        try TestServer.run(Self.limits) { server in
            let socket = try RawSocket(to: server.listen(transport), receiveBuffer: 32 * 1024)
            // The calls are not much shorter than their replies, or megabytes of them in the kernel's buffers would
            // make gigabytes.
            let body = Wire.words(8192) + [UInt8](repeating: 0, count: 4092)
            let call = Wire.record(Wire.call(xid: 1, procedure: 3, body: body))
            let burst = (0..<16).flatMap { _ in call }
            var sent = 0
            var stalls = 0
            while stalls < 20, sent < 1000 * burst.count {
                let offset = sent % burst.count
                let count = socket.sendSome(Array(burst[offset...]))
                if count > 0 {
                    sent += count
                    stalls = 0
                } else {
                    stalls += 1
                    try server.loop.scheduleTask(in: .milliseconds(5)) {}.futureResult.wait()
                }
            }
            #expect(stalls == 20, "the server took \(sent) bytes of calls without its replies being read")
            // The high mark, one more flush of that size, one reply, and what a burst of reads brought.
            #expect(try self.held(server) < 2 * 64 * 1024 + 8192 + 512 * 1024)
            let served = try server.statistics().callsReceived
            #expect(served < UInt64(sent / call.count))

            let calls = sent / call.count
            let reply = Wire.record(Wire.reply(xid: 1, body: [UInt8](repeating: 0x5a, count: 8192)))
            for index in 0..<calls {
                guard try socket.receive(reply.count) == reply else {
                    Issue.record("reply \(index) of \(calls) differs")
                    return
                }
            }
            #expect(try server.statistics().callsReceived == UInt64(calls))
        }
    }

    @Test("A peer that never reads is closed in the end")
    func stalled() throws {
        var limits = Self.limits
        limits.writeStall = .milliseconds(300)
        try TestServer.run(limits) { server in
            let socket = try RawSocket(to: server.listen())
            let call = Wire.call(xid: 1, procedure: 3, body: Wire.words(65_536))
            try socket.send((0..<20).flatMap { _ in Wire.record(call) })
            #expect(try server.eventually { $0.service.closed.values.first == .writeStalled })
            #expect(try server.statistics().closedWriteStall == 1)
        }
    }

    @Test("A peer that reads slowly, but reads, is not closed")
    func slowReader() throws {
        var limits = Self.limits
        limits.writeStall = .milliseconds(400)
        try TestServer.run(limits) { server in
            let socket = try RawSocket(to: server.listen())
            let call = Wire.call(xid: 1, procedure: 3, body: Wire.words(65_536))
            let reply = Wire.record(Wire.reply(xid: 1, body: [UInt8](repeating: 0x5a, count: 65_536)))
            try socket.send((0..<40).flatMap { _ in Wire.record(call) })
            for _ in 0..<40 {
                #expect(try socket.receive(reply.count) == reply)
                try server.loop.scheduleTask(in: .milliseconds(25)) {}.futureResult.wait()
            }
            #expect(try server.on { $0.service.closed.isEmpty })
        }
    }

    @Test("A peer that stopped reading, sent more and went away leaves nothing behind")
    func goesAway() throws {
        try TestServer.run(Self.limits) { server in
            let address = try server.listen(.tcp4)
            do {
                let socket = try RawSocket(to: address)
                let call = Wire.record(Wire.call(xid: 1, procedure: 3, body: Wire.words(65_536)))
                while socket.sendSome(call) > 0 {}
            }
            #expect(try server.eventually { $0.service.closed.count == 1 && $0.server.connections.isEmpty })
        }
    }
}
