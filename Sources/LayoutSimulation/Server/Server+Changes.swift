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
    /// A local program's shift, which may have been made or not.
    var isOpenShift = false
    /// The intent that was written for it.
    var intent: UInt64?
    var failure: LayoutStatus?
    var didChange = false
    /// What waits for it to end: the rest of its work.
    var over: (() -> Void)?

    enum Requester {
        case call(ActiveCall)
        case local(LocalCall)

        /// As the engine knows it.
        var requester: LeaseEngine.Requester {
            switch self {
            case .call(let call): .client(call.client)
            case .local: .local(pid: 1, command: "compactor")
            }
        }
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
        let affected = self.host.files[file].affected(by: change.kind, change.argument)
        self.register(file, change, affected, .call(call), patience: arguments.patience, mayWait: isParked)
    }

    func register(
        _ file: Int,
        _ change: SimulatedFile.Change,
        _ affected: ByteRange,
        _ requester: PendingChange.Requester,
        patience: Duration,
        mayWait: Bool
    ) {
        let id = ChangeID(self.world.nextNumber())
        var pending = PendingChange(file: file, change: change, affected: affected, requester: requester)
        if case .call = requester { pending.isParked = mayWait }
        self.changes[id] = pending
        self.changeOrder.append(id)
        if self.world.has(.changeSkipsPermission) { self.applyUnasked(id) }
        self.submit(.changeRequested(id, self.changeRequest(pending, patience: patience, mayWait: mayWait)))
    }

    func changeRequest(_ change: PendingChange, patience: Duration, mayWait: Bool) -> LeaseEngine.ChangeRequest {
        let part = MappingChange(
            file: self.fileID(change.file),
            operation: change.change.kind,
            argument: change.change.argument,
            affected: change.affected,
            breaks: .everyone
        )
        let requester = change.requester.requester
        return LeaseEngine.ChangeRequest(
            parts: [part],
            requester: requester,
            patience: patience,
            mayWait: mayWait,
            // A program in its system call cannot be told to come again.
            waitsForGrace: requester.client == nil
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
        if case .local(let call) = change.requester { return self.permitLocalCall(id, call) }
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
        guard case .call(let call) = change.requester else { return }
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
        world.host.runningCalls += 1
        let longest: UInt64 = world.random.oneIn(20) ? 50_000 : 400
        world.schedule(at: world.after(1...longest), on: nil) { [weak self] in
            guard world.host.boot == boot else { return }
            world.oracle.checkNobodyReaches(change.affected, of: file, "running")
            world.apply(change.change, to: file)
            world.host.runningCalls -= 1
            world.mayCutPower()
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
        if case .local = self.changes[id]?.requester { return self.localChangeEnded(id) }
        if self.world.has(.barrierDroppedEarly), self.changes[id]?.failure == nil { return }
        self.conclude(id, epoch: outcome.epoch, outcome.stateID)
    }

    /// The reply is written, with the end of the intent and the file's new epoch, before anybody sees it.
    private func conclude(_ id: ChangeID, epoch: UInt64, _ stateID: StateID?) {
        guard let change = self.changes[id], case .call(let call) = change.requester else { return }
        if stateID != nil { self.world.mark(.ownChangeTookOwnLayouts) }
        var records: [RecoveryRecord] = []
        if change.didChange, SimulatedFile.isShift(change.change.kind) {
            var log = self.storedLog(of: change.file)
            if self.world.has(.epochGuessed), log.shifts.popLast() != nil {
                log.epoch = log.shifts.last?.epoch ?? log.logStart
            }
            records.append(.file(log))
        }
        if let intent = change.intent { records.append(.intentEnded(number: intent)) }
        let reply = change.failure.map { Reply.refused($0) } ?? .changed(epoch: epoch, stateID)
        let flags = self.flags(of: call.client)
        let bytes = self.keep(reply, flags, of: call)
        if let stored = self.sessions.storedReply(of: call.running, reply: bytes) { records.append(.reply(stored)) }
        let send: () -> Void = { [unowned self] in self.finish(call, reply, flags, bytes) }
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

    func endChange(_ id: ChangeID) {
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
        case .local(let call): self.world.refuse(call)
        }
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
