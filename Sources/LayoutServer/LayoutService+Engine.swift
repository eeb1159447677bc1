import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import Sessions

/// The engine's events in, its actions out.
extension LayoutService {
    /// Gives the engine an event, and carries out what it says, in order.
    ///
    /// An action that answers itself at once adds its event behind those that wait: the engine sees one after the
    /// other.
    func submit(_ event: LeaseEngine.Event) {
        self.events.append(event)
        guard !self.isHandlingEvents else { return }
        self.isHandlingEvents = true
        while let event = self.events.popFirst() {
            for action in self.engine.handle(event, at: Host.now) { self.perform(action) }
        }
        self.isHandlingEvents = false
        self.setTimer()
    }

    /// Sets the timer to what is due first.
    func setTimer() {
        let due = [self.engine.nextDeadline, self.confirmDeadline].compactMap { $0 }.min()
        guard let due else { return }
        self.timer.set(due, now: Host.now)
    }

    func deadlinePassed() {
        if let deadline = self.confirmDeadline, deadline <= Host.now {
            self.confirmDeadline = self.sessions.expireUnconfirmed(at: Host.now)
        }
        self.submit(.deadlinePassed)
    }

    private func perform(_ action: LeaseEngine.Action) {
        switch action {
        // Without a store there is nothing to wait for.
        case .persist, .persistRevocation, .graceEnded: break
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
            isDAX: resolved.isDAX
        )
        self.extentCount += entry.extents.count
        if self.extentCount > self.configuration.extentsMax { self.forgetExtents(of: entry) }
    }

    func fileWasDropped(_ entry: FileEntry) {
        self.forgetExtents(of: entry)
        self.opened.drop(entry.id)
    }
}
