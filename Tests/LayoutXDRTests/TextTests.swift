import LayoutCore
import LayoutXDR
import NIOCore
import Testing

/// Text for people is UTF-8 within its bound, whatever went in.
@Suite struct TextTests {
    private static func detail(_ text: String) throws -> String {
        var buffer = ByteBuffer()
        let reply = LayoutReply(sequence: nil, result: .failure(Failure(.ioError, text)))
        LayoutCodec.encode(reply, for: .destroySession, into: &buffer)
        guard case .failure(let failure) = try LayoutCodec.decodeReply(procedure: .destroySession, buffer).result else {
            Issue.record("a failure became a success")
            return ""
        }
        return failure.detail
    }

    @Test(arguments: ["a", "ß", "€", "🦊"])
    func detailsAreCutBetweenCharacters(_ character: String) throws {
        let width = character.utf8.count
        for count in (512 / width - 2)...(512 / width + 3) {
            for prefix in ["", "x", "xy", "xyz"] {
                let text = prefix + String(repeating: character, count: count)
                let cut = try Self.detail(text)
                #expect(text.hasPrefix(cut))
                #expect(cut.utf8.count <= 512)
                #expect(cut == text || cut.utf8.count + width > 512, "more was cut than needed")
            }
        }
    }

    @Test func detailsKeepNULAndEmpty() throws {
        #expect(try Self.detail("") == "")
        #expect(try Self.detail("a\0b") == "a\0b")
    }

    /// A character of many code points has no boundary inside the bound; cutting it is better than losing all of it.
    @Test func aLongCharacterIsCutBetweenItsCodePoints() throws {
        let text = "e" + String(repeating: "\u{301}", count: 1000)
        let cut = try Self.detail(text)
        #expect(cut.utf8.count == 511)
        #expect(text.unicodeScalars.starts(with: cut.unicodeScalars))
    }

    @Test func commandsAndAddressesAreCutAt255() throws {
        let long = String(repeating: "€", count: 100)
        let client = ClientState(
            client: ClientID(1),
            owner: [],
            address: long,
            uid: 0,
            pid: 0,
            sessions: 0,
            layouts: 0,
            leaseLeftMilliseconds: 0,
            hasBackChannel: false,
            isOverdue: false,
            isReclaiming: false
        )
        let sample = Sample.reply("long", .state, .state(StateResult(records: .clients([client]), nextCookie: 0)))
        let decoded = try Message.decode(.reply(.state), sample.message.encoded)
        guard case .reply(_, let reply) = decoded, case .success(.state(let result)) = reply.result,
            case .clients(let clients) = result.records
        else {
            Issue.record("\(decoded)")
            return
        }
        #expect(clients.first?.address == String(repeating: "€", count: 85))
    }

    /// Bytes that are not UTF-8 are replaced, and the result fits again.
    @Test func brokenTextIsRepaired() throws {
        for (bytes, expected): ([UInt8], String) in [
            ([0x61, 0xff, 0x62], "a\u{fffd}b"),
            ([0xe2, 0x82], "\u{fffd}"),
            ([0xc0, 0x80], "\u{fffd}\u{fffd}"),
            ([UInt8](repeating: 0xff, count: 512), String(repeating: "\u{fffd}", count: 170)),
        ] {
            var buffer = ByteBuffer()
            buffer.writeInteger(LayoutStatus.ioError.rawValue)
            buffer.writeInteger(UInt32(bytes.count))
            buffer.writeBytes(bytes)
            buffer.writeRepeatingByte(0, count: (4 - bytes.count % 4) % 4)
            let reply = try LayoutCodec.decodeReply(procedure: .destroySession, buffer)
            #expect(reply.result == .failure(Failure(.ioError, expected)))
            #expect(try Self.detail(expected) == expected)
        }
    }

    /// Lists and paths that are only shown are cut, not refused.
    @Test func whatIsOnlyShownIsCut() throws {
        let waiting = WaitingState(
            id: 1,
            handle: .root,
            path: [UInt8](repeating: 0x61, count: 4000),
            operation: .punchHole,
            range: .all,
            client: ClientID(0),
            pid: 0,
            command: "x",
            call: "",
            ageMilliseconds: 0,
            isRunning: false,
            waitsFor: (0..<40).map { ClientID($0) }
        )
        let sample = Sample.reply("long", .state, .state(StateResult(records: .waiting([waiting]), nextCookie: 0)))
        var expected = waiting
        expected.path = Array(waiting.path.prefix(ProtocolLimits.path))
        expected.waitsFor = Array(waiting.waitsFor.prefix(ProtocolLimits.waitsFor))
        let decoded = try Message.decode(.reply(.state), sample.message.encoded)
        let cut = Sample.reply("cut", .state, .state(StateResult(records: .waiting([expected]), nextCookie: 0)))
        #expect(decoded == cut.message)
    }
}
