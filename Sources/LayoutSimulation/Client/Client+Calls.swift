import LayoutCore
import LayoutHolder
import LeaseEngine
import Sessions

/// One call with a slot, from its submission to its answer, over all connections that it takes.
final class Call {
    /// How a call ended.
    enum Outcome {
        case answered(Reply)
        /// It was not executed, and never will be.
        case notExecuted
        /// Its session is gone, and nobody knows.
        case unknown
    }

    let request: Request
    /// Stands for the call: the same in every copy.
    let digest: UInt64
    let complete: (Outcome) -> Void
    var ticket: SlotCaller.Ticket?
    var firstSent = Instant(nanoseconds: 0)
    /// Counts copies: a time-out of an earlier one means nothing.
    var copies = 0
    var refusals: UInt64 = 0

    init(_ request: Request, _ digest: UInt64, _ complete: @escaping (Outcome) -> Void) {
        self.request = request
        self.digest = digest
        self.complete = complete
    }

    /// Returns and renewals get in when calls that wait for others have all other slots.
    var isUrgent: Bool {
        switch self.request {
        case .renew, .giveBack, .giveBackAll, .reclaimComplete: true
        case .get, .change: false
        }
    }

    /// How long the server may let it wait, in microseconds.
    var patience: UInt64 {
        switch self.request {
        case .get(let arguments): arguments.patience.wholeNanoseconds / 1000
        case .change(let arguments): arguments.patience.wholeNanoseconds / 1000
        case .renew, .giveBack, .giveBackAll, .reclaimComplete: 0
        }
    }
}

/// Calls with a slot: at most one at a time on each, each executed once.
extension Client {
    func submit(_ request: Request, _ complete: @escaping (Call.Outcome) -> Void) {
        self.queue.append(Call(request, self.world.nextNumber(), complete))
        self.sendQueued()
    }

    /// Sends what waits for a slot, as far as there are slots.
    func sendQueued() {
        guard self.phase == .up, self.session?.isDead == false else { return }
        var waiting: [Call] = []
        for call in self.queue {
            let reserve = call.isUrgent ? 0 : 2
            if let free = self.session?.slots.freeCount, free > reserve, let ticket = self.session?.slots.take() {
                call.ticket = ticket
                call.firstSent = self.localNow
                self.sent.append(call)
                self.transmit(call)
            } else {
                waiting.append(call)
            }
        }
        self.queue = waiting
    }

    /// Sends one copy of a call on its slot.
    func transmit(_ call: Call) {
        guard self.phase == .up, let connection, let session, let ticket = call.ticket else { return }
        call.copies += 1
        let message = CallMessage(session: session.id, ticket: ticket, digest: call.digest, request: call.request)
        let server = connection.server
        connection.send(to: .server) { server.receive(message, on: connection) }
        let copy = call.copies
        let longest = call.patience + 2_000_000
        self.after(longest...longest + 500_000) { [unowned self] in
            guard self.connection === connection, call.copies == copy, self.sent.contains(where: { $0 === call }) else {
                return
            }
            self.drop(connection)
        }
    }

    func answered(_ session: SessionID, _ digest: UInt64, _ answer: CallAnswer) {
        self.checkOwnDeadline()
        guard self.session?.id == session, let place = self.sent.firstIndex(where: { $0.digest == digest }) else {
            return
        }
        let call = self.sent[place]
        switch answer {
        case .answered(let reply, let flags):
            self.sent.remove(at: place)
            if let ticket = call.ticket { self.session?.slots.release(ticket, wasSequenced: true) }
            self.renewed(sentAt: call.firstSent, flags)
            self.complete(call, .answered(reply))
            self.leaveDeadSession()
            self.sendQueued()
        case .refused(.delay):
            // The first copy still runs.
            call.refusals += 1
            let pause: UInt64 = 20_000 << min(call.refusals, 6)
            self.after(pause / 2...pause) { [unowned self] in
                if self.sent.contains(where: { $0 === call }) { self.transmit(call) }
            }
        case .refused(.deadSession):
            self.session?.isDead = true
            self.sent.remove(at: place)
            self.endWithoutAnswer(call, wasExecuted: false)
            self.leaveDeadSession()
        case .refused(.retryUncachedReply):
            // It was executed, and changes nothing: whoever wants to know asks again.
            self.sent.remove(at: place)
            if let ticket = call.ticket { self.session?.slots.release(ticket, wasSequenced: true) }
            self.complete(call, .notExecuted)
            self.leaveDeadSession()
            self.sendQueued()
        case .refused(.badSession):
            self.loseSession()
            if let connection { self.beginAgain(connection) }
        case .refused(let status):
            self.world.violation("client \(self.place): its slot refuses \(call.request) with \(status)")
        }
    }

    private func beginAgain(_ connection: Connection) {
        self.phase = .establishing
        self.exchangeID(connection)
        self.after(4_000_000...5_000_000) { [unowned self] in
            if self.connection === connection, self.phase == .establishing { self.drop(connection) }
        }
    }

    /// The server has restarted: once every call under way has been answered from the store or turned out not to have
    /// been executed, a new session begins.
    private func leaveDeadSession() {
        guard self.session?.isDead == true, self.sent.isEmpty, let connection else { return }
        self.session = nil
        self.renewalIsOut = false
        self.beginAgain(connection)
    }

    func endWithoutAnswer(_ call: Call, wasExecuted: Bool?) {
        call.ticket = nil
        let isSentAgain = wasExecuted == false || self.world.has(.resendsUnknown)
        if case .change(let arguments) = call.request {
            if isSentAgain {
                // The same thing once more, as a new call.
                self.world.mark(.deadSessionChangeSentAnew)
                self.queue.append(Call(call.request, self.world.nextNumber(), call.complete))
            } else {
                self.world.oracle.abandon(arguments.operation)
                call.complete(.unknown)
            }
            return
        }
        self.complete(call, wasExecuted == false ? .notExecuted : .unknown)
    }

    private func complete(_ call: Call, _ outcome: Call.Outcome) {
        if case .answered(let reply) = outcome, case .change(let arguments) = call.request {
            switch reply {
            case .changed: self.world.oracle.ended(arguments.operation, wasDone: true)
            case .refused(.grace):
                // Nothing was done; asked for again, as a new call.
                let again = Call(call.request, self.world.nextNumber(), call.complete)
                self.postponed += 1
                return self.after(100_000...1_000_000) { [unowned self] in
                    self.postponed -= 1
                    self.queue.append(again)
                    self.sendQueued()
                }
            case .refused(.outcomeUnknown): self.world.oracle.abandon(arguments.operation)
            default: self.world.oracle.ended(arguments.operation, wasDone: false)
            }
        }
        call.complete(outcome)
    }

    // MARK: The back channel

    /// A call from the server: answered at once.
    func callback(_ message: CallbackMessage) -> LayoutStatus {
        self.checkOwnDeadline()
        guard self.session?.id == message.session else { return .badSession }
        let decision = self.session?.backSlots.begin(
            slot: message.ticket.slot,
            highestSlot: message.ticket.highestSlot,
            sequence: message.ticket.sequence,
            digest: message.recall.id.rawValue
        )
        switch decision {
        case nil: return .badSession
        case .refuse(let status)?: return status
        case .replay(let reply)?: return LayoutStatus(rawValue: UInt32(number(from: reply) ?? 0))
        case .execute?:
            let status = self.recalled(message.recall)
            if self.session?.id == message.session {
                self.session?.backSlots.complete(slot: message.ticket.slot, reply: bytes(of: UInt64(status.rawValue)))
            }
            return status
        }
    }

    private func recalled(_ recall: LeaseEngine.Recall) -> LayoutStatus {
        let file = Int(recall.file.rawValue) - 1
        self.note(recall.stateID, of: file)
        self.recallAnswer = nil
        self.tell(
            file,
            .recallReceived(
                LayoutHolder.IncomingRecall(
                    id: recall.id,
                    stateID: recall.stateID,
                    ioMode: recall.ioMode,
                    range: recall.range
                )
            )
        )
        if self.recallAnswer == .delay { self.world.mark(.recallOvertookReply) }
        return self.recallAnswer ?? .delay
    }
}
