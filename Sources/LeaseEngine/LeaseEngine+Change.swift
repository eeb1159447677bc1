import LayoutCore

extension LeaseEngine {
    mutating func changeRequested(
        _ id: ChangeID,
        _ request: ChangeRequest,
        at now: Instant,
        _ actions: inout [Action]
    ) {
        precondition(!request.parts.isEmpty && self.changes[id] == nil, "\(id) has no part, or is there already")
        guard self.changes.count < self.configuration.changesMax else {
            self.statistics.changesDelayed += 1
            actions.append(.refuseChange(id, Refusal(.delay, "too many mapping changes wait; try again")))
            return
        }
        if let refusal = self.refusalByGrace(request) {
            self.statistics.changesDelayed += 1
            actions.append(.refuseChange(id, refusal))
            return
        }
        for part in request.parts {
            if let refusal = self.exclusiveConflict(part, request.requester) {
                self.statistics.changesFailed += 1
                actions.append(.refuseChange(id, refusal))
                return
            }
        }
        // The barrier goes up before holders are looked at: from here on no overlapping layout is granted.
        self.changes[id] = Change(
            request: request,
            requestedAt: now,
            phases: Array(repeating: .queued, count: request.parts.count)
        )
        self.enqueue(id)
        // It has not begun: its patience counts from the end of grace.
        if self.isHeldByGrace(id) { return }
        if !request.mayWait, self.wouldWait(id) {
            self.drop(id, at: now, &actions)
            self.statistics.changesDelayed += 1
            actions.append(
                .refuseChange(id, Refusal(.delay, "the session has no slot to spare for a call that waits; try again"))
            )
            return
        }
        self.begin(id, at: now, &actions)
        self.startPatience(of: id, at: now)
    }

    /// Puts the parts of a change into the queues of their files.
    private mutating func enqueue(_ id: ChangeID) {
        guard let parts = self.changes[id]?.request.parts else { return }
        for (index, part) in parts.enumerated() {
            self.remember(part.file)
            let place = self.isHeldByGrace(id) ? nil : self.placeInGrace(on: part.file)
            let end = self.files[part.file]?.queue.endIndex ?? 0
            self.files[part.file]?.queue.insert(
                QueueEntry(range: part.affected, kind: .change(id, part: index)),
                at: place ?? end
            )
        }
    }

    private mutating func startPatience(of id: ChangeID, at now: Instant) {
        guard let change = self.changes[id], !change.isRunning else { return }
        let patience = min(change.request.patience, self.configuration.patienceMax)
        self.deadlines.add(.change(id), at: now.advanced(by: patience))
    }

    /// Closes the range of a change that runs since an earlier life.
    mutating func changeRuns(_ id: ChangeID, _ request: ChangeRequest, at now: Instant) {
        precondition(!request.parts.isEmpty && self.changes[id] == nil, "\(id) has no part, or is there already")
        self.changes[id] = Change(
            request: request,
            requestedAt: now,
            phases: Array(repeating: .clear, count: request.parts.count),
            isRunning: true,
            isOfEarlierLife: true
        )
        self.enqueue(id)
    }

    /// Lets the changes go on that have waited for the end of grace.
    mutating func beginHeldChanges(at now: Instant, _ actions: inout [Action]) {
        let held = self.changes.filter { $0.value.request.waitsForGrace && !$0.value.isRunning }.keys
        // In order of arrival.
        for id in held.sorted(by: { $0.rawValue < $1.rawValue }) {
            self.begin(id, at: now, &actions)
            self.startPatience(of: id, at: now)
        }
    }

    mutating func changeFinished(_ id: ChangeID, _ end: ChangeEnd, at now: Instant, _ actions: inout [Action]) {
        guard let change = self.changes[id], change.isRunning else {
            preconditionFailure("finished \(id), which does not run")
        }
        switch end {
        case .done:
            self.statistics.changesDone += 1
            for part in change.request.parts { self.log(part) }
        case .failed:
            self.statistics.changesFailed += 1
        case .unknown:
            self.statistics.changesDone += 1
            for part in change.request.parts where part.mayMoveBytes { self.forgetShifts(of: part.file) }
        }
        let first = change.request.parts[0].file
        let holder = change.request.requester.client.flatMap { self.clients[$0]?.holders[first] }
        let stateID = holder.flatMap { holder in
            self.holders[holder].map { StateID(seqid: $0.seqid, other: self.other(of: holder)) }
        }
        let outcome = ChangeOutcome(
            epoch: self.epoch(of: first),
            stateID: stateID,
            recalled: change.recalled
        )
        actions.append(.changeEnded(id, outcome))
        self.drop(id, at: now, &actions)
    }

    private func exclusiveConflict(_ part: MappingChange, _ requester: Requester) -> Refusal? {
        guard part.breaks != .nobody, let file = self.files[part.file] else { return nil }
        let own = requester.client.flatMap { self.clients[$0]?.holders[part.file] }
        let isInTheWay = file.index.contains(in: part.affected) {
            $0.value.isExclusive && HolderID($0.key) != own
        }
        guard isInTheWay else { return nil }
        return Refusal(.textBusy, "an exclusive layout holds part of \(part.affected): its holder must return it first")
    }

    // MARK: Turns

    /// Whether an earlier entry of the file's queue overlaps `range`.
    ///
    /// `index` is the entry's own place, `nil` for the end.
    func isBlocked(
        _ range: ByteRange,
        isGet: Bool,
        on file: FileID,
        before index: Int?,
        of change: ChangeID? = nil
    ) -> Bool {
        guard let queue = self.files[file]?.queue else { return false }
        for entry in queue[..<(index ?? queue.endIndex)] where entry.range.overlaps(range) {
            switch entry.kind {
            case .get:
                if !isGet { return true }
            case .change(let other, _):
                // The two parts of one clone do not wait for each other.
                if other != change { return true }
            }
        }
        return false
    }

    /// Whether an earlier change stands between a LAYOUTGET and its turn.
    ///
    /// A reclaim goes ahead of those that wait: what it covers is held, and they may wait for its return. What ran when the
    /// earlier life ended broke no layout that is reclaimed: its holder would have returned it.
    func isBlocked(_ request: LayoutRequest, before index: Int?) -> Bool {
        guard request.isReclaim else {
            return self.isBlocked(request.range, isGet: true, on: request.file, before: index)
        }
        guard let queue = self.files[request.file]?.queue else { return false }
        return queue[..<(index ?? queue.endIndex)].contains { entry in
            guard case .change(let id, _) = entry.kind, entry.range.overlaps(request.range) else { return false }
            return self.changes[id].map { $0.isRunning && !$0.isOfEarlierLife } ?? false
        }
    }

    private func place(of id: ChangeID, part: Int, on file: FileID) -> Int? {
        self.files[file]?.queue.firstIndex {
            if case .change(id, part) = $0.kind { return true }
            return false
        }
    }

    private func isBlocked(_ id: ChangeID, part index: Int) -> Bool {
        guard let part = self.changes[id]?.request.parts[index] else { return false }
        return self.isBlocked(
            part.affected,
            isGet: false,
            on: part.file,
            before: self.place(of: id, part: index, on: part.file),
            of: id
        )
    }

    private func wouldWait(_ id: ChangeID) -> Bool {
        guard let request = self.changes[id]?.request else { return false }
        for (index, part) in request.parts.enumerated() {
            if self.isBlocked(id, part: index) { return true }
            if !self.holdersInTheWay(of: part, request.requester).isEmpty { return true }
        }
        return false
    }

    /// Moves a change on as far as it goes: its turn, its recalls, its permission.
    private mutating func begin(_ id: ChangeID, at now: Instant, _ actions: inout [Action]) {
        guard let change = self.changes[id], !change.isRunning, !self.isHeldByGrace(id) else { return }
        for (index, part) in change.request.parts.enumerated() where change.phases[index] == .queued {
            guard !self.isBlocked(id, part: index) else { continue }
            self.changes[id]?.phases[index] = .recalling
            self.takeOwnLayouts(part, change.request.requester, at: now, &actions)
            self.recallLayouts(inTheWayOf: part, for: id, at: now, &actions)
        }
        self.permitIfClear(id, at: now, &actions)
    }

    /// What the caller itself holds there goes back with the call: a recall could not be answered in time.
    private mutating func takeOwnLayouts(
        _ part: MappingChange,
        _ requester: Requester,
        at now: Instant,
        _ actions: inout [Action]
    ) {
        guard let client = requester.client, let holder = self.clients[client]?.holders[part.file] else { return }
        let ioMode: IOModeSelector
        switch part.breaks {
        case .nobody, .holdersAskingForWrite: return
        case .readWriteHolders: ioMode = .readWrite
        case .everyone: ioMode = .any
        }
        let holdsSome = self.holders[holder]?.segments.contains(in: part.affected) { ioMode.matches($0.value.ioMode) }
        guard holdsSome == true else { return }
        self.giveBack(part.affected, ioMode, isDowngrade: false, of: holder, at: now, &actions)
    }

    /// Permits a change whose recalls have ended, if the way is clear.
    mutating func permitIfClear(_ id: ChangeID, at now: Instant, _ actions: inout [Action]) {
        guard let change = self.changes[id], !change.isRunning, change.outstanding == 0 else { return }
        for (index, part) in change.request.parts.enumerated() where change.phases[index] == .recalling {
            // A recall may have ended because its holder's client is gone while another one took its place.
            if self.holdersInTheWay(of: part, change.request.requester).isEmpty {
                self.changes[id]?.phases[index] = .clear
            } else {
                self.recallLayouts(inTheWayOf: part, for: id, at: now, &actions)
            }
        }
        guard let phases = self.changes[id]?.phases, phases.allSatisfy({ $0 == .clear }) else { return }
        self.changes[id]?.isRunning = true
        actions.append(.permitChange(id, recalled: self.changes[id]?.recalled ?? 0))
    }

    /// Takes a change out of its queues, and lets those go on who waited behind it.
    private mutating func drop(_ id: ChangeID, at now: Instant, _ actions: inout [Action]) {
        guard let change = self.changes.removeValue(forKey: id) else { return }
        for (index, part) in change.request.parts.enumerated() {
            guard let place = self.place(of: id, part: index, on: part.file) else { continue }
            self.files[part.file]?.queue.remove(at: place)
        }
        for part in change.request.parts { self.advance(part.file, at: now, &actions) }
    }

    mutating func changePatienceEnded(_ id: ChangeID, at now: Instant, _ actions: inout [Action]) {
        guard let change = self.changes[id], !change.isRunning else { return }
        self.statistics.changesDelayed += 1
        let detail: String
        if change.outstanding > 0 {
            let names = self.waitsFor(id).prefix(4).map { "\($0.rawValue)" }.joined(separator: ", ")
            detail = "nothing was done: recalled layouts are not back yet, from client \(names); try again"
        } else {
            detail = "nothing was done: earlier calls on the same bytes have not ended; try again"
        }
        actions.append(.refuseChange(id, Refusal(.delay, detail)))
        // Recalls on their way go on: their holders answer, and later changes profit from it.
        self.drop(id, at: now, &actions)
    }

    mutating func changeAbandoned(_ id: ChangeID, at now: Instant, _ actions: inout [Action]) {
        guard let change = self.changes[id], !change.isRunning else { return }
        self.statistics.changesDelayed += 1
        actions.append(.refuseChange(id, Refusal(.delay, "nothing was done: its caller has gone")))
        self.drop(id, at: now, &actions)
    }

    mutating func getPatienceEnded(_ call: CallID, at now: Instant, _ actions: inout [Action]) {
        self.giveUp(call, .recallConflict, "a mapping change on its range has not ended; ask again", at: now, &actions)
    }

    mutating func callAbandoned(_ call: CallID, at now: Instant, _ actions: inout [Action]) {
        self.giveUp(call, .recallConflict, "its caller has gone", at: now, &actions)
    }

    /// Refuses a LAYOUTGET that waits.
    private mutating func giveUp(
        _ call: CallID,
        _ status: LayoutStatus,
        _ detail: String,
        at now: Instant,
        _ actions: inout [Action]
    ) {
        guard let file = self.fileOfCall[call] else { return }
        let waits = self.files[file]?.queue.contains {
            if case .get(call, _, _, .waiting) = $0.kind { return true }
            return false
        }
        guard waits == true else { return }
        self.removeGet(call, on: file)
        actions.append(.refuse(call, Refusal(status, detail)))
        self.advance(file, at: now, &actions)
    }

    /// Lets everybody in a file's queue go on whose way is free.
    mutating func advance(_ file: FileID, at now: Instant, _ actions: inout [Action]) {
        var index = 0
        while let queue = self.files[file]?.queue, index < queue.count {
            let entry = queue[index]
            switch entry.kind {
            case .get(let call, let client, let request, .waiting):
                if self.isBlocked(request, before: index) { break }
                if let refusal = self.refusalByRecall(request, of: client) {
                    self.removeGet(call, on: file)
                    actions.append(.refuse(call, refusal))
                    continue
                }
                self.files[file]?.queue[index].kind = .get(call, client, request, .resolving)
                self.waitingGets -= 1
                actions.append(.resolveExtents(call, client, request))
            case .get(_, _, _, .resolving):
                break
            case .change(let id, _):
                self.begin(id, at: now, &actions)
            }
            index += 1
        }
        self.settle(file)
    }
}
