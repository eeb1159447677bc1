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
        case 3 where self.swarm.partitions, 10 where self.swarm.partitions: victim.holdUp(for: self.someTime())
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
        // Whoever is stopped over a restart comes back late, or not in grace.
        let isOverRestart = process is Client && self.swarm.killsServer && self.random.oneIn(3)
        let end = self.after(isOverRestart && self.random.oneIn(2) ? 17_000_000...30_000_000 : self.someTime())
        if isOverRestart { self.killServer() }
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
            // With the store goes what it knew of interrupted changes: whoever lost it has to look at the files.
            for file in self.host.files.indices where self.host.files[file].halfDone != nil {
                self.host.files[file].acceptAsItIs()
                self.oracle.accepted(file)
            }
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
        self.dropLocalCalls()
        self.host.cutPower()
        for place in self.clients.indices { self.replaceClient(place) }
        self.startServerLater()
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
