/// RPC messages put together by hand from RFC 5531, to check what libtirpc makes and takes.
enum Wire {
    static let program: UInt32 = 0x2000_7777
    static let version: UInt32 = 1

    /// The body of an AUTH_SYS credential, with lengths that need not be true.
    static func authSys(
        stamp: UInt32 = 7,
        name: [UInt8] = Array("host".utf8),
        uid: UInt32 = 1000,
        gid: UInt32 = 100,
        gids: [UInt32] = [4, 27],
        announcedGIDs: UInt32? = nil
    ) -> [UInt8] {
        self.words(stamp, UInt32(name.count)) + self.padded(name) + self.words(uid, gid)
            + self.words(announcedGIDs ?? UInt32(gids.count)) + gids.flatMap { self.words($0) }
    }

    /// A call.
    ///
    /// `credentialLength` and `verifierLength` replace the true ones.
    static func call(
        xid: UInt32,
        rpcVersion: UInt32 = 2,
        program: UInt32 = Wire.program,
        version: UInt32 = Wire.version,
        procedure: UInt32 = 0,
        flavor: UInt32 = 0,
        credential: [UInt8] = [],
        credentialLength: UInt32? = nil,
        verifierFlavor: UInt32 = 0,
        verifier: [UInt8] = [],
        verifierLength: UInt32? = nil,
        body: [UInt8] = []
    ) -> [UInt8] {
        self.words(xid, 0, rpcVersion, program, version, procedure)
            + self.words(flavor, credentialLength ?? UInt32(credential.count)) + self.padded(credential)
            + self.words(verifierFlavor, verifierLength ?? UInt32(verifier.count)) + self.padded(verifier) + body
    }

    /// An accepted reply.
    static func reply(xid: UInt32, status: UInt32 = 0, body: [UInt8] = []) -> [UInt8] {
        self.words(xid, 1, 0, 0, 0, status) + body
    }

    /// A denied reply.
    static func denial(xid: UInt32, _ reason: UInt32...) -> [UInt8] {
        self.words(xid, 1, 1) + reason.flatMap { self.words($0) }
    }

    /// A record of one fragment.
    static func record(_ message: [UInt8]) -> [UInt8] {
        self.fragment(message, isLast: true)
    }

    /// A record of fragments of at most `length` bytes.
    static func record(_ message: [UInt8], fragmentLength length: Int) -> [UInt8] {
        stride(from: 0, to: message.count, by: length).flatMap { start in
            let end = min(start + length, message.count)
            return self.fragment(Array(message[start..<end]), isLast: end == message.count)
        }
    }

    static func fragment(_ bytes: [UInt8], isLast: Bool) -> [UInt8] {
        self.words(UInt32(bytes.count) | (isLast ? 0x8000_0000 : 0)) + bytes
    }

    static func words(_ words: UInt32...) -> [UInt8] {
        words.flatMap {
            [
                UInt8(truncatingIfNeeded: $0 >> 24), UInt8(truncatingIfNeeded: $0 >> 16),
                UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0),
            ]
        }
    }

    static func word(_ bytes: some RandomAccessCollection<UInt8>) -> UInt32 {
        bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
    }
}
