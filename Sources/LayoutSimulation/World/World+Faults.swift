import LayoutCore
import LeaseEngine
import Recovery

/// What goes wrong, and when.
extension World {
    func count(_ fault: Simulation.FaultClass) { self.report.count(fault) }

    // MARK: Faults that come by themselves

    func scheduleFaults() {
        let pause = self.swarm.faultPause
        self.schedule(at: self.after(pause / 4...pause * 2), on: nil) { [unowned self] in
            guard !self.isHealing else { return }
            self.strike()
            self.scheduleFaults()
        }
    }

    private func strike() {
        let victim = self.clients[Int(self.random.below(UInt64(self.clients.count)))]
        switch self.random.below(12) {
        case 0 where self.swarm.breaks, 1 where self.swarm.breaks: victim.breakConnection()
        case 2 where self.swarm.goesSilent: victim.silenceConnection()
        case 3 where self.swarm.partitions: victim.holdUp(for: self.someTime())
        case 4 where self.swarm.stopsClients, 5 where self.swarm.stopsClients: self.stop(victim, .clientStopped)
        case 6 where self.swarm.killsClients:
            self.count(.clientKilled)
            victim.kill()
        case 7 where self.swarm.stopsServer: if let server { self.stop(server, .serverStopped) }
        case 8 where self.swarm.killsServer: self.killServer()
        case 9 where self.swarm.cutsPower && self.random.oneIn(3): self.cutPower()
        default: break
        }
    }

    /// From an instant to longer than any lease.
    private func someTime() -> ClosedRange<UInt64> { self.random.oneIn(3) ? 5_000_000...30_000_000 : 1000...2_000_000 }

    private func stop(_ process: SimulatedProcess, _ fault: Simulation.FaultClass) {
        guard process.isAlive, !process.isStopped else { return }
        self.count(fault)
        if let client = process as? Client, client.isRecalled { self.mark(.holderStoppedUnderRecall) }
        process.stop()
        let end = self.after(self.someTime())
        // Whoever is stopped over a restart comes back late, or not in grace.
        if process is Client, self.swarm.killsServer, self.random.oneIn(3) { self.killServer() }
        self.schedule(at: end, on: nil) { process.goOn() }
    }

    // MARK: The server

    func killServer(_ server: Server? = nil) {
        guard let server = server ?? self.server, server.isAlive else { return }
        self.trace("the server dies")
        self.count(.serverKilled)
        if server.isServing, server.engine.isInGrace { self.mark(.secondRestartInGrace) }
        if !server.isServing { self.mark(.crashedWhileRecovering) }
        server.die()
        self.server = nil
        if self.swarm.losesStore, self.random.oneIn(3) {
            self.count(.storeLost)
            self.mark(.storeLost)
            self.host.store = MemoryStore()
            self.lastLifeOfLostStore = self.life
        }
        self.startServerLater()
    }

    private func startServerLater() {
        self.schedule(at: self.after(self.random.oneIn(4) ? 1_000_000...15_000_000 : 100...500_000), on: nil) {
            [unowned self] in
            if self.server == nil { self.startServer() }
        }
    }

    /// Every process dies, and what was not synced may be gone.
    func cutPower() {
        self.trace("the power fails")
        self.count(.powerCut)
        self.server?.die()
        self.server = nil
        for client in self.clients { client.vanish() }
        for file in self.host.files.indices {
            for lost in self.host.files[file].cutPower(&self.random) {
                self.mark(.powerCutLostChange)
                self.oracle.undone(lost, on: file)
            }
        }
        self.takeLocalChangesAsTheyAre()
        self.host.cutPower()
        for local in self.localChanges { self.oracle.abandon(local.change.operation) }
        self.localChanges = []
        for place in self.clients.indices { self.replaceClient(place) }
        self.startServerLater()
    }

    /// What a local program had half done when the power went is its own business: no layout is left to be wrong.
    private func takeLocalChangesAsTheyAre() {
        for local in self.localChanges
        where self.host.files[local.file].halfDone?.change.operation == local.change.operation {
            self.host.files[local.file].acceptAsItIs()
            self.oracle.accepted(local.file)
        }
    }

    /// Now and then the power goes right behind a system call, before anything is synced.
    func mayCutPower() {
        guard self.swarm.cutsPower, !self.isHealing, self.random.oneIn(60) else { return }
        self.schedule(at: self.now, on: nil) { [unowned self] in self.cutPower() }
    }

    // MARK: Calls that fail

    /// Whether a system call fails this time.
    func callFails() -> Bool {
        guard self.swarm.failsCalls, !self.isHealing, self.random.oneIn(40) else { return false }
        self.count(.systemCallFailed)
        self.mark(.systemCallFailed)
        return true
    }

    /// Whether a write to the store fails this time.
    func storeFails() -> Bool {
        guard self.swarm.failsStore, !self.isHealing, self.random.oneIn(60) else { return false }
        self.count(.storeFailed)
        self.mark(.storeFailed)
        return true
    }

    func store(_ records: [RecoveryRecord], _ durability: Durability) {
        do throws(RecoveryStoreError) {
            try self.host.store.write(records, durability)
        } catch {
            self.violation("the store in memory fails: \(error)")
        }
    }
}

/// A change that a program makes that has never heard of the server: the guard holds it back.
struct LocalChange {
    let file: Int
    let change: SimulatedFile.Change
}

extension World {
    static let operations: [MappingOperation] = [
        .insertRange, .insertRange, .collapseRange, .collapseRange, .punchHole, .truncate,
    ]

    /// Arguments of a change, sensible most of the time.
    func randomArgument(_ kind: MappingOperation, _ file: Int) -> ByteRange? {
        let blocks = UInt64(self.host.files[file].blocks.count)
        if kind == .truncate {
            // Files neither vanish nor grow without end.
            return ByteRange(from: (32 + self.random.below(64)) * SimulatedFile.blockSize)
        }
        let first = self.random.below(blocks + 8) * SimulatedFile.blockSize
        return ByteRange(offset: first, length: (1 + self.random.below(4)) * SimulatedFile.blockSize)
    }

    func scheduleLocalChange() {
        let pause = self.swarm.pace * 8
        self.schedule(at: self.after(pause / 4...pause * 2), on: nil) { [unowned self] in
            guard !self.isHealing else { return }
            self.scheduleLocalChange()
            guard self.localChanges.count < 4 else { return }
            let file = Int(self.random.below(UInt64(self.host.files.count)))
            let kind = Self.operations[Int(self.random.below(6))]
            guard let argument = self.randomArgument(kind, file) else { return }
            let operation = self.oracle.begin("a local program")
            let change = SimulatedFile.Change(operation: operation, kind: kind, argument: argument)
            let local = LocalChange(file: file, change: change)
            self.localChanges.append(local)
            self.askForLocalChanges([local])
        }
    }

    /// Programs that are held back wait for the next life of the server.
    func askForLocalChanges(_ changes: [LocalChange]) {
        guard let server, server.isServing else { return }
        for local in changes { server.deliver { server.localChange(local) } }
    }

    /// A local program waits until what it did is on stable storage; the server may die meanwhile.
    func settle(_ local: LocalChange) {
        let boot = self.host.boot
        self.schedule(at: self.after(5...1000), on: nil) { [unowned self] in
            guard self.host.boot == boot else { return }
            self.host.files[local.file].sync()
            self.localChangeEnded(local, nil)
        }
    }

    /// A local program goes on: its change ran (`nil`), or failed with an error.
    func localChangeEnded(_ local: LocalChange, _ failure: LayoutStatus?) {
        let count = self.localChanges.count
        self.localChanges.removeAll { $0.change.operation == local.change.operation }
        guard self.localChanges.count < count else { return }
        self.oracle.ended(local.change.operation, wasDone: failure == nil)
    }
}
