import NIOCore
import Testing

@testable import ONCRPC

@Suite("Calling, in both directions")
struct CallingTests {
    @Test("Calls and callbacks cross on one connection", arguments: Transport.allCases)
    func crossing(transport: Transport) throws {
        try TestServer.run { server in
            try TestClient.run(to: server.listen(transport).serverAddress) { client in
                let calls = try (0..<200).map { index in
                    let procedure: TestService.Procedure = index % 2 == 0 ? .echoThroughCaller : .echo
                    return (index, try client.start(procedure, Wire.words(UInt32(index))))
                }
                for (index, call) in calls {
                    #expect(try call.wait() == .success(ByteBuffer(integer: UInt32(index))))
                }
                #expect(try client.on { $0.service.xids.count } == 100)
                #expect(try server.on { $0.service.opened[0].callsOutstanding } == 0)
                let statistics = try client.on { $0.connector.statistics }
                #expect(statistics.callsSent == 200)
                #expect(statistics.repliesReceived == 200)
                #expect(statistics.callsReceived == 100)
            }
        }
    }

    @Test("Every rejection reaches the caller as what it is")
    func rejections() throws {
        try TestServer.run { server in
            let address = try server.listen()
            try TestClient.run(to: address.serverAddress) { client in
                let wrong: [(UInt32, UInt32, UInt32, RPCRejection)] = [
                    (1, 1, 0, .programUnavailable),
                    (Wire.program, 9, 0, .programMismatch(low: 1, high: 1)),
                    (Wire.program, 1, 99, .procedureUnavailable),
                    (Wire.program, 1, TestService.Procedure.fourBytes.rawValue, .garbageArguments),
                ]
                for (program, version, procedure, rejection) in wrong {
                    let promise = client.loop.makePromise(of: Result<ByteBuffer, RPCError>.self)
                    try client.withConnection { connection in
                        _ = connection.call(
                            program: program,
                            version: version,
                            procedure: procedure,
                            body: ByteBuffer(),
                            deadline: .now() + .seconds(5)
                        ) { promise.succeed($0) }
                    }
                    #expect(try promise.futureResult.wait() == .failure(.rejected(rejection)))
                }
            }
            #expect(try server.statistics().rejectedByDelegate == 4)
        }
    }

    @Test("A call ends at its deadline; its late reply is ignored, and the next call is served")
    func deadline() throws {
        try TestServer.run { server in
            try TestClient.run(to: server.listen().serverAddress) { client in
                let start = ContinuousClock.now
                let slow = try client.start(.park, patience: .milliseconds(100))
                let quick = try client.start(.park, patience: .milliseconds(50))
                #expect(try quick.wait() == .failure(.deadlineExceeded))
                #expect(start.duration(to: .now) >= .milliseconds(50))
                #expect(try slow.wait() == .failure(.deadlineExceeded))
                #expect(start.duration(to: .now) < .seconds(2))
                try server.on { parts in
                    for (call, connection) in parts.service.parked { connection.reply(to: call.id, body: ByteBuffer()) }
                }
                #expect(try client.call(.echo, [1, 2, 3, 4]) == .success(ByteBuffer(bytes: [1, 2, 3, 4])))
                let statistics = try client.on { $0.connector.statistics }
                #expect(statistics.callsGivenUp == 2)
                #expect(statistics.repliesUnmatched == 2)
            }
        }
    }

    @Test("A cancelled call is not completed any more")
    func cancel() throws {
        try TestServer.run { server in
            try TestClient.run(to: server.listen().serverAddress) { client in
                try client.on { parts in
                    let connection = try #require(parts.connection)
                    let xid = connection.call(
                        program: Wire.program,
                        version: Wire.version,
                        procedure: TestService.Procedure.echo.rawValue,
                        body: ByteBuffer(),
                        deadline: .now() + .seconds(5)
                    ) { parts.results.append($0) }
                    connection.cancelCall(try #require(xid))
                    #expect(connection.callsOutstanding == 0)
                }
                #expect(try client.call(.null) == .success(ByteBuffer()))
                #expect(try client.on { $0.results.isEmpty && $0.connector.statistics.repliesUnmatched == 1 })
            }
        }
    }

    @Test("Calls that are outstanding when the connection ends fail with its reason, later ones at once")
    func closed() throws {
        try TestServer.run { server in
            try TestClient.run(to: server.listen().serverAddress) { client in
                let parked = try client.start(.park)
                #expect(try client.call(.close) == .failure(.connectionClosed(.peerClosed)))
                #expect(try parked.wait() == .failure(.connectionClosed(.peerClosed)))
                #expect(try client.call(.null) == .failure(.connectionClosed(.peerClosed)))
            }
        }
    }

    @Test("Calls over a bound of this side are refused before they are sent")
    func bounds() throws {
        var limits = RPCLimits()
        limits.callsOutstanding = 2
        try TestServer.run { server in
            try TestClient.run(to: server.listen().serverAddress, limits) { client in
                let bad = RPCCredential.sys(RPCSystemCredential(uid: 0, gid: 0, gids: Array(0..<17)))
                #expect(try client.call(.null, credential: bad) == .failure(.invalidCredential))
                _ = try client.start(.park)
                _ = try client.start(.park)
                #expect(try client.call(.null) == .failure(.tooManyCalls))
                #expect(try client.on { $0.connector.statistics.callsSent } == 2)
            }
        }
    }

    @Test("Connecting to where nobody listens says so, with the address")
    func unreachable() throws {
        let addresses: [RPCServerAddress] = [
            .unix(path: "/tmp/oncrpc-test-nobody.sock"), .tcp(host: "127.0.0.1", port: 1),
            .unix(path: String(repeating: "x", count: 200)),
        ]
        for address in addresses {
            let error = #expect(throws: RPCTransportError.self) { try TestClient.run(to: address) { _ in } }
            #expect(error?.code == .unreachable)
            #expect(error?.message.contains("\(address)") == true)
        }
    }
}
