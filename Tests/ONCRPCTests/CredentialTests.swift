import NIOCore
import Testing

@testable import ONCRPC

@Suite("Credentials")
struct CredentialTests {
    /// What the decoder says to a call with this credential.
    private func decode(flavor: UInt32, _ body: [UInt8], decoder: inout CredentialDecoder) throws -> RPCCredential {
        let record = ByteBuffer(bytes: Wire.call(xid: 1, flavor: flavor, credential: body))
        guard case .call(let header) = InboundMessage(record) else { throw RPCError.malformedReply }
        return try decoder.decode(header, of: record)
    }

    @Test("AUTH_SYS decodes up to its bounds, and encodes to the same bytes")
    func roundTrip() throws {
        var decoder = CredentialDecoder()
        for (name, gids) in [(0, 0), (1, 1), (254, 15), (255, 16)] {
            let nameBytes = [UInt8](repeating: 0x61, count: name)
            let body = Wire.authSys(name: nameBytes, gids: (0..<UInt32(gids)).map { $0 + 50 })
            let credential = try self.decode(flavor: 1, body, decoder: &decoder)
            guard case .sys(let system) = credential else {
                Issue.record("AUTH_SYS decoded to \(credential)")
                continue
            }
            #expect(system.uid == 1000)
            #expect(system.gid == 100)
            #expect(system.stamp == 7)
            #expect(system.gids.count == gids)
            #expect(system.machineName.utf8.count == name)
            #expect(system.encoded == body)
        }
    }

    @Test("The credential that was kept is not taken for one that differs in a single byte")
    func cache() throws {
        var decoder = CredentialDecoder()
        let first = try self.decode(flavor: 1, Wire.authSys(uid: 1000), decoder: &decoder)
        #expect(try self.decode(flavor: 1, Wire.authSys(uid: 1000), decoder: &decoder) == first)
        let second = try self.decode(flavor: 1, Wire.authSys(uid: 1001), decoder: &decoder)
        #expect(second == .sys(RPCSystemCredential(uid: 1001, gid: 100, gids: [4, 27], machineName: "host", stamp: 7)))
        #expect(throws: RPCAuthStatus.badCredential) {
            _ = try self.decode(flavor: 1, Wire.authSys(gids: Array(0..<17)), decoder: &decoder)
        }
        #expect(try self.decode(flavor: 0, [], decoder: &decoder) == .none)
        #expect(try self.decode(flavor: 1, Wire.authSys(uid: 1001), decoder: &decoder) == second)
    }

    @Test(
        "bad-input 14: a malformed AUTH_SYS body is AUTH_BADCRED",
        arguments: [
            Wire.authSys(gids: Array(0..<17)),
            Wire.authSys(announcedGIDs: 0xffff_ffff),
            Wire.authSys(announcedGIDs: 0x4000_0001),
            Wire.authSys(announcedGIDs: 3),
            Wire.authSys(announcedGIDs: 1),
            Wire.authSys(name: [UInt8](repeating: 0x61, count: 256)),
            Wire.authSys(name: Array("ho\0t".utf8)),
            Wire.authSys() + [0, 0, 0, 0],
            Wire.words(1, 0xffff_ffff),
            Wire.words(1),
            [],
        ]
    )
    func malformed(body: [UInt8]) {
        var decoder = CredentialDecoder()
        #expect(throws: RPCAuthStatus.badCredential) { _ = try self.decode(flavor: 1, body, decoder: &decoder) }
    }

    @Test("bad-input 15, 16: flavors that are not offered, the TLS probe among them, are AUTH_REJECTEDCRED")
    func otherFlavors() {
        var decoder = CredentialDecoder()
        for flavor in [2, 3, 6, 7, 390_003, 0xffff_ffff] as [UInt32] {
            #expect(throws: RPCAuthStatus.rejectedCredential) {
                _ = try self.decode(flavor: flavor, [], decoder: &decoder)
            }
        }
    }

    @Test("A credential over a bound is refused when a call is made with it")
    func encodeBounds() {
        var encoder = CredentialEncoder()
        for credential in [
            RPCSystemCredential(uid: 0, gid: 0, gids: Array(0..<17)),
            RPCSystemCredential(uid: 0, gid: 0, machineName: String(repeating: "x", count: 256)),
            RPCSystemCredential(uid: 0, gid: 0, machineName: "a\0b"),
        ] {
            #expect(throws: RPCError.invalidCredential) { _ = try encoder.encode(.sys(credential)) }
        }
    }
}
