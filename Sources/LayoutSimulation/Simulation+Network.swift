import LayoutCore
import LayoutHolder
import LeaseEngine

/// Connections that break, processes that pause and die, leases that run out.
extension Simulation {
    /// Puts a new client process where one was, or where none was yet.
    mutating func startClient(in place: Int) {
        let id = ClientID(self.nextNumber() << 8 | UInt64(place))
        let client = SimulatedClient(
            id: id,
            files: self.options.files,
            hasSeparateBackChannel: self.random.oneIn(2),
            now: self.now
        )
        if place < self.clients.count {
            self.clients[place] = client
        } else {
            self.clients.append(client)
            self.lastArrival.append([self.now, self.now, self.now])
        }
        self.lastConnection += 1
        self.clients[place].connection = self.lastConnection
        self.feed(.clientEstablished(id))
        self.feed(.backChannelChanged(id, isUp: true))
        self.queue.add(.step(client: place), at: self.after(10...2000))
        self.queue.add(.renew(client: place), at: self.now.advanced(by: .seconds(3)))
        self.queue.add(.ownDeadline(client: place), at: self.now.advanced(by: .seconds(10)))
        self.queue.add(.breakConnection(client: place), at: self.after(1_000_000...30_000_000))
    }

    mutating func breakConnection(_ client: Int) {
        guard !self.isHealing else { return }
        self.queue.add(.breakConnection(client: client), at: self.after(1_000_000...30_000_000))
        guard self.clients[client].isConnected else { return }
        let isRecalled = self.engine.pendingRecalls().contains { $0.recall.client == self.clients[client].id }
        if isRecalled { self.mark(.connectionBrokeUnderRecall) }
        if self.random.oneIn(6) {
            self.kill(client, isRecalled: isRecalled)
            return
        }
        if self.random.oneIn(4) {
            if isRecalled { self.mark(.holderPausedUnderRecall) }
            let end = self.after(100_000...20_000_000)
            self.clients[client].pausedUntil = end
            self.queue.add(.resume(client: client), at: end)
            return
        }
        self.cut(client)
        let isLong = self.random.oneIn(4)
        self.queue.add(.reconnect(client: client), at: self.after(isLong ? 11_000_000...25_000_000 : 1000...500_000))
    }

    private mutating func cut(_ client: Int) {
        let connection = self.clients[client].connection
        self.clients[client].isConnected = false
        self.queue.add(.connectionLost(client: client, connection: connection), at: self.after(10...1000))
    }

    /// The server sees that a connection is gone.
    mutating func connectionLost(_ client: Int, _ connection: Int) {
        guard self.clients[client].connection == connection, !self.clients[client].isConnected else { return }
        self.loseBackChannel(self.clients[client].id)
    }

    private mutating func loseBackChannel(_ id: ClientID) {
        self.feed(.backChannelChanged(id, isUp: false))
        for pending in self.engine.pendingRecalls() where pending.recall.client == id {
            self.feed(.recallFailed(pending.recall.id))
        }
    }

    mutating func reconnect(_ client: Int) {
        guard !self.clients[client].isConnected, !self.clients[client].isDead else { return }
        // The server noticed the end of the old connection, at the latest when the new one came.
        self.loseBackChannel(self.clients[client].id)
        self.lastConnection += 1
        self.clients[client].connection = self.lastConnection
        self.clients[client].isConnected = true
        self.lastArrival[client] = [self.now, self.now, self.now]
        self.feed(.leaseRenewed(self.clients[client].id))
        self.feed(.backChannelChanged(self.clients[client].id, isUp: true))
        // Everything unanswered is asked again, in any order.
        for call in self.clients[client].outstanding.shuffled(using: &self.random) {
            self.transmit(client, call.number, call.file, call.request)
        }
        self.renewNow(client)
    }

    private mutating func kill(_ client: Int, isRecalled: Bool) {
        if isRecalled { self.mark(.holderDiedUnderRecall) }
        let id = self.clients[client].id
        let saysGoodbye = self.random.oneIn(2)
        self.clients[client].isDead = true
        // The process is gone with all that it mapped; the server only sees the connection end.
        self.loseBackChannel(id)
        self.startClient(in: client)
        if saysGoodbye { self.feed(.clientLost(id)) }
    }

    mutating func renew(_ client: Int) {
        self.queue.add(.renew(client: client), at: self.now.advanced(by: .seconds(3)))
        guard !self.isPaused(client) else { return }
        self.checkOwnDeadline(client)
        self.renewNow(client)
    }

    private mutating func renewNow(_ client: Int) {
        guard self.clients[client].isConnected else { return }
        self.clients[client].outstanding.removeAll {
            if case .renew = $0.request { return true }
            return false
        }
        self.call(client, 0, .renew(sentAt: self.now))
    }

    /// The holder's own deadline: the lease that was announced, counted from the sending of the last renewal.
    mutating func checkOwnDeadline(_ client: Int) {
        guard self.options.fault != .ignoresOwnDeadline, self.clients[client].hasLease,
            self.clients[client].renewedAt.advanced(by: .seconds(10)) <= self.now
        else { return }
        self.mark(.ownDeadlinePassed)
        self.clients[client].hasLease = false
        for file in 0..<self.options.files { self.tell(client, file, .leaseLost) }
    }

    mutating func renewed(_ client: Int, sentAt: Instant, counts: Bool) {
        guard counts else { return }
        self.clients[client].renewedAt = max(self.clients[client].renewedAt, sentAt)
        self.queue.add(.ownDeadline(client: client), at: sentAt.advanced(by: .seconds(10)))
        guard !self.clients[client].hasLease else { return }
        self.clients[client].hasLease = true
        for file in 0..<self.options.files { self.tell(client, file, .leaseRegained) }
    }

    func isPaused(_ client: Int) -> Bool { self.clients[client].pausedUntil.map { $0 > self.now } ?? false }

    mutating func resume(_ client: Int) {
        guard let end = self.clients[client].pausedUntil, end <= self.now else { return }
        self.clients[client].pausedUntil = nil
        // A process that goes on does so where it stopped: in the middle of a store.
        if self.engineTrustsDeadlines { self.checkOwnDeadline(client) }
        for window in self.clients[client].windowOrder { self.touch(client, window, parks: false) }
        self.checkOwnDeadline(client)
    }

    /// `cooperative` does not cover a process that resumes behind its deadline; its name says so.
    var engineTrustsDeadlines: Bool { self.options.seed % 8 == 7 }

    // MARK: The end

    /// Faults stop and nothing new begins: from here on everything that waits must end.
    mutating func heal() {
        self.isHealing = true
        for client in self.clients.indices {
            if self.clients[client].pausedUntil != nil {
                self.clients[client].pausedUntil = self.now
                self.resume(client)
            }
            self.reconnect(client)
        }
    }

    var unrest: String {
        var parts: [String] = []
        if self.engine.totals.changes > 0 { parts.append("\(self.engine.totals.changes) changes") }
        for (index, client) in self.clients.enumerated() {
            let calls = client.outstanding.filter { if case .renew = $0.request { false } else { true } }
            if !calls.isEmpty { parts.append("client \(index): \(calls.count) calls unanswered") }
            let parked = client.windowOrder.filter { client.mappings[$0]?.isParked == true }
            if !parked.isEmpty { parts.append("client \(index): threads parked on \(parked.count) windows") }
            if !client.intents.isEmpty { parts.append("client \(index): \(client.intents.count) own changes") }
        }
        return parts.joined(separator: "; ")
    }

    var isQuiet: Bool { self.unrest.isEmpty }
}
