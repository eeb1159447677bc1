import LayoutCore

extension LayoutHolder {
    mutating func recallReceived(_ recall: IncomingRecall, _ actions: inout [Action]) {
        if self.recalls.contains(where: { $0.recall.id == recall.id }) {
            // Sent again: the first copy is being worked on.
            actions.append(.answerRecall(recall.id, .ok))
            return
        }
        let isAhead: Bool
        if recall.stateID.other == self.stateID.other {
            isAhead = StateID.distance(from: self.stateID.seqid, to: recall.stateID.seqid) > 1
        } else {
            isAhead = true
        }
        if isAhead, !self.gets.isEmpty || !self.returns.isEmpty {
            // It speaks of a grant or return whose reply has not come yet (RFC 8881 §12.5.5.2.1.2).
            actions.append(.answerRecall(recall.id, .delay))
            return
        }
        if recall.stateID.other == self.stateID.other { self.learn(recall.stateID) }
        // What it asks for may be in a grant whose reply is still on its way, behind replies to later calls: with a LAYOUTGET
        // outstanding it is given back all the same, and the grant is void there (specification R6.3-4, R6.5-7, R6.5-8).
        guard self.held.overlaps(recall.range, recall.ioMode) || !self.gets.isEmpty else {
            actions.append(.answerRecall(recall.id, .noMatchingLayout))
            return
        }
        // Closed before it is answered, answered before it is returned.
        let draining = self.closeWindows(over: recall.range, &actions)
        actions.append(.answerRecall(recall.id, .ok))
        self.recalls.append(PendingRecall(recall: recall, draining: draining))
        self.returnDrainedRecalls(&actions)
    }

    /// Sends the returns of the recalls whose windows nobody can reach any more.
    mutating func returnDrainedRecalls(_ actions: inout [Action]) {
        // A return could overtake the reclaim of the same bytes.
        guard self.reclaims == nil else { return }
        for pending in self.recalls where pending.draining.isEmpty {
            self.sendReturn(pending.recall, &actions)
        }
        self.recalls.removeAll { $0.draining.isEmpty }
    }

    private mutating func sendReturn(_ recall: IncomingRecall, _ actions: inout [Action]) {
        let (id, stateID) = (ReturnID(self.nextNumber()), self.stateID)
        self.returns.append(PendingReturn(id: id, range: recall.range))
        let void = VoidRange(range: recall.range, recall: recall.id == Self.ownWish ? nil : recall.stateID)
        for index in self.gets.indices where self.gets[index].range.overlaps(recall.range) {
            self.gets[index].voids.append(void)
        }
        self.letGo(recall.range, recall.ioMode, &actions)
        actions.append(.sendReturn(id, recall.range, recall.ioMode, stateID))
    }

    mutating func returnEnded(_ id: ReturnID, _ stateID: StateID?, _ actions: inout [Action]) {
        guard let place = self.returns.firstIndex(where: { $0.id == id }) else { return }
        self.returns.remove(at: place)
        if let stateID, stateID.other == self.stateID.other { self.learn(stateID) }
    }

    /// Stands for a return that nobody recalled.
    private static var ownWish: RecallID { RecallID(0) }

    mutating func returnAll(_ actions: inout [Action]) {
        guard !self.held.isEmpty else { return }
        let all = IncomingRecall(id: Self.ownWish, stateID: self.stateID, ioMode: .any, range: .all)
        let draining = self.closeWindows(over: .all, &actions)
        self.recalls.append(PendingRecall(recall: all, draining: draining))
        self.returnDrainedRecalls(&actions)
    }

    mutating func leaseLost(_ actions: inout [Action]) {
        self.hasLease = false
        self.loseEverything(&actions)
    }

    mutating func leaseSuspended(_ actions: inout [Action]) {
        guard self.hasLease else { return }
        self.hasLease = false
        _ = self.closeWindows(over: .all, isForced: true, &actions)
    }

    mutating func leaseRegained(_ actions: inout [Action]) {
        self.hasLease = true
        for id in self.windows.keys.sorted() { self.windows[id]?.isWaitingToRetry = false }
    }

    mutating func leaseGivenUp(_ status: LayoutStatus, _ actions: inout [Action]) {
        self.leaseLost(&actions)
        for id in self.windows.keys.sorted() { self.fail(id, status, &actions) }
    }

    /// Nothing is held any more, and nobody waits for a return: access ends now.
    mutating func loseEverything(_ actions: inout [Action]) {
        _ = self.closeWindows(over: .all, isForced: true, &actions)
        // Their answers find nobody that waits for them.
        self.gets.removeAll()
        self.recalls.removeAll()
        self.returns.removeAll()
        if self.reclaims != nil { self.reclaims = [] }
        self.letGo(.all, .any, &actions)
        self.forgetStateID()
    }
}
