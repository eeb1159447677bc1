import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import NIOCore
import ONCRPC
import Sessions

/// Calls to clients: recalls on the back channel (specification §4.6 and §6.3).
extension LayoutService {
    // MARK: What the engine says

    func sendRecall(_ recall: LeaseEngine.Recall) {
        if let existing = self.callbacks.byRecall[recall.id] {
            switch existing.state {
            case .queued: return
            case .inFlight: return self.submit(.recallSent(recall.id))
            case .stranded:
                // Its slot waits for its session; the client can be reached elsewhere. A client takes a recall that it
                // has seen before as the same one (R4.6-5).
                self.callbacks.remove(existing)
            }
        }
        let callback = OutgoingCallback(to: recall.client, .recall(recall))
        self.callbacks.add(callback)
        self.callbacks.enqueue(callback)
        self.sendQueuedCallbacks(to: recall.client)
    }

    func sendRecallAny(_ client: ClientID, keep: Int) {
        self.logger.info(
            "client holds too many layouts",
            metadata: ["client": "\(client.rawValue)", "keep": "\(keep)"]
        )
        self.callbacks.enqueue(OutgoingCallback(to: client, .recallAny(keep: UInt32(clamping: keep))))
        self.sendQueuedCallbacks(to: client)
    }

    func recallEnded(_ recall: RecallID, _ outcome: LeaseEngine.RecallOutcome) {
        // One in flight keeps its slot until it is answered; the engine takes no notice of the answer.
        if let callback = self.callbacks.byRecall[recall] { self.callbacks.remove(callback) }
        self.callbacks.sentAt[recall] = nil
        self.note(.recallEnded(recall, outcome: outcome.text))
        self.logger.info("recall ended", metadata: ["recall": "\(recall.rawValue)", "outcome": "\(outcome.text)"])
    }

    // MARK: On the way

    /// Sends what waits for a client, as far as there are slots.
    func sendQueuedCallbacks(to client: ClientID) {
        while let next = self.callbacks.dequeue(for: client) {
            guard let slot = self.sessions.beginCallback(to: client) else {
                if self.sessions.hasBackChannel(client) {
                    // All slots are in use: in order, when one is free.
                    self.callbacks.requeue(next)
                } else if let recall = next.recall {
                    self.callbacks.remove(next)
                    self.submit(.recallFailed(recall.id))
                    continue
                }
                return
            }
            next.callback = slot
            self.send(next, slot, again: false)
        }
    }

    /// Sends again, as the same calls, what was not answered before a connection of the session broke.
    func resendStranded(on session: SessionID) {
        for callback in self.callbacks.takeStranded(on: session) {
            guard let slot = callback.callback else { continue }
            self.send(callback, slot, again: true)
        }
    }

    private func send(_ callback: OutgoingCallback, _ slot: ServerSessions.Callback, again: Bool) {
        let candidates = again ? self.sessions.backConnections(of: slot.session) : slot.connections
        guard !self.announcing.contains(slot.session),
            let connection = candidates.reversed().lazy.compactMap({ self.connections[$0] }).first(where: \.isOpen)
        else {
            self.callbacks.strand(callback, on: slot.session)
            if let recall = callback.recall { self.submit(.recallFailed(recall.id)) }
            return
        }
        let sequence = CallbackSequence(
            session: slot.session,
            sequence: slot.ticket.sequence,
            slot: slot.ticket.slot,
            highestSlot: slot.ticket.highestSlot
        )
        let request: CallbackRequest
        switch callback.content {
        case .recall(let recall): request = .layoutRecall(sequence, self.message(recall))
        case .recallAny(let keep): request = .recallAny(sequence, keep: keep)
        }
        var body = ByteBuffer()
        LayoutCodec.encode(request, into: &body)
        callback.state = .inFlight
        // Longer than the recall's own deadline, which the engine keeps: a late answer still frees the slot.
        let patience = self.configuration.recallTimeout + self.configuration.lease
        connection.call(
            program: slot.program,
            version: LayoutProgram.callbackVersion,
            procedure: LayoutCodec.procedure(of: request).rawValue,
            body: body,
            deadline: .now() + .nanoseconds(Int64(clamping: patience.wholeNanoseconds))
        ) { [weak self] result in
            self?.callbackEnded(callback, slot, result)
        }
        guard let recall = callback.recall else { return }
        self.recallWasSent(recall)
    }

    private func recallWasSent(_ recall: LeaseEngine.Recall) {
        let path = self.files.find(recall.file)?.pathText ?? ""
        self.note(
            .recallSent(
                recall.id,
                client: recall.client,
                path: path,
                range: recall.range,
                operation: recall.operation
            )
        )
        self.logger.info(
            "recall sent",
            metadata: [
                "recall": "\(recall.id.rawValue)", "client": "\(recall.client.rawValue)", "file": "\(path)",
                "range": "\(recall.range)", "operation": "\(recall.operation)",
            ]
        )
        self.submit(.recallSent(recall.id))
    }

    private func message(_ recall: LeaseEngine.Recall) -> LayoutRecall {
        let requester: (client: ClientID, pid: UInt32, command: String)
        switch recall.requester {
        case .client(let client):
            let record = self.clients[client]
            // Who asked is told only to clients of the same user, and of root (R6.3-15).
            let reader = self.clients[recall.client]?.uid
            let isTold = reader == 0 || reader == record?.uid
            requester = (client, isTold ? record?.pid ?? 0 : 0, isTold ? record?.command ?? "" : "")
        case .local(let pid, let command):
            requester = (ClientID(0), pid, command)
        }
        return LayoutRecall(
            id: recall.id,
            handle: self.files.find(recall.file)?.handle ?? .root,
            stateID: recall.stateID,
            ioMode: recall.ioMode,
            range: recall.range,
            reason: recall.reason,
            operation: recall.operation,
            operationRange: recall.argument,
            deadlineMilliseconds: self.timeLeft(recall.id).wholeMilliseconds,
            requester: requester.client,
            requesterPID: requester.pid,
            requesterCommand: requester.command
        )
    }

    /// The time that a client has left to give back what a recall names (R4.6-3).
    private func timeLeft(_ recall: RecallID) -> Duration {
        guard self.callbacks.byRecall[recall] != nil else { return .zero }
        guard let sentAt = self.callbacks.sentAt[recall] else {
            self.callbacks.sentAt[recall] = Host.now
            return self.configuration.recallTimeout
        }
        return max(.zero, self.configuration.recallTimeout - Host.now.duration(since: sentAt))
    }

    // MARK: The answer

    private func callbackEnded(
        _ callback: OutgoingCallback,
        _ slot: ServerSessions.Callback,
        _ result: Result<ByteBuffer, RPCError>
    ) {
        switch result {
        case .success(let body):
            // An answer that cannot be decoded is one all the same: the client has seen the call.
            let status = (try? LayoutCodec.decodeCallbackReply(body)) ?? .serverFault
            self.answered(callback, slot, status)
        case .failure(.rejected), .failure(.malformedReply):
            self.answered(callback, slot, .serverFault, wasSequenced: false)
        case .failure(.tooManyCalls), .failure(.invalidCredential), .failure(.bodyTooLong):
            self.answered(callback, slot, .delay, wasSequenced: false)
        case .failure(.connectionClosed):
            self.callbacks.strand(callback, on: slot.session)
            if let recall = callback.recall { self.submit(.recallFailed(recall.id)) }
            // Another connection of the session may be there already.
            if !self.sessions.backConnections(of: slot.session).isEmpty { self.resendStranded(on: slot.session) }
        case .failure(.deadlineExceeded):
            // Not again on this connection (R4.6-2). The engine's deadline has passed by now.
            self.callbacks.strand(callback, on: slot.session)
        }
    }

    private func answered(
        _ callback: OutgoingCallback,
        _ slot: ServerSessions.Callback,
        _ status: LayoutStatus,
        wasSequenced: Bool = true
    ) {
        // Refused before the sequence was looked at: the number was not used up (RFC 8881 §2.10.6.1.3).
        let sequenceErrors: [LayoutStatus] = [
            .badSession, .badSlot, .badHighSlot, .sequenceMisordered, .falseRetry, .connectionNotBound, .deadSession,
        ]
        let isRefused = sequenceErrors.contains(status)
        self.sessions.completeCallback(slot, wasSequenced: wasSequenced && !isRefused)
        self.callbacks.remove(callback)
        if let recall = callback.recall {
            self.note(.recallAnswered(recall.id, client: callback.client, status: status))
            self.logger.debug(
                "recall answered",
                metadata: [
                    "recall": "\(recall.id.rawValue)", "client": "\(callback.client.rawValue)", "status": "\(status)",
                ]
            )
            if status == .noMatchingLayout { self.descriptions.partWasReturned(recall.holder) }
            self.submit(isRefused ? .recallFailed(recall.id) : .recallAnswered(recall.id, status))
        }
        self.sendQueuedCallbacks(to: callback.client)
    }
}

extension LeaseEngine.RecallOutcome {
    /// For people.
    var text: String {
        switch self {
        case .returned: "returned"
        case .nothingMatched: "nothing matched"
        case .revoked: "revoked"
        case .expired: "expired"
        }
    }
}
