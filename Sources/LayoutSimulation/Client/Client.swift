import LayoutCore
import LayoutHolder
import LeaseEngine
import Sessions

/// A client process: the production state machines, a shell that does what the library does, and page tables.
final class Client: SimulatedProcess {
    typealias WindowID = LayoutHolder.WindowID

    /// Where the connection is.
    enum Phase {
        /// Nothing yet, or a pause before the next try.
        case waiting
        /// A connection is being made, or a session over it.
        case establishing
        /// Calls can be sent.
        case up
    }

    /// A session as CREATE_SESSION gave it.
    struct Session {
        let id: SessionID
        var slots: SlotCaller
        var backSlots: SlotTable
        /// The server has restarted: the session only answers retries.
        var isDead = false
    }

    let place: Int
    /// The same in every process that takes this place.
    let owner: [UInt8]
    let verifier: UInt64
    let principal: Principal
    let hasSeparateBackChannel: Bool

    // The session.
    var phase = Phase.waiting
    var connection: Connection?
    var backConnection: Connection?
    var record: ClientRecord?
    var session: Session?
    /// Calls on slots, in the order of sending.
    var sent: [Call] = []
    /// Calls that wait for a slot.
    var queue: [Call] = []
    /// Calls that are made again after a pause.
    var postponed = 0
    var failures = 0
    /// Until when what is sent towards a side is held up.
    private var heldUpUntil: [Instant?] = [nil, nil]

    /// It was stopped, and has not looked at its clock since.
    private var isCatchingUp = false

    // The lease, by this process's own clock.
    var renewedAt: Instant?
    var standing = Standing.none
    /// The server waits for RECLAIM_COMPLETE.
    var owesReclaim = false
    /// Counts reclaims: answers to earlier ones mean nothing.
    var reclaimRound = 0
    /// When the latest connection was made.
    var lastConnected: Instant?
    var renewalIsOut = false

    // Files.
    var files: [FileState]
    var mappings: [WindowID: Mapping] = [:]
    var windowOrder: [WindowID] = []
    /// Descriptors in messages that this process has not read yet.
    var incomingLocks: [UInt64] = []
    var trials: [Trial] = []
    /// What the holders say to the recall that is being handled.
    var recallAnswer: LayoutStatus?
    /// Events for the holders that came up while their actions were being carried out.
    var tells: [(file: Int, event: LayoutHolder.Event)] = []
    var isTelling = false

    init(_ world: World, _ clock: SimulatedClock, place: Int) {
        self.place = place
        self.owner = bytes(of: UInt64(place))
        self.verifier = world.nextNumber()
        self.principal = Principal(uid: UInt32(1000 + place), isVerified: true)
        self.hasSeparateBackChannel = world.random.oneIn(2)
        self.files = world.host.files.map { _ in FileState() }
        super.init(world, clock)
    }

    /// Whether what is held may be used.
    var hasLease: Bool { self.standing.isUsable }

    /// This client as the server knows it; 0 before it does.
    var id: ClientID { self.record?.client ?? ClientID(0) }

    func start() {
        self.after(10...2000) { [unowned self] in self.connect() }
        self.scheduleStep()
        self.scheduleTick()
        if self.clock.rate != 10_000 { self.world.count(.clockOff) }
    }

    // MARK: Faults

    /// The process dies; a child may live on, with the descriptors that it inherited.
    func kill() {
        guard self.isAlive else { return }
        self.world.trace("client \(self.place) dies")
        if self.isRecalled { self.world.mark(.holderDiedUnderRecall) }
        let locks = self.files.compactMap(\.descriptor?.lock) + self.incomingLocks
        let (host, boot) = (self.world.host, self.world.host.boot)
        if self.world.random.oneIn(4), !locks.isEmpty {
            self.world.mark(.childKeptDescriptor)
            self.world.schedule(at: self.world.after(10_000...20_000_000), on: nil) {
                if host.boot == boot { for lock in locks { host.release(lock) } }
            }
        } else {
            for lock in locks { host.release(lock) }
        }
        self.connection?.close(at: .client)
        self.backConnection?.close(at: .client)
        self.vanish()
        self.world.replaceClient(self.place)
    }

    /// The process is gone, and nobody waits for its calls any more.
    func vanish() {
        self.world.oracle.abandonAll(of: self)
        self.end()
    }

    func breakConnection() {
        self.world.count(.connectionBroken)
        let isBack = self.world.random.oneIn(3)
        (isBack ? self.backConnection ?? self.connection : self.connection)?.reset()
    }

    /// The connection goes silent, in one direction or both.
    func silenceConnection() {
        guard let connection else { return }
        self.world.count(.connectionSilent)
        let which = self.world.random.below(3)
        if which != 0 { connection.silence(towards: .server) }
        if which != 1 { connection.silence(towards: .client) }
    }

    /// What is sent in one direction, or both, arrives late.
    func holdUp(for time: ClosedRange<UInt64>) {
        self.world.count(.directionHeldUp)
        let end = self.world.after(time)
        let which = self.world.random.below(3)
        if let connection, self.world.random.oneIn(2) {
            if which != 0 { connection.holdUp(towards: .server, until: end) }
            if which != 1 { connection.holdUp(towards: .client, until: end) }
            return
        }
        if which != 0 { self.heldUpUntil[Connection.Side.server.rawValue] = end }
        if which != 1 { self.heldUpUntil[Connection.Side.client.rawValue] = end }
    }

    func endHoldUps() { self.heldUpUntil = [nil, nil] }

    func heldUp(towards side: Connection.Side) -> Instant? {
        guard let until = self.heldUpUntil[side.rawValue], until > self.world.now else { return nil }
        return until
    }

    /// Threads that were stopped in mid-air go on there: in the middle of a store.
    override func wentOn() {
        self.isCatchingUp = true
        for window in self.windowOrder { self.touch(window, parks: false) }
        self.isCatchingUp = false
        self.checkOwnDeadline()
    }

    // MARK: What the oracle asks

    /// It had no chance to heed its own deadline, or its clock is beyond what `cooperative` can trust.
    var hasOverslept: Bool { self.isStopped || self.isCatchingUp || !self.world.swarm.isDriftBounded }

    /// A server that lost its store knows nobody; the locks tell it.
    var isForgotten: Bool { (self.record?.life ?? 0) <= self.world.lastLifeOfLostStore }

    var isRecalled: Bool {
        guard let server = self.world.server, server.isServing else { return false }
        return server.engine.pendingRecalls().contains { $0.recall.client == self.id }
    }

    /// What the open windows of a file show of it right now.
    func accessibleRanges(of file: Int) -> [ByteRange] {
        self.windowOrder.flatMap { id -> [ByteRange] in
            guard let mapping = self.mappings[id], mapping.file == file, mapping.hasAccess else { return [] }
            return mapping.segments.map(\.range)
        }
    }

    func isDraining(_ file: Int) -> Bool {
        self.windowOrder.contains { self.mappings[$0]?.file == file && self.mappings[$0]?.isDraining == true }
    }

    func heldRanges(of file: Int) -> [(range: ByteRange, ioMode: IOMode)] { self.files[file].holder.heldRanges }

    /// What has not ended, or `nil`.
    var unrest: String? {
        guard self.phase == .up, self.standing == .inForce else { return "has no session, or no lease" }
        guard self.record?.life == self.world.life else { return "has not noticed that the server has restarted" }
        let calls = (self.sent + self.queue).filter { if case .renew = $0.request { false } else { true } }
        if let call = calls.first { return "\(calls.count) calls are unanswered, the first \(call.request)" }
        if self.postponed > 0 { return "calls wait to be made again" }
        if let parked = self.windowOrder.first(where: { self.mappings[$0]?.isParked == true }) {
            return "a thread waits for window \(parked.rawValue)"
        }
        if self.mappings.values.contains(where: { $0.pins > 0 }) { return "a thread is in a window" }
        if self.files.contains(where: { !$0.intents.isEmpty }) { return "own changes wait" }
        if self.files.contains(where: \.reset.isUnderWay) { return "a file is being reset" }
        return nil
    }
}

/// A file as a client has it.
struct FileState {
    struct Descriptor {
        var lock: UInt64
        /// The number of the holder that it was given to.
        var holder: UInt64
    }

    /// An own change that waits for permission.
    struct Intent {
        var id: LayoutHolder.OwnChangeID
        var arguments: ChangeArguments
    }

    var holder = LayoutHolder(blockSize: SimulatedFile.blockSize)
    var descriptor: Descriptor?
    var getsInFlight = 0
    var reset = LayoutHolder.Reset()
    /// The latest stateid that a message has shown.
    var latestStateID = StateID.none
    /// Grants whose descriptors are on their way, in the order of their replies.
    var grants: [PendingGrant] = []
    var intents: [Intent] = []
    /// The size that the latest grant told.
    var grantedSize: UInt64 = 0
    var sizeStateID = StateID.none
}

/// Something that has to work after everything has healed.
final class Trial {
    let client: Int
    let what: String
    var isOver = false

    init(client: Int, what: String) {
        self.client = client
        self.what = what
    }
}
