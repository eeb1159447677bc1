import CLayoutXDR
import CTIRPC
import LayoutCore
package import NIOCore

extension LayoutCodec {
    /// Appends the arguments of a call; the procedure is ``procedure(of:)-(Request)``.
    ///
    /// - Precondition: `call.sequence` is there if the procedure carries one; owner, paths and data are within
    ///   ``ProtocolLimits``.
    package static func encode(_ call: LayoutCall, into buffer: inout ByteBuffer) {
        switch call.request {
        case .null:
            break
        case .exchangeID(let arguments):
            unsafe XDRStream.encode(into: &buffer) { unsafe arguments.wire(&$0) }
        case .createSession(let arguments):
            XDRStream.encode(into: &buffer) { _ in arguments.wire }
        case .bindConnectionToSession(let arguments):
            XDRStream.encode(into: &buffer) { _ in arguments.wireArguments }
        case .destroySession(let session):
            XDRStream.encode(into: &buffer) { _ in LL_DESTROY_SESSIONargs(sessionid: session.rawValue.wire) }
        case .destroyClientID(let client):
            XDRStream.encode(into: &buffer) { _ in LL_DESTROY_CLIENTIDargs(clientid: UInt(client.rawValue)) }
        case .sequence, .reclaimComplete, .lookup, .open, .close, .getAttributes, .setAttributes, .readDirectory,
            .createDirectory, .remove, .rename, .layoutGet, .layoutCommit, .layoutReturn, .getDeviceInfo, .change,
            .cloneRange, .read, .write, .commit, .state, .revoke, .unblock:
            guard let sequence = call.sequence else {
                preconditionFailure("\(Self.procedure(of: call.request)) is called with a sequence")
            }
            Self.encode(call.request, sequence.wire, into: &buffer)
        }
    }

    private static func encode(_ request: Request, _ sequence: ll_sequence_args, into buffer: inout ByteBuffer) {
        switch request {
        case .sequence:
            XDRStream.encode(into: &buffer) { _ in LL_SEQUENCEargs(sequence: sequence) }
        case .reclaimComplete:
            XDRStream.encode(into: &buffer) { _ in LL_RECLAIM_COMPLETEargs(sequence: sequence) }
        case .lookup(let arguments):
            unsafe XDRStream.encode(into: &buffer) { arena in
                unsafe LL_LOOKUPargs(
                    sequence: sequence,
                    dir: arguments.directory.wire,
                    path: ll_path(arguments.path, &arena)
                )
            }
        case .open(let arguments):
            unsafe XDRStream.encode(into: &buffer) { unsafe arguments.wire(sequence, &$0) }
        case .close(let handle):
            XDRStream.encode(into: &buffer) { _ in LL_CLOSEargs(sequence: sequence, fh: handle.wire) }
        case .getAttributes(let handle):
            XDRStream.encode(into: &buffer) { _ in LL_GETATTRargs(sequence: sequence, fh: handle.wire) }
        case .setAttributes(let arguments):
            XDRStream.encode(into: &buffer) { _ in arguments.wire(sequence) }
        case .readDirectory(let arguments):
            unsafe XDRStream.encode(into: &buffer) { unsafe arguments.wire(sequence, &$0) }
        case .createDirectory(let arguments):
            unsafe XDRStream.encode(into: &buffer) { arena in
                unsafe LL_CREATEargs(
                    sequence: sequence,
                    dir: arguments.directory.wire,
                    path: ll_path(arguments.path, &arena),
                    mode: arguments.mode
                )
            }
        case .remove(let arguments):
            unsafe XDRStream.encode(into: &buffer) { arena in
                unsafe LL_REMOVEargs(
                    sequence: sequence,
                    dir: arguments.directory.wire,
                    path: ll_path(arguments.path, &arena),
                    wait_ms: arguments.waitMilliseconds
                )
            }
        case .rename(let arguments):
            unsafe XDRStream.encode(into: &buffer) { unsafe arguments.wire(sequence, &$0) }
        case .layoutGet(let arguments):
            XDRStream.encode(into: &buffer) { _ in arguments.wire(sequence) }
        case .layoutCommit(let arguments):
            XDRStream.encode(into: &buffer) { _ in arguments.wire(sequence) }
        case .layoutReturn(let arguments):
            XDRStream.encode(into: &buffer) { _ in arguments.wire(sequence) }
        case .getDeviceInfo(let device):
            XDRStream.encode(into: &buffer) { _ in
                LL_GETDEVICEINFOargs(sequence: sequence, deviceid: device.rawValue.wire)
            }
        case .change(let arguments):
            XDRStream.encode(into: &buffer) { _ in arguments.wire(sequence) }
        case .cloneRange(let arguments):
            XDRStream.encode(into: &buffer) { _ in arguments.wire(sequence) }
        case .read(let arguments):
            XDRStream.encode(into: &buffer) { _ in arguments.wire(sequence) }
        case .write(let arguments):
            Self.encode(arguments, sequence, into: &buffer)
        case .commit(let arguments):
            XDRStream.encode(into: &buffer) { _ in arguments.wire(sequence) }
        case .state(let arguments):
            XDRStream.encode(into: &buffer) { _ in arguments.wire(sequence) }
        case .revoke(let arguments):
            XDRStream.encode(into: &buffer) { _ in arguments.wire(sequence) }
        case .unblock(let handle):
            XDRStream.encode(into: &buffer) { _ in LL_UNBLOCKargs(sequence: sequence, fh: handle.wire) }
        case .null, .exchangeID, .createSession, .bindConnectionToSession, .destroySession, .destroyClientID:
            preconditionFailure("\(request) carries no sequence")
        }
    }

    /// The data go straight from their array into the buffer.
    private static func encode(_ arguments: WriteArguments, _ sequence: ll_sequence_args, into buffer: inout ByteBuffer)
    {
        unsafe arguments.data.withUnsafeBytes { data in
            unsafe XDRStream.encode(into: &buffer, borrowing: data.count) { _ in
                var wire = unsafe arguments.wireWithoutData(sequence)
                unsafe wire.data.data_val = UnsafeMutablePointer(borrowing: data)
                unsafe wire.data.data_len = UInt32(clamping: data.count)
                return unsafe wire
            }
        }
    }
}

extension UnsafeMutablePointer<CChar> {
    /// A pointer for a C struct that is only encoded, never written through.
    init?(borrowing bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return nil }
        unsafe self = UnsafeMutableRawPointer(mutating: start).assumingMemoryBound(to: CChar.self)
    }
}
