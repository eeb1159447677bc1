import LayoutCore
import LeaseEngine
import Recovery
import Sessions

/// A call that its slot has let through: answered exactly once.
struct ActiveCall {
    let running: ServerSessions.RunningCall
    let connection: Connection
    let digest: UInt64

    var client: ClientID { self.running.client }
}

/// Set-up calls, slots, and the way back.
extension Server {
    // MARK: Without a slot

    func exchangeID(owner: [UInt8], verifier: UInt64, principal: Principal) -> ClientRecord? {
        let result = self.sessions.exchangeID(
            owner: owner,
            verifier: verifier,
            isUpdate: false,
            principal: principal,
            at: self.localNow
        )
        guard case .success(let exchanged) = result else { return nil }
        return ClientRecord(client: exchanged.client, sequence: exchanged.sequence, life: self.life)
    }

    /// CREATE_SESSION; `answer` is called when the session is written, with `nil` if there is none.
    func createSession(
        _ record: ClientRecord,
        usesBackChannel: Bool,
        _ connection: Connection,
        _ answer: @escaping (CreatedSession?) -> Void
    ) {
        let limits = ChannelLimits(
            maxRequest: 1 << 16,
            maxResponse: 1 << 16,
            maxResponseCached: 1 << 12,
            maxSlots: UInt32(self.world.swarm.slots)
        )
        let creation = self.sessions.createSession(
            client: record.client,
            sequence: record.sequence,
            usesBackChannel: usesBackChannel,
            fore: limits,
            back: limits,
            callbackProgram: 1,
            principal: connection.client.principal,
            connection: ConnectionID(connection.number),
            newID: SessionID(Opaque16(low: self.world.nextNumber(), high: UInt64(self.life)))
        )
        guard case .success(let created) = creation.result else { return answer(nil) }
        self.peers[record.client] = connection.client
        if let replaced = creation.replaced { self.submit(.clientLost(replaced)) }
        self.submit(.clientEstablished(record.client))
        self.write(self.records(of: created.session, record.client), .synced) { [unowned self] in
            self.updateBackChannel(record.client)
            answer(created)
        }
    }

    func bind(_ session: SessionID, _ client: ClientID, _ connection: Connection, wantsBack: Bool) -> Bool {
        let result = self.sessions.bind(
            ConnectionID(connection.number),
            to: session,
            wantsFore: true,
            wantsBack: wantsBack,
            principal: connection.client.principal
        )
        guard case .success = result else { return false }
        self.peers[client] = connection.client
        self.updateBackChannel(client)
        if wantsBack { self.resendStranded(on: session) }
        return true
    }

    // MARK: With a slot

    func receive(_ message: CallMessage, on connection: Connection) {
        let decision = self.sessions.begin(
            session: message.session,
            slot: message.ticket.slot,
            sequence: message.ticket.sequence,
            highestSlot: message.ticket.highestSlot,
            keepsReply: message.request.changesSomething,
            size: 100,
            digest: message.digest,
            principal: connection.client.principal,
            connection: ConnectionID(connection.number)
        )
        switch decision {
        case .replay(let bytes):
            guard let (reply, flags) = self.world.replies.find(bytes) else {
                return self.world.violation("a slot plays back a reply that was never given")
            }
            let isOld = message.session.rawValue.high != UInt64(self.life)
            self.world.mark(isOld ? .retryReplayedFromStore : .replyLostAndAskedAgain)
            self.send(.answered(reply, flags), message.session, message.digest, connection)
        case .refuse(let error):
            switch error.status {
            case .delay:
                self.world.mark(.firstCopyStillRunning)
                if self.world.has(.retryRunsAgain), case .change(let arguments) = message.request {
                    self.applyUnasked(arguments)
                }
            case .sequenceMisordered:
                self.world.mark(.lateCopyOfAnsweredCall)
            default:
                break
            }
            self.send(.refused(error.status), message.session, message.digest, connection)
        case .execute(let running):
            self.submit(.leaseRenewed(running.client))
            self.execute(message.request, ActiveCall(running: running, connection: connection, digest: message.digest))
        }
    }

    private func send(_ answer: CallAnswer, _ session: SessionID, _ digest: UInt64, _ connection: Connection) {
        let client = connection.client
        connection.send(to: .client) { client.answered(session, digest, answer) }
    }

    private func execute(_ request: Request, _ call: ActiveCall) {
        switch request {
        case .renew: self.finish(call, .done)
        case .get(let arguments): self.layoutGet(arguments, call)
        case .giveBack(let file, let range, let ioMode, let stateID):
            self.layoutReturn(.file(self.fileID(file), stateID, ioMode, range, isDowngrade: false), call)
        case .giveBackAll:
            // Whoever gives everything back has learnt that something was taken.
            self.noticesWereSeen(by: call.client)
            self.layoutReturn(.all, call)
        case .change(let arguments): self.change(arguments, call)
        case .reclaimComplete: self.reclaimComplete(call)
        }
    }

    /// Answers a call and keeps the answer for a retry.
    func finish(_ call: ActiveCall, _ reply: Reply) {
        guard self.isAlive else { return }
        let flags = self.flags(of: call.client)
        self.finish(call, reply, flags, self.keep(reply, flags, of: call))
    }

    /// The bytes under which a reply is kept.
    func keep(_ reply: Reply, _ flags: ReplyFlags, of call: ActiveCall) -> [UInt8] {
        guard call.running.keepsReply else { return [] }
        return self.world.replies.keep(reply, flags, call.running.session, call.running.slot)
    }

    func finish(_ call: ActiveCall, _ reply: Reply, _ flags: ReplyFlags, _ bytes: [UInt8]) {
        guard self.isAlive else { return }
        self.world.trace("server: call \(call.digest) of client \(call.client.rawValue) ends: \(reply)")
        self.sessions.complete(call.running, reply: bytes)
        self.send(.answered(reply, flags), call.running.session, call.digest, call.connection)
    }

    func flags(of client: ClientID) -> ReplyFlags {
        ReplyFlags(
            isRecallOverdue: self.engine.isOverdue(client),
            isCallbackPathDown: !self.sessions.hasBackChannel(client),
            hasRevocations: self.notices.contains(client)
        )
    }
}
