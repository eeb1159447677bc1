import LayoutCore
import LeaseEngine
import Recovery

/// Changes by local programs: the guard holds their system calls up, and tells when they are over (specification R6.4-24).
extension Server {
    // MARK: From the guard

    func localCallArrived(_ call: LocalCall) {
        guard call.state == .waiting else { return }
        if call.life != 0 { self.world.mark(.localWaitedOverRestart) }
        call.life = self.life
        if self.world.has(.guardLetsGoEarly) { self.world.letThrough(call) }
        guard !self.blockedFiles.contains(call.file), !self.hasStrangers(call.file) else {
            return self.world.refuse(call)
        }
        self.request(call)
    }

    private func request(_ call: LocalCall) {
        let affected = self.affected(by: call)
        self.register(call.file, call.change, affected, .local(call), patience: .seconds(5), mayWait: true)
    }

    /// What a dead server has let through, and nobody has seen the end of; before anything is granted.
    func takeOverRunningCalls() {
        for call in self.world.localCalls where call.state != .waiting {
            self.world.mark(.localRanOverRestart)
            call.life = self.life
            let id = ChangeID(self.world.nextNumber())
            let pending = PendingChange(
                file: call.file,
                change: call.change,
                affected: self.affected(by: call),
                requester: .local(call),
                isPermitted: true
            )
            if call.state == .ended {
                self.after(1000...50_000) { [unowned self] in self.localCallEnded(call, .unknown) }
            }
            guard !self.world.has(.runningCallForgotten) else { continue }
            self.changes[id] = pending
            self.changeOrder.append(id)
            self.openShift(of: id)
            self.submit(.changeRuns(id, self.changeRequest(pending, patience: .seconds(5), mayWait: true)))
        }
    }

    /// What waits is asked for as if it came now.
    func takeOverWaitingCalls() {
        for call in self.world.localCalls { self.localCallArrived(call) }
    }

    func localCallEnded(_ call: LocalCall, _ outcome: LocalCall.Outcome) {
        if outcome != .withdrawn { self.world.forget(call) }
        let pending = self.changeOrder.first {
            if case .local(let other) = self.changes[$0]?.requester { return other === call }
            return false
        }
        guard let id = pending, let change = self.changes[id] else { return }
        guard change.isPermitted else {
            self.world.mark(.localWithdrawn)
            return self.submit(.changeAbandoned(id))
        }
        switch outcome {
        case .succeeded:
            self.changes[id]?.didChange = true
            self.submit(.changeFinished(id, didChange: true))
        case .failed, .withdrawn:
            self.submit(.changeFinished(id, didChange: false))
        case .unknown:
            self.world.mark(.localOutcomeUnknown)
            let isTakenForFailed = self.world.has(.unknownTakenForFailed)
            self.submit(isTakenForFailed ? .changeFinished(id, didChange: false) : .changeOutcomeUnknown(id))
        }
    }

    /// The bytes that a call may touch, whether it is about to or has.
    private func affected(by call: LocalCall) -> ByteRange {
        let (kind, argument) = (call.change.kind, call.change.argument)
        guard kind == .truncate else { return self.host.files[call.file].affected(by: kind, argument) }
        return ByteRange(from: min(argument.lowerBound, call.size, self.host.files[call.file].size))
    }

    // MARK: From the engine

    /// Nothing is in the way of a local program's change any more.
    func permitLocalCall(_ id: ChangeID, _ call: LocalCall) {
        guard let change = self.changes[id] else { return }
        // The permission may have been on its way when the program ended.
        guard call.state != .over else { return self.submit(.changeFinished(id, didChange: false)) }
        guard change.affected.contains(self.affected(by: call)) else {
            // The file has shrunk: the call takes its place again, with all the bytes that it touches now.
            self.world.mark(.sizeChangedUnderTruncate)
            self.submit(.changeFinished(id, didChange: false))
            return self.request(call)
        }
        var records: [RecoveryRecord] = []
        if self.openShift(of: id), !self.world.has(.gapNotWritten) {
            // A next life that did not see the end must not follow a log without this shift.
            records = [.file(self.storedLog(of: call.file))]
        } else if self.world.has(.localOvertakesReply) {
            return self.letThrough(call)
        }
        // Behind the ends of earlier changes' intents, too: from bytes that somebody has changed since, a next life could not
        // tell whether they were made.
        self.write(records, .written) { [unowned self] in self.letThrough(call) }
    }

    private func letThrough(_ call: LocalCall) {
        self.failpoint(.crashedBeforeLetThrough) { [unowned self] in
            self.world.letThrough(call)
            self.failpoint(.crashedAfterLetThrough) {}
        }
    }

    /// Counts a shift of which nobody knows yet whether it was made; returns whether the change is one.
    @discardableResult
    private func openShift(of id: ChangeID) -> Bool {
        guard let change = self.changes[id], SimulatedFile.isShift(change.change.kind) else { return false }
        self.changes[id]?.isOpenShift = true
        self.openShifts[change.file] += 1
        return true
    }

    /// The range is open again.
    func localChangeEnded(_ id: ChangeID) {
        guard let change = self.changes[id] else { return }
        self.endChange(id)
        guard change.isOpenShift else { return }
        self.openShifts[change.file] -= 1
        self.write([.file(self.storedLog(of: change.file))], .written) {}
    }

    /// What the next life has to know of a file's shifts.
    ///
    /// While a local program may be moving bytes, nothing is known to whoever does not see the end.
    func storedLog(of file: Int) -> StoredFile {
        let log = self.openShifts[file] > 0 ? self.engine.voidLog() : self.engine.log(of: self.fileID(file))
        return StoredFile(
            handle: self.handle(self.fileID(file)),
            locator: bytes(of: UInt64(file)),
            epoch: log.epoch,
            logStart: log.start,
            shifts: log.shifts
        )
    }
}
