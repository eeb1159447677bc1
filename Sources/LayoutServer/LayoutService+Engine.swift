import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import Recovery
import Sessions

/// The engine's events in, its actions out.
extension LayoutService {
    /// Gives the engine an event, and carries out what it says, in order.
    ///
    /// An action that answers itself at once adds its event behind those that wait: the engine sees one after the
    /// other.
    func submit(_ event: LeaseEngine.Event) { self.take(.event(event)) }

    /// What the engine's owner has to do next.
    enum Step {
        /// Tell the engine.
        case event(LeaseEngine.Event)
        /// Carry out what the engine has said.
        case actions(ArraySlice<LeaseEngine.Action>)
    }

    private func take(_ step: Step) {
        self.steps.append(step)
        guard !self.isAtSteps else { return }
        self.isAtSteps = true
        while let step = self.steps.popFirst() {
            switch step {
            case .event(let event): self.perform(self.engine.handle(event, at: Host.now)[...])
            case .actions(let actions): self.perform(actions)
            }
        }
        self.isAtSteps = false
        self.setTimer()
    }

    /// Sets the timer to what is due first.
    func setTimer() {
        let due = [self.engine.nextDeadline, self.confirmDeadline, self.missingDeadline].compactMap { $0 }.min()
        guard let due else { return }
        self.timer.set(due, now: Host.now)
    }

    func deadlinePassed() {
        if let deadline = self.confirmDeadline, deadline <= Host.now {
            self.confirmDeadline = self.sessions.expireUnconfirmed(at: Host.now)
        }
        if let deadline = self.missingDeadline, deadline <= Host.now { self.forgetMissingClients() }
        self.submit(.deadlinePassed)
    }

    /// Carries out actions in order; what follows something to be kept waits until that is written.
    private func perform(_ actions: ArraySlice<LeaseEngine.Action>) {
        var rest = actions
        while let action = rest.first {
            let kept = self.records(of: rest)
            guard kept.count == 0 else {
                return self.keep(kept.records, then: rest.dropFirst(kept.count))
            }
            if case .grant(_, let grant) = action, self.holdersBeingWritten[grant.holder.rawValue] != nil {
                // The engine counts as held, and so does not keep again, what is on its way to the store: the client must
                // not hear of it before it is there.
                return self.keep([], then: rest)
            }
            rest.removeFirst()
            self.perform(action)
        }
    }

    /// Writes what the next life has to know, then goes on with `rest`.
    private func keep(_ records: [RecoveryRecord], then rest: ArraySlice<LeaseEngine.Action>) {
        let isGrant = rest.contains { if case .grant = $0 { true } else { false } }
        if isGrant { Failpoint.hit(.beforeHolderWritten) }
        let holders = records.compactMap { if case .holder(let holder) = $0 { holder.number } else { nil } }
        for holder in holders { self.holdersBeingWritten[holder, default: 0] += 1 }
        self.write(records, .written) { result in
            for holder in holders {
                let left = self.holdersBeingWritten[holder, default: 1] - 1
                self.holdersBeingWritten[holder] = left > 0 ? left : nil
            }
            if isGrant { Failpoint.hit(.afterHolderWritten) }
            switch result {
            case .success: self.take(.actions(rest))
            case .failure(let error): self.couldNotKeep(records, error, rest)
            }
        }
    }

    /// Goes on without what could not be written, as far as that is safe.
    private func couldNotKeep(
        _ records: [RecoveryRecord],
        _ error: RecoveryStoreError,
        _ rest: ArraySlice<LeaseEngine.Action>
    ) {
        // A next life that takes a holder for one that holds more is only more careful. But one that does not know of a
        // revocation would give back what was taken.
        let isRevocation = records.contains { if case .revocation = $0 { true } else { false } }
        guard !isRevocation else { return self.storeFailed(error) }
        self.logger.error("holder not written down", metadata: ["error": "\(error.message)"])
        self.wereNotWritten(records)
        var others = rest
        for action in rest {
            guard case .grant(let call, let grant) = action else { continue }
            self.takeBack(call, grant, Failure(error.status, error.refusal))
            others.removeAll { if case .grant(call, _) = $0 { true } else { false } }
        }
        self.take(.actions(others))
    }

    private func perform(_ action: LeaseEngine.Action) {
        switch action {
        case .resolveExtents(let call, _, let request): self.resolveExtents(call, request)
        case .grant(let call, let grant): self.grant(call, grant)
        case .refuse(let call, let refusal): self.refuse(call, refusal)
        case .returned(let call, let stateID): self.returned(call, stateID)
        case .sendRecall(let recall): self.sendRecall(recall)
        case .recallEnded(let recall, let outcome): self.recallEnded(recall, outcome)
        case .permitChange(let change, let recalled): self.permitChange(change, recalled: recalled)
        case .refuseChange(let change, let refusal): self.refuseChange(change, refusal)
        case .changeEnded(let change, let outcome): self.changeEnded(change, outcome)
        case .fence(let fence): self.fence(fence)
        case .revoked(let holder, let client, let file): self.revoked(holder, client, file)
        case .released(let holder, let client, let file): self.released(holder, client, file)
        case .recallAny(let client, let keep): self.sendRecallAny(client, keep: keep)
        case .clientForgotten(let client): self.clientIsForgotten(client)
        case .persist, .persistRevocation: preconditionFailure("\(action) is written before what follows it")
        case .graceEnded: self.graceEnded()
        }
    }

    // MARK: Holders

    private func released(_ holder: LeaseEngine.HolderID, _ client: ClientID, _ file: FileID) {
        self.descriptions.forget(holder)
        self.holderIsGone(holder, file)
    }

    private func revoked(_ holder: LeaseEngine.HolderID, _ client: ClientID, _ file: FileID) {
        self.descriptions.forget(holder)
        self.notices.layoutsWereRevoked(of: client, isAll: self.engine.layoutCount(of: client) == 0)
        self.holderIsGone(holder, file)
        let path = self.files.find(file)?.pathText ?? ""
        self.note(.revoked(client: client, path: path))
        self.logger.warning(
            "layouts revoked",
            metadata: ["client": "\(client.rawValue)", "file": "\(path)"]
        )
    }

    private func holderIsGone(_ holder: LeaseEngine.HolderID, _ file: FileID) {
        guard let entry = self.files.find(file) else { return }
        entry.holders.remove(holder)
        // Without a holder nothing says that the extents stay as they are.
        if entry.holders.isEmpty { self.forgetExtents(of: entry) }
        self.unwatchIfIdle(entry)
    }

    // MARK: Watching

    /// Tells whoever watches.
    func note(_ event: @autoclosure () -> ServerEvent) {
        guard let observer = self.configuration.observer else { return }
        observer(Host.now, event())
    }

    // MARK: Extents

    /// What is known of a file's extents is not true any more.
    func forgetExtents(of entry: FileEntry) {
        self.extentCount -= entry.extents.count
        entry.extents.removeAll()
    }

    /// Takes what was read of a file's extents, as long as somebody holds a layout of it.
    func remember(_ resolved: LayoutResolution.Resolved, isStoreReady: Bool, of entry: FileEntry) {
        // What was known before nobody held a layout may be long gone.
        if entry.holders.isEmpty { self.forgetExtents(of: entry) }
        self.extentCount -= entry.extents.count
        entry.extents.insert(
            resolved.extents,
            isStoreReady: isStoreReady,
            size: resolved.size,
            isSynchronous: resolved.isSynchronous
        )
        self.extentCount += entry.extents.count
        if self.extentCount > self.configuration.extentsMax { self.forgetExtents(of: entry) }
    }

    func fileWasDropped(_ entry: FileEntry) {
        self.forgetExtents(of: entry)
        self.opened.drop(entry.id)
        self.unwatch(entry)
        if entry.isStored { self.writeLater([.fileGone(entry.handle)]) }
    }
}
