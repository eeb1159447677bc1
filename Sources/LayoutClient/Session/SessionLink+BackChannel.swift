import LayoutCore
import LayoutXDR
import NIOCore
import ONCRPC
import Sessions

/// Calls from the server, each executed once (R4.6).
extension SessionLink {
    func received(_ call: RPCCall, on connection: RPCConnection) {
        self.owner?.somethingArrived()
        guard call.program == CallbackProgram.number else { return connection.reject(call.id, .programUnavailable) }
        guard call.version == CallbackProgram.version else {
            let version = CallbackProgram.version
            return connection.reject(call.id, .programMismatch(low: version, high: version))
        }
        guard let procedure = CallbackProcedure(rawValue: call.procedure) else {
            return connection.reject(call.id, .procedureUnavailable)
        }
        let request: CallbackRequest
        do {
            request = try LayoutCodec.decodeCallback(procedure: procedure, call.body)
        } catch {
            return connection.reject(call.id, .garbageArguments)
        }
        guard let sequence = request.sequence else { return connection.reply(to: call.id, body: ByteBuffer()) }
        connection.reply(to: call.id, body: ByteBuffer(bytes: self.execute(request, sequence)))
    }

    private func execute(_ request: CallbackRequest, _ sequence: CallbackSequence) -> [UInt8] {
        guard self.session?.id == sequence.session else { return Self.encoded(.badSession) }
        let decision = self.session?.backSlots.begin(
            slot: sequence.slot,
            highestSlot: sequence.highestSlot,
            sequence: sequence.sequence,
            digest: request.digest
        )
        switch decision {
        case .none:
            return Self.encoded(.badSession)
        case .refuse(let status):
            return Self.encoded(status)
        case .replay(let reply):
            return reply
        case .execute:
            let reply = Self.encoded(self.owner?.callback(request) ?? .delay)
            // The same session unless the owner has ended it meanwhile.
            if self.session?.id == sequence.session {
                self.session?.backSlots.complete(slot: sequence.slot, reply: reply)
            }
            return reply
        }
    }

    private static func encoded(_ status: LayoutStatus) -> [UInt8] {
        var buffer = ByteBuffer()
        LayoutCodec.encodeCallbackReply(status, into: &buffer)
        return Array(buffer.readableBytesView)
    }
}

extension CallbackRequest {
    /// The slot; `nil` for CB_NULL.
    var sequence: CallbackSequence? {
        switch self {
        case .null: nil
        case .layoutRecall(let sequence, _), .recallAny(let sequence, _), .notifyDeviceID(let sequence): sequence
        }
    }

    /// Tells a copy from another call on the same slot: all but what differs between copies (R4.6-3).
    fileprivate var digest: UInt64 {
        var hasher = Hasher()
        switch self {
        case .null:
            hasher.combine(0)
        case .layoutRecall(_, var recall):
            recall.deadlineMilliseconds = 0
            hasher.combine(1)
            hasher.combine(recall)
        case .recallAny(_, let keep):
            hasher.combine(2)
            hasher.combine(keep)
        case .notifyDeviceID:
            hasher.combine(3)
        }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}
