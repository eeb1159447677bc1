import CTIRPC
import Glibc
import NIOCore

/// Decides whether a call's authentication is acceptable, and decodes its credential.
///
/// A client sends the same credential with every call, so the last one is kept: comparing it costs a fraction of
/// decoding it, and nothing is allocated.
struct CredentialDecoder {
    private var lastBody: [UInt8] = []
    private var lastCredential: RPCSystemCredential?

    /// The credential of a call.
    ///
    /// - Throws: The status with which the call must be denied (RFC 5531 §9).
    mutating func decode(_ header: CallHeader, of record: ByteBuffer) throws(RPCAuthStatus) -> RPCCredential {
        let credential: RPCCredential
        switch header.credentialFlavor {
        case .none:
            // RFC 5531 §8.2: the body of AUTH_NONE is empty.
            guard header.credentialLength == 0 else { throw .badCredential }
            credential = .none
        case .sys:
            credential = .sys(try self.decodeSystem(length: header.credentialLength, of: record))
        case .tls:
            // A server that offers RPC with TLS answers the probe with the verifier "STARTTLS" (RFC 9289 §4.1); this
            // is where it would. Denied, the client knows that there is no TLS.
            throw .rejectedCredential
        default:
            // RPCSEC_GSS, AUTH_SHORT, AUTH_DH and unknown ones: "not supported" (RFC 2203 §5.1, erratum 4067).
            throw .rejectedCredential
        }
        // None of the flavors above has a verifier of its own.
        guard header.verifierFlavor == .none, header.verifierLength == 0 else {
            throw .badVerifier
        }
        return credential
    }

    private mutating func decodeSystem(
        length: Int,
        of record: ByteBuffer
    ) throws(RPCAuthStatus) -> RPCSystemCredential {
        let offset = CallHeader.credentialOffset
        let isLast = unsafe record.withUnsafeReadableBytes { bytes in
            unsafe self.lastBody.withUnsafeBytes { last in
                guard let last = last.baseAddress, self.lastBody.count == length, let base = bytes.baseAddress else {
                    return false
                }
                return unsafe memcmp(base + offset, last, length) == 0
            }
        }
        if isLast, let credential = self.lastCredential { return credential }
        guard let body = record.getBytes(at: record.readerIndex + offset, length: length),
            let credential = RPCSystemCredential(encoded: body)
        else { throw .badCredential }
        self.lastBody = body
        self.lastCredential = credential
        return credential
    }
}

extension RPCAuthStatus: Error {}

extension RPCSystemCredential {
    /// Decodes the body of an AUTH_SYS credential; `nil` if it is malformed or exceeds a bound.
    init?(encoded: [UInt8]) {
        var raw = ctirpc_auth_sys()
        let isValid = unsafe encoded.withUnsafeBytes { bytes in
            unsafe ctirpc_decode_auth_sys(bytes.baseAddress, bytes.count, &raw) != 0
        }
        guard isValid else { return nil }
        self.stamp = raw.stamp
        self.uid = raw.uid
        self.gid = raw.gid
        self.gids = unsafe withUnsafeBytes(of: raw.gids) { bytes in
            unsafe Array(bytes.bindMemory(to: UInt32.self).prefix(Int(raw.gid_count)))
        }
        self.machineName = unsafe withUnsafeBytes(of: raw.name) { bytes in
            unsafe String(decoding: bytes.prefix(Int(raw.name_length)), as: UTF8.self)
        }
    }

    /// The body of the credential; `nil` if it exceeds a bound.
    var encoded: [UInt8]? {
        let name = Array(self.machineName.utf8)
        guard self.gids.count <= Self.groupsMax, name.count <= Self.machineNameLengthMax else { return nil }
        var raw = ctirpc_auth_sys()
        raw.stamp = self.stamp
        raw.uid = self.uid
        raw.gid = self.gid
        raw.gid_count = UInt32(self.gids.count)
        raw.name_length = UInt32(name.count)
        unsafe withUnsafeMutableBytes(of: &raw.gids) { bytes in
            unsafe self.gids.withUnsafeBytes { unsafe bytes.copyMemory(from: $0) }
        }
        unsafe withUnsafeMutableBytes(of: &raw.name) { bytes in
            unsafe name.withUnsafeBytes { unsafe bytes.copyMemory(from: $0) }
        }
        let body = unsafe [UInt8](unsafeUninitializedCapacity: Int(MAX_AUTH_BYTES)) { memory, count in
            unsafe count = ctirpc_encode_auth_sys(memory.baseAddress, memory.count, &raw)
        }
        return body.isEmpty ? nil : body
    }
}

/// Encodes credentials, and keeps the last one: a client sends the same one with every call.
struct CredentialEncoder {
    private var last: RPCSystemCredential?
    private var lastEncoded = EncodedCredential.none

    /// - Throws: ``RPCError/invalidCredential``.
    mutating func encode(_ credential: RPCCredential) throws(RPCError) -> EncodedCredential {
        guard case .sys(let system) = credential else { return .none }
        if system == self.last { return self.lastEncoded }
        guard let body = system.encoded else { throw .invalidCredential }
        self.last = system
        self.lastEncoded = EncodedCredential(flavor: .sys, body: body)
        return self.lastEncoded
    }
}
