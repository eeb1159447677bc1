import NIOCore
import Testing

@testable import ONCRPC

/// libtirpc's codec, as it is wrapped here, against bytes put together by hand.
@Suite("Message headers")
struct MessageHeaderTests {
    private func encode(_ body: (inout ByteBuffer) -> Void) -> [UInt8] {
        var output = ByteBuffer()
        body(&output)
        return Array(output.readableBytesView)
    }

    @Test("A call is encoded as RFC 5531 §9 says, with either credential")
    func encodeCall() throws {
        let system = RPCSystemCredential(uid: 1000, gid: 100, gids: [4, 27], machineName: "host", stamp: 7)
        for (credential, flavor, body) in [
            (RPCCredential.none, UInt32(0), []), (.sys(system), 1, Wire.authSys()),
        ] {
            var encoder = CredentialEncoder()
            let encoded = try encoder.encode(credential)
            let bytes = self.encode { output in
                RecordWriter.writeCall(
                    xid: 0x0102_0304,
                    program: Wire.program,
                    version: 9,
                    procedure: 0xffff_ffff,
                    credential: encoded,
                    bodyLength: 0,
                    into: &output
                )
            }
            let expected = Wire.call(
                xid: 0x0102_0304,
                version: 9,
                procedure: 0xffff_ffff,
                flavor: flavor,
                credential: body
            )
            #expect(bytes == Wire.record(expected))
        }
    }

    @Test("Every reply is encoded as RFC 5531 §9 says, and decodes to itself")
    func replies() {
        let cases: [(RPCRejection, [UInt8])] = [
            (.programUnavailable, Wire.reply(xid: 5, status: 1)),
            (.programMismatch(low: 2, high: 3), Wire.reply(xid: 5, status: 2, body: Wire.words(2, 3))),
            (.procedureUnavailable, Wire.reply(xid: 5, status: 3)),
            (.garbageArguments, Wire.reply(xid: 5, status: 4)),
            (.systemError, Wire.reply(xid: 5, status: 5)),
            (.rpcMismatch(low: 2, high: 2), Wire.denial(xid: 5, 0, 2, 2)),
            (.authError(.badCredential), Wire.denial(xid: 5, 1, 1)),
            (.authError(.tooWeak), Wire.denial(xid: 5, 1, 5)),
            (.authError(RPCAuthStatus(rawValue: 14)), Wire.denial(xid: 5, 1, 14)),
        ]
        for (rejection, message) in cases {
            #expect(self.encode { RecordWriter.writeRejection(xid: 5, rejection, into: &$0) } == Wire.record(message))
            guard case .reply(5, let decoded?) = InboundMessage(ByteBuffer(bytes: message)) else {
                Issue.record("\(rejection) does not decode")
                continue
            }
            #expect(decoded.rejection == rejection)
            #expect(decoded.bodyOffset == message.count)
        }
        let success = self.encode { RecordWriter.writeSuccess(xid: 6, bodyLength: 8, into: &$0) }
        #expect(success == Wire.words(0x8000_0020) + Wire.reply(xid: 6))
    }

    @Test("The body of a call begins behind its verifier, whatever the credential's length")
    func bodyOffset() {
        for length in [0, 1, 2, 3, 4, 399, 400] {
            let credential = [UInt8](repeating: 1, count: length)
            let message = Wire.call(xid: 3, procedure: 4, flavor: 99, credential: credential, body: [1, 2, 3, 4])
            guard case .call(let header) = InboundMessage(ByteBuffer(bytes: message)) else {
                Issue.record("a credential of \(length) bytes does not decode")
                continue
            }
            #expect(header.bodyOffset == message.count - 4)
            #expect(header.credentialLength == length)
            #expect(header.procedure == 4)
        }
    }

    @Test("bad-input 13: a message cut off anywhere never decodes to more than it is")
    func cut() {
        let credential = Wire.authSys()
        let call = Wire.call(xid: 3, flavor: 1, credential: credential)
        for length in 0..<call.count {
            guard case .malformed = InboundMessage(ByteBuffer(bytes: call.prefix(length))) else {
                Issue.record("a call cut to \(length) bytes decodes")
                continue
            }
        }
        let reply = Wire.reply(xid: 3, status: 2, body: Wire.words(1, 1))
        for length in 0..<reply.count {
            switch InboundMessage(ByteBuffer(bytes: reply.prefix(length))) {
            case .malformed: #expect(length < 8)
            case .reply(3, nil): #expect(length >= 8)
            default: Issue.record("a reply cut to \(length) bytes decodes")
            }
        }
    }

    @Test("Neither random bytes nor mutants of good messages trap or read beyond the record")
    func random() {
        var generator = SystemRandomNumberGenerator()
        let good = [
            Wire.call(xid: 1, flavor: 1, credential: Wire.authSys(), body: [1, 2, 3, 4]), Wire.reply(xid: 1, body: [1]),
            Wire.denial(xid: 1, 0, 2, 2),
        ]
        for round in 0..<30_000 {
            var message = good[round % good.count]
            for _ in 0...Int.random(in: 0..<3, using: &generator) {
                message[Int.random(in: 0..<message.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            message.removeLast(Int.random(in: 0..<message.count, using: &generator) / 4)
            let record = ByteBuffer(bytes: message)
            switch InboundMessage(record) {
            case .call(let header):
                #expect(header.bodyOffset <= message.count)
                var decoder = CredentialDecoder()
                _ = try? decoder.decode(header, of: record)
            case .reply(_, let header):
                #expect(header?.bodyOffset ?? 0 <= message.count)
            case .callOfOtherVersion, .malformed:
                break
            }
        }
    }
}
