import LayoutCore
import LeaseEngine
import Recovery
import Sessions

/// A change between its registration and its end.
struct PendingChange {
    let file: Int
    let change: SimulatedFile.Change
    let affected: ByteRange
    /// The call to answer, or the local program to tell.
    let requester: Requester
    var isParked = false
    var isPermitted = false
    /// The intent that was written for it.
    var intent: UInt64?
    var failure: LayoutStatus?
    var didChange = false
    /// What waits for it to end: the rest of its work.
    var over: (() -> Void)?

    enum Requester {
        case call(ActiveCall)
        case local(LocalChange)
    }
}

/// Mapping changes: registered with the engine, run when it permits them, each exactly once (specification §6.4).
extension Server {
    func change(_ arguments: ChangeArguments, _ call: ActiveCall) {
        let file = arguments.file
        if self.blockedFiles.contains(file) { return self.finish(call, .refused(.outcomeUnknown)) }
        if self.hasStrangers(file) { return self.finish(call, .refused(.delay)) }
        guard self.host.files[file].accepts(arguments.kind, arguments.argument) else {
            return self.finish(call, .refused(.invalid))
        }
        let isParked = self.sessions.park(call.running)
        let change = SimulatedFile.Change(
            operation: arguments.operation,
            kind: arguments.kind,
            argument: arguments.argument
        )
        self.register(file, change, .call(call), .client(call.client), arguments.patience, isParked: isParked)
    }

    /// A local program is about to change a file: the guard holds it back until the change may run.
    func localChange(_ local: LocalChange) {
        let refusal: LayoutStatus? =
            if self.blockedFiles.contains(local.file) || self.hasStrangers(local.file) {
                .delay
            } else {
                self.host.files[local.file].accepts(local.change.kind, local.change.argument) ? nil : .invalid
            }
        if let refusal { return self.world.localChangeEnded(local, refusal) }
        let requester = LeaseEngine.Requester.local(pid: 1, command: "compactor")
        self.register(local.file, local.change, .local(local), requester, .seconds(5), isParked: true)
    }

    private func register(
        _ file: Int,
        _ change: SimulatedFile.Change,
        _ requester: PendingChange.Requester,
        _ enginesRequester: LeaseEngine.Requester,
        _ patience: Duration,
        isParked: Bool
    ) {
        let affected = self.host.files[file].affected(by: change.kind, change.argument)
        let id = ChangeID(self.world.nextNumber())
        self.changes[id] = PendingChange(
            file: file,
            change: change,
            affected: affected,
            requester: requester,
            isParked: isParked
        )
        self.changeOrder.append(id)
        let part = MappingChange(
            file: self.fileID(file),
            operation: change.kind,
            argument: change.argument,
            affected: affected,
            breaks: .everyone
        )
        if self.world.has(.changeSkipsPermission) { self.applyUnasked(id) }
        self.submit(
            .changeRequested(
                id,
                LeaseEngine.ChangeRequest(
                    parts: [part],
                    requester: enginesRequester,
                    patience: patience,
                    mayWait: isParked
                )
            )
        )
    }

    // MARK: Running

    func permitChange(_ id: ChangeID) {
        guard let change = self.changes[id], !change.isPermitted else {
            return self.world.violation("a change is permitted that has run, or is permitted twice")
        }
        self.unpark(id)
        self.changes[id]?.isPermitted = true
        self.oracle.checkNobodyReaches(change.affected, of: change.file, "permitted")
        self.run(on: change.file) { [unowned self] over in
            self.changes[id]?.over = over
            self.after(5...200) { [unowned self] in self.plan(id) }
        }
    }

    private func unpark(_ id: ChangeID) {
        guard let change = self.changes[id], change.isParked else { return }
        self.changes[id]?.isParked = false
        if case .call(let call) = change.requester { self.sessions.unpark(call.running) }
    }

    /// Settles the file, and looks how it is now.
    private func plan(_ id: ChangeID) {
        guard let change = self.changes[id] else { return }
        guard !self.world.callFails() else { return self.callIsOver(id, .ioError) }
        self.host.files[change.file].sync()
        let file = self.host.files[change.file]
        let current = file.affected(by: change.change.kind, change.change.argument)
        guard change.affected.contains(current), file.accepts(change.change.kind, change.change.argument) else {
            self.world.mark(.sizeChangedUnderTruncate)
            return self.callIsOver(id, .delay)
        }
        if self.logs[change.file] == nil { self.logs[change.file] = self.freshLog(of: change.file) }
        guard case .call(let call) = change.requester else { return self.beginCall(id) }
        self.failpoint(.crashedBeforeIntent) { [unowned self] in self.writeIntent(id, call) }
    }

    private func writeIntent(_ id: ChangeID, _ call: ActiveCall) {
        guard let change = self.changes[id] else { return }
        guard !self.world.storeFails() else { return self.callIsOver(id, .noSpace) }
        let isSizeOnly = self.world.has(.sizeOnlyFingerprint)
        let file = self.host.files[change.file]
        let offset = change.change.argument.lowerBound
        let plan = self.host.nextPlan()
        self.host.plans[plan] = ChangePlan(
            change: change.change,
            file: change.file,
            before: file.fingerprint(at: offset, isSizeOnly: isSizeOnly),
            after: file.fingerprint(after: change.change, at: offset, isSizeOnly: isSizeOnly)
        )
        let intent = StoredIntent(
            number: plan,
            session: call.running.session,
            slot: call.running.slot,
            sequence: call.running.sequence,
            digest: call.running.digest,
            keepsReply: call.running.keepsReply,
            body: bytes(of: plan)
        )
        self.changes[id]?.intent = plan
        self.write([.intent(intent)], .synced) { [unowned self] in
            self.failpoint(.crashedAfterIntent) { [unowned self] in self.beginCall(id) }
        }
    }

    /// The system call: once begun, the kernel ends it, whatever becomes of the process.
    private func beginCall(_ id: ChangeID) {
        guard let change = self.changes[id] else { return }
        guard !self.world.callFails() else { return self.callIsOver(id, .noSpace) }
        if self.world.has(.barrierDroppedEarly) {
            self.changes[id]?.didChange = true
            self.changes[id]?.over = nil
            change.over?()
            self.submit(.changeFinished(id, didChange: true))
        }
        let (world, boot, file) = (self.world, self.host.boot, change.file)
        let isLocal = change.intent == nil
        if isLocal { world.host.unrecordedFiles.insert(file) }
        world.host.runningCalls += 1
        let longest: UInt64 = world.random.oneIn(20) ? 50_000 : 400
        world.schedule(at: world.after(1...longest), on: nil) { [weak self] in
            guard world.host.boot == boot else { return }
            world.oracle.checkNobodyReaches(change.affected, of: file, "running")
            world.apply(change.change, to: file)
            world.host.runningCalls -= 1
            world.mayCutPower()
            if case .local(let local) = change.requester { world.settle(local) }
            guard let self else { return }
            self.deliver { [unowned self] in
                self.failpoint(.crashedAfterCall) { [unowned self] in self.callReturned(id) }
            }
        }
    }

    private func callReturned(_ id: ChangeID) {
        guard let change = self.changes[id] else { return }
        self.after(5...1000) { [unowned self] in
            self.host.files[change.file].sync()
            self.changes[id]?.didChange = true
            self.callIsOver(id, nil)
        }
    }

    private func callIsOver(_ id: ChangeID, _ failure: LayoutStatus?) {
        guard let change = self.changes[id] else { return }
        self.changes[id]?.failure = failure
        if self.world.has(.barrierDroppedEarly), failure == nil {
            return self.conclude(id, epoch: self.engine.epoch(of: self.fileID(change.file)), nil)
        }
        self.submit(.changeFinished(id, didChange: change.didChange))
    }

    func changeEnded(_ id: ChangeID, _ outcome: LeaseEngine.ChangeOutcome) {
        if self.world.has(.barrierDroppedEarly), self.changes[id]?.failure == nil { return }
        self.conclude(id, epoch: outcome.epoch, outcome.stateID)
    }

    /// The reply is written, with the end of the intent and the file's new epoch, before anybody sees it.
    private func conclude(_ id: ChangeID, epoch: UInt64, _ stateID: StateID?) {
        guard let change = self.changes[id] else { return }
        if stateID != nil { self.world.mark(.ownChangeTookOwnLayouts) }
        var records: [RecoveryRecord] = []
        if change.didChange, SimulatedFile.isShift(change.change.kind) {
            let before = self.logs[change.file] ?? self.freshLog(of: change.file)
            let log = self.logged(change, epoch: epoch)
            records.append(.file(self.world.has(.epochGuessed) ? before : log))
        }
        if let intent = change.intent { records.append(.intentEnded(number: intent)) }
        let reply = change.failure.map { Reply.refused($0) } ?? .changed(epoch: epoch, stateID)
        let send: () -> Void
        switch change.requester {
        case .local(let local):
            send = { [unowned self] in
                if change.failure == nil { self.host.unrecordedFiles.remove(change.file) }
                if let failure = change.failure { self.world.localChangeEnded(local, failure) }
            }
        case .call(let call):
            let flags = self.flags(of: call.client)
            let bytes = self.keep(reply, flags, of: call)
            if let stored = self.sessions.storedReply(of: call.running, reply: bytes) { records.append(.reply(stored)) }
            send = { [unowned self] in self.finish(call, reply, flags, bytes) }
        }
        let isEarly = self.world.has(.replyBeforeWritten)
        if isEarly { send() }
        // What did not run leaves nothing that has to survive: a retry may run it, or not.
        self.write(records, .synced) { [unowned self] in
            self.failpoint(.crashedAfterReplyWritten) { [unowned self] in
                if !isEarly { send() }
                self.failpoint(.crashedAfterReplySent) { [unowned self] in self.endChange(id) }
            }
        }
    }

    private func endChange(_ id: ChangeID) {
        self.changeOrder.removeAll { $0 == id }
        self.changes.removeValue(forKey: id)?.over?()
    }

    func refuseChange(_ id: ChangeID, _ refusal: LeaseEngine.Refusal) {
        if refusal.status == .delay { self.world.mark(.changeRanOutOfPatience) }
        if refusal.status == .grace { self.world.mark(.changeRefusedInGrace) }
        self.unpark(id)
        guard let change = self.changes[id] else { return }
        self.endChange(id)
        switch change.requester {
        case .call(let call): self.finish(call, .refused(refusal.status))
        case .local(let local): self.world.localChangeEnded(local, refusal.status)
        }
    }

    /// The log of a file of which no shift is known yet.
    private func freshLog(of file: Int) -> StoredFile {
        let epoch = self.engine.epoch(of: self.fileID(file))
        return StoredFile(
            handle: self.handle(self.fileID(file)),
            locator: bytes(of: UInt64(file)),
            epoch: epoch,
            logStart: epoch,
            shifts: []
        )
    }

    /// The log of a file with a shift that was just done.
    private func logged(_ pending: PendingChange, epoch: UInt64) -> StoredFile {
        let change = pending.change
        var log = self.logs[pending.file] ?? self.freshLog(of: pending.file)
        let shift = Shift(
            isInsert: change.kind == .insertRange,
            offset: change.argument.lowerBound,
            length: change.argument.wireLength
        )
        log.epoch = epoch
        log.shifts.append(LoggedShift(epoch: epoch, shift: shift))
        if log.shifts.count > Self.shiftsMax { log.logStart = log.shifts.removeFirst().epoch }
        self.logs[pending.file] = log
        return log
    }

    // MARK: Planted faults

    /// The system call of a change that nobody permitted.
    private func applyUnasked(_ id: ChangeID) {
        guard let change = self.changes[id], case .call = change.requester else { return }
        self.oracle.checkNobodyReaches(change.affected, of: change.file, "running")
    }

    /// The system call of a copy of a call that is under way.
    func applyUnasked(_ arguments: ChangeArguments) {
        guard self.host.files[arguments.file].accepts(arguments.kind, arguments.argument) else { return }
        let change = SimulatedFile.Change(
            operation: arguments.operation,
            kind: arguments.kind,
            argument: arguments.argument
        )
        self.world.apply(change, to: arguments.file)
    }
}
