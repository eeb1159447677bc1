import LayoutCore
import LeaseEngine
import Recovery

/// What stands in for the server's shell.
extension SmallWorld {
    mutating func serve(_ call: Call, of client: Int) {
        let id = CallID(call.number)
        self.callers[id] = Caller(client: client, call: call)
        switch call.request {
        case .get(_, let range, let ioMode, let stateID, let epoch, let isReclaim):
            let request = LeaseEngine.LayoutRequest(
                file: Self.file,
                stateID: stateID,
                range: range,
                minLength: 1,
                ioMode: ioMode,
                patience: .seconds(20),
                knownEpoch: epoch,
                isReclaim: isReclaim
            )
            self.feed(.layoutGet(id, Self.id(client), request))
        case .giveBack(_, let range, let ioMode, let stateID):
            let request = LeaseEngine.ReturnRequest.file(Self.file, stateID, ioMode, range, isDowngrade: false)
            self.feed(.layoutReturn(id, Self.id(client), request))
        case .change(_, let range):
            self.requestChange(range, by: .client(Self.id(client)), caller: (client, call))
        case .reclaimComplete:
            self.feed(.reclaimComplete(Self.id(client)))
            self.answer(id) { .done($0) }
        }
    }

    mutating func requestChange(
        _ range: ByteRange,
        by requester: LeaseEngine.Requester,
        caller: (client: Int, call: Call)?
    ) {
        let id = ChangeID(caller?.call.number ?? self.nextNumber())
        self.changes[id] = RunningChange(affected: range, caller: caller)
        guard self.fault != .asksNobody else {
            self.running.append(id)
            return
        }
        let change = MappingChange(
            file: Self.file,
            operation: .punchHole,
            argument: range,
            affected: range,
            breaks: .everyone
        )
        let request = LeaseEngine.ChangeRequest(parts: [change], requester: requester, patience: .seconds(20))
        self.feed(.changeRequested(id, request))
    }

    /// The system call has taken effect.
    mutating func finish(_ id: ChangeID) {
        guard let change = self.changes[id] else { return }
        for block in Self.blocks(change.affected) { self.versions[block] += 1 }
    }

    /// Looks whether a holder can still reach the file.
    mutating func look(_ fence: LeaseEngine.Fence) {
        let descriptor = self.clients[Self.client(fence.client)].descriptor
        let isGone = descriptor != fence.holder.rawValue || self.fault == .trustsDeadlines
        self.feed(.fenceFinished(fence.holder, isGone: isGone))
    }

    mutating func feed(_ event: LeaseEngine.Event) {
        var events = [event]
        while !events.isEmpty {
            for action in self.engine.handle(events.removeFirst(), at: self.now) {
                if let next = self.carryOut(action) { events.append(next) }
            }
        }
    }

    /// Does what the engine asks for; returns what it is to be told about it at once.
    private mutating func carryOut(_ action: LeaseEngine.Action) -> LeaseEngine.Event? {
        switch action {
        case .resolveExtents(let call, _, let request):
            self.resolving.append(Waiting(call: call, request: request))
        case .grant(let call, let grant):
            if self.clients[Self.client(grant.client)].descriptor != grant.holder.rawValue {
                self.tokens.insert(grant.holder.rawValue)
            }
            self.answer(call) { .granted($0, grant) }
        case .refuse(let call, let refusal):
            self.answer(call) { .refused($0, refusal.status) }
        case .returned(let call, let stateID):
            self.answer(call) { .returned($0, stateID) }
        case .sendRecall(let recall):
            return self.send(recall)
        case .recallEnded(let id, _):
            if !self.endedRecalls.insert(id).inserted { self.violate("recall \(id.rawValue) ended twice") }
        case .permitChange(let id, _):
            if self.changes[id] == nil { self.violate("change \(id.rawValue) is permitted and not known") }
            if self.changes[id]?.isRunning == true { self.violate("change \(id.rawValue) is permitted twice") }
            self.changes[id]?.isRunning = true
            self.running.append(id)
        case .refuseChange(let id, let refusal):
            self.end(id) { .refused($0, refusal.status) }
        case .changeEnded(let id, let outcome):
            self.end(id) { .changed($0, outcome) }
        case .fence(let fence):
            self.dropToken(fence.holder)
            self.fences.append(fence)
        case .revoked(let holder, let client, _):
            self.dropToken(holder)
            if !self.clients[Self.client(client)].isDead { self.clients[Self.client(client)].replies.append(.revoked) }
        case .released(let holder, _, _):
            self.dropToken(holder)
        case .persist(let record):
            self.stored[record.holder] = record.segments.isEmpty ? nil : record
        case .persistRevocation, .graceEnded, .recallAny, .clientForgotten:
            break
        }
        return nil
    }

    private mutating func dropToken(_ holder: LeaseEngine.HolderID) {
        if self.fault != .keepsTokens { self.tokens.remove(holder.rawValue) }
    }

    private mutating func send(_ recall: LeaseEngine.Recall) -> LeaseEngine.Event {
        let client = Self.client(recall.client)
        guard self.clients[client].hasBackChannel, !self.clients[client].isDead else { return .recallFailed(recall.id) }
        if self.fault != .losesRecalls { self.clients[client].recalls.append(recall) }
        return .recallSent(recall.id)
    }

    private mutating func answer(_ id: CallID, _ reply: (Call) -> Reply) {
        guard let caller = self.callers.removeValue(forKey: id) else {
            self.violate("call \(id.rawValue) is answered twice")
            return
        }
        guard !self.clients[caller.client].isDead else { return }
        self.clients[caller.client].replies.append(reply(caller.call))
    }

    private mutating func end(_ id: ChangeID, _ reply: (Call) -> Reply) {
        guard let change = self.changes.removeValue(forKey: id) else {
            self.violate("change \(id.rawValue) ended twice")
            return
        }
        if let caller = change.caller { self.answer(CallID(caller.call.number), reply) }
    }

    /// The server is killed and starts again, as soon as the system calls that were under way have ended.
    mutating func restart() {
        for id in self.running { self.finish(id) }
        self.life += 1
        (self.resolving, self.changes, self.running, self.fences) = ([], [:], [], [])
        (self.tokens, self.endedRecalls, self.callers) = ([], [], [:])
        for client in self.clients.indices {
            self.clients[client].hasBackChannel = false
            self.clients[client].replies = []
            self.clients[client].recalls = []
            self.clients[client].mustComplete = false
        }
        if self.fault == .forgetsHolders { self.stored = [:] }
        let recovered = LeaseEngine.Recovered(
            clients: self.clients.indices.map { client in
                let records = self.stored.values.filter { $0.client == Self.id(client) }
                return LeaseEngine.RecoveredClient(
                    id: Self.id(client),
                    holders: records.sorted { $0.holder < $1.holder }.map { record in
                        LeaseEngine.RecoveredHolder(
                            id: record.holder,
                            file: record.file,
                            seqid: record.seqid,
                            segments: record.segments
                        )
                    }
                )
            },
            graceTerm: .seconds(30)
        )
        self.engine = LeaseEngine(
            configuration: Self.configuration(life: self.life),
            recovered: recovered,
            at: self.now
        )
        self.feed(.started)
    }
}
