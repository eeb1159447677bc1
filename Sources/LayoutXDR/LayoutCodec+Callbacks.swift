import CLayoutXDR
import CTIRPC
package import LayoutCore
package import NIOCore

extension LayoutCodec {
    /// Decodes the arguments of a call to the client.
    ///
    /// - Throws: ``CodecError``, to be answered with `GARBAGE_ARGS`.
    package static func decodeCallback(
        procedure: CallbackProcedure,
        _ body: ByteBuffer
    ) throws(CodecError) -> CallbackRequest {
        switch procedure {
        case .null:
            try Self.expectEmpty(body, "CB_NULL")
            return .null
        case .layoutRecall:
            return unsafe try XDRStream.decode(CB_LAYOUTRECALLargs.self, body) { (wire) throws(CodecError) in
                .layoutRecall(CallbackSequence(unsafe wire.sequence), unsafe try LayoutRecall(wire))
            }
        case .recallAny:
            return try XDRStream.decode(CB_RECALL_ANYargs.self, body) {
                .recallAny(CallbackSequence($0.sequence), keep: $0.keep)
            }
        case .notifyDeviceID:
            return unsafe try XDRStream.decode(CB_NOTIFY_DEVICEIDargs.self, body) { (wire) throws(CodecError) in
                guard unsafe wire.type == LL_DEVICE_CHANGE || wire.type == LL_DEVICE_DELETE else {
                    throw CodecError("ll_notify_type", .unknownValue(unsafe wire.type.rawValue))
                }
                return .notifyDeviceID(CallbackSequence(unsafe wire.sequence))
            }
        }
    }

    /// Appends the arguments of a call to the client; the procedure is ``procedure(of:)-(CallbackRequest)``.
    ///
    /// CB_NOTIFY_DEVICEID is reserved and announces no device.
    package static func encode(_ callback: CallbackRequest, into buffer: inout ByteBuffer) {
        switch callback {
        case .null:
            break
        case .layoutRecall(let sequence, let recall):
            unsafe XDRStream.encode(into: &buffer) { unsafe recall.wire(sequence, &$0) }
        case .recallAny(let sequence, let keep):
            XDRStream.encode(into: &buffer) { _ in CB_RECALL_ANYargs(sequence: sequence.wire, keep: keep) }
        case .notifyDeviceID(let sequence):
            unsafe XDRStream.encode(into: &buffer) { _ in
                var wire = unsafe CB_NOTIFY_DEVICEIDargs()
                unsafe wire.sequence = sequence.wire
                unsafe wire.type = LL_DEVICE_CHANGE
                return unsafe wire
            }
        }
    }

    /// Decodes a client's answer to a callback other than CB_NULL, whose answer is empty.
    ///
    /// - Throws: ``CodecError``; the callback counts as not answered then.
    package static func decodeCallbackReply(_ body: ByteBuffer) throws(CodecError) -> LayoutStatus {
        try XDRStream.decode(CB_STATUSres.self, body) { LayoutStatus(rawValue: $0.status.rawValue) }
    }

    /// Appends a client's answer to a callback other than CB_NULL, whose answer is empty.
    package static func encodeCallbackReply(_ status: LayoutStatus, into buffer: inout ByteBuffer) {
        XDRStream.encode(into: &buffer) { _ in CB_STATUSres(status: ll_stat(rawValue: status.rawValue)) }
    }
}
