import LayoutCore
import LeaseEngine
import Recovery
import Sessions

/// The start of a life, and what has to be known for the next one.
extension Server {
    /// Grace lasts for the longest lease that anybody was told, and a margin.
    static let graceTerm: Duration = .seconds(15)

    func start() {
        // The new server waits for the old one's last system call: else it could take for undone what is about to be done.
        guard self.host.runningCalls == 0 else {
            return self.after(100...1000) { [unowned self] in self.start() }
        }
        var state = self.host.store.written
        let boot = "\(self.host.boot)"
        if let life = state.life, life.hostBoot != boot {
            // No process of that boot is left.
            let gone = state.holders.map { RecoveryRecord.holderGone(number: $0.number) }
            self.world.store(gone, .written)
            for record in gone { state.apply(record) }
        }
        // Nobody knows what earlier lives were about to do: as in the product, all that they did is made to last.
        if state.life == nil { for file in self.host.files.indices { self.host.files[file].sync() } }
        let life = StoredLife(
            number: self.life,
            hostBoot: boot,
            longestLease: Self.announcedLease,
            handleKey: Opaque16(low: 1, high: 1)
        )
        self.write([.life(life)], .synced) { [unowned self] in self.resolveIntents(of: state) }
    }

    /// An epoch that no life has given out, and the one below it: below all of this life, above all of the earlier ones.
    private func lastEpoch(of file: Int) -> UInt64 {
        UInt64(self.life) << 32 - 2 * UInt64(self.host.files.count - file)
    }

    // MARK: Intents

    /// Finds out, before anything is served, which changes were done whose replies were not written.
    private func resolveIntents(of state: RecoveredState) {
        guard let intent = state.intents.first else { return self.serve(state) }
        let records =
            self.world.has(.intentIgnored) ? [.intentEnded(number: intent.number)] : self.resolution(of: intent, state)
        self.after(10...2000) { [unowned self] in
            self.write(records, .synced) { [unowned self] in
                var state = state
                for record in records { state.apply(record) }
                self.failpoint(.crashedWhileRecovering, onceIn: 8) { [unowned self, state] in
                    self.resolveIntents(of: state)
                }
            }
        }
    }

    private func resolution(of intent: StoredIntent, _ state: RecoveredState) -> [RecoveryRecord] {
        let end = RecoveryRecord.intentEnded(number: intent.number)
        guard let number = number(from: intent.body), let plan = self.host.plans[number] else { return [end] }
        let change = plan.change
        if !SimulatedFile.isShift(change.kind) { return self.redo(plan) + [self.reply(to: intent, plan, state), end] }
        let isSizeOnly = self.world.has(.sizeOnlyFingerprint)
        let now = self.host.files[plan.file].fingerprint(at: change.argument.lowerBound, isSizeOnly: isSizeOnly)
        if now == plan.after, plan.after != plan.before {
            self.world.mark(.intentFoundDone)
            // Only a system call has run: what is answered has to be on stable storage.
            if !self.world.has(.foundDoneNotSynced) { self.host.files[plan.file].sync() }
            return self.shiftLogged(plan, state) + [self.reply(to: intent, plan, state), end]
        }
        if now == plan.before {
            self.world.mark(.intentFoundUndone)
            return [end]
        }
        self.world.mark(.halfDoneShiftBlocked)
        let reason = "\(change.kind) of \(change.argument) was interrupted: look at the file"
        return [.blocked(self.handle(self.fileID(plan.file)), reason: reason), end]
    }

    /// What does the same when it is done twice is done again.
    private func redo(_ plan: ChangePlan) -> [RecoveryRecord] {
        let affected = self.host.files[plan.file].affected(by: plan.change.kind, plan.change.argument)
        self.oracle.checkNobodyReaches(affected, of: plan.file, "done again")
        if self.oracle.hasRun(plan.change) {
            self.host.files[plan.file].apply(plan.change)
        } else {
            self.world.apply(plan.change, to: plan.file)
        }
        self.host.files[plan.file].sync()
        return []
    }

    private func reply(to intent: StoredIntent, _ plan: ChangePlan, _ state: RecoveredState) -> RecoveryRecord {
        let epoch = self.lastEpoch(of: plan.file)
        let flags = ReplyFlags()
        let bytes = self.world.replies.keep(.changed(epoch: epoch, nil), flags, intent.session, intent.slot)
        return .reply(
            StoredReply(
                session: intent.session,
                slot: intent.slot,
                sequence: intent.sequence,
                digest: intent.digest,
                reply: intent.keepsReply ? bytes : nil
            )
        )
    }

    private func shiftLogged(_ plan: ChangePlan, _ state: RecoveredState) -> [RecoveryRecord] {
        let handle = self.handle(self.fileID(plan.file))
        // Without a log there is nothing to add to: what clients remember is void.
        guard var file = state.files.first(where: { $0.handle == handle }), !self.world.has(.epochGuessed) else {
            return []
        }
        let shift = Shift(
            isInsert: plan.change.kind == .insertRange,
            offset: plan.change.argument.lowerBound,
            length: plan.change.argument.wireLength
        )
        file.epoch = self.lastEpoch(of: plan.file)
        file.shifts.append(LoggedShift(epoch: file.epoch, shift: shift))
        return [.file(file)]
    }

    // MARK: Serving

    private func serve(_ state: RecoveredState) {
        var state = state
        if self.world.has(.holdersForgotten) {
            for holder in state.holders { state.apply(.holderGone(number: holder.number)) }
        }
        self.oracle.recovered(state)
        let recovered = self.recovered(from: state)
        if let defect = recovered.defect { return self.world.violation("no life can begin from the store: \(defect)") }
        self.sessions = ServerSessions(
            configuration: self.sessionLimits,
            firstClientNumber: UInt64(self.life) << 32,
            recovered: state.clients,
            sessions: state.sessions,
            replies: state.replies
        )
        self.engine = LeaseEngine(
            configuration: self.engineConfiguration,
            recovered: recovered,
            at: self.localNow
        )
        for holder in state.holders {
            let id = LeaseEngine.HolderID(holder.number)
            self.holders.locks[id] = holder.locks
            self.holders.written[id] = holder
            self.holders.adopt(id, HolderTable.Owner(client: holder.client, file: FileID(holder.file.low.low)))
        }
        self.notices = Set(state.revocations.map(\.client))
        for blocked in state.blocked { self.blockedFiles.insert(Int(blocked.file.low.low) - 1) }
        self.isServing = true
        self.world.trace("server: life \(self.life) serves with \(state.holders.count) holders")
        if self.world.isHealing { self.unblockFiles() }
        self.takeOverRunningCalls()
        self.submit(.started)
        for client in self.sessions.supersededClients { self.submit(.clientLost(client)) }
        if self.world.has(.secondRestartForgets) { self.forgetThoseWhoAreNotBack() }
        self.takeOverWaitingCalls()
    }

    /// A planted fault: the store is made anew from those who come back.
    private func forgetThoseWhoAreNotBack() {
        let holders = self.host.store.written.holders
        self.write(holders.map { .holderGone(number: $0.number) }, .written) {}
    }

    private func recovered(from state: RecoveredState) -> LeaseEngine.Recovered {
        let clients = state.clients.map { client in
            LeaseEngine.RecoveredClient(
                id: client.id,
                holders: state.holders.filter { $0.client == client.id }.map {
                    LeaseEngine.RecoveredHolder(
                        id: LeaseEngine.HolderID($0.number),
                        file: FileID($0.file.low.low),
                        seqid: $0.seqid,
                        segments: $0.segments
                    )
                }
            )
        }
        var files: [LeaseEngine.RecoveredFile] = []
        for stored in state.files {
            let file = Int(stored.handle.low.low) - 1
            files.append(
                LeaseEngine.RecoveredFile(
                    file: self.fileID(file),
                    epoch: stored.epoch,
                    logStart: stored.logStart,
                    shifts: stored.shifts
                )
            )
        }
        let term: Duration = self.world.has(.noGrace) ? .zero : Self.graceTerm
        return LeaseEngine.Recovered(clients: clients, files: files, graceTerm: term)
    }

    private var sessionLimits: ServerSessions.Configuration {
        var configuration = ServerSessions.Configuration()
        configuration.limits.maxSlots = UInt32(self.world.swarm.slots)
        return configuration
    }

    private var engineConfiguration: LeaseEngine.Configuration {
        var configuration = LeaseEngine.Configuration()
        configuration.enforcedLease = Self.enforcedLease
        configuration.recallTimeout = .seconds(3)
        configuration.patienceMax = .seconds(8)
        configuration.shiftsMax = Self.shiftsMax
        configuration.fencePolicy = self.world.swarm.policy
        configuration.boot = self.life
        return configuration
    }

    // MARK: What is kept

    func records(of session: SessionID, _ client: ClientID) -> [RecoveryRecord] {
        var records: [RecoveryRecord] = []
        if let client = self.sessions.storedClient(client) { records.append(.client(client)) }
        if let session = self.sessions.storedSession(session) { records.append(.session(session)) }
        return records
    }

    func reclaimComplete(_ call: ActiveCall) {
        guard self.hasCompletedReclaim.insert(call.client).inserted else {
            return self.finish(call, .refused(.completeAlready))
        }
        self.submit(.reclaimComplete(call.client))
        let dead = self.sessions.dropDeadSessions(of: call.client)
        self.write(dead.map { .sessionGone($0) }, .written) { [unowned self] in self.finish(call, .done) }
    }

    /// An operator has looked at the files that are blocked, and takes them as they are.
    func unblockFiles() {
        for file in self.blockedFiles.sorted() {
            self.host.files[file].acceptAsItIs()
            self.oracle.accepted(file)
            self.write([.unblocked(self.handle(self.fileID(file)))], .synced) { [unowned self] in
                self.blockedFiles.remove(file)
            }
        }
    }

    /// Goes on, unless this is where the server dies.
    func failpoint(_ mark: Simulation.Mark, onceIn chances: UInt64? = nil, _ goOn: @escaping () -> Void) {
        guard self.world.swarm.killsServer, !self.world.isHealing,
            self.world.random.oneIn(chances ?? self.world.swarm.failpointChances)
        else {
            return goOn()
        }
        self.world.mark(mark)
        // Not from within whatever called.
        self.after(0...0) { [unowned self] in self.world.killServer(self) }
    }
}
