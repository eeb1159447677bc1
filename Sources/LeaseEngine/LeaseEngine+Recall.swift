import LayoutCore

extension LeaseEngine {
    // MARK: Who is in the way

    /// The layouts that a part of a change must have back.
    private func breaks(_ part: MappingChange, _ segment: Segment) -> Bool {
        switch part.breaks {
        case .nobody: false
        case .holdersAskingForWrite: segment.breaksOnWrite
        case .readWriteHolders: segment.ioMode == .readWrite
        case .everyone: true
        }
    }

    /// The holders whose layouts stand in the way of a part, the requester's own left out, in order of position.
    func holdersInTheWay(of part: MappingChange, _ requester: Requester) -> [HolderID] {
        guard part.breaks != .nobody, let index = self.files[part.file]?.index else { return [] }
        let own = requester.client.flatMap { self.clients[$0]?.holders[part.file] }
        var seen: Set<HolderID> = []
        var found: [HolderID] = []
        index.forEachOverlapping(part.affected) { element in
            let holder = HolderID(element.key)
            if holder != own, self.breaks(part, element.value), seen.insert(holder).inserted { found.append(holder) }
            return true
        }
        return found
    }

    /// Recalls exactly the overlapping part from each holder in the way, all at once.
    mutating func recallLayouts(
        inTheWayOf part: MappingChange,
        for id: ChangeID,
        at now: Instant,
        _ actions: inout [Action]
    ) {
        guard let requester = self.changes[id]?.request.requester else { return }
        let ioMode: IOModeSelector = part.breaks == .readWriteHolders ? .readWrite : .any
        for holder in self.holdersInTheWay(of: part, requester) {
            guard let state = self.holders[holder], let range = self.overlap(of: state, with: part) else { continue }
            self.changes[id]?.outstanding += 1
            self.changes[id]?.recalled += 1
            let covering = state.recalls.first {
                guard let other = self.recalls[$0]?.recall else { return false }
                return other.range.contains(range) && (other.ioMode == .any || other.ioMode == ioMode)
            }
            if let covering {
                self.recalls[covering]?.waiters.append(id)
            } else {
                self.createRecall(of: holder, range, ioMode, part, requester, for: id, at: now, &actions)
            }
        }
    }

    /// The smallest range that holds all that a holder must give back for a part.
    private func overlap(of holder: Holder, with part: MappingChange) -> ByteRange? {
        var hull: ByteRange?
        holder.segments.forEachOverlapping(part.affected) { element in
            if self.breaks(part, element.value), let overlap = element.range.intersection(part.affected) {
                hull = hull?.hull(overlap) ?? overlap
            }
            return true
        }
        return hull
    }

    private mutating func createRecall(
        of holder: HolderID,
        _ range: ByteRange,
        _ ioMode: IOModeSelector,
        _ part: MappingChange,
        _ requester: Requester,
        for change: ChangeID,
        at now: Instant,
        _ actions: inout [Action]
    ) {
        guard let client = self.holders[holder]?.client, let clientState = self.clients[client] else { return }
        self.lastRecallNumber += 1
        let id = RecallID(self.lastRecallNumber)
        let recall = Recall(
            id: id,
            holder: holder,
            client: client,
            file: part.file,
            stateID: self.nextStateID(of: holder),
            ioMode: ioMode,
            range: range,
            reason: part.reason,
            operation: part.operation,
            argument: part.argument,
            requester: requester
        )
        let deadline = now.advanced(by: self.configuration.recallTimeout)
        self.recalls[id] = RecallInFlight(
            recall: recall,
            phase: .unsent,
            createdAt: now,
            deadline: deadline,
            waiters: [change]
        )
        self.holders[holder]?.recalls.append(id)
        self.clients[client]?.recalls.append(id)
        self.deadlines.add(.recall(id), at: deadline)
        if self.isExpired(clientState, at: now) {
            // Courtesy ends at the first conflict: nobody is there to answer.
            self.makeOverdue(id, at: now, &actions)
        } else if clientState.hasBackChannel {
            self.send(id, &actions)
        } else {
            self.startFence(holder, .prove, at: now, &actions)
        }
    }

    // MARK: On the way

    mutating func send(_ id: RecallID, _ actions: inout [Action]) {
        guard let recall = self.recalls[id] else { return }
        self.recalls[id]?.phase = .sent
        self.statistics.recallsSent += 1
        actions.append(.sendRecall(recall.recall))
    }

    /// The deadline counts from the sending, not from when the recall was queued.
    mutating func recallSent(_ id: RecallID, at now: Instant) {
        guard let recall = self.recalls[id], !recall.deadlineCountsFromSending, !recall.isOverdue else { return }
        let deadline = now.advanced(by: self.configuration.recallTimeout)
        self.recalls[id]?.deadlineCountsFromSending = true
        self.recalls[id]?.deadline = deadline
        self.deadlines.add(.recall(id), at: deadline)
    }

    mutating func recallFailed(_ id: RecallID, at now: Instant, _ actions: inout [Action]) {
        guard let recall = self.recalls[id], recall.phase == .sent else { return }
        self.recalls[id]?.phase = .unsent
        if self.clients[recall.recall.client]?.hasBackChannel == true { self.resendLater(id, at: now) }
    }

    mutating func recallAnswered(
        _ id: RecallID,
        _ status: LayoutStatus,
        at now: Instant,
        _ actions: inout [Action]
    ) {
        // An answer may cross the end of its recall: then it changes nothing.
        guard let recall = self.recalls[id], recall.phase != .answered else { return }
        switch status {
        case .noMatchingLayout:
            let (holder, file) = (recall.recall.holder, recall.recall.file)
            self.remove(recall.recall.range, recall.recall.ioMode, isDowngrade: false, of: holder)
            self.endSatisfiedRecalls(of: holder, .nothingMatched, at: now, &actions)
            _ = self.releaseIfEmpty(holder, &actions)
            self.advance(file, at: now, &actions)
        case .delay:
            self.recalls[id]?.phase = .unsent
            self.resendLater(id, at: now)
        default:
            // Answered: the layouts have until the deadline. An error answer gets no more and no less than that.
            self.recalls[id]?.phase = .answered
        }
    }

    private mutating func resendLater(_ id: RecallID, at now: Instant) {
        guard let delays = self.recalls[id]?.delays else { return }
        self.recalls[id]?.delays += 1
        self.deadlines.add(.resend(id), at: now.advanced(by: .milliseconds(50 << min(delays, 6))))
    }

    // MARK: The end

    /// Ends the recalls of a holder that has nothing left of what they asked for.
    mutating func endSatisfiedRecalls(
        of holder: HolderID,
        _ outcome: RecallOutcome,
        at now: Instant,
        _ actions: inout [Action]
    ) {
        guard let state = self.holders[holder], !state.recalls.isEmpty else { return }
        for id in state.recalls {
            guard let recall = self.recalls[id]?.recall else { continue }
            if state.segments.contains(in: recall.range, where: { recall.ioMode.matches($0.value.ioMode) }) { continue }
            self.end(id, outcome, at: now, &actions)
        }
    }

    private mutating func end(
        _ id: RecallID,
        _ outcome: RecallOutcome,
        at now: Instant,
        _ actions: inout [Action]
    ) {
        guard let recall = self.recalls.removeValue(forKey: id) else { return }
        self.holders[recall.recall.holder]?.recalls.removeAll { $0 == id }
        let client = recall.recall.client
        self.clients[client]?.recalls.removeAll { $0 == id }
        if recall.isOverdue { self.clients[client]?.overdueRecalls -= 1 }
        switch outcome {
        case .returned, .nothingMatched: self.statistics.recallsReturned += 1
        case .revoked, .expired: self.statistics.recallsRevoked += 1
        }
        actions.append(.recallEnded(id, outcome))
        for change in recall.waiters where self.changes[change] != nil {
            self.changes[change]?.outstanding -= 1
            self.permitIfClear(change, at: now, &actions)
        }
    }

    /// Takes everything from a holder that is fenced or proven gone.
    mutating func revoke(_ holder: HolderID, _ outcome: RecallOutcome, at now: Instant, _ actions: inout [Action]) {
        guard let state = self.holders[holder] else { return }
        // A later life must not take it for a holder, or its client for one that knows.
        self.remove(.all, .any, isDowngrade: false, of: holder)
        self.persist(holder, &actions)
        if self.clients[state.client]?.isLost == false { actions.append(.persistRevocation(state.client, state.file)) }
        // First what it could still use, then the changes that waited for it.
        actions.append(.revoked(holder, state.client, state.file))
        self.endSatisfiedRecalls(of: holder, outcome, at: now, &actions)
        self.forget(holder, &actions)
        self.advance(state.file, at: now, &actions)
    }
}
