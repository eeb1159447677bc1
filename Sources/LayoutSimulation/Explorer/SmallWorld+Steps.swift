import LayoutCore
import LayoutHolder
import LeaseEngine

extension SmallWorld {
    /// Everything that can happen next.
    package var steps: [Step] {
        var steps: [Step] = []
        for (index, client) in self.clients.enumerated() {
            if client.isDead {
                if client.descriptor != nil { steps.append(.childEnds(client: index)) }
                continue
            }
            if client.life != self.life { steps.append(.reconnect(client: index)) }
            if !client.calls.isEmpty, client.life == self.life { steps.append(.call(client: index)) }
            steps += client.replies.indices.map { .reply(client: index, index: $0) }
            if !client.recalls.isEmpty { steps.append(.recall(client: index)) }
            if client.waitsToRetry, !self.engine.isInGrace { steps.append(.retry(client: index)) }
            if !client.hasBackChannel, client.life == self.life { steps.append(.bindBackChannel(client: index)) }
        }
        steps += self.resolving.indices.map { .readExtents(index: $0) }
        steps += self.running.indices.map { .finishChange(index: $0) }
        steps += self.fences.indices.map { .look(index: $0) }
        let isStuck = steps.isEmpty && !self.isQuiet
        let mayWait = self.budget.deadlines > 0 || isStuck && self.waits < Self.waitsMax
        if mayWait, self.engine.nextDeadline != nil { steps.append(.timePasses) }
        steps += self.freeSteps
        return steps
    }

    private var freeSteps: [Step] {
        var steps: [Step] = []
        for (index, client) in self.clients.enumerated() where !client.isDead {
            if self.budget.touches > 0, !client.isParked { steps.append(.touch(client: index)) }
            if self.budget.deaths > 0 {
                steps.append(.die(client: index, leavesChild: false))
                if client.descriptor != nil { steps.append(.die(client: index, leavesChild: true)) }
            }
            if self.budget.breaks > 0, client.hasBackChannel { steps.append(.breakBackChannel(client: index)) }
        }
        if self.budget.localChanges > 0 { steps.append(.changeLocally) }
        if self.budget.ownChanges > 0, let first = self.clients.first, !first.isDead { steps.append(.changeOwn) }
        if self.budget.restarts > 0 { steps.append(.restart) }
        return steps
    }

    /// The steps that must lead to rest: progress, and time where nothing else is left.
    package var progress: [Step] {
        let steps = self.steps
        let progress = steps.filter(\.isProgress)
        return progress.isEmpty ? steps.filter { $0 == .timePasses } : progress
    }

    /// Takes one of ``steps``.
    package mutating func take(_ step: Step) {
        switch step {
        case .touch(let client):
            self.budget.touches -= 1
            self.touch(client)
        case .changeLocally:
            self.budget.localChanges -= 1
            self.requestChange(self.changed, by: .local(pid: 1, command: "tool"), caller: nil)
        case .changeOwn:
            self.budget.ownChanges -= 1
            let id = LayoutHolder.OwnChangeID(self.nextNumber())
            let intent = LayoutHolder.ChangeIntent(id: id, operation: .punchHole, argument: self.changed)
            self.tell(0, .changeWanted(intent))
        case .die(let client, let leavesChild):
            self.budget.deaths -= 1
            self.die(client, leavesChild: leavesChild)
        case .breakBackChannel(let client):
            self.budget.breaks -= 1
            self.clients[client].hasBackChannel = false
            self.clients[client].recalls = []
            self.feed(.backChannelChanged(Self.id(client), isUp: false))
        case .restart:
            self.budget.restarts -= 1
            self.restart()
        case .timePasses:
            if self.budget.deadlines > 0 { self.budget.deadlines -= 1 } else { self.waits += 1 }
            self.now = max(self.now, self.engine.nextDeadline ?? self.now)
            self.feed(.deadlinePassed)
        case .call(let client):
            self.serve(self.clients[client].calls.removeFirst(), of: client)
        case .reply(let client, let index):
            self.hear(self.clients[client].replies.remove(at: index), client)
        case .recall(let client):
            let recall = self.clients[client].recalls.removeFirst()
            self.tell(
                client,
                .recallReceived(
                    LayoutHolder.IncomingRecall(
                        id: recall.id,
                        stateID: recall.stateID,
                        ioMode: recall.ioMode,
                        range: recall.range
                    )
                )
            )
        case .retry(let client):
            self.clients[client].waitsToRetry = false
            self.tell(client, .retryDue(Self.window))
        case .readExtents(let index):
            let waiting = self.resolving.remove(at: index)
            self.feed(.extentsResolved(waiting.call, .success(waiting.request.range)))
        case .finishChange(let index):
            let id = self.running.remove(at: index)
            self.finish(id)
            if self.fault == .asksNobody {
                self.changes[id] = nil
            } else {
                self.feed(.changeFinished(id, didChange: true))
            }
        case .look(let index):
            self.look(self.fences.remove(at: index))
        case .childEnds(let client):
            self.clients[client].descriptor = nil
            self.clients[client].shown = [:]
        case .bindBackChannel(let client):
            self.clients[client].hasBackChannel = true
            self.feed(.backChannelChanged(Self.id(client), isUp: true))
        case .reconnect(let client):
            self.reconnect(client)
        }
        self.check()
    }

    /// What must hold in every state (specification §11).
    private mutating func check() {
        self.engine.checkInvariants()
        for id in self.running {
            guard let change = self.changes[id] else { continue }
            for (index, client) in self.clients.enumerated() {
                let reached = Self.blocks(change.affected).first { client.shown[$0] != nil }
                if let reached { self.violate("client \(index) reaches block \(reached) while a change of it runs") }
            }
        }
        for (index, client) in self.clients.enumerated() {
            for (block, version) in client.shown where version != self.versions[block] {
                self.violate("client \(index) goes by an old mapping of block \(block)")
            }
        }
    }
}
