import LayoutCore
import LayoutHolder
import LeaseEngine

/// A world of clients, a server, a network and disks, that unfolds from a seed: the same seed, the same world.
///
/// `LeaseEngine` and `LayoutHolder` are the production code. The network loses connections, delays messages and lets
/// recalls overtake replies; processes pause and die; pins delay returns; changes come from clients and from programs
/// that know nothing. The oracle is the disk: every block carries a stamp, and every access compares what the client's
/// page tables show with what must be there.
package struct Simulation {
    /// What a simulation is made of.
    package struct Options: Hashable, Sendable {
        package var seed: UInt64
        package var clients = 4
        package var files = 2
        /// How long faults and new work go on; then the world heals, and everything must end.
        package var duration: Duration = .seconds(60)
        package var fault: Fault?
        /// Prints every event and action: to follow one seed.
        package var isTraced = false

        package init(seed: UInt64) { self.seed = seed }
    }

    /// Faults planted in the shells around the production code, one per kind of trap: each must be found.
    package enum Fault: String, Hashable, Sendable, CaseIterable {
        /// The fence says that a holder is gone that is not.
        case fenceLies
        /// A return is sent while access is possible.
        case returnsBeforeRevoking
        /// A map that was overtaken by a revoke opens the window.
        case mapIgnoresRevoke
        /// The system call runs when the change is requested, not when it is permitted.
        case changeSkipsPermission
        /// A window counts as drained while an access is in flight.
        case ignoresPins
        /// Windows that follow their content are not told of shifts.
        case forgetsShifts
        /// Access goes on after the holder's own deadline, and the server trusts it (`cooperative`).
        case ignoresOwnDeadline
        /// A descriptor of an earlier stateid comes back to life.
        case keepsDescriptors
    }

    /// Situations that must come up somewhere over the fixed seeds, or the simulation does not test what it should.
    package enum Mark: String, Hashable, Sendable, CaseIterable, Comparable {
        case recallOvertookReply, changeWaitedForGrant, returnWaitedForPin, mapOvertakenByRevoke, changeRanOutOfPatience
        case holderDiedUnderRecall, holderPausedUnderRecall, connectionBrokeUnderRecall, replyLostAndAskedAgain
        case ownDeadlinePassed, contentFollowed, contentRemoved, fenceFailed, ownChangeTookOwnLayouts
        case grantWaitedForChange, sizeChangedUnderTruncate

        package static func < (left: Mark, right: Mark) -> Bool { left.rawValue < right.rawValue }
    }

    /// What came of it.
    package struct Report: Hashable, Sendable {
        package var seed: UInt64
        package var events = 0
        package var accesses = 0
        package var changes = 0
        package var recalls = 0
        /// What went wrong, with the simulated time; empty if nothing did.
        package var violations: [String] = []
        package var marks: Set<Mark> = []
    }

    enum Event {
        case step(client: Int)
        case localChange
        case toServer(client: Int, connection: Int, number: UInt64, file: Int, request: SimulatedClient.Request)
        case toClient(client: Int, connection: Int, message: ToClient)
        case mapDone(
            client: Int,
            window: LayoutHolder.WindowID,
            generation: UInt64,
            revocations: Int,
            holder: UInt64,
            [LayoutHolder.Segment]
        )
        case unpin(client: Int, window: LayoutHolder.WindowID)
        case retry(client: Int, file: Int, window: LayoutHolder.WindowID)
        case extentsRead(CallID, ByteRange)
        case changeApplies(ChangeID)
        case changeReturns(ChangeID)
        case fenced(LeaseEngine.HolderID, client: ClientID, file: FileID)
        case deadline
        case breakConnection(client: Int)
        case connectionLost(client: Int, connection: Int)
        case reconnect(client: Int)
        case renew(client: Int)
        case ownDeadline(client: Int)
        case resume(client: Int)
    }

    /// What the server says to a client.
    enum ToClient {
        case reply(number: UInt64, Reply)
        case recall(LeaseEngine.Recall)
    }

    enum Reply {
        case granted(LeaseEngine.Grant, fileSize: UInt64)
        case refused(LayoutStatus)
        case returned(StateID?)
        case changed(LeaseEngine.ChangeOutcome)
        case renewed(counts: Bool)
    }

    /// A change from its request to its end, as the server's shell knows it.
    struct RunningChange {
        var file: Int
        var operation: MappingOperation
        var argument: ByteRange
        var affected: ByteRange
        /// The call to answer; `nil` for a local program.
        var call: (client: Int, number: UInt64)?
        var isPermitted = false
        var didChange = false
    }

    enum CallState {
        case executing
        case done(Reply)
    }

    let options: Options
    var random: SeededGenerator
    var now = Instant(nanoseconds: 1_000_000_000)
    var queue = TimedQueue<Event>()
    var engine: LeaseEngine
    var disks: [SimulatedDisk] = []
    /// Stamps that were punched out, zeroed or cut off, and stamps that a store replaced.
    var deadStamps: Set<UInt64> = []
    var successors: [UInt64: UInt64] = [:]
    var lastStamp: UInt64 = 1 << 40
    var clients: [SimulatedClient] = []
    /// The last message of each client in each direction: a connection keeps its order.
    var lastArrival: [[Instant]] = []
    var calls: [UInt64: CallState] = [:]
    var callOfEngine: [CallID: (client: Int, number: UInt64, file: Int)] = [:]
    var changes: [ChangeID: RunningChange] = [:]
    var changeOrder: [ChangeID] = []
    var revokedHolders: Set<UInt64> = []
    var lastConnection = 0
    /// Events for the engine and the holders that came up while their actions were being carried out.
    var feeds: [LeaseEngine.Event] = []
    var isFeeding = false
    var tells: [(client: Int, file: Int, event: LayoutHolder.Event)] = []
    var isTelling = false
    var scheduledDeadline: Instant?
    var lastNumber: UInt64 = 0
    var isHealing = false
    package var report: Report

    package init(options: Options) {
        self.options = options
        self.random = SeededGenerator(seed: options.seed)
        var configuration = LeaseEngine.Configuration()
        configuration.enforcedLease = .seconds(13)
        configuration.recallTimeout = .seconds(3)
        configuration.patienceMax = .seconds(8)
        configuration.shiftsMax = 16
        configuration.fencePolicy = options.fault == .ignoresOwnDeadline || options.seed % 8 == 7 ? .cooperative : .wait
        self.engine = LeaseEngine(configuration: configuration)
        self.report = Report(seed: options.seed)
        for file in 0..<options.files {
            self.disks.append(SimulatedDisk(blocks: 64, firstStamp: UInt64(file + 1) << 20))
        }
        for number in 0..<options.clients { self.startClient(in: number) }
        self.queue.add(.localChange, at: self.now.advanced(by: .milliseconds(500)))
    }

    /// Runs a world to its end.
    package static func run(_ options: Options) -> Report {
        var simulation = Simulation(options: options)
        simulation.run()
        return simulation.report
    }

    mutating func run() {
        let end = self.now.advanced(by: self.options.duration)
        let limit = end.advanced(by: .seconds(600))
        while let (at, event) = self.queue.pop() {
            self.now = max(self.now, at)
            if !self.isHealing, self.now >= end { self.heal() }
            if self.isHealing, self.isQuiet { break }
            if self.now > limit {
                self.violation("the world did not come to rest: \(self.unrest)")
                break
            }
            self.report.events += 1
            self.handle(event)
            if self.report.events.isMultiple(of: 64) { self.engine.checkInvariants() }
            if self.report.violations.count > 3 { break }
        }
    }

    // MARK: Helpers

    mutating func violation(_ text: String) {
        self.report.violations.append("\(self.now.nanoseconds / 1000) us: \(text)")
    }

    func trace(_ text: @autoclosure () -> String) {
        if self.options.isTraced { print("\(self.now.nanoseconds / 1000) us: \(text())") }
    }

    mutating func mark(_ mark: Mark) { self.report.marks.insert(mark) }

    mutating func nextNumber() -> UInt64 {
        self.lastNumber += 1
        return self.lastNumber
    }

    mutating func after(_ range: ClosedRange<UInt64>) -> Instant {
        let microseconds = range.lowerBound + self.random.below(range.upperBound - range.lowerBound + 1)
        return self.now.advanced(by: .microseconds(Int64(microseconds)))
    }

    func index(of client: ClientID) -> Int? { self.clients.firstIndex { $0.id == client } }

    func file(_ id: FileID) -> Int { Int(id.rawValue) - 1 }

    func fileID(_ file: Int) -> FileID { FileID(UInt64(file) + 1) }

    mutating func handle(_ event: Event) {
        switch event {
        case .step(let client): self.step(client)
        case .localChange: self.localChange()
        case .toServer(let client, let connection, let number, let file, let request):
            guard self.clients[client].connection == connection, self.clients[client].isConnected else { return }
            self.serve(client, number, file, request)
        case .toClient(let client, let connection, let message):
            self.deliver(client, connection, message)
        case .mapDone(let client, let window, let generation, let revocations, let holder, let segments):
            if self.waitsForResume(client, event) { return }
            self.mapDone(client, window, generation, revocations, holder, segments)
        case .unpin(let client, let window):
            if self.waitsForResume(client, event) { return }
            self.unpin(client, window)
        case .retry(let client, let file, let window):
            if self.waitsForResume(client, event) { return }
            self.tell(client, file, .retryDue(window))
        case .extentsRead(let call, let range): self.extentsRead(call, range)
        case .changeApplies(let id): self.applyChange(id)
        case .changeReturns(let id): self.changeReturns(id)
        case .fenced(let holder, let client, let file): self.fenced(holder, client, file)
        case .deadline: self.deadlineDue()
        case .breakConnection(let client): self.breakConnection(client)
        case .connectionLost(let client, let connection): self.connectionLost(client, connection)
        case .reconnect(let client): self.reconnect(client)
        case .renew(let client): self.renew(client)
        case .ownDeadline(let client): if !self.isPaused(client) { self.checkOwnDeadline(client) }
        case .resume(let client): self.resume(client)
        }
    }
}
