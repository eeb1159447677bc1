import CLayoutXDR
import CTIRPC
import LayoutCore
package import NIOCore

extension LayoutCodec {
    /// Decodes the results of a call of `procedure`.
    ///
    /// Everything that a client relies on is checked, because a server may be hostile: ranges do not overflow, extents
    /// are sorted, have no gaps and cover the granted range, shifts are in the order of their epochs.
    /// - Throws: ``CodecError``; the reply says nothing then.
    /// - Complexity: O(bytes).
    package static func decodeReply(procedure: Procedure, _ body: ByteBuffer) throws(CodecError) -> LayoutReply {
        switch procedure {
        case .null:
            try Self.expectEmpty(body, "LL_NULL")
            return LayoutReply(sequence: nil, result: .success(.void))
        case .exchangeID:
            return unsafe try Self.plain(LL_EXCHANGE_IDres.self, body) { .exchangeID(unsafe ExchangeIDResult($0)) }
        case .createSession:
            return unsafe try Self.plain(LL_CREATE_SESSIONres.self, body) { .createSession(CreateSessionResult($0)) }
        case .bindConnectionToSession:
            return unsafe try Self.plain(LL_BIND_CONNres.self, body) { (wire) throws(CodecError) in
                .bindConnectionToSession(try BindConnectionArguments(wire.sessionid, wire.dir))
            }
        case .destroySession, .destroyClientID:
            return unsafe try Self.plain(LL_STATUSres.self, body) { _ in .void }
        case .sequence, .reclaimComplete, .close, .remove, .rename, .commit, .revoke, .unblock:
            return unsafe try Self.sequenced(LL_VOIDres.self, body) { _ in .void }
        case .lookup, .open, .getAttributes, .setAttributes, .createDirectory:
            return unsafe try Self.sequenced(LL_OBJECTres.self, body) { (wire) throws(CodecError) in
                .object(try ObjectResult(wire))
            }
        case .readDirectory:
            return unsafe try Self.sequenced(LL_READDIRres.self, body) { (wire) throws(CodecError) in
                .readDirectory(unsafe try ReadDirectoryResult(wire))
            }
        case .layoutGet:
            return unsafe try Self.sequenced(LL_LAYOUTGETres.self, body) { (wire) throws(CodecError) in
                .layoutGet(unsafe try LayoutGetResult(wire))
            }
        case .layoutCommit:
            return unsafe try Self.sequenced(LL_LAYOUTCOMMITres.self, body) { .layoutCommit(size: UInt64($0.size)) }
        case .layoutReturn:
            return unsafe try Self.sequenced(LL_LAYOUTRETURNres.self, body) { (wire) throws(CodecError) in
                .layoutReturn(try LayoutReturnResult(wire))
            }
        case .getDeviceInfo:
            return unsafe try Self.sequenced(LL_GETDEVICEINFOres.self, body) { (wire) throws(CodecError) in
                .getDeviceInfo(unsafe try DeviceInfo(wire))
            }
        case .allocate, .punchHole, .zeroRange, .collapseRange, .insertRange, .truncate, .cloneRange:
            return unsafe try Self.sequenced(LL_CHANGEres.self, body) { (wire) throws(CodecError) in
                .change(try ChangeResult(wire))
            }
        case .read:
            return unsafe try Self.sequenced(LL_READres.self, body) { .read(unsafe ReadResult($0)) }
        case .write:
            return unsafe try Self.sequenced(LL_WRITEres.self, body) { .write(WriteResult($0)) }
        case .state:
            return unsafe try Self.sequenced(LL_STATEres.self, body) { (wire) throws(CodecError) in
                .state(unsafe try StateResult(wire))
            }
        }
    }

    private static func plain<Wire: WireType & WireResult>(
        _ type: Wire.Type,
        _ body: ByteBuffer,
        _ response: (Wire.Resok) throws(CodecError) -> Response
    ) throws(CodecError) -> LayoutReply {
        try XDRStream.decode(type, body) { (wire) throws(CodecError) in
            LayoutReply(sequence: nil, result: try wire.value(response))
        }
    }

    private static func sequenced<Wire: WireReply>(
        _ type: Wire.Type,
        _ body: ByteBuffer,
        _ response: (Wire.Outcome.Resok) throws(CodecError) -> Response
    ) throws(CodecError) -> LayoutReply {
        try XDRStream.decode(type, body) { (wire) throws(CodecError) in
            // A call whose sequence was refused was not executed, so it has no result of its own.
            guard wire.sequence.status == LL_OK || wire.sequence.status == wire.result.status else {
                throw CodecError(
                    "\(type).result.status",
                    .inconsistent(
                        "\(wire.result.status.rawValue), but the sequence says \(wire.sequence.status.rawValue)"
                    )
                )
            }
            return LayoutReply(sequence: SequenceResult(wire.sequence), result: try wire.result.value(response))
        }
    }
}
