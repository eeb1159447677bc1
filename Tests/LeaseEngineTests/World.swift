import LayoutCore
import LeaseEngine
import Testing

typealias Engine = LeaseEngine

/// Drives an engine as a server would, and remembers what it said.
struct World {
    var engine: Engine
    var now = Instant(nanoseconds: 1_000_000_000)
    private var lastCall: UInt64 = 0
    private var lastChange: UInt64 = 0
    /// Whether the invariants are checked after each event: that is linear in everything.
    var checksEachStep = true
    /// Whether extents are resolved at once; else `resolve` does it.
    var resolvesAtOnce = true
    /// LAYOUTGETs whose extents are being read.
    var resolving: [(call: CallID, request: Engine.LayoutRequest)] = []
    var grants: [CallID: Engine.Grant] = [:]
    var refusals: [CallID: LayoutStatus] = [:]
    var returned: [CallID: StateID?] = [:]
    var recalls: [Engine.Recall] = []
    var endedRecalls: [RecallID: Engine.RecallOutcome] = [:]
    var permitted: [ChangeID] = []
    var refusedChanges: [ChangeID: LayoutStatus] = [:]
    var endedChanges: [ChangeID: Engine.ChangeOutcome] = [:]
    var fences: [Engine.Fence] = []
    var revoked: [Engine.HolderID] = []
    var forgotten: [ClientID] = []
    var told: [(client: ClientID, keep: Int)] = []
    /// What a store would hold.
    var kept: [Engine.HolderID: Engine.HolderRecord] = [:]
    var persists = 0
    var revocations: [(client: ClientID, file: FileID)] = []
    var gracesEnded = 0
    /// Everything the engine said, in order.
    var actions: [Engine.Action] = []

    /// Which start of the server this is.
    var life: UInt32 = 1
    /// Where the shifts that a store would hold begin, by file.
    var logStart: [FileID: UInt64] = [:]

    init(_ change: (inout Engine.Configuration) -> Void = { _ in }) {
        var configuration = Engine.Configuration()
        configuration.boot = 1
        change(&configuration)
        self.engine = Engine(configuration: configuration)
    }

    init(_ engine: Engine, at now: Instant) {
        self.engine = engine
        self.now = now
    }

    /// Clients with a session and a back channel.
    mutating func connect(_ clients: ClientID...) {
        for client in clients {
            self.send(.clientEstablished(client))
            self.send(.backChannelChanged(client, isUp: true))
        }
    }

    mutating func send(_ event: Engine.Event) {
        let actions = self.engine.handle(event, at: self.now)
        if self.checksEachStep { self.engine.checkInvariants() }
        self.actions += actions
        for action in actions { self.note(action) }
    }

    private mutating func persist(_ record: Engine.HolderRecord) {
        self.persists += 1
        self.kept[record.holder] = record.segments.isEmpty ? nil : record
    }

    private mutating func note(_ action: Engine.Action) {
        switch action {
        case .resolveExtents(let call, _, let request): self.resolving.append((call, request))
        case .grant(let call, let grant): self.grants[call] = grant
        case .refuse(let call, let refusal): self.refusals[call] = refusal.status
        case .returned(let call, let stateID): self.returned[call] = stateID
        case .sendRecall(let recall): self.recalls.append(recall)
        case .recallEnded(let id, let outcome): self.endedRecalls[id] = outcome
        case .permitChange(let id, _):
            #expect(!self.permitted.contains(id), "a change is permitted once")
            self.permitted.append(id)
        case .refuseChange(let id, let refusal): self.refusedChanges[id] = refusal.status
        case .changeEnded(let id, let outcome): self.endedChanges[id] = outcome
        case .fence(let fence): self.fences.append(fence)
        case .revoked(let holder, _, _): self.revoked.append(holder)
        case .released: break
        case .recallAny(let client, let keep): self.told.append((client, keep))
        case .clientForgotten(let client): self.forgotten.append(client)
        case .persist(let record): self.persist(record)
        case .persistRevocation(let client, let file): self.revocations.append((client, file))
        case .graceEnded: self.gracesEnded += 1
        }
        if self.resolvesAtOnce { self.resolveAll() }
    }

    /// Answers every LAYOUTGET whose extents are being read with the whole range.
    mutating func resolveAll() {
        while !self.resolving.isEmpty {
            let (call, request) = self.resolving.removeFirst()
            self.send(.extentsResolved(call, .success(request.range)))
        }
    }

    mutating func wait(_ duration: Duration) {
        self.now = self.now.advanced(by: duration)
        while let next = self.engine.nextDeadline, next <= self.now { self.send(.deadlinePassed) }
    }

    @discardableResult
    mutating func get(
        _ client: ClientID,
        _ range: ByteRange,
        _ ioMode: IOMode = .readWrite,
        file: FileID = file,
        stateID: StateID = .none,
        patience: Duration = .zero,
        knownEpoch: UInt64 = 0,
        breaksOnWrite: Bool = false,
        isExclusive: Bool = false,
        isReclaim: Bool = false
    ) -> CallID {
        self.lastCall += 1
        let call = CallID(self.lastCall)
        let request = Engine.LayoutRequest(
            file: file,
            stateID: stateID,
            range: range,
            minLength: 1,
            ioMode: ioMode,
            breaksOnWrite: breaksOnWrite,
            isExclusive: isExclusive,
            patience: patience,
            knownEpoch: knownEpoch,
            isReclaim: isReclaim
        )
        self.send(.layoutGet(call, client, request))
        return call
    }

    @discardableResult
    mutating func giveBack(
        _ client: ClientID,
        _ range: ByteRange = .all,
        _ ioMode: IOModeSelector = .any,
        file: FileID = file,
        stateID: StateID? = nil,
        isDowngrade: Bool = false
    ) -> CallID {
        self.lastCall += 1
        let call = CallID(self.lastCall)
        let current = stateID ?? self.stateID(of: client, file) ?? .none
        self.send(.layoutReturn(call, client, .file(file, current, ioMode, range, isDowngrade: isDowngrade)))
        return call
    }

    @discardableResult
    mutating func change(
        _ operation: MappingOperation,
        _ affected: ByteRange,
        breaks: BreakRule = .everyone,
        file: FileID = file,
        by requester: Engine.Requester = .local(pid: 1, command: "test"),
        patience: Duration = .seconds(20),
        mayWait: Bool = true
    ) -> ChangeID {
        self.request(
            [MappingChange(file: file, operation: operation, argument: affected, affected: affected, breaks: breaks)],
            by: requester,
            patience: patience,
            mayWait: mayWait
        )
    }

    @discardableResult
    mutating func request(
        _ parts: [MappingChange],
        by requester: Engine.Requester = .local(pid: 1, command: "test"),
        patience: Duration = .seconds(20),
        mayWait: Bool = true
    ) -> ChangeID {
        self.lastChange += 1
        let id = ChangeID(self.lastChange)
        let request = Engine.ChangeRequest(parts: parts, requester: requester, patience: patience, mayWait: mayWait)
        self.send(.changeRequested(id, request))
        return id
    }

    mutating func finish(_ id: ChangeID, didChange: Bool = true) {
        self.send(.changeFinished(id, didChange: didChange))
    }

    func stateID(of client: ClientID, _ file: FileID = file) -> StateID? {
        self.engine.heldLayouts(of: file).first { $0.client == client }?.stateID
    }

    /// What a client holds of the file, for people: `rw[0, 4096)`.
    func held(_ client: ClientID, _ file: FileID = file) -> [String] {
        self.engine.heldLayouts(of: file).filter { $0.client == client }.map {
            ($0.ioMode == .read ? "r" : "rw") + $0.range.description
        }
    }
}

let file = FileID(1)
let alice = ClientID(1)
let bob = ClientID(2)
let carol = ClientID(3)

/// Blocks `lower ..< upper` of 4,096 bytes.
func blocks(_ lower: UInt64, _ upper: UInt64) -> ByteRange {
    guard let range = ByteRange(lower * 4096, upper == .max ? .max : upper * 4096) else {
        preconditionFailure("no blocks from \(lower) to \(upper)")
    }
    return range
}
