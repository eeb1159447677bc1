import LayoutCore

extension LeaseEngine {
    mutating func deadlinePassed(at now: Instant, _ actions: inout [Action]) {
        while let subject = self.deadlines.popDue(at: now) {
            switch subject {
            case .recall(let id):
                guard let recall = self.recalls[id], recall.deadline <= now else { continue }
                self.makeOverdue(id, at: now, &actions)
            case .resend(let id):
                guard let recall = self.recalls[id], recall.phase == .unsent else { continue }
                if self.clients[recall.recall.client]?.hasBackChannel == true { self.send(id, &actions) }
            case .change(let id):
                self.changePatienceEnded(id, at: now, &actions)
            case .get(let call):
                self.getPatienceEnded(call, at: now, &actions)
            case .fence(let holder):
                self.retryFence(holder, at: now, &actions)
            case .lease(let client):
                self.expireIfTrusted(client, at: now, &actions)
            case .grace:
                if self.isInGrace { self.endGrace(at: now, &actions) }
            }
        }
    }

    /// The recall is past its deadline, or nobody is there to answer it: from here on the client's lease is not renewed,
    /// and the policy takes its course.
    mutating func makeOverdue(_ id: RecallID, at now: Instant, _ actions: inout [Action]) {
        guard let recall = self.recalls[id], !recall.isOverdue else { return }
        let client = recall.recall.client
        self.recalls[id]?.isOverdue = true
        self.clients[client]?.overdueRecalls += 1
        switch self.configuration.fencePolicy {
        case .wait, .kill, .hook:
            self.startFence(recall.recall.holder, .enforce, at: now, &actions)
        case .cooperative:
            // At its own turn, not here: who asks for the layouts is in the middle of counting what it waits for.
            guard let state = self.clients[client] else { return }
            self.deadlines.add(.lease(client), at: self.isExpired(state, at: now) ? now : state.leaseEnd)
        }
    }

    /// `cooperative`: the holder's own deadline, which is earlier than ours, has stopped it.
    private mutating func expireIfTrusted(_ client: ClientID, at now: Instant, _ actions: inout [Action]) {
        guard let state = self.clients[client], state.overdueRecalls > 0 else { return }
        guard self.isExpired(state, at: now) else {
            self.deadlines.add(.lease(client), at: state.leaseEnd)
            return
        }
        for id in state.recalls {
            guard let recall = self.recalls[id], recall.isOverdue else { continue }
            self.revoke(recall.recall.holder, .expired, at: now, &actions)
        }
    }

    /// Has a holder looked at, or dealt with.
    ///
    /// One try at a time; a stronger method takes over at the next one. A look is had at once, even if a stronger method
    /// waits for its next turn: it is asked for when something has happened.
    mutating func startFence(_ holder: HolderID, _ method: Fence.Method, at now: Instant, _ actions: inout [Action]) {
        guard let state = self.holders[holder] else { return }
        guard let fence = state.fence else {
            self.holders[holder]?.fence = FenceState(attempt: 0, method: method, isInFlight: false, nextTry: now)
            self.tryFence(holder, method, &actions)
            return
        }
        guard fence.method == .prove || method == .prove else { return }
        if method == .enforce { self.holders[holder]?.fence?.method = .enforce }
        if !fence.isInFlight { self.tryFence(holder, method, &actions) }
    }

    private mutating func tryFence(_ holder: HolderID, _ method: Fence.Method, _ actions: inout [Action]) {
        guard let state = self.holders[holder], var fence = state.fence else { return }
        fence.attempt += 1
        fence.isInFlight = true
        self.holders[holder]?.fence = fence
        actions.append(
            .fence(
                Fence(
                    holder: holder,
                    client: state.client,
                    file: state.file,
                    method: method,
                    attempt: fence.attempt
                )
            )
        )
    }

    mutating func fenceFinished(_ holder: HolderID, isGone: Bool, at now: Instant, _ actions: inout [Action]) {
        // The holder may have returned everything meanwhile.
        guard let state = self.holders[holder], let fence = state.fence, fence.isInFlight else { return }
        if isGone {
            self.revoke(holder, .revoked, at: now, &actions)
            return
        }
        guard self.isWorthFencing(state) else {
            self.holders[holder]?.fence = nil
            return
        }
        // A failed fence keeps the range blocked and is tried again, for ever: it never counts as done.
        self.holders[holder]?.fence?.isInFlight = false
        let longest = self.configuration.fenceRetryMax
        let pause = self.configuration.fenceRetryMin * (1 << min(fence.attempt - 1, 16))
        let nextTry = now.advanced(by: min(pause, longest))
        self.holders[holder]?.fence?.nextTry = nextTry
        self.deadlines.add(.fence(holder), at: nextTry)
    }

    private mutating func retryFence(_ holder: HolderID, at now: Instant, _ actions: inout [Action]) {
        guard let state = self.holders[holder], let fence = state.fence, !fence.isInFlight, fence.nextTry <= now
        else { return }
        if self.isWorthFencing(state) {
            self.tryFence(holder, fence.method, &actions)
        } else {
            self.holders[holder]?.fence = nil
        }
    }

    private func isWorthFencing(_ holder: Holder) -> Bool {
        !holder.recalls.isEmpty || self.clients[holder.client]?.isLost == true
    }
}
