package import LayoutCore

extension LeaseEngine {
    mutating func clientEstablished(_ client: ClientID, at now: Instant) {
        if self.clients[client] == nil {
            self.clients[client] = Client(leaseEnd: now.advanced(by: self.configuration.enforcedLease))
        } else {
            self.clients[client]?.isBack = true
            self.leaseRenewed(client, at: now)
        }
    }

    mutating func leaseRenewed(_ client: ClientID, at now: Instant) {
        guard let state = self.clients[client], state.overdueRecalls == 0, !state.isLost else { return }
        // A recovered client's lease runs for the grace term, which may be longer.
        self.clients[client]?.leaseEnd = max(state.leaseEnd, now.advanced(by: self.configuration.enforcedLease))
    }

    mutating func clientLost(_ client: ClientID, at now: Instant, _ actions: inout [Action]) {
        guard let state = self.clients[client], !state.isLost else { return }
        self.clients[client]?.isLost = true
        self.clients[client]?.hasBackChannel = false
        self.endReclaim(of: client)
        for file in state.holders.keys.sorted() {
            guard let holder = state.holders[file] else { continue }
            self.startFence(holder, .prove, at: now, &actions)
        }
        self.forgetIfEmpty(client, &actions)
    }

    mutating func backChannelChanged(_ client: ClientID, isUp: Bool, at now: Instant, _ actions: inout [Action]) {
        guard let state = self.clients[client], !state.isLost, state.hasBackChannel != isUp else { return }
        self.clients[client]?.hasBackChannel = isUp
        for id in state.recalls {
            guard let recall = self.recalls[id] else { continue }
            if isUp {
                if recall.phase == .unsent { self.send(id, &actions) }
            } else {
                if recall.phase == .sent { self.recalls[id]?.phase = .unsent }
                // The process may have died: then there is nothing to wait for.
                self.startFence(recall.recall.holder, .prove, at: now, &actions)
            }
        }
    }

    /// Whether the client's lease has run out, or it said goodbye: its layouts end at the first conflict.
    func isExpired(_ client: Client, at now: Instant) -> Bool {
        client.isLost || client.leaseEnd <= now
    }

    /// Whether calls of the client do not renew its lease, because a recall is past its deadline.
    package func isOverdue(_ client: ClientID) -> Bool {
        (self.clients[client]?.overdueRecalls ?? 0) > 0
    }

    /// The time that is left of the client's lease; negative if it ran out; `nil` if the client is not known.
    package func leaseLeft(_ client: ClientID, at now: Instant) -> Duration? {
        self.clients[client]?.leaseEnd.duration(since: now)
    }

    /// The number of segments that a client holds over all files.
    package func layoutCount(of client: ClientID) -> Int {
        self.clients[client]?.layoutCount ?? 0
    }

    mutating func forgetIfEmpty(_ client: ClientID, _ actions: inout [Action]) {
        guard let state = self.clients[client], state.isLost, state.holders.isEmpty else { return }
        self.clients[client] = nil
        actions.append(.clientForgotten(client))
    }
}
