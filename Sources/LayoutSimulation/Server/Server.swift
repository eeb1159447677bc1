import LayoutCore
import LeaseEngine
import Recovery
import Sessions

/// One life of the server: the production engine and sessions, and a shell that does what the product's does.
final class Server: SimulatedProcess {
    let life: UInt32
    /// Recovered, and open for calls.
    var isServing = false
    var sessions: ServerSessions
    var engine: LeaseEngine
    private var connections: [ConnectionID: Connection] = [:]
    private var connectionOrder: [ConnectionID] = []
    /// The processes that clients were last seen from: for the fence.
    var peers: [ClientID: Client] = [:]

    /// LAYOUTGETs and LAYOUTRETURNs in the engine.
    var gets: [CallID: PendingGet] = [:]
    var returns: [CallID: ActiveCall] = [:]
    var changes: [ChangeID: PendingChange] = [:]
    /// In order, for the oracle.
    var changeOrder: [ChangeID] = []
    var holders = HolderTable()
    var callbacks = CallbackTable()
    /// Clients that have yet to learn that layouts were taken from them.
    var notices: Set<ClientID> = []
    var hasCompletedReclaim: Set<ClientID> = []
    /// Files that an interrupted change left neither before nor after.
    var blockedFiles: Set<Int> = []
    /// Files whose other users, of before this life, are known to be gone.
    var filesWithoutStrangers: Set<Int> = []
    /// Shifts of each file by local programs that may have been made or not.
    var openShifts: [Int]
    private var work: [WorkQueue]
    var writes = WorkQueue()

    private var events: [LeaseEngine.Event] = []
    private var isHandlingEvents = false
    private var scheduledDeadline: Instant?

    /// What clients are told of their lease.
    static let announcedLease: Duration = .seconds(10)
    /// When layouts can be taken: later by more than clocks within ``Swarm/driftBound`` can make up for.
    static let enforcedLease: Duration = .seconds(13)
    /// Shifts that each file remembers.
    static let shiftsMax = 16

    override init(_ world: World, _ clock: SimulatedClock) {
        self.life = world.life
        self.openShifts = world.host.files.map { _ in 0 }
        self.work = world.host.files.map { _ in WorkQueue() }
        self.sessions = ServerSessions(configuration: .init(), firstClientNumber: 0)
        self.engine = LeaseEngine(configuration: .init())
        super.init(world, clock)
    }

    var host: Host { self.world.host }

    func fileID(_ file: Int) -> FileID { FileID(UInt64(file) + 1) }

    func file(_ id: FileID) -> Int { Int(id.rawValue) - 1 }

    // MARK: Connections

    /// Somebody connects; `nil` if nobody listens.
    func accept(_ client: Client) -> Connection? {
        guard self.isServing else { return nil }
        let connection = Connection(self.world.nextNumber(), client, self)
        let id = ConnectionID(connection.number)
        self.connections[id] = connection
        self.connectionOrder.append(id)
        connection.closed[Connection.Side.server.rawValue] = { [unowned self] in self.connectionClosed(id) }
        self.checkAliveLater(connection)
        return connection
    }

    /// Keep-alive finds out about peers that are gone without a word.
    private func checkAliveLater(_ connection: Connection) {
        self.after(20_000_000...40_000_000) { [unowned self] in
            guard connection.isOpen(at: .server) else { return }
            if connection.isOpen(at: .client) {
                self.checkAliveLater(connection)
            } else {
                connection.end(at: .server)
            }
        }
    }

    private func connectionClosed(_ id: ConnectionID) {
        self.connections[id] = nil
        self.connectionOrder.removeAll { $0 == id }
        let affected = self.sessions.connectionClosed(id)
        self.strandCallbacks(on: id)
        for client in affected { self.updateBackChannel(client) }
    }

    func connection(_ id: ConnectionID) -> Connection? { self.connections[id] }

    func updateBackChannel(_ client: ClientID) {
        self.submit(.backChannelChanged(client, isUp: self.sessions.hasBackChannel(client)))
    }

    /// The process is gone; the kernel closes what it had.
    func die() {
        guard self.isAlive else { return }
        self.end()
        self.isServing = false
        for id in self.connectionOrder { self.connections[id]?.close(at: .server) }
        self.connections = [:]
        self.connectionOrder = []
        self.holders.closeAll(self.host)
    }

    // MARK: The engine

    /// Gives the engine an event, and carries out what it says, in order.
    func submit(_ event: LeaseEngine.Event) {
        self.events.append(event)
        guard !self.isHandlingEvents else { return }
        self.isHandlingEvents = true
        var next = 0
        while next < self.events.count, self.isAlive {
            let event = self.events[next]
            next += 1
            self.world.trace("server <- \(event)")
            self.perform(self.engine.handle(event, at: self.localNow)[...])
        }
        self.events.removeAll(keepingCapacity: true)
        self.isHandlingEvents = false
        self.setTimer()
    }

    private func setTimer() {
        guard self.isAlive, let next = self.engine.nextDeadline, self.scheduledDeadline.map({ next < $0 }) ?? true
        else {
            return
        }
        self.scheduledDeadline = next
        self.at(next) { [unowned self] in
            guard self.scheduledDeadline == next else { return }
            self.scheduledDeadline = nil
            self.submit(.deadlinePassed)
        }
    }

    func checkInvariants() {
        if self.isServing { self.engine.checkInvariants() }
    }

    /// What has not ended, or `nil`.
    var unrest: String? {
        let totals = self.engine.totals
        if totals.changes > 0 { return "\(totals.changes) changes wait or run" }
        if totals.waitingGets > 0 { return "\(totals.waitingGets) LAYOUTGETs wait" }
        if self.engine.isInGrace { return "the server is in grace" }
        return nil
    }

    // MARK: Threads that may block

    /// Runs an item behind all earlier ones on the file; the item says when it is over.
    func run(on file: Int, _ item: @escaping WorkQueue.Item) {
        if self.work[file].add(item) { self.beginWork(on: file, item) }
    }

    private func beginWork(on file: Int, _ item: WorkQueue.Item) {
        item { [unowned self] in
            if self.isAlive, let next = self.work[file].next() { self.beginWork(on: file, next) }
        }
    }

    /// Writes records to the store, behind all earlier ones; goes on when that is done.
    func write(_ records: [RecoveryRecord], _ durability: Durability, _ done: @escaping () -> Void) {
        let item: WorkQueue.Item = { [unowned self] over in
            self.tryToWrite(records, durability) {
                over()
                done()
            }
        }
        if self.writes.add(item) { self.beginWrite(item) }
    }

    private func beginWrite(_ item: WorkQueue.Item) {
        item { [unowned self] in
            if self.isAlive, let next = self.writes.next() { self.beginWrite(next) }
        }
    }

    /// A store that is full or fails for now is tried again: nothing that depends on it happens before.
    private func tryToWrite(_ records: [RecoveryRecord], _ durability: Durability, _ done: @escaping () -> Void) {
        let longest: UInt64 =
            self.world.random.oneIn(self.world.swarm.slowWriteChances) ? 50_000 : durability == .synced ? 2000 : 100
        self.after(5...longest) { [unowned self] in
            guard !self.world.storeFails() else {
                self.after(1000...20_000) { [unowned self] in self.tryToWrite(records, durability, done) }
                return
            }
            self.world.store(records, durability)
            done()
        }
    }
}

/// Things to do one after the other: each begins when the one before it says that it is over.
struct WorkQueue {
    typealias Item = (@escaping () -> Void) -> Void
    private var items: [Item] = []
    private(set) var isBusy = false

    /// Adds an item; `true` if it is to begin now.
    mutating func add(_ item: @escaping Item) -> Bool {
        guard self.isBusy else {
            self.isBusy = true
            return true
        }
        self.items.append(item)
        return false
    }

    /// The next item to begin, if there is one.
    mutating func next() -> Item? {
        guard !self.items.isEmpty else {
            self.isBusy = false
            return nil
        }
        return self.items.removeFirst()
    }
}
