import LayoutCore
import LayoutXDR
import LinuxFiles
import NIOCore
import ONCRPC
import Sessions

/// Calls with a slot: at most one at a time on each, each executed once (RFC 8881 §2.10.6).
extension SessionLink {
    /// Makes a call as soon as there is a slot for it.
    ///
    /// - Parameters:
    ///   - request: What to ask for.
    ///   - loss: What becomes of it if the session is lost.
    ///   - kind: Which slots it may take.
    ///   - timeout: When `completion` is called at the latest.
    ///   - wait: How long the server may let the call wait for others.
    ///   - answerTimeout: How long a copy may go without an answer before the connection is given up; by default `wait` and
    ///     what the configuration says.
    ///   - completion: Called once, on the event loop, possibly before this returns.
    func submit(
        _ request: Request,
        loss: SessionCall.Loss,
        kind: SessionCall.Kind = .ordinary,
        timeout: Duration,
        wait: Duration = .zero,
        answerTimeout: Duration? = nil,
        completion: @escaping (Result<Response, Failure>) -> Void
    ) {
        guard !self.isClosed else { return completion(.failure(Failure(.closed, "the client was closed"))) }
        if self.hasGivenUp { return completion(.failure(self.lastFailure)) }
        let call = SessionCall(
            request,
            loss: loss,
            kind: kind,
            patienceEnd: Host.now.advanced(by: wait > .zero ? wait : self.configuration.patience),
            answerTimeout: answerTimeout ?? (wait + self.configuration.answerTimeout),
            completion: completion
        )
        call.timer = self.after(timeout) { $0.timedOut(call, timeout) }
        self.queues[kind, default: []].append(call)
        self.sendQueued()
    }

    /// Bytes of data in a WRITE: what the session's requests hold besides the other arguments.
    var writeSizeMax: Int {
        let request = self.session.map { Int($0.fore.maxRequest) } ?? ProtocolLimits.io
        return max(1, min(ProtocolLimits.io, request - 256))
    }

    /// The caller stops waiting.
    ///
    /// A call that was sent keeps its slot until it is answered. What the two sides hold is not decided by the clock while
    /// the server is out of reach: such a call waits for the server, until that is given up.
    private func timedOut(_ call: SessionCall, _ timeout: Duration) {
        if self.connection == nil, call.loss == .sessionBound, !self.hasGivenUp {
            call.timer = self.after(timeout) { $0.timedOut(call, timeout) }
            return
        }
        if call.ticket == nil {
            self.queues[call.kind]?.removeAll { $0 === call }
            self.postponed.removeAll { $0 === call }
        }
        let detail = self.connection == nil ? self.lastFailure.detail : "the server has not answered in time"
        call.complete(.failure(call.failure(Failure(self.connection == nil ? .unreachable : .timedOut, detail))))
    }

    /// Sends what waits for a slot, as far as there are slots.
    func sendQueued() {
        guard self.connection != nil, let session = self.session, !session.isDead else { return }
        let count = session.slots.count
        self.send(.urgent, leaving: 0)
        self.send(.ordinary, leaving: count > 2 ? 2 : 0)
        let others = count > 3 ? 2 + (count - 2) / 4 : 0
        self.send(.waiting, leaving: max(others, count > 2 ? 2 : 0))
    }

    /// Sends calls of one kind as long as more than `reserve` slots are free.
    private func send(_ kind: SessionCall.Kind, leaving reserve: Int) {
        while let call = self.queues[kind]?.first, let free = self.session?.slots.freeCount, free > reserve,
            let ticket = self.session?.slots.take()
        {
            self.queues[kind]?.removeFirst()
            self.begin(call, ticket)
        }
    }

    private func begin(_ call: SessionCall, _ ticket: SlotCaller.Ticket) {
        call.ticket = ticket
        call.firstSent = Host.now
        self.sent[ticket.slot] = call
        self.transmit(call)
    }

    /// Sends one copy of a call on its slot.
    func transmit(_ call: SessionCall) {
        guard let connection = self.connection, let session = self.session, let ticket = call.ticket else { return }
        self.lastCopy += 1
        let copy = self.lastCopy
        call.copy = copy
        let sequence = SequenceArguments(
            session: session.id,
            sequence: ticket.sequence,
            slot: ticket.slot,
            highestSlot: ticket.highestSlot,
            cacheThis: call.procedure.changesSomething
        )
        var body = ByteBuffer()
        LayoutCodec.encode(LayoutCall(sequence: sequence, request: call.request), into: &body)
        connection.call(
            program: LayoutProgram.number,
            version: LayoutProgram.version,
            procedure: call.procedure.rawValue,
            credential: self.credential,
            body: body,
            deadline: .now() + .nanoseconds(Int64(clamping: call.answerTimeout.wholeNanoseconds))
        ) { [weak self] result in
            guard let self, !self.isClosed, call.copy == copy else { return }
            call.copy = nil
            self.owner?.somethingArrived()
            // The owner may have ended the session just now.
            guard self.sent[ticket.slot] === call else { return }
            self.answered(call, ticket, result)
        }
    }

    private func answered(_ call: SessionCall, _ ticket: SlotCaller.Ticket, _ result: Result<ByteBuffer, RPCError>) {
        switch result {
        case .success(let body):
            let reply: LayoutReply
            do {
                reply = try LayoutCodec.decodeReply(procedure: call.procedure, body)
            } catch {
                // What the server has done is not known, and the slot cannot be used any more.
                self.restartSession("the server's reply to \(call.procedure) cannot be decoded: \(error)")
                return
            }
            guard let sequence = reply.sequence else { return self.restartSession("a reply without a sequence") }
            self.answered(call, ticket, sequence, reply.result)
        case .failure(.connectionClosed):
            // Sent again on the next connection.
            break
        case .failure(.deadlineExceeded), .failure(.malformedReply):
            self.connection?.close("a call was not answered in time, or not properly")
        case .failure(.rejected(.systemError)), .failure(.tooManyCalls):
            self.transmitLater(call)
        case .failure(.rejected), .failure(.invalidCredential), .failure(.bodyTooLong):
            // Not executed, and the slot is as it was (R3.2-4).
            let failure: Failure
            guard case .failure(let error) = result else {
                return
            }
            failure = Failure(.badXDR, "\(call.procedure): \(error)")
            self.release(call, ticket, wasSequenced: false)
            call.complete(.failure(failure))
            self.sendQueued()
        }
    }

    private func answered(
        _ call: SessionCall,
        _ ticket: SlotCaller.Ticket,
        _ sequence: SequenceResult,
        _ result: Result<Response, Failure>
    ) {
        switch sequence.status {
        case .ok:
            guard sequence.slot == ticket.slot, sequence.sequence == ticket.sequence else {
                return self.restartSession("a reply names slot \(sequence.slot) instead of \(ticket.slot)")
            }
            let sent = call.firstSent
            self.release(call, ticket, wasSequenced: true)
            self.lastUp = Host.now
            // On a dead session the reply is one of the server's earlier life.
            if let sent, self.session?.isDead == false { self.owner?.renewed(sent: sent, flags: sequence.flags) }
            if !self.postpone(call, result) { call.complete(result) }
            self.sendQueued()
            self.leaveDeadSession()
        case .delay, .grace:
            // The first copy still runs (R4.4-10).
            self.transmitLater(call)
        case .requestTooBig, .replyTooBig, .replyTooBigToCache:
            self.release(call, ticket, wasSequenced: false)
            let detail = "\(call.procedure) does not fit the session (\(sequence.status)); ask for less at a time"
            call.complete(.failure(Failure(sequence.status, detail)))
            self.sendQueued()
        case .connectionNotBound:
            self.bindBackChannel()
            self.transmitLater(call)
        case .deadSession:
            self.release(call, ticket, wasSequenced: false)
            self.session?.isDead = true
            self.sendAnew(call, Failure(.deadSession, "the server was restarted"))
            self.leaveDeadSession()
        case .retryUncachedReply:
            // Executed, and nobody knows any more with which outcome.
            self.release(call, ticket, wasSequenced: true)
            let failure = Failure(.badSession, "the server has executed \(call.procedure) and has not kept its reply")
            if call.loss == .repeatable {
                self.sendAnew(call, failure)
            } else {
                call.complete(.failure(call.failure(failure)))
            }
            self.sendQueued()
            self.leaveDeadSession()
        default:
            self.restartSession("the server answers \(sequence.status)")
        }
    }

    /// Puts a call that was not executed, or may be executed twice, back into its queue.
    private func sendAnew(_ call: SessionCall, _ failure: Failure) {
        guard call.loss != .sessionBound, call.isAwaited else { return call.complete(.failure(failure)) }
        call.firstSent = nil
        self.queues[call.kind, default: []].append(call)
    }

    /// Sends a call anew after a pause that grows, as long as its caller has patience, if the server waits for reclaims.
    ///
    /// What asks for layouts has pauses of its own.
    private func postpone(_ call: SessionCall, _ result: Result<Response, Failure>) -> Bool {
        guard case .failure(let failure) = result, failure.status == .grace, call.loss != .sessionBound, call.isAwaited
        else { return false }
        let pause = Duration.milliseconds(20 << min(call.refusals, 5))
        guard Host.now.advanced(by: pause) < call.patienceEnd else { return false }
        call.refusals += 1
        call.firstSent = nil
        self.postponed.append(call)
        self.after(pause) { link in
            guard let index = link.postponed.firstIndex(where: { $0 === call }) else { return }
            link.queues[call.kind, default: []].append(link.postponed.remove(at: index))
            link.sendQueued()
        }
        return true
    }

    /// Goes on to a new session once all calls on a dead one have been answered.
    func leaveDeadSession() {
        guard let connection = self.connection, self.session?.isDead == true, self.sent.isEmpty else { return }
        self.session = nil
        self.hasDied = true
        self.phase = .establishing(connection)
        self.endSessionBound(Failure(.deadSession, "the server was restarted"))
        self.exchangeID(connection)
    }

    private func release(_ call: SessionCall, _ ticket: SlotCaller.Ticket, wasSequenced: Bool) {
        self.sent[ticket.slot] = nil
        self.session?.slots.release(ticket, wasSequenced: wasSequenced)
        call.ticket = nil
    }

    /// Sends the same call again after a pause that grows.
    private func transmitLater(_ call: SessionCall) {
        let pause = Duration.milliseconds(20 << min(call.refusals, 6))
        call.refusals += 1
        self.after(pause) { link in
            // A reconnection has sent it already if a copy is under way.
            guard let ticket = call.ticket, link.sent[ticket.slot] === call, call.copy == nil else { return }
            link.transmit(call)
        }
    }

    /// The session cannot go on: makes a new one over the connection that there is.
    func restartSession(_ why: String) {
        self.loseSession(why)
        guard let connection = self.connection else { return }
        // A connection that was bound to the old session is not a good place for a new one.
        self.phase = .establishing(connection)
        self.exchangeID(connection)
    }

    /// The server does not know the session any more, or it is of no use.
    ///
    /// What is held does not depend on it: whether the server still knows that shows with EXCHANGE_ID, and until then
    /// this side's own deadline is what counts.
    func loseSession(_ why: String) {
        guard let session = self.session else { return }
        self.session = nil
        self.abandoned = session.id
        let failure = Failure(.badSession, "the session with the server was lost: \(why)")
        for slot in self.sent.keys.sorted() {
            guard let call = self.sent.removeValue(forKey: slot) else { continue }
            call.ticket = nil
            call.copy = nil
            guard call.loss == .repeatable, call.isAwaited else {
                call.complete(.failure(call.failure(failure)))
                continue
            }
            call.firstSent = nil
            self.queues[call.kind, default: []].append(call)
        }
        self.endSessionBound(failure)
    }

    /// Ends what waits in the queues for the session before.
    private func endSessionBound(_ failure: Failure) {
        for call in self.queues.values.flatMap({ $0 }) where call.loss == .sessionBound {
            call.complete(.failure(failure))
        }
        self.queues = self.queues.mapValues { $0.filter { $0.isAwaited } }
    }
}
