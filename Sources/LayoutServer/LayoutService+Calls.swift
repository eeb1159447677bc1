import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import NIOCore
import ONCRPC
import Sessions

/// A call that its slot has let through: it is answered exactly once, by `LayoutService.finish`.
struct ActiveCall {
    let incoming: IncomingCall
    let running: ServerSessions.RunningCall
    let sequence: SequenceArguments
    /// The arguments as they came.
    let body: ByteBuffer
    /// Bytes that the reply may have: what the session allows, or allows to keep.
    let replyMax: Int

    var client: ClientID { self.running.client }
    var caller: Caller { self.incoming.caller }
    var user: UserIdentity { self.incoming.caller.user }
}

/// Slots: what is new, what is a retry, and the way back (specification §4.4).
extension LayoutService {
    func begin(
        _ incoming: IncomingCall,
        _ sequence: SequenceArguments,
        _ request: Request,
        _ body: ByteBuffer
    ) {
        let decision = self.sessions.begin(
            session: sequence.session,
            slot: sequence.slot,
            sequence: sequence.sequence,
            highestSlot: sequence.highestSlot,
            keepsReply: sequence.cacheThis,
            size: body.readableBytes,
            digest: CallDigest.digest(
                procedure: incoming.procedure,
                body: body,
                principal: incoming.caller.principal
            ),
            principal: incoming.caller.principal,
            connection: incoming.connectionID
        )
        switch decision {
        case .replay(let reply):
            incoming.connection.reply(to: incoming.id, body: ByteBuffer(bytes: reply))
        case .refuse(let error):
            self.refuse(incoming, sequence, error)
        case .execute(let running):
            incoming.connection.isEvictable = false
            let replyMax = sequence.cacheThis ? running.limits.maxResponseCached : .max
            let call = ActiveCall(
                incoming: incoming,
                running: running,
                sequence: sequence,
                body: body,
                replyMax: Int(min(replyMax, running.limits.maxResponse))
            )
            self.submit(.leaseRenewed(running.client))
            self.execute(request, call)
        }
    }

    /// Answers a call that its slot does not let through; the slot stays as it is.
    private func refuse(_ call: IncomingCall, _ sequence: SequenceArguments, _ error: SessionError) {
        // Another user's session (R4.4-3).
        let status = error.status == .access ? LayoutStatus.connectionNotBound : error.status
        let reply = LayoutReply(
            sequence: SequenceResult(
                status: status,
                sequence: sequence.sequence,
                slot: sequence.slot,
                highestSlot: sequence.highestSlot,
                targetHighestSlot: sequence.highestSlot,
                flags: []
            ),
            result: .failure(Failure(status, error.detail))
        )
        var body = ByteBuffer()
        LayoutCodec.encode(reply, for: call.procedure, into: &body)
        call.connection.reply(to: call.id, body: body)
    }

    /// Answers a call and keeps the answer for a retry; the answer to a change is durable before anybody hears of it.
    func finish(_ call: ActiveCall, _ result: Result<Response, Failure>) {
        var body = self.encode(call, result)
        let most = Int(call.running.limits.maxResponse)
        if body.readableBytes > most {
            let detail = "the reply has \(body.readableBytes) bytes, the session allows \(most)"
            body = self.encode(call, .failure(Failure(.replyTooBig, detail)))
        }
        guard let change = self.unanswered.removeValue(forKey: call.slot) else { return self.answer(call, body) }
        self.write(self.records(of: change, call, body), change.durability) { result in
            switch result {
            case .failure(let error):
                self.storeFailed(error)
            case .success:
                Failpoint.hit(.afterReplyWritten)
                self.answer(call, body)
                Failpoint.hit(.afterReplySent)
            }
        }
    }

    private func answer(_ call: ActiveCall, _ body: ByteBuffer) {
        self.sessions.complete(call.running, reply: call.running.keepsReply ? Array(body.readableBytesView) : [])
        call.incoming.connection.reply(to: call.incoming.id, body: body)
    }

    func finish(_ call: ActiveCall, _ status: LayoutStatus, _ detail: String) {
        self.finish(call, .failure(Failure(status, detail)))
    }

    private func encode(_ call: ActiveCall, _ result: Result<Response, Failure>) -> ByteBuffer {
        let slots = call.running.limits.maxSlots
        let reply = LayoutReply(
            sequence: SequenceResult(
                status: .ok,
                sequence: call.running.sequence,
                slot: call.running.slot,
                highestSlot: slots - 1,
                targetHighestSlot: slots - 1,
                flags: self.statusFlags(of: call.client)
            ),
            result: result
        )
        var body = call.incoming.connection.isOpen ? ByteBufferAllocator().buffer(capacity: 256) : ByteBuffer()
        LayoutCodec.encode(reply, for: call.incoming.procedure, into: &body)
        guard case .failure(let failure) = result, body.readableBytes > call.replyMax else { return body }
        // A refusal fits the least room that a session can have: its words for people are cut.
        let length = min(failure.detail.utf8.count, ProtocolLimits.detail)
        let room = max(0, length - (body.readableBytes - call.replyMax))
        let detail = String(decoding: failure.detail.utf8.prefix(room), as: UTF8.self)
        return self.encode(call, .failure(Failure(failure.status, detail)))
    }

    private func statusFlags(of client: ClientID) -> SequenceStatusFlags {
        var flags = self.notices.flags(for: client)
        if !self.sessions.hasBackChannel(client) { flags.insert(.callbackPathDown) }
        if self.engine.isOverdue(client) { flags.insert(.recallOverdue) }
        if self.reclaiming.contains(client) { flags.insert(.restartReclaim) }
        return flags
    }

    private func execute(_ request: Request, _ call: ActiveCall) {
        switch request {
        case .sequence: self.finish(call, .success(.void))
        case .reclaimComplete: self.reclaimComplete(call)
        case .lookup(let arguments): self.lookUp(arguments, call)
        case .open(let arguments): self.open(arguments, call)
        case .close(let handle): self.close(handle, call)
        case .getAttributes(let handle): self.getAttributes(handle, call)
        case .setAttributes(let arguments): self.setAttributes(arguments, call)
        case .readDirectory(let arguments): self.readDirectory(arguments, call)
        case .createDirectory(let arguments): self.createDirectory(arguments, call)
        case .remove(let arguments): self.remove(arguments, call)
        case .rename(let arguments): self.rename(arguments, call)
        case .layoutGet(let arguments): self.layoutGet(arguments, call)
        case .layoutCommit(let arguments): self.layoutCommit(arguments, call)
        case .layoutReturn(let arguments): self.layoutReturn(arguments, call)
        case .getDeviceInfo(let device): self.getDeviceInfo(device, call)
        case .change(let arguments): self.change(arguments, call)
        case .cloneRange(let arguments): self.cloneRange(arguments, call)
        case .read(let arguments): self.read(arguments, call)
        case .write(let arguments): self.write(arguments, call)
        case .commit(let arguments): self.commit(arguments, call)
        case .state(let arguments): self.state(arguments, call)
        case .revoke: self.revoke(call)
        case .unblock(let handle): self.unblock(handle, call)
        case .null, .exchangeID, .createSession, .bindConnectionToSession, .destroySession, .destroyClientID:
            preconditionFailure("\(request) carries no sequence")
        }
    }
}
