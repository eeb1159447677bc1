import LayoutCore
import LayoutHolder
import LeaseEngine

/// What stands in for the clients' owners.
extension SmallWorld {
    mutating func touch(_ client: Int) {
        let shown = Self.blocks(self.windows[client]).allSatisfy { self.clients[client].shown[$0] != nil }
        guard !shown else { return }
        self.clients[client].isParked = true
        self.clients[client].retries = 0
        self.tell(client, .windowWanted(Self.window))
    }

    mutating func tell(_ client: Int, _ event: LayoutHolder.Event) {
        var events = [event]
        while !events.isEmpty {
            for action in self.clients[client].holder.handle(events.removeFirst()) {
                if let next = self.carryOut(action, client) { events.append(next) }
            }
        }
        self.completeReclaim(client)
    }

    /// Does what a holder asks for; returns what it is to be told about it at once.
    private mutating func carryOut(_ action: LayoutHolder.Action, _ client: Int) -> LayoutHolder.Event? {
        switch action {
        case .sendGet(let id, let range, let ioMode, let stateID, let epoch):
            self.send(.get(id, range, ioMode, stateID, knownEpoch: epoch, isReclaim: false), client)
        case .sendReclaim(let id, let range, let ioMode, let stateID, let epoch):
            self.send(.get(id, range, ioMode, stateID, knownEpoch: epoch, isReclaim: true), client)
        case .sendReturn(let id, let range, let ioMode, let stateID):
            self.send(.giveBack(id, range, ioMode, stateID), client)
        case .permitChange(let id):
            self.send(.change(id, self.changed), client)
        case .map(let id, let generation, let segments, _):
            return self.map(client, id, generation, segments)
        case .revoke(let id, _):
            if self.fault != .keepsAccess { self.clients[client].shown = [:] }
            return .drained(id)
        case .fail:
            self.clients[client].shown = [:]
            self.clients[client].isParked = false
        case .answerRecall(let id, let status):
            if self.clients[client].hasBackChannel { self.feed(.recallAnswered(id, status)) }
        case .retryLater:
            self.clients[client].retries += 1
            self.clients[client].waitsToRetry = self.clients[client].retries < Self.retriesMax
        case .dropDescriptors:
            self.clients[client].descriptor = nil
        }
        return nil
    }

    private mutating func send(_ request: Call.Request, _ client: Int) {
        let call = Call(number: self.nextNumber(), request: request)
        self.clients[client].calls.append(call)
        self.clients[client].outstanding.append(call)
    }

    /// Fetches the descriptor if there is none yet, and maps.
    private mutating func map(
        _ client: Int,
        _ id: LayoutHolder.WindowID,
        _ generation: UInt64,
        _ segments: [LayoutHolder.Segment]
    ) -> LayoutHolder.Event {
        if self.clients[client].descriptor == nil {
            let number = self.clients[client].holder.stateID.other.number
            guard self.tokens.contains(number) else { return .layoutsRevoked }
            self.clients[client].descriptor = number
        }
        for segment in segments {
            for block in Self.blocks(segment.range) { self.clients[client].shown[block] = self.versions[block] }
        }
        self.clients[client].isParked = false
        return .mapFinished(id, generation: generation, isMapped: true)
    }

    mutating func hear(_ reply: Reply, _ client: Int) {
        self.clients[client].outstanding.removeAll { $0 == reply.call }
        switch reply {
        case .granted(let call, let grant):
            guard case .get(let id, _, _, _, _, _) = call.request else { return }
            let layout = LayoutHolder.GrantedLayout(
                stateID: grant.stateID,
                range: grant.range,
                ioMode: grant.ioMode,
                fileSize: UInt64(self.versions.count) * Self.blockSize,
                epoch: grant.epoch,
                shifts: grant.shifts
            )
            self.tell(client, .granted(id, layout))
        case .refused(let call, let status): self.fail(call, status, client)
        case .returned(let call, let stateID):
            guard case .giveBack(let id, _, _, _) = call.request else { return }
            self.tell(client, .returnEnded(id, stateID))
        case .changed(let call, let outcome):
            guard case .change(let id, _) = call.request else { return }
            self.tell(client, .changeEnded(id, .done(epoch: outcome.epoch, stateID: outcome.stateID)))
        case .done:
            self.tell(client, .reclaimEnded)
        case .revoked: self.tell(client, .layoutsRevoked)
        }
    }

    private mutating func fail(_ call: Call, _ status: LayoutStatus, _ client: Int) {
        switch call.request {
        case .get(let id, _, _, _, _, _): self.tell(client, .refused(id, status))
        case .giveBack(let id, _, _, _): self.tell(client, .returnEnded(id, nil))
        case .change(let id, _): self.tell(client, .changeEnded(id, .failed))
        case .reclaimComplete: break
        }
    }

    mutating func die(_ client: Int, leavesChild: Bool) {
        var dead = self.clients[client]
        (dead.isDead, dead.hasBackChannel) = (true, false)
        (dead.calls, dead.outstanding, dead.replies, dead.recalls) = ([], [], [], [])
        (dead.isParked, dead.waitsToRetry) = (false, false)
        if !leavesChild { (dead.descriptor, dead.shown) = (nil, [:]) }
        self.clients[client] = dead
        self.feed(.backChannelChanged(Self.id(client), isUp: false))
    }

    /// Finds the server in another life: what is held is reclaimed, what was asked for was not done.
    mutating func reconnect(_ client: Int) {
        let lost = self.clients[client].outstanding
        self.clients[client].outstanding = []
        self.clients[client].calls = []
        self.clients[client].life = self.life
        self.clients[client].hasBackChannel = true
        self.feed(.clientEstablished(Self.id(client)))
        self.feed(.backChannelChanged(Self.id(client), isUp: true))
        self.tell(client, .serverRestarted)
        for call in lost { self.fail(call, .delay, client) }
        self.clients[client].mustComplete = true
        self.completeReclaim(client)
    }

    private mutating func completeReclaim(_ client: Int) {
        guard self.clients[client].mustComplete, !self.clients[client].holder.isReclaiming else { return }
        self.clients[client].mustComplete = false
        self.send(.reclaimComplete, client)
    }
}
