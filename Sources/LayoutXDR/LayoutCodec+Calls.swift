import CLayoutXDR
import CTIRPC
import LayoutCore
package import NIOCore

extension LayoutCodec {
    /// Decodes the arguments of a call.
    ///
    /// - Throws: ``CodecError``, to be answered with `GARBAGE_ARGS`.
    /// - Complexity: O(bytes).
    package static func decodeCall(procedure: Procedure, _ body: ByteBuffer) throws(CodecError) -> LayoutCall {
        switch procedure {
        case .null:
            try Self.expectEmpty(body, "LL_NULL")
            return LayoutCall(sequence: nil, request: .null)
        case .exchangeID, .createSession, .bindConnectionToSession, .destroySession, .destroyClientID:
            return LayoutCall(sequence: nil, request: try Self.decodeSessionCall(procedure, body))
        case .sequence:
            return try Self.sequenced(LL_SEQUENCEargs.self, body) { _ in .sequence }
        case .reclaimComplete:
            return try Self.sequenced(LL_RECLAIM_COMPLETEargs.self, body) { _ in .reclaimComplete }
        case .lookup, .open, .close, .getAttributes, .setAttributes, .readDirectory, .createDirectory, .remove, .rename:
            return try Self.decodeFileCall(procedure, body)
        case .layoutGet:
            return try Self.sequenced(LL_LAYOUTGETargs.self, body) { .layoutGet(LayoutGetArguments($0)) }
        case .layoutCommit:
            return try Self.sequenced(LL_LAYOUTCOMMITargs.self, body) { (wire) throws(CodecError) in
                .layoutCommit(try LayoutCommitArguments(wire))
            }
        case .layoutReturn:
            return try Self.sequenced(LL_LAYOUTRETURNargs.self, body) { (wire) throws(CodecError) in
                .layoutReturn(try LayoutReturnArguments(wire))
            }
        case .getDeviceInfo:
            return try Self.sequenced(LL_GETDEVICEINFOargs.self, body) {
                .getDeviceInfo(DeviceID(Opaque16(wire: $0.deviceid)))
            }
        case .allocate:
            return try Self.decodeChange(.allocate, body)
        case .punchHole:
            return try Self.decodeChange(.punchHole, body)
        case .zeroRange:
            return try Self.decodeChange(.zeroRange, body)
        case .collapseRange:
            return try Self.decodeChange(.collapseRange, body)
        case .insertRange:
            return try Self.decodeChange(.insertRange, body)
        case .truncate:
            return try Self.decodeChange(.truncate, body)
        case .cloneRange:
            return try Self.sequenced(LL_CLONEargs.self, body) { .cloneRange(CloneArguments($0)) }
        case .read:
            return try Self.sequenced(LL_READargs.self, body) { .read(ReadArguments($0)) }
        case .write:
            return unsafe try Self.sequenced(LL_WRITEargs.self, body) { .write(unsafe WriteArguments($0)) }
        case .commit:
            return try Self.sequenced(LL_COMMITargs.self, body) { .commit(CommitArguments($0)) }
        case .state:
            return try Self.sequenced(LL_STATEargs.self, body) { (wire) throws(CodecError) in
                .state(try StateArguments(wire))
            }
        case .revoke:
            return try Self.sequenced(LL_REVOKEargs.self, body) { .revoke(RevokeArguments($0)) }
        case .unblock:
            return try Self.sequenced(LL_UNBLOCKargs.self, body) { .unblock(FileHandle(wire: $0.fh)) }
        }
    }

    private static func decodeSessionCall(_ procedure: Procedure, _ body: ByteBuffer) throws(CodecError) -> Request {
        switch procedure {
        case .exchangeID:
            return unsafe try XDRStream.decode(LL_EXCHANGE_IDargs.self, body) {
                .exchangeID(unsafe ExchangeIDArguments($0))
            }
        case .createSession:
            return try XDRStream.decode(LL_CREATE_SESSIONargs.self, body) { .createSession(CreateSessionArguments($0)) }
        case .bindConnectionToSession:
            return try XDRStream.decode(LL_BIND_CONNargs.self, body) { (wire) throws(CodecError) in
                .bindConnectionToSession(try BindConnectionArguments(wire.sessionid, wire.dir))
            }
        case .destroySession:
            return try XDRStream.decode(LL_DESTROY_SESSIONargs.self, body) {
                .destroySession(SessionID(Opaque16(wire: $0.sessionid)))
            }
        case .destroyClientID:
            return try XDRStream.decode(LL_DESTROY_CLIENTIDargs.self, body) {
                .destroyClientID(ClientID(UInt64($0.clientid)))
            }
        default:
            preconditionFailure("\(procedure) is not about sessions")
        }
    }

    private static func decodeFileCall(_ procedure: Procedure, _ body: ByteBuffer) throws(CodecError) -> LayoutCall {
        switch procedure {
        case .lookup:
            return unsafe try Self.sequenced(LL_LOOKUPargs.self, body) {
                .lookup(PathArguments(directory: FileHandle(wire: unsafe $0.dir), path: unsafe $0.path.bytes))
            }
        case .open:
            return unsafe try Self.sequenced(LL_OPENargs.self, body) { .open(unsafe OpenArguments($0)) }
        case .close:
            return try Self.sequenced(LL_CLOSEargs.self, body) { .close(FileHandle(wire: $0.fh)) }
        case .getAttributes:
            return try Self.sequenced(LL_GETATTRargs.self, body) { .getAttributes(FileHandle(wire: $0.fh)) }
        case .setAttributes:
            return try Self.sequenced(LL_SETATTRargs.self, body) { .setAttributes(SetAttributesArguments($0)) }
        case .readDirectory:
            return unsafe try Self.sequenced(LL_READDIRargs.self, body) {
                .readDirectory(unsafe ReadDirectoryArguments($0))
            }
        case .createDirectory:
            return unsafe try Self.sequenced(LL_CREATEargs.self, body) {
                .createDirectory(
                    PathArguments(
                        directory: FileHandle(wire: unsafe $0.dir),
                        path: unsafe $0.path.bytes,
                        mode: unsafe $0.mode
                    )
                )
            }
        case .remove:
            return unsafe try Self.sequenced(LL_REMOVEargs.self, body) {
                .remove(
                    PathArguments(
                        directory: FileHandle(wire: unsafe $0.dir),
                        path: unsafe $0.path.bytes,
                        waitMilliseconds: unsafe $0.wait_ms
                    )
                )
            }
        case .rename:
            return unsafe try Self.sequenced(LL_RENAMEargs.self, body) { .rename(unsafe RenameArguments($0)) }
        default:
            preconditionFailure("\(procedure) is not about files")
        }
    }

    private static func decodeChange(_ operation: MappingOperation, _ body: ByteBuffer) throws(CodecError) -> LayoutCall
    {
        try Self.sequenced(LL_CHANGEargs.self, body) { .change(ChangeArguments($0, operation)) }
    }

    private static func sequenced<Wire: WireArguments>(
        _ type: Wire.Type,
        _ body: ByteBuffer,
        _ request: (Wire) throws(CodecError) -> Request
    ) throws(CodecError) -> LayoutCall {
        try XDRStream.decode(type, body) { (wire) throws(CodecError) in
            LayoutCall(sequence: SequenceArguments(wire.sequence), request: try request(wire))
        }
    }

    /// Refuses a body where the procedure has no arguments or results.
    static func expectEmpty(_ body: ByteBuffer, _ field: String) throws(CodecError) {
        guard body.readableBytes == 0 else { throw CodecError(field, .trailingBytes(body.readableBytes)) }
    }
}
