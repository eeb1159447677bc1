import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Sessions

/// What an operator may see (specification §9). Each listing is made anew: not for the path of every call.
extension LayoutService {
    func revoke(_ call: ActiveCall) {
        guard call.caller.isPrivileged else { return self.refuseOperator(call) }
        self.finish(call, .notSupported, "REVOKE is reserved: end the holder's process, or restart it")
    }

    func refuseOperator(_ call: ActiveCall) {
        self.finish(call, .notPermitted, "only root and the server's own user may ask this, over a Unix socket")
    }

    func state(_ arguments: StateArguments, _ call: ActiveCall) {
        guard call.caller.isPrivileged else { return self.refuseOperator(call) }
        guard arguments.maxRecords > 0 else {
            return self.finish(call, .tooSmall, "STATE of no records: ask for at least one")
        }
        let room = (call.replyMax - 64) / Self.recordBytesMax(arguments.kind)
        guard room > 0 else {
            return self.finish(call, .replyTooBigToCache, "not even one record fits: ask without cachethis")
        }
        let limit = min(Int(clamping: arguments.maxRecords), ProtocolLimits.records, room)
        let now = Host.now
        let result: StateResult
        switch arguments.kind {
        case .server:
            result = StateResult(records: .server(self.serverState(at: now)), nextCookie: 0)
        case .clients:
            let page = Self.page(self.sessions.confirmedClients, after: arguments.cookie, limit) { $0.rawValue }
            result = StateResult(
                records: .clients(page.items.map { self.clientState($0, at: now) }),
                nextCookie: page.next
            )
        case .layouts:
            let held = Array(self.engine.heldLayouts().enumerated())
            let page = Self.page(held, after: arguments.cookie, limit) { UInt64($0.offset) + 1 }
            result = StateResult(
                records: .layouts(page.items.map { self.layoutState($0.element, at: now) }),
                nextCookie: page.next
            )
        case .waiting:
            let waiting = Array(self.engine.waiting().enumerated())
            let page = Self.page(waiting, after: arguments.cookie, limit) { UInt64($0.offset) + 1 }
            result = StateResult(
                records: .waiting(page.items.map { self.waitingState($0.element, at: now) }),
                nextCookie: page.next
            )
        case .recalls:
            let page = Self.page(self.engine.pendingRecalls(), after: arguments.cookie, limit) { $0.recall.id.rawValue }
            result = StateResult(
                records: .recalls(page.items.map { self.recallState($0, at: now) }),
                nextCookie: page.next
            )
        case .blocked:
            let blocked = Array(self.blockedStates().enumerated())
            let page = Self.page(blocked, after: arguments.cookie, limit) { UInt64($0.offset) + 1 }
            result = StateResult(records: .blocked(page.items.map(\.element)), nextCookie: page.next)
        }
        self.finish(call, .success(.state(result)))
    }

    /// The bytes that one record takes at most.
    private static func recordBytesMax(_ kind: StateKind) -> Int {
        switch kind {
        case .server: 160
        case .clients: 604
        case .layouts: 1200
        case .waiting: 1796
        case .recalls: 1200
        case .blocked: 1600
        }
    }

    /// The records whose cookie is above `cookie`, and where to go on; 0 if nothing is left.
    private static func page<Item>(
        _ items: [Item],
        after cookie: UInt64,
        _ limit: Int,
        by key: (Item) -> UInt64
    ) -> (items: ArraySlice<Item>, next: UInt64) {
        let rest = items.drop { key($0) <= cookie }
        let page = rest.prefix(limit)
        return (page, page.count < rest.count ? page.last.map(key) ?? 0 : 0)
    }

    // MARK: Records

    private func serverState(at now: Instant) -> ServerState {
        let (totals, statistics) = (self.engine.totals, self.engine.statistics)
        var state = ServerState()
        state.uptimeMilliseconds = Self.milliseconds(since: self.startedAt, now)
        state.clients = UInt64(self.sessions.confirmedCount)
        state.sessions = UInt64(self.sessions.sessionCount)
        state.layouts = UInt64(totals.layouts)
        state.recallsSent = statistics.recallsSent
        state.recallsReturned = statistics.recallsReturned
        state.recallsRevoked = statistics.recallsRevoked
        state.changesDone = statistics.changesDone
        state.changesFailed = statistics.changesFailed
        state.changesDelayed = statistics.changesDelayed
        state.changesWaiting = UInt64(totals.changes)
        state.grants = statistics.grants
        state.grantsWaiting = UInt64(totals.waitingGets)
        state.deviceReads = self.deviceReads
        state.deviceWrites = self.deviceWrites
        state.life = UInt64(self.life)
        // Grace that is there has at least a moment left.
        let graceLeft = self.engine.graceLeft(at: now)
        state.graceLeftMilliseconds = graceLeft.map { UInt64(max(1, Self.milliseconds($0))) } ?? 0
        state.clientsMissing = UInt64(self.engine.reclaimingClientIDs().count)
        state.blockedFiles = UInt64(self.blocked.count)
        return state
    }

    private func clientState(_ client: ClientID, at now: Instant) -> ClientState {
        let record = self.clients[client]
        let left = self.engine.leaseLeft(client, at: now) ?? .zero
        return ClientState(
            client: client,
            owner: self.sessions.identity(of: client)?.owner ?? [],
            address: record?.address ?? "",
            uid: record?.uid ?? AuthenticationPolicy.nobody,
            pid: record?.pid ?? 0,
            sessions: UInt32(clamping: self.sessions.sessionCount(of: client)),
            layouts: UInt64(self.engine.layoutCount(of: client)),
            leaseLeftMilliseconds: Self.milliseconds(left),
            hasBackChannel: self.sessions.hasBackChannel(client),
            isOverdue: self.engine.isOverdue(client),
            isReclaiming: self.reclaiming.contains(client)
        )
    }

    private func blockedStates() -> [BlockedState] {
        self.blocked.map { handle, block in
            BlockedState(handle: handle, path: self.files.find(handle)?.path ?? [], reason: block.reason)
        }.sorted { ($0.handle.low.low, $0.handle.low.high) < ($1.handle.low.low, $1.handle.low.high) }
    }

    private func layoutState(_ layout: LeaseEngine.HeldLayout, at now: Instant) -> HeldLayoutState {
        let entry = self.files.find(layout.file)
        return HeldLayoutState(
            client: layout.client,
            handle: entry?.handle ?? .root,
            path: entry?.path ?? [],
            ioMode: layout.ioMode,
            range: layout.range,
            stateID: layout.stateID,
            ageMilliseconds: Self.milliseconds(since: layout.grantedAt, now),
            isRecalled: layout.isRecalled
        )
    }

    private func waitingState(_ waiting: LeaseEngine.Waiting, at now: Instant) -> WaitingState {
        let entry = self.files.find(waiting.file)
        let requester: (client: ClientID, pid: UInt32, command: String)
        switch waiting.requester {
        case .client(let client):
            let record = self.clients[client]
            requester = (client, record?.pid ?? 0, record?.command ?? "")
        case .local(let pid, let command):
            requester = (ClientID(0), pid, command)
        }
        return WaitingState(
            id: waiting.id,
            handle: entry?.handle ?? .root,
            path: entry?.path ?? [],
            operation: waiting.operation,
            range: waiting.range,
            client: requester.client,
            pid: requester.pid,
            command: requester.command,
            call: self.localChanges[ChangeID(waiting.id)]?.callName ?? "",
            ageMilliseconds: waiting.requestedAt.map { Self.milliseconds(since: $0, now) } ?? 0,
            isRunning: waiting.isRunning,
            waitsFor: Array(waiting.waitsFor.prefix(ProtocolLimits.waitsFor))
        )
    }

    private func recallState(_ pending: LeaseEngine.PendingRecall, at now: Instant) -> RecallState {
        let entry = self.files.find(pending.recall.file)
        return RecallState(
            id: pending.recall.id,
            client: pending.recall.client,
            handle: entry?.handle ?? .root,
            path: entry?.path ?? [],
            operation: pending.recall.operation,
            range: pending.recall.range,
            ageMilliseconds: Self.milliseconds(since: pending.createdAt, now),
            leftMilliseconds: Self.milliseconds(pending.deadline.duration(since: now)),
            isAnswered: pending.isAnswered,
            fenceAttempts: UInt32(clamping: pending.fenceAttempts)
        )
    }

    private static func milliseconds(since earlier: Instant, _ now: Instant) -> UInt64 {
        now.duration(since: earlier).wholeNanoseconds / 1_000_000
    }

    private static func milliseconds(_ duration: Duration) -> Int64 {
        duration >= .zero
            ? Int64(clamping: duration.wholeNanoseconds / 1_000_000)
            : -Int64(clamping: (Duration.zero - duration).wholeNanoseconds / 1_000_000)
    }
}
