import LayoutCore
import LayoutHolder
import LeaseEngine

/// The server's shell: calls in, actions out, system calls on the disk.
extension Simulation {
    mutating func serve(_ client: Int, _ number: UInt64, _ file: Int, _ request: SimulatedClient.Request) {
        let id = self.clients[client].id
        switch self.calls[number] {
        case .executing?:
            return
        case .done(let reply)?:
            // The reply was lost: the same one again, and nothing runs twice.
            self.mark(.replyLostAndAskedAgain)
            self.sendReply(client, number, reply)
            return
        case nil:
            self.calls[number] = .executing
        }
        self.feed(.leaseRenewed(id))
        switch request {
        case .get(_, let range, let ioMode, let stateID, let knownEpoch):
            let call = CallID(number)
            self.callOfEngine[call] = (client, number, file)
            let patience: Duration = self.random.oneIn(3) ? .zero : .seconds(5)
            let request = LeaseEngine.LayoutRequest(
                file: self.fileID(file),
                stateID: stateID,
                range: range,
                minLength: 1,
                ioMode: ioMode,
                patience: patience,
                knownEpoch: knownEpoch
            )
            self.feed(.layoutGet(call, id, request))
        case .giveBack(_, let range, let ioMode, let stateID):
            let call = CallID(number)
            self.callOfEngine[call] = (client, number, file)
            self.feed(
                .layoutReturn(call, id, .file(self.fileID(file), stateID, ioMode, range, isDowngrade: false))
            )
        case .change(_, let operation, let argument):
            self.requestChange(file, operation, argument, call: (client, number))
        case .renew:
            self.finishCall(client, number, .renewed(counts: !self.engine.isOverdue(id)))
        }
    }

    mutating func requestChange(
        _ file: Int,
        _ operation: MappingOperation,
        _ argument: ByteRange,
        call: (client: Int, number: UInt64)?
    ) {
        guard self.disks[file].accepts(operation, argument) else {
            if let call { self.finishCall(call.client, call.number, .refused(.invalid)) }
            return
        }
        let affected = self.disks[file].affected(by: operation, argument)
        let id = ChangeID(self.nextNumber())
        self.changes[id] = RunningChange(
            file: file,
            operation: operation,
            argument: argument,
            affected: affected,
            call: call
        )
        self.changeOrder.append(id)
        let change = MappingChange(
            file: self.fileID(file),
            operation: operation,
            argument: argument,
            affected: affected,
            breaks: .everyone
        )
        let requester = call.map { LeaseEngine.Requester.client(self.clients[$0.client].id) }
        let request = LeaseEngine.ChangeRequest(
            parts: [change],
            requester: requester ?? .local(pid: 1, command: "compactor"),
            patience: .seconds(Int64(1 + self.random.below(8))),
            mayWait: !self.random.oneIn(20)
        )
        if self.options.fault == .changeSkipsPermission {
            self.queue.add(.changeApplies(id), at: self.now.advanced(by: .microseconds(10)))
        }
        self.feed(.changeRequested(id, request))
    }

    // MARK: Actions

    mutating func feed(_ event: LeaseEngine.Event) {
        self.feeds.append(event)
        guard !self.isFeeding else { return }
        self.isFeeding = true
        while !self.feeds.isEmpty {
            let event = self.feeds.removeFirst()
            self.trace("server <- \(event)")
            for action in self.engine.handle(event, at: self.now) {
                self.trace("server -> \(action)")
                self.carryOut(action)
            }
        }
        self.isFeeding = false
        if let next = self.engine.nextDeadline, self.scheduledDeadline.map({ next < $0 }) ?? true {
            self.scheduledDeadline = next
            self.queue.add(.deadline, at: next)
        }
    }

    mutating func deadlineDue() {
        self.scheduledDeadline = nil
        self.feed(.deadlinePassed)
    }

    private mutating func carryOut(_ action: LeaseEngine.Action) {
        switch action {
        case .resolveExtents(let call, _, let request):
            self.resolveExtents(call, request)
        case .grant(let call, let grant):
            guard let (client, number, file) = self.callOfEngine.removeValue(forKey: call) else { return }
            var grant = grant
            if self.options.fault == .forgetsShifts { grant.shifts = [] }
            if self.changeOrder.contains(where: { self.changes[$0]?.file == file }) { self.mark(.changeWaitedForGrant) }
            self.finishCall(client, number, .granted(grant, fileSize: self.disks[file].size))
        case .refuse(let call, let refusal):
            guard let (client, number, _) = self.callOfEngine.removeValue(forKey: call) else { return }
            self.finishCall(client, number, .refused(refusal.status))
        case .returned(let call, let stateID):
            guard let (client, number, _) = self.callOfEngine.removeValue(forKey: call) else { return }
            self.finishCall(client, number, .returned(stateID))
        case .sendRecall(let recall):
            self.sendRecall(recall)
        case .recallEnded(_, let outcome):
            if outcome == .returned { self.report.recalls += 1 }
        case .permitChange(let id, _):
            self.changes[id]?.isPermitted = true
            if let change = self.changes[id] { self.checkNobodyHas(change.affected, of: change.file, "permitted") }
            if self.options.fault != .changeSkipsPermission {
                self.queue.add(.changeApplies(id), at: self.after(1...200))
            }
        case .refuseChange(let id, let refusal):
            if refusal.status == .delay { self.mark(.changeRanOutOfPatience) }
            self.endChange(id, .refused(refusal.status))
        case .changeEnded(let id, let outcome):
            if outcome.stateID != nil { self.mark(.ownChangeTookOwnLayouts) }
            self.endChange(id, self.changes[id]?.didChange == true ? .changed(outcome) : .refused(.invalid))
        case .fence(let fence):
            let event = Event.fenced(fence.holder, client: fence.client, file: fence.file)
            self.queue.add(event, at: self.after(20...2000))
        case .revoked(let holder, _, _), .released(let holder, _, _):
            self.revokedHolders.insert(holder.rawValue)
        case .persist, .persistRevocation, .graceEnded, .recallAny, .clientForgotten:
            break
        }
    }

    private mutating func resolveExtents(_ call: CallID, _ request: LeaseEngine.LayoutRequest) {
        let size = self.disks[self.file(request.file)].size
        guard let file = ByteRange(0, size), let range = request.range.intersection(file) else {
            self.feed(.extentsResolved(call, .failure(LeaseEngine.Refusal(.layoutUnavailable, "past the end"))))
            return
        }
        self.queue.add(.extentsRead(call, range), at: self.after(1...500))
    }

    mutating func extentsRead(_ call: CallID, _ range: ByteRange) {
        self.feed(.extentsResolved(call, .success(range)))
    }

    // MARK: Changes

    mutating func applyChange(_ id: ChangeID) {
        guard var change = self.changes[id] else { return }
        let current = self.disks[change.file].affected(by: change.operation, change.argument)
        let isCovered = change.affected.contains(current)
        if !isCovered { self.mark(.sizeChangedUnderTruncate) }
        if isCovered, self.disks[change.file].accepts(change.operation, change.argument) {
            self.checkNobodyHas(current, of: change.file, "applied")
            self.bury(change)
            self.disks[change.file].apply(change.operation, change.argument)
            change.didChange = true
            self.changes[id] = change
            self.report.changes += 1
        }
        if change.isPermitted { self.queue.add(.changeReturns(id), at: self.after(1...200)) }
    }

    mutating func changeReturns(_ id: ChangeID) {
        guard let change = self.changes[id] else { return }
        self.feed(.changeFinished(id, didChange: change.didChange))
    }

    private mutating func endChange(_ id: ChangeID, _ reply: Reply) {
        guard let change = self.changes.removeValue(forKey: id) else { return }
        self.changeOrder.removeAll { $0 == id }
        if let call = change.call { self.finishCall(call.client, call.number, reply) }
    }

    /// Remembers the stamps that a change removes: their windows may show zeros from now on.
    private mutating func bury(_ change: RunningChange) {
        let disk = self.disks[change.file]
        let size = disk.size
        let gone: ByteRange?
        switch change.operation {
        case .punchHole, .zeroRange, .collapseRange: gone = change.argument
        case .truncate: gone = ByteRange(change.argument.lowerBound, size)
        default: gone = nil
        }
        guard let gone else { return }
        var offset = gone.lowerBound
        while offset < min(gone.upperBound, size) {
            if let stamp = disk.stamp(at: offset) { self.deadStamps.insert(stamp) }
            offset += SimulatedDisk.blockSize
        }
    }

    /// Invariant 1, by the page tables and not by anybody's books.
    private mutating func checkNobodyHas(_ range: ByteRange, of file: Int, _ what: String) {
        for client in self.clients.indices {
            // A stopped process cannot take its own access away: `cooperative` does not cover it.
            if self.engineTrustsDeadlines, self.isPaused(client) { continue }
            for shown in self.clients[client].accessibleRanges(of: file) where shown.overlaps(range) {
                self.violation("a change of \(range) is \(what) while client \(client) can reach \(shown)")
                return
            }
        }
    }

    // MARK: Fences

    mutating func fenced(_ holder: LeaseEngine.HolderID, _ client: ClientID, _ file: FileID) {
        var canReach = false
        if let index = self.index(of: client), !self.clients[index].isDead {
            canReach = self.clients[index].descriptors[self.file(file)] == holder.rawValue
        }
        if self.options.fault == .fenceLies { canReach = false }
        if canReach {
            self.mark(.fenceFailed)
        } else {
            // Its token is taken back first: it cannot fetch a descriptor any more.
            self.revokedHolders.insert(holder.rawValue)
        }
        self.feed(.fenceFinished(holder, isGone: !canReach))
    }

    // MARK: Out

    func isRevoked(_ holder: UInt64) -> Bool { self.revokedHolders.contains(holder) }

    mutating func finishCall(_ client: Int, _ number: UInt64, _ reply: Reply) {
        self.calls[number] = .done(reply)
        self.sendReply(client, number, reply)
    }

    private mutating func sendReply(_ client: Int, _ number: UInt64, _ reply: Reply) {
        guard self.clients[client].isConnected else { return }
        let at = self.arrival(client, direction: 1)
        let message = ToClient.reply(number: number, reply)
        self.queue.add(.toClient(client: client, connection: self.clients[client].connection, message: message), at: at)
    }

    private mutating func sendRecall(_ recall: LeaseEngine.Recall) {
        guard let client = self.index(of: recall.client), self.clients[client].isConnected else {
            self.feed(.recallFailed(recall.id))
            return
        }
        let direction = self.clients[client].hasSeparateBackChannel ? 2 : 1
        let at = self.arrival(client, direction: direction)
        if direction == 2, at < self.lastArrival[client][1] { self.mark(.recallOvertookReply) }
        self.queue.add(
            .toClient(client: client, connection: self.clients[client].connection, message: .recall(recall)),
            at: at
        )
        self.feed(.recallSent(recall.id))
    }

    /// When a message sent now arrives: behind the one before it on the same connection.
    mutating func arrival(_ client: Int, direction: Int) -> Instant {
        let slow = self.random.oneIn(20) ? 100_000 : 500 as UInt64
        let at = max(self.after(5...slow), self.lastArrival[client][direction].advanced(by: .nanoseconds(1)))
        self.lastArrival[client][direction] = at
        return at
    }
}
