import NIOCore
import Testing

@testable import ONCRPC

/// What a hostile or broken peer may send, numbered as in the table of bad input of the conformance list.
@Suite("Bad input")
struct BadInputTests {
    /// Everything short, so that a test need not wait.
    private static var limits: RPCLimits {
        var limits = RPCLimits()
        limits.partialRecord = .milliseconds(300)
        limits.firstCall = .milliseconds(300)
        return limits
    }

    /// Checks that a server closes the connection on which `bytes` come, for `reason`, and still serves others.
    private func expectClosed(
        _ bytes: [UInt8],
        _ reason: RPCCloseReason,
        limits: RPCLimits = RPCLimits(),
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try TestServer.run(limits) { server in
            let address = try server.listen()
            let socket = try RawSocket(to: address)
            // The server may close before all is sent.
            try? socket.send(bytes)
            #expect(socket.readToEnd(), sourceLocation: sourceLocation)
            let closed = try server.eventually { $0.service.closed.values.contains(reason) }
            let reasons = try server.on { Array($0.service.closed.values) }
            #expect(closed, "closed for \(reasons)", sourceLocation: sourceLocation)
            let other = try RawSocket(to: address)
            #expect(try other.roundTrip(Wire.call(xid: 1)) == Wire.reply(xid: 1), sourceLocation: sourceLocation)
        }
    }

    @Test(
        "bad-input 1, 2: peers that stop in the middle of a record delay nobody, and are closed at the deadline",
        arguments: [
            [0x80], Wire.words(0x8000_00c8) + [UInt8](repeating: 0, count: 10), Wire.fragment([1], isLast: false),
        ]
    )
    func halfRecord(bytes: [UInt8]) throws {
        try TestServer.run(Self.limits) { server in
            let address = try server.listen()
            let stuck = try (0..<25).map { _ in try RawSocket(to: address) }
            for socket in stuck { try socket.send(bytes) }
            let other = try RawSocket(to: address)
            let start = ContinuousClock.now
            #expect(try other.roundTrip(Wire.call(xid: 1)) == Wire.reply(xid: 1))
            #expect(start.duration(to: .now) < .milliseconds(250))
            for socket in stuck { #expect(socket.readToEnd()) }
            #expect(try server.statistics().closedReadDeadline == 25)
            #expect(try other.roundTrip(Wire.call(xid: 2)) == Wire.reply(xid: 2))
        }
    }

    @Test(
        "bad-input 1: progress does not extend the deadline of a record, a complete record does not end it for the next"
    )
    func dripFeed() throws {
        try TestServer.run(Self.limits) { server in
            let socket = try RawSocket(to: server.listen())
            try socket.send(Wire.record(Wire.call(xid: 1)) + Wire.words(0x8000_00c8))
            #expect(try socket.receiveRecord() == Wire.reply(xid: 1))
            let start = ContinuousClock.now
            while start.duration(to: .now) < .seconds(2), (try? socket.send([0])) != nil {
                try server.loop.scheduleTask(in: .milliseconds(10)) {}.futureResult.wait()
            }
            #expect(start.duration(to: .now) < .seconds(1))
            #expect(try server.on { $0.service.closed.values.first } == .partialRecordDeadline)
        }
    }

    @Test("A slow peer that finishes each record in time is served for longer than one deadline")
    func slowButGood() throws {
        try TestServer.run(Self.limits) { server in
            let socket = try RawSocket(to: server.listen())
            for xid in 0..<4 as Range<UInt32> {
                let record = Wire.record(Wire.call(xid: xid))
                try socket.send(Array(record.prefix(10)))
                try server.loop.scheduleTask(in: .milliseconds(150)) {}.futureResult.wait()
                try socket.send(Array(record.dropFirst(10)))
                #expect(try socket.receiveRecord() == Wire.reply(xid: xid))
            }
        }
    }

    @Test("bad-input 3: a connection without a first call ends, one that has called stays")
    func firstCall() throws {
        try TestServer.run(Self.limits) { server in
            let address = try server.listen()
            let silent = try RawSocket(to: address)
            let denied = try RawSocket(to: address)
            let caller = try RawSocket(to: address)
            #expect(try denied.roundTrip(Wire.call(xid: 1, flavor: 6)) == Wire.denial(xid: 1, 1, 2))
            #expect(try caller.roundTrip(Wire.call(xid: 1)) == Wire.reply(xid: 1))
            #expect(silent.readToEnd())
            #expect(denied.readToEnd())
            #expect(try caller.roundTrip(Wire.call(xid: 2)) == Wire.reply(xid: 2))
        }
    }

    @Test(
        "bad-input 4: a record header over the limit closes at once",
        arguments: [0x7fff_ffff, 0xffff_ffff, 0x8011_0001]
    )
    func hugeRecord(word: UInt32) throws {
        try self.expectClosed(Wire.words(word), .recordTooLong(announced: Int(word & 0x7fff_ffff)))
    }

    @Test("bad-input 5: long and empty fragments without end are bounded; a call in one-byte fragments is served")
    func fragments() throws {
        let long = (0..<8).flatMap { _ in Wire.fragment([UInt8](repeating: 0, count: 1 << 18), isLast: false) }
        try self.expectClosed(long, .recordTooLong(announced: 5 << 18))
        let empty = (0..<20_000).flatMap { _ in Wire.fragment([], isLast: false) }
        try self.expectClosed(empty, .tooManyFragments)
        try TestServer.run { server in
            let socket = try RawSocket(to: server.listen())
            try socket.send(Wire.record(Wire.call(xid: 1), fragmentLength: 1))
            #expect(try socket.receiveRecord() == Wire.reply(xid: 1))
        }
    }

    @Test("bad-input 10: bytes behind the arguments reach the service, which can refuse them")
    func trailingBytes() throws {
        try TestServer.run { server in
            let socket = try RawSocket(to: server.listen())
            let fits = Wire.call(xid: 1, procedure: 6, body: [1, 2, 3, 4])
            #expect(try socket.roundTrip(fits) == Wire.reply(xid: 1, body: [1, 2, 3, 4]))
            let exceeds = Wire.call(xid: 2, procedure: 6, body: [1, 2, 3, 4, 5])
            #expect(try socket.roundTrip(exceeds) == Wire.reply(xid: 2, status: 4))
        }
    }

    @Test(
        "bad-input 11: another version of the RPC protocol gets RPC_MISMATCH 2 to 2",
        arguments: [0, 1, 3, 0xffff_ffff]
    )
    func rpcVersion(version: UInt32) throws {
        try TestServer.run { server in
            let socket = try RawSocket(to: server.listen())
            let whole = Wire.call(xid: 1, rpcVersion: version)
            #expect(try socket.roundTrip(whole) == Wire.denial(xid: 1, 0, 2, 2))
            // Nothing behind the version is known, so nothing there can be wrong.
            #expect(try socket.roundTrip(Array(whole.prefix(12))) == Wire.denial(xid: 1, 0, 2, 2))
            #expect(try socket.roundTrip(Wire.call(xid: 2)) == Wire.reply(xid: 2))
            #expect(try server.statistics().rejectedVersion == 2)
        }
    }

    @Test("bad-input 12: unknown programs, versions and procedures get the errors of RFC 5531")
    func unknownNumbers() throws {
        try TestServer.run { server in
            let socket = try RawSocket(to: server.listen())
            for number in [0, 2, 0x7fff_ffff, 0xffff_ffff] as [UInt32] {
                let program = try socket.roundTrip(Wire.call(xid: 1, program: number))
                #expect(program == Wire.reply(xid: 1, status: 1))
                let version = try socket.roundTrip(Wire.call(xid: 2, version: number))
                #expect(version == Wire.reply(xid: 2, status: 2, body: Wire.words(1, 1)))
            }
            for number in [8, 0x8000_0000, 0xffff_ffff] as [UInt32] {
                #expect(try socket.roundTrip(Wire.call(xid: 3, procedure: number)) == Wire.reply(xid: 3, status: 3))
            }
        }
    }

    @Test("bad-input 13: a call header cut at any word, or of no direction, closes", arguments: Array(0..<18))
    func cutHeader(words: Int) throws {
        let call = Wire.call(xid: 1, flavor: 1, credential: Wire.authSys())
        #expect(call.count == 18 * 4)
        try self.expectClosed(Wire.record(Array(call.prefix(words * 4))), .malformedMessage)
    }

    @Test("bad-input 13: other protocols and directions close")
    func otherProtocols() throws {
        let http = Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        try self.expectClosed(http, .recordTooLong(announced: 0x4745_5420))
        let hello: [UInt8] = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]
        try self.expectClosed(hello, .recordTooLong(announced: 0x1603_0102))
        try self.expectClosed(Wire.record(Wire.words(1, 2, 2, 3, 4, 5, 0, 0, 0, 0)), .malformedMessage)
        try self.expectClosed(Wire.record([]), .malformedMessage)
        try self.expectClosed(Wire.record([1, 2, 3]), .malformedMessage)
    }

    @Test("bad-input 13: replies that nobody asked for are ignored up to a bound")
    func unaskedReplies() throws {
        var limits = RPCLimits()
        limits.unmatchedReplies = 3
        try TestServer.run(limits) { server in
            let socket = try RawSocket(to: server.listen())
            try socket.send((0..<3).flatMap { Wire.record(Wire.reply(xid: $0)) })
            #expect(try socket.roundTrip(Wire.call(xid: 1)) == Wire.reply(xid: 1))
            try socket.send(Wire.record(Wire.reply(xid: 9)))
            #expect(socket.readToEnd())
            #expect(try server.statistics().repliesUnmatched == 4)
            #expect(try server.on { $0.service.closed.values.first } == .unmatchedReplies)
        }
    }

    @Test("bad-input 14: authenticators over 400 bytes or past the record close")
    func longAuthenticators() throws {
        for length in [401, 0xffff_ffff, 0x7fff_ffff, 64] as [UInt32] {
            let credential = Wire.call(xid: 1, flavor: 1, credential: [1, 2, 3, 4], credentialLength: length)
            try self.expectClosed(Wire.record(credential), .malformedMessage)
            let verifier = Wire.call(xid: 1, verifier: [1, 2, 3, 4], verifierLength: length)
            try self.expectClosed(Wire.record(verifier), .malformedMessage)
        }
    }

    @Test("bad-input 14, 15, 16: refused authentication is answered, and the connection goes on")
    func authErrors() throws {
        try TestServer.run { server in
            let socket = try RawSocket(to: server.listen())
            let cases: [([UInt8], UInt32)] = [
                (Wire.call(xid: 1, flavor: 1, credential: Wire.authSys(gids: Array(0..<17))), 1),
                (Wire.call(xid: 1, flavor: 1, credential: Wire.authSys(announcedGIDs: 0xffff_ffff)), 1),
                (Wire.call(xid: 1, flavor: 1, credential: Wire.authSys(name: Array(repeating: 97, count: 256))), 1),
                (Wire.call(xid: 1, flavor: 0, credential: [1, 2, 3, 4]), 1),
                (Wire.call(xid: 1, flavor: 6, credential: Wire.words(1, 0, 0, 1, 0)), 2),
                (Wire.call(xid: 1, flavor: 7), 2),
                (Wire.call(xid: 1, flavor: 0xffff_ffff), 2),
                (Wire.call(xid: 1, verifierFlavor: 1, verifier: Wire.authSys()), 3),
                (Wire.call(xid: 1, verifier: [1, 2, 3, 4]), 3),
            ]
            for (message, status) in cases {
                #expect(try socket.roundTrip(message) == Wire.denial(xid: 1, 1, status))
            }
            #expect(try socket.roundTrip(Wire.call(xid: 2)) == Wire.reply(xid: 2))
            #expect(try server.statistics().rejectedAuthentication == UInt64(cases.count))
        }
    }

    @Test("bad-input 17: calls with one transaction id are all served, each with its own answer")
    func sameXID() throws {
        try TestServer.run { server in
            let socket = try RawSocket(to: server.listen())
            try socket.send((0..<2).flatMap { _ in Wire.record(Wire.call(xid: 5, procedure: 2)) })
            #expect(try server.eventually { $0.service.parked.count == 2 })
            let echo = Wire.call(xid: 5, procedure: 1, body: [9, 9, 9, 9])
            #expect(try socket.roundTrip(echo) == Wire.reply(xid: 5, body: [9, 9, 9, 9]))
            try server.on { parts in
                for (index, (call, connection)) in parts.service.parked.enumerated() {
                    connection.reply(to: call.id, body: ByteBuffer(integer: UInt32(index)))
                }
                #expect(parts.service.opened[0].callsInFlight == 0)
            }
            #expect(try socket.receiveRecord() == Wire.reply(xid: 5, body: Wire.words(0)))
            #expect(try socket.receiveRecord() == Wire.reply(xid: 5, body: Wire.words(1)))
        }
    }

    @Test("bad-input 19: connections that come and go, or reset with calls in flight, leave nothing behind")
    func churn() throws {
        try TestServer.run { server in
            let address = try server.listen(.tcp4)
            for round in 0..<1500 as Range<UInt32> {
                let socket = try RawSocket(to: address)
                switch round % 4 {
                case 0: break
                case 1: try socket.send(Wire.record(Wire.call(xid: round, procedure: 2)) + [1, 2])
                case 2: try socket.send((0..<20).flatMap { Wire.record(Wire.call(xid: $0)) })
                default: #expect(try socket.roundTrip(Wire.call(xid: round)) == Wire.reply(xid: round))
                }
                if round % 2 == 1 || round % 8 == 2 { socket.resetOnClose() }
            }
            #expect(try server.eventually { $0.server.connections.isEmpty })
            // All of them are gone, and answering their calls now is harmless.
            try server.on { parts in
                for (call, connection) in parts.service.parked { connection.reply(to: call.id, body: ByteBuffer()) }
            }
            #expect(try server.statistics().connectionsOpen == 0)
        }
    }

    @Test("bad-input 21: a peer that answers callbacks with junk fails the call, and only that")
    func junkCallbackReplies() throws {
        try TestServer.run { server in
            let socket = try RawSocket(to: server.listen())
            let junk: [(UInt32) -> [UInt8]] = [
                { Wire.words($0, 1) },
                { Wire.words($0, 1, 7, 7, 7, 7) },
                { Wire.words($0, 1, 0, 0, 401) },
                { Wire.reply(xid: $0, status: 77) },
                { Wire.denial(xid: $0, 9, 9) },
                { Wire.reply(xid: $0, status: 5) },
                { Wire.denial(xid: $0, 1, 99) },
            ]
            for answer in junk {
                let callback = try socket.roundTrip(Wire.call(xid: 1, procedure: 4))
                try socket.send(Wire.record(answer(Wire.word(callback))))
                #expect(try socket.receiveRecord() == Wire.reply(xid: 1, status: 5))
            }
            let errors: [RPCError] =
                Array(repeating: .malformedReply, count: 5) + [
                    .rejected(.systemError), .rejected(.authError(RPCAuthStatus(rawValue: 99))),
                ]
            #expect(try server.on { $0.service.callbackErrors } == errors)
            #expect(try socket.roundTrip(Wire.call(xid: 2)) == Wire.reply(xid: 2))
        }
    }

    @Test("bad-input 21: neither silence nor answers to other calls hold a callback beyond its deadline")
    func wrongCallbackReplies() throws {
        var limits = RPCLimits()
        limits.unmatchedReplies = 1_000_000
        try TestServer.run(limits) { server in
            try server.on { $0.service.callbackPatience = .milliseconds(200) }
            let socket = try RawSocket(to: server.listen())
            let start = ContinuousClock.now
            let callback = try socket.roundTrip(Wire.call(xid: 1, procedure: 4))
            let junk = Wire.record(Wire.reply(xid: Wire.word(callback) &+ 1))
            while start.duration(to: .now) < .seconds(2), try server.on({ $0.service.callbackErrors.isEmpty }) {
                try socket.send(junk)
            }
            #expect(try socket.receiveRecord() == Wire.reply(xid: 1, status: 5))
            #expect(start.duration(to: .now) < .seconds(1))
            #expect(try server.on { $0.service.callbackErrors } == [.deadlineExceeded])
            #expect(try server.on { $0.service.opened[0].callsOutstanding } == 0)
            #expect(try server.statistics().repliesUnmatched > 0)
        }
    }
}
