import LayoutCore

/// One world as it unfolds: its time, what is going to happen, and everybody in it.
final class World {
    let options: Simulation.Options
    let swarm: Swarm
    var random: SeededGenerator
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    private var steps = StepQueue()
    let host = Host()
    /// The server process, if one runs.
    var server: Server?
    var life: UInt32 = 0
    private(set) var clients: [Client] = []
    private(set) lazy var oracle = Oracle(self)
    /// Replies that a slot, or the store, may have to send again.
    var replies = ReplyArchive()
    /// What the guard's journal knows: calls of local programs that are held up, run, or have ended unseen.
    var localCalls: [LocalCall] = []
    /// Sessions of lives up to this one are known to no server any more.
    var lastLifeOfLostStore: UInt32 = 0
    private var lastNumber: UInt64 = 0
    private(set) var isHealing = false
    var report: Simulation.Report

    init(_ options: Simulation.Options) {
        self.options = options
        self.random = SeededGenerator(seed: options.seed)
        self.swarm = Swarm(&self.random, options)
        self.report = Simulation.Report(seed: options.seed)
    }

    // MARK: Time

    func schedule(at time: Instant, on process: SimulatedProcess?, _ run: @escaping () -> Void) {
        self.steps.add(Step(process: process, run: run), at: time)
    }

    func after(_ microseconds: ClosedRange<UInt64>) -> Instant {
        let span = microseconds.upperBound - microseconds.lowerBound + 1
        return self.now.advanced(by: .microseconds(Int64(microseconds.lowerBound + self.random.below(span))))
    }

    func nextNumber() -> UInt64 {
        self.lastNumber += 1
        return self.lastNumber
    }

    // MARK: The world's life

    func run() {
        for file in 0..<self.swarm.files { self.host.files.append(SimulatedFile(number: file + 1, blocks: 64)) }
        self.oracle.begin()
        self.startServer()
        for place in 0..<self.swarm.clients { self.clients.append(self.makeClient(place)) }
        self.scheduleLocalCall()
        self.scheduleFaults()
        self.runUntil(self.now.advanced(by: self.options.duration)) { false }
        self.heal()
        self.runUntil(self.now.advanced(by: .seconds(300))) { self.unrest == nil }
        if self.report.violations.isEmpty {
            if let unrest { self.violation("the world did not come to rest: \(unrest)") }
            self.oracle.checkRest()
        }
        if self.report.violations.isEmpty { self.proveLife() }
        self.report.simulated = self.now.duration(since: Instant(nanoseconds: 1_000_000_000))
        // The steps that are left refer to everything.
        self.steps = StepQueue()
    }

    /// Lets things happen until a time, or until all is as it should be.
    private func runUntil(_ end: Instant, _ isDone: () -> Bool) {
        while let first = self.steps.first, first <= end, self.report.violations.isEmpty {
            guard let (at, step) = self.steps.pop() else { return }
            self.now = max(self.now, at)
            self.report.note(at.nanoseconds)
            if let process = step.process { process.deliver(step.run) } else { step.run() }
            if self.report.events.isMultiple(of: 256) { self.server?.checkInvariants() }
            if self.report.events.isMultiple(of: 16), isDone() { return }
        }
    }

    /// Everybody can work again: each client uses each file, and changes it.
    private func proveLife() {
        let trials = self.clients.flatMap { client in client.proveLife() }
        self.runUntil(self.now.advanced(by: .seconds(300))) { trials.allSatisfy(\.isOver) && self.unrest == nil }
        guard self.report.violations.isEmpty else { return }
        if let failed = trials.first(where: { !$0.isOver }) {
            self.violation("after everything healed client \(failed.client) still cannot \(failed.what)")
        } else if let unrest {
            self.violation("after everything healed \(unrest)")
        }
    }

    private func heal() {
        self.trace("the world heals")
        self.isHealing = true
        if self.server == nil { self.startServer() }
        self.server?.goOn()
        self.server?.unblockFiles()
        for client in self.clients {
            client.endHoldUps()
            client.goOn()
        }
    }

    /// What has not ended, or `nil` if all is quiet.
    private var unrest: String? {
        guard let server, server.isServing else { return "the server does not serve" }
        if let unrest = server.unrest { return unrest }
        if !self.localCalls.isEmpty { return "a local program waits" }
        for client in self.clients { if let unrest = client.unrest { return "client \(client.place): \(unrest)" } }
        return nil
    }

    // MARK: Processes

    func startServer() {
        self.life += 1
        self.server = Server(self, self.swarm.clock(&self.random))
        self.server?.start()
    }

    private func makeClient(_ place: Int) -> Client {
        let client = Client(self, self.swarm.clock(&self.random), place: place)
        client.start()
        return client
    }

    /// Another process takes the place of one that died.
    func replaceClient(_ place: Int) { self.clients[place] = self.makeClient(place) }

    // MARK: System calls

    func apply(_ change: SimulatedFile.Change, to file: Int) {
        // The filesystem itself refuses what makes no sense.
        guard self.host.files[file].accepts(change.kind, change.argument) else { return }
        let cut = self.host.files[file].apply(change)
        self.trace("file \(file): \(change.kind) of \(change.argument) runs")
        self.oracle.ran(change, on: file, cut: cut)
    }

    // MARK: Telling

    func violation(_ text: String) {
        self.report.violations.append("\(self.now.nanoseconds / 1000) us: \(text)")
        self.trace("VIOLATION \(text)")
    }

    func trace(_ text: @autoclosure () -> String) {
        if self.options.isTraced { print("\(self.now.nanoseconds / 1000) us: \(text())") }
    }

    func mark(_ mark: Simulation.Mark) { self.report.marks.insert(mark) }

    func has(_ fault: Simulation.Fault) -> Bool { self.options.fault == fault && !self.options.isControl }
}
