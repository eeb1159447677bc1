import NIOCore
import Testing

@testable import ONCRPC

@Suite("Serving calls")
struct ServingTests {
    @Test("Calls are served over TCP on IPv4 and IPv6 and over Unix sockets", arguments: Transport.allCases)
    func transports(transport: Transport) throws {
        try TestServer.run { server in
            let address = try server.listen(transport)
            let socket = try RawSocket(to: address)
            #expect(try socket.roundTrip(Wire.call(xid: 1)) == Wire.reply(xid: 1))
            let body: [UInt8] = [1, 2, 3, 4]
            let call = Wire.call(xid: 2, procedure: 1, flavor: 1, credential: Wire.authSys(), body: body)
            #expect(try socket.roundTrip(call) == Wire.reply(xid: 2, body: body))
            try TestClient.run(to: address.serverAddress) { client in
                let big = [UInt8](repeating: 6, count: 1 << 20)
                let echoed = try client.call(.echo, body)
                #expect(echoed == .success(ByteBuffer(bytes: body)))
                let echoedBig = try client.call(.echo, big)
                #expect(echoedBig == .success(ByteBuffer(bytes: big)))
                let credential = RPCCredential.sys(RPCSystemCredential(uid: 5, gid: 6, machineName: "here"))
                let described = try client.call(.whoAmI, credential: credential)
                #expect(described == .success(ByteBuffer(string: "\(credential)")))
            }
        }
    }

    @Test("Calls are served whole, merged, in single bytes, and in fragments", arguments: [1, 3, 40, 100_000])
    func cuts(chunk: Int) throws {
        try TestServer.run { server in
            let socket = try RawSocket(to: server.listen(.tcp4))
            let messages = (0..<20).map { Wire.call(xid: $0, procedure: 1, body: Wire.words($0, $0)) }
            let stream = messages.flatMap { Wire.record($0) } + messages.flatMap { Wire.record($0, fragmentLength: 7) }
            for start in stride(from: 0, to: stream.count, by: chunk) {
                try socket.send(Array(stream[start..<min(start + chunk, stream.count)]))
            }
            for xid in Array(0..<20) + Array(0..<20) as [UInt32] {
                #expect(try socket.receiveRecord() == Wire.reply(xid: xid, body: Wire.words(xid, xid)))
            }
        }
    }

    @Test("Answers may come late and in any order; the second and those after the close are dropped")
    func parked() throws {
        try TestServer.run { server in
            let socket = try RawSocket(to: server.listen())
            try socket.send((0..<3).flatMap { Wire.record(Wire.call(xid: $0, procedure: 2)) })
            #expect(try server.eventually { $0.service.parked.count == 3 })
            // A later call overtakes the parked ones.
            #expect(try socket.roundTrip(Wire.call(xid: 9)) == Wire.reply(xid: 9))
            try server.on { parts in
                for index in [2, 0] {
                    let (call, connection) = parts.service.parked[index]
                    connection.reply(to: call.id, body: ByteBuffer(integer: UInt32(index)))
                    connection.reply(to: call.id, body: ByteBuffer())
                }
                #expect(parts.service.parked[0].connection.callsInFlight == 1)
            }
            #expect(try socket.receiveRecord() == Wire.reply(xid: 2, body: Wire.words(2)))
            #expect(try socket.receiveRecord() == Wire.reply(xid: 0, body: Wire.words(0)))
            try server.on { parts in
                let (call, connection) = parts.service.parked[1]
                connection.close("the test says so")
                connection.reply(to: call.id, body: ByteBuffer())
                connection.reject(call.id, .systemError)
            }
            #expect(socket.readToEnd())
            let statistics = try server.statistics()
            #expect(statistics.repliesDropped == 4)
            #expect(try server.on { $0.service.closed.values.first } == .requested("the test says so"))
        }
    }

    @Test("A delegate may close the connection that it is being called by, and hears of it later")
    func closeInside() throws {
        try TestServer.run { server in
            let socket = try RawSocket(to: server.listen())
            try socket.send(Wire.record(Wire.call(xid: 1)) + Wire.record(Wire.call(xid: 2, procedure: 7)) + [1, 2, 3])
            #expect(try socket.receiveRecord() == Wire.reply(xid: 1))
            #expect(socket.readToEnd())
            #expect(try server.eventually { $0.service.closed.count == 1 })
        }
    }

    @Test("Calls over the limit in flight get SYSTEM_ERR, while the others go on")
    func inFlightLimit() throws {
        var limits = RPCLimits()
        limits.callsInFlight = 4
        try TestServer.run(limits) { server in
            let socket = try RawSocket(to: server.listen())
            try socket.send((0..<6).flatMap { Wire.record(Wire.call(xid: $0, procedure: 2)) })
            #expect(try socket.receiveRecord() == Wire.reply(xid: 4, status: 5))
            #expect(try socket.receiveRecord() == Wire.reply(xid: 5, status: 5))
            try server.on { parts in
                let (call, connection) = parts.service.parked[0]
                connection.reply(to: call.id, body: ByteBuffer())
            }
            #expect(try socket.receiveRecord() == Wire.reply(xid: 0))
            #expect(try socket.roundTrip(Wire.call(xid: 7)) == Wire.reply(xid: 7))
            #expect(try server.statistics().rejectedInFlight == 2)
        }
    }

    @Test("A drained server answers what is in flight, and then closes")
    func shutdown() throws {
        try TestServer.run { server in
            let address = try server.listen()
            let busy = try RawSocket(to: address)
            let idle = try RawSocket(to: address)
            try busy.send(Wire.record(Wire.call(xid: 1, procedure: 2)))
            #expect(try server.eventually { $0.service.parked.count == 1 && $0.service.opened.count == 2 })
            let closed = try server.on { $0.server.shutDown(within: .seconds(5)) }
            #expect(idle.readToEnd())
            #expect(throws: RawSocket.Failure.self) { _ = try RawSocket(to: address) }
            // Until its last call is answered, a connection is served as ever.
            #expect(try busy.roundTrip(Wire.call(xid: 2)) == Wire.reply(xid: 2))
            try server.on { parts in
                let (call, connection) = parts.service.parked[0]
                connection.reply(to: call.id, body: ByteBuffer(integer: UInt32(3)))
            }
            #expect(try busy.receiveRecord() == Wire.reply(xid: 1, body: Wire.words(3)))
            #expect(busy.readToEnd())
            try closed.wait()
        }
    }

    @Test("The grace of a shutdown ends, whatever is in flight")
    func shutdownGrace() throws {
        try TestServer.run { server in
            let socket = try RawSocket(to: server.listen())
            try socket.send(Wire.record(Wire.call(xid: 1, procedure: 2)))
            #expect(try server.eventually { $0.service.parked.count == 1 })
            try server.on { $0.server.shutDown(within: .milliseconds(50)) }.wait()
            #expect(socket.readToEnd())
            #expect(try server.on { $0.service.closed.values.first } == .shutdown)
        }
    }
}
