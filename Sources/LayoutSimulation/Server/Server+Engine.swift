import LayoutCore
import LeaseEngine
import Recovery
import Sessions

/// The engine's actions, and what of them the next life must know.
extension Server {
    /// Carries actions out, in order; those behind a record wait until it is written.
    ///
    /// The records of all lists are written in the order in which the engine made them: one that waited for its turn in its
    /// list could replace a later one of the same holder.
    func perform(_ actions: ArraySlice<LeaseEngine.Action>) {
        let next = actions.firstIndex { Self.isRecord($0) } ?? actions.endIndex
        for action in actions[..<next] {
            self.world.trace("server -> \(action)")
            self.perform(action)
        }
        guard next < actions.endIndex else { return }
        let rest = actions[(next + 1)...]
        let end = rest.firstIndex { Self.isRecord($0) } ?? rest.endIndex
        self.world.trace("server -> \(actions[next])")
        if self.world.has(.recordsReordered) {
            return self.persist(actions[next], isWaitedFor: !rest.isEmpty) { [unowned self] in self.perform(rest) }
        }
        self.persist(actions[next], isWaitedFor: next + 1 < end) { [unowned self] in self.perform(rest[..<end]) }
        if end < rest.endIndex { self.perform(rest[end...]) }
    }

    private static func isRecord(_ action: LeaseEngine.Action) -> Bool {
        switch action {
        case .persist, .persistRevocation: true
        case .resolveExtents, .grant, .refuse, .returned, .sendRecall, .recallEnded, .permitChange, .refuseChange,
            .changeEnded, .fence, .revoked, .released, .recallAny, .clientForgotten, .graceEnded:
            false
        }
    }

    private func persist(_ action: LeaseEngine.Action, isWaitedFor: Bool, _ done: @escaping () -> Void) {
        switch action {
        case .persist(let record):
            self.persist(record, isWaitedFor: isWaitedFor, done)
        case .persistRevocation(let client, let file):
            self.notices.insert(client)
            self.oracle.revoked(client, self.file(file))
            let revocation = StoredRevocation(client: client, file: self.handle(file))
            self.write(self.world.has(.revocationNotWritten) ? [] : [.revocation(revocation)], .written, done)
        case .resolveExtents, .grant, .refuse, .returned, .sendRecall, .recallEnded, .permitChange, .refuseChange,
            .changeEnded, .fence, .revoked, .released, .recallAny, .clientForgotten, .graceEnded:
            done()
        }
    }

    private func perform(_ action: LeaseEngine.Action) {
        switch action {
        case .persist, .persistRevocation: break
        case .resolveExtents(let call, _, let request): self.resolveExtents(call, request)
        case .grant(let call, let grant): self.grant(call, grant)
        case .refuse(let call, let refusal): self.refuse(call, refusal)
        case .returned(let call, let stateID): self.returned(call, stateID)
        case .sendRecall(let recall): self.sendRecall(recall)
        case .recallEnded(let recall, let outcome): self.recallEnded(recall, outcome)
        case .permitChange(let change, _):
            self.permitChange(change)
            if self.world.has(.permissionRepeated) { self.permitChange(change) }
        case .refuseChange(let change, let refusal): self.refuseChange(change, refusal)
        case .changeEnded(let change, let outcome): self.changeEnded(change, outcome)
        case .fence(let fence): self.fence(fence)
        case .revoked(let holder, let client, let file):
            self.oracle.fenced(holder, client, self.file(file))
            self.holders.forget(holder, HolderTable.Owner(client: client, file: file), self.host)
        case .released(let holder, let client, let file):
            self.holders.forget(holder, HolderTable.Owner(client: client, file: file), self.host)
        case .recallAny: break
        case .clientForgotten(let client): self.clientForgotten(client)
        case .graceEnded: self.graceEnded()
        }
    }

    // MARK: Holders

    func handle(_ file: FileID) -> FileHandle {
        FileHandle(low: Opaque16(low: file.rawValue, high: 0), high: .zero)
    }

    private func persist(_ record: LeaseEngine.HolderRecord, isWaitedFor: Bool, _ done: @escaping () -> Void) {
        guard !record.segments.isEmpty else {
            self.holders.written[record.holder] = nil
            return self.write([.holderGone(number: record.holder.rawValue)], .written, done)
        }
        self.holders.adopt(record.holder, HolderTable.Owner(client: record.client, file: record.file))
        let stored = StoredHolder(
            number: record.holder.rawValue,
            client: record.client,
            file: self.handle(record.file),
            seqid: record.seqid,
            segments: record.segments,
            locks: self.holders.locks[record.holder] ?? []
        )
        self.holders.written[record.holder] = stored
        if isWaitedFor, self.world.has(.grantBeforeWritten) {
            self.write([.holder(stored)], .written) {}
            return done()
        }
        self.failpoint(.crashedBeforeHolderWritten) { [unowned self] in self.write([.holder(stored)], .written, done) }
    }

    /// Goes on when all that a grant relies on is written: the locks of its holder, and what an earlier grant of the same
    /// bytes had written and may still wait for.
    func whenWritten(_ holder: LeaseEngine.HolderID, _ done: @escaping () -> Void) {
        guard var stored = self.holders.written[holder] else { return done() }
        let locks = self.holders.locks[holder] ?? []
        if stored.locks != locks {
            stored.locks = locks
            self.holders.written[holder] = stored
            self.write([.holder(stored)], .written, done)
        } else if self.writes.isBusy, !self.world.has(.grantOvertakesWrite), !self.world.has(.grantBeforeWritten) {
            self.write([], .written, done)
        } else {
            done()
        }
    }

    func noticesWereSeen(by client: ClientID) {
        self.oracle.learntOfRevocation(client)
        guard self.notices.remove(client) != nil else { return }
        self.write([.revocationsSeen(client)], .written) {}
    }

    private func clientForgotten(_ client: ClientID) {
        self.sessions.forget(client)
        self.notices.remove(client)
        self.peers[client] = nil
        self.write([.clientGone(client)], .synced) {}
    }

    private func graceEnded() {
        self.world.trace("server: grace is over")
        self.world.mark(self.engine.reclaimingClientIDs().isEmpty ? .graceEndedEarly : .graceRanOut)
    }
}
