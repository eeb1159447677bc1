import CTIRPC
import NIOCore

/// The header of a call (`call_body` of RFC 5531 §9).
struct CallHeader {
    var xid: UInt32
    var program: UInt32
    var version: UInt32
    var procedure: UInt32
    var credentialFlavor: RPCAuthFlavor
    /// At most 400.
    var credentialLength: Int
    var verifierFlavor: RPCAuthFlavor
    /// At most 400.
    var verifierLength: Int
    /// Where the arguments start in the record; at most its length.
    var bodyOffset: Int

    /// Where the credential's body starts in the record.
    static let credentialOffset = Int(CTIRPC_CREDENTIAL_OFFSET)

    fileprivate init(_ header: ctirpc_call_header) {
        self.xid = header.xid
        self.program = header.program
        self.version = header.version
        self.procedure = header.procedure
        self.credentialFlavor = RPCAuthFlavor(rawValue: header.credential_flavor)
        self.credentialLength = Int(header.credential_length)
        self.verifierFlavor = RPCAuthFlavor(rawValue: header.verifier_flavor)
        self.verifierLength = Int(header.verifier_length)
        self.bodyOffset = Int(header.body_offset)
    }
}

/// What a reply says (`reply_body` of RFC 5531 §9).
struct ReplyHeader {
    /// Why the call was not executed; `nil` if it was.
    var rejection: RPCRejection?
    /// Where the results start in the record; at most its length.
    var bodyOffset: Int

    fileprivate init(_ header: ctirpc_reply_header) {
        self.rejection = header.rejection
        self.bodyOffset = Int(header.body_offset)
    }
}

/// A record, with its header decoded by libtirpc (RFC 5531 §9).
enum InboundMessage {
    case call(CallHeader)
    /// A call of another version of the RPC protocol: nothing behind the transaction id is known.
    case callOfOtherVersion(xid: UInt32)
    /// A reply to the call `xid`, or `nil` if the rest of its header cannot be decoded.
    case reply(xid: UInt32, ReplyHeader?)
    /// No RPC message.
    case malformed

    /// The one version of the RPC protocol.
    static let rpcVersion: UInt32 = 2

    /// Decodes the header of a record.
    ///
    /// Allocates nothing.
    init(_ record: ByteBuffer) {
        self = unsafe record.withUnsafeReadableBytes { unsafe InboundMessage(bytes: $0) }
    }

    private init(bytes: UnsafeRawBufferPointer) {
        var prefix = ctirpc_prefix()
        guard let base = bytes.baseAddress, unsafe ctirpc_decode_prefix(base, bytes.count, &prefix) != 0 else {
            self = .malformed
            return
        }
        switch prefix.direction {
        case CALL.rawValue:
            // The version comes third: a message of less than 12 bytes has none.
            guard bytes.count >= 12 else {
                self = .malformed
                return
            }
            guard prefix.rpc_version == Self.rpcVersion else {
                self = .callOfOtherVersion(xid: prefix.xid)
                return
            }
            var header = ctirpc_call_header()
            self = unsafe ctirpc_decode_call(base, bytes.count, &header) != 0 ? .call(CallHeader(header)) : .malformed
        case REPLY.rawValue:
            var header = ctirpc_reply_header()
            self = .reply(
                xid: prefix.xid,
                unsafe ctirpc_decode_reply(base, bytes.count, &header) != 0 ? ReplyHeader(header) : nil
            )
        default:
            self = .malformed
        }
    }
}

extension ctirpc_reply_header {
    /// The header of the reply to a call that was executed.
    fileprivate init(success xid: UInt32) {
        self.init()
        self.xid = xid
        self.status = SUCCESS.rawValue
    }

    /// The header of the reply to a call that was not executed.
    fileprivate init(xid: UInt32, rejection: RPCRejection) {
        self.init()
        self.xid = xid
        switch rejection {
        case .programUnavailable:
            self.status = PROG_UNAVAIL.rawValue
        case .programMismatch(let low, let high):
            self.status = PROG_MISMATCH.rawValue
            self.low = low
            self.high = high
        case .procedureUnavailable:
            self.status = PROC_UNAVAIL.rawValue
        case .garbageArguments:
            self.status = GARBAGE_ARGS.rawValue
        case .systemError:
            self.status = SYSTEM_ERR.rawValue
        case .rpcMismatch(let low, let high):
            self.denied = 1
            self.status = RPC_MISMATCH.rawValue
            self.low = low
            self.high = high
        case .authError(let reason):
            self.denied = 1
            self.status = AUTH_ERROR.rawValue
            self.auth_status = reason.rawValue
        }
    }

    /// Why the peer did not execute the call; `nil` if it did.
    fileprivate var rejection: RPCRejection? {
        if self.denied != 0 {
            return self.status == RPC_MISMATCH.rawValue
                ? .rpcMismatch(low: self.low, high: self.high)
                : .authError(RPCAuthStatus(rawValue: self.auth_status))
        }
        switch self.status {
        case SUCCESS.rawValue: return nil
        case PROG_UNAVAIL.rawValue: return .programUnavailable
        case PROG_MISMATCH.rawValue: return .programMismatch(low: self.low, high: self.high)
        case PROC_UNAVAIL.rawValue: return .procedureUnavailable
        case GARBAGE_ARGS.rawValue: return .garbageArguments
        default: return .systemError  // the shim refuses any further number
        }
    }
}

/// An encoded credential: its flavor and body.
struct EncodedCredential {
    static let none = EncodedCredential(flavor: .none, body: [])

    var flavor: RPCAuthFlavor
    /// At most 400 bytes.
    var body: [UInt8]
}

/// Record marking and message headers of what this side sends.
enum RecordWriter {
    /// The longest record in one fragment: the length has 31 bits (RFC 5531 §11).
    static let recordLengthMax = 0x7fff_ffff
    /// A call header with the longest credential: 10 words and 400 bytes.
    static let callHeaderLengthMax = 10 * 4 + 400
    /// A reply header is at most 6 words of RFC 5531 and two of version numbers.
    static let replyHeaderLengthMax = 8 * 4

    /// Writes the header of a call whose arguments of `bodyLength` bytes follow.
    static func writeCall(
        xid: UInt32,
        program: UInt32,
        version: UInt32,
        procedure: UInt32,
        credential: EncodedCredential,
        bodyLength: Int,
        into output: inout ByteBuffer
    ) {
        unsafe self.writeRecord(headerLengthMax: self.callHeaderLengthMax, bodyLength: bodyLength, into: &output) {
            header in
            unsafe credential.body.withUnsafeBytes { credentialBody in
                unsafe ctirpc_encode_call(
                    header.baseAddress,
                    header.count,
                    xid,
                    program,
                    version,
                    procedure,
                    credential.flavor.rawValue,
                    credentialBody.baseAddress,
                    credentialBody.count
                )
            }
        }
    }

    /// Writes the header of a reply to a call that was executed, whose results of `bodyLength` bytes follow.
    static func writeSuccess(xid: UInt32, bodyLength: Int, into output: inout ByteBuffer) {
        self.writeReply(ctirpc_reply_header(success: xid), bodyLength: bodyLength, into: &output)
    }

    /// Writes a reply to a call that was not executed.
    static func writeRejection(xid: UInt32, _ rejection: RPCRejection, into output: inout ByteBuffer) {
        self.writeReply(ctirpc_reply_header(xid: xid, rejection: rejection), bodyLength: 0, into: &output)
    }

    private static func writeReply(_ reply: ctirpc_reply_header, bodyLength: Int, into output: inout ByteBuffer) {
        unsafe self.writeRecord(
            headerLengthMax: self.replyHeaderLengthMax,
            bodyLength: bodyLength,
            into: &output
        ) { header in
            unsafe withUnsafePointer(to: reply) { unsafe ctirpc_encode_reply(header.baseAddress, header.count, $0) }
        }
    }

    /// Writes a record of one fragment: its mark, and a header that `encode` puts into the memory given to it.
    private static func writeRecord(
        headerLengthMax: Int,
        bodyLength: Int,
        into output: inout ByteBuffer,
        encode: (UnsafeMutableRawBufferPointer) -> Int
    ) {
        precondition(bodyLength <= self.recordLengthMax - headerLengthMax, "a record cannot exceed 2 GiB")
        // libtirpc encodes four-byte units much faster where they are aligned. All headers are whole units; bodies are
        // too, unless a caller gives one that is no XDR.
        output.reserveCapacity(minimumWritableBytes: 4 + headerLengthMax + min(bodyLength, 1 << 16))
        let mark = output.writerIndex
        output.writeInteger(UInt32(0))
        let length = unsafe output.writeWithUnsafeMutableBytes(minimumWritableBytes: headerLengthMax) { memory in
            unsafe encode(memory)
        }
        precondition(length > 0, "libtirpc did not encode a header of its own bounds")
        output.setInteger(UInt32(1) << 31 | UInt32(length + bodyLength), at: mark)
    }
}
