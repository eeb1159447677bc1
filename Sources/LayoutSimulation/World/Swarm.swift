import LayoutCore
import LeaseEngine

/// Which faults a world has, and how often: drawn from its seed, so that each mix comes up.
///
/// All at once hide each other: a client that is cut off all the time never has a grant to lose.
struct Swarm {
    /// The mean time between two steps of a client's application, in microseconds.
    var pace: UInt64
    /// The mean time between two faults of any kind, in microseconds.
    var faultPause: UInt64
    var clients: Int
    var files: Int
    var slots: Int
    var policy: LeaseEngine.FencePolicy
    /// Messages are late now and then.
    var isSlow = false
    /// Connections break.
    var breaks = false
    /// Connections go silent without breaking.
    var goesSilent = false
    /// One direction is held up for a while, or both.
    var partitions = false
    /// Client processes are stopped and go on.
    var stopsClients = false
    /// The server process is stopped and goes on.
    var stopsServer = false
    /// Client processes die; some leave a child that still has their descriptors.
    var killsClients = false
    /// The server process dies, between any two steps.
    var killsServer = false
    /// At one in how many steps that matter the server dies, if it does at all.
    var failpointChances: UInt64 = 250
    /// One in how many calls of local programs takes long.
    var slowCallChances: UInt64 = 40
    /// One in how many writes to the store is slow.
    var slowWriteChances: UInt64 = 50
    /// The host loses power.
    var cutsPower = false
    /// The recovery store is lost with the server.
    var losesStore = false
    /// System calls fail with ENOSPC and EIO.
    var failsCalls = false
    /// The recovery store fails with ENOSPC and EIO.
    var failsStore = false
    /// How far clocks may be off, in parts of 10,000.
    var drift: UInt64 = 0
    /// Some client claims what it never held.
    var hasLiars = false

    /// What clients' and server's clocks may be off without anybody noticing (specification R4.4-14), in parts of 10,000.
    static let driftBound: UInt64 = 1500

    init(_ random: inout SeededGenerator, _ options: Simulation.Options) {
        // Long worlds are for what takes long: leases, graces and outages rather than crowds.
        let isLong = options.duration >= .seconds(3600)
        let paces: [UInt64] = isLong ? [60_000, 120_000, 200_000, 300_000] : [3000, 10_000, 30_000, 100_000]
        self.pace = paces[Int(random.below(4))]
        self.faultPause = self.pace * (20 + random.below(400))
        self.clients = 2 + Int(random.below(4))
        self.files = 1 + Int(random.below(2))
        self.slots = 4 + Int(random.below(5))
        switch random.below(4) {
        case 0: self.policy = .cooperative
        case 1: self.policy = .kill
        default: self.policy = .wait
        }
        self.isSlow = random.oneIn(2)
        self.breaks = random.oneIn(2)
        self.goesSilent = random.oneIn(3)
        self.partitions = random.oneIn(3)
        self.stopsClients = random.oneIn(2)
        self.stopsServer = random.oneIn(4)
        self.killsClients = random.oneIn(2)
        self.killsServer = random.oneIn(2)
        self.cutsPower = random.oneIn(5)
        self.losesStore = random.oneIn(10)
        self.failsCalls = random.oneIn(3)
        self.failsStore = random.oneIn(4)
        switch random.below(6) {
        case 0, 1: self.drift = Self.driftBound
        case 2: self.drift = 6000
        default: self.drift = 0
        }
        self.hasLiars = random.oneIn(4)
        if let fault = options.fault { self.suit(fault) }
    }

    /// A planted fault can only show where the situation comes up that it is about.
    private mutating func suit(_ fault: Simulation.Fault) {
        switch fault.needs {
        case .nothing: break
        case .ownDeadlines:
            self.policy = .cooperative
            self.partitions = true
            self.drift = min(self.drift, Self.driftBound)
        case .deaths: self.policy = .wait
        case .lostReplies: self.breaks = true
        case .restarts:
            self.killsServer = true
            self.failpointChances = 40
            self.slowWriteChances = 4
            self.slowCallChances = 4
        case .restartsTrusted:
            self.killsServer = true
            self.policy = .cooperative
            self.drift = min(self.drift, Self.driftBound)
        case .powerCuts: self.cutsPower = true
        case .restartsAndPowerCuts:
            (self.killsServer, self.cutsPower) = (true, true)
            self.failpointChances = 20
        case .overdueRecalls:
            // Nobody is killed over it, and connections are new while a recall is overdue.
            (self.policy, self.breaks) = (.wait, true)
            (self.killsServer, self.cutsPower, self.killsClients) = (false, false, false)
        case .lostStore: (self.killsServer, self.losesStore) = (true, true)
        case .liars: (self.killsServer, self.hasLiars) = (true, true)
        }
    }

    /// A clock of a process.
    func clock(_ random: inout SeededGenerator) -> SimulatedClock {
        guard self.drift > 0 else { return SimulatedClock() }
        let isSlow = random.oneIn(2)
        // As far as half the true pace: a fast clock that is off as much gives up its lease early, which harms nobody.
        let off = random.below(self.drift + 1)
        return SimulatedClock(rate: isSlow ? 10_000 - off : 10_000 + off)
    }

    /// Whether clocks stay within what `cooperative` relies on.
    var isDriftBounded: Bool { self.drift <= Self.driftBound }
}
