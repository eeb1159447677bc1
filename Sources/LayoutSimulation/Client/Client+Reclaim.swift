import LayoutCore
import LayoutHolder

/// How a client stands with the server: what it holds, and whether it may be used.
enum Standing: Hashable {
    /// There was no session yet. Next: `owing`.
    case none
    /// What is held may be used until the own deadline. Next: `suspended`, `reclaiming`, `owing`.
    case inForce
    /// The own deadline has passed while the server was out of reach: nothing may be used, and what is held stays held.
    /// Next: `inForce`, `reclaiming`, `owing`.
    case suspended
    /// The server has restarted, and what is held is being reclaimed. Next: `inForce`, `suspended`, `owing`.
    case reclaiming(Reclaim)
    /// What was held is void; the server may still believe otherwise. Next: `inForce`, `reclaiming`.
    case owing(Debt)

    struct Reclaim: Hashable {
        /// Whether windows stay accessible: until the own deadline, which no call moves before all is reclaimed.
        var isUsable: Bool
        /// Reclaims without an answer.
        var pending = 0
        var isCompleting = false
        /// When the latest call was sent that renews the lease once all is reclaimed.
        var renewal: Instant?
        /// Layouts were revoked: everything is void after all.
        var isRevoked = false
    }

    enum Debt: Hashable { case owed, sent, paid }

    /// Whether the files hold anything that counts.
    var holds: Bool {
        switch self {
        case .inForce, .suspended, .reclaiming: true
        case .none, .owing: false
        }
    }

    var isUsable: Bool {
        switch self {
        case .inForce: true
        case .reclaiming(let reclaim): reclaim.isUsable
        case .none, .suspended, .owing: false
        }
    }
}

/// What a session is to the ones before it.
enum SessionBasis {
    /// The same session over a new connection.
    case rebound
    /// The server knows nothing of this client.
    case fresh
    /// The server knows the client, and has not restarted.
    case sameLife
    /// The server knows the client from its life before.
    case recovered
}

/// After a restart of the server: telling it what is held, while it stays mapped.
extension Client {
    func sessionEstablished(_ basis: SessionBasis) {
        switch basis {
        case .rebound: break
        case .fresh:
            self.loseRecord()
            if self.standing == .none { self.standing = .owing(.paid) }
        case .sameLife:
            switch self.standing {
            case .none, .inForce, .suspended: break
            case .reclaiming: self.beginReclaim()
            case .owing: self.owingAgain()
            }
        case .recovered: self.beginReclaim()
        }
        self.payDebt()
        self.regainLease()
    }

    private func owingAgain() {
        self.standing = .owing(.owed)
        if self.owesReclaim { self.beginReclaim() }
    }

    /// Reclaims all that is held, be it nothing: the server waits for the end of it.
    private func beginReclaim() {
        self.world.trace("client \(self.place) reclaims")
        self.owesReclaim = true
        // One more than there are, until all are sent.
        var reclaim = Standing.Reclaim(isUsable: self.hasLease, pending: 1)
        if case .reclaiming(let earlier) = self.standing { reclaim.isRevoked = earlier.isRevoked }
        self.standing = .reclaiming(reclaim)
        self.reclaimRound += 1
        for file in self.files.indices { self.reclaim(file) }
        if self.world.swarm.hasLiars, self.world.random.oneIn(3) { self.claimWhatWasNeverHeld() }
        self.reclaimEnded(self.reclaimRound)
    }

    private func reclaim(_ file: Int) {
        // Their descriptors ended with the server that had them; nothing of them was used yet.
        let unused = self.files[file].grants
        self.dropGrants(file)
        for grant in unused { self.tell(file, .refused(grant.id, .delay)) }
        // What is not reclaimed the server takes as returned.
        self.files[file].reset.end()
        self.files[file].latestStateID = self.files[file].holder.stateID
        self.tell(file, .serverRestarted)
    }

    func sendReclaim(
        _ id: LayoutHolder.GetID,
        _ file: Int,
        _ range: ByteRange,
        _ ioMode: IOMode,
        _ stateID: StateID,
        _ knownEpoch: UInt64
    ) {
        self.countReclaims(1)
        let round = self.reclaimRound
        let arguments = GetArguments(
            file: file,
            range: range,
            ioMode: ioMode,
            stateID: stateID,
            knownEpoch: knownEpoch,
            patience: .zero,
            isReclaim: true,
            needsDescriptor: self.files[file].descriptor == nil
        )
        self.submit(.get(arguments)) { [unowned self] outcome in
            guard self.files[file].holder.awaitsReclaim(id) else { return self.reclaimEnded(round) }
            switch outcome {
            case .answered(.granted(let grant)):
                if !self.hasLease { self.world.mark(.reclaimedAfterOwnDeadline) }
                self.note(grant.stateID, of: file)
                self.world.oracle.reclaimed(self.record, file, grant)
                self.tell(file, .granted(id, self.layout(of: grant, size: grant.fileSize)))
            case .answered(.refused(let status)) where Self.mayBeReclaimedLater(status):
                // Counted until the repetition has its answer.
                self.after(20_000...200_000) { [unowned self] in
                    if self.files[file].holder.awaitsReclaim(id) {
                        self.sendReclaim(id, file, range, ioMode, stateID, knownEpoch)
                    }
                    self.reclaimEnded(round)
                }
                return
            case .answered(.refused(let status)):
                self.tell(file, .refused(id, status))
            case .answered, .notExecuted, .unknown:
                // With the next session all is reclaimed anew.
                return
            }
            self.reclaimEnded(round)
        }
    }

    private static func mayBeReclaimedLater(_ status: LayoutStatus) -> Bool {
        [.delay, .grace, .layoutTryLater, .resource, .recallConflict, .returnConflict].contains(status)
    }

    /// A client that lies: it never held this.
    private func claimWhatWasNeverHeld() {
        let file = Int(self.world.random.below(UInt64(self.files.count)))
        let first = self.world.random.below(64) * SimulatedFile.blockSize
        guard let range = ByteRange(offset: first, length: 16 * SimulatedFile.blockSize) else { return }
        let arguments = GetArguments(
            file: file,
            range: range,
            ioMode: .readWrite,
            stateID: self.files[file].latestStateID,
            knownEpoch: 0,
            patience: .zero,
            isReclaim: true,
            needsDescriptor: false
        )
        self.submit(.get(arguments)) { [unowned self] outcome in
            if case .answered(.granted(let grant)) = outcome { self.world.oracle.reclaimed(self.record, file, grant) }
        }
    }

    private func countReclaims(_ change: Int) {
        guard case .reclaiming(var reclaim) = self.standing else { return }
        reclaim.pending += change
        self.standing = .reclaiming(reclaim)
    }

    private func reclaimEnded(_ round: Int) {
        guard round == self.reclaimRound else { return }
        self.countReclaims(-1)
        self.completeReclaim()
    }

    /// Sends RECLAIM_COMPLETE when nothing is left to reclaim.
    func completeReclaim() {
        guard case .reclaiming(var reclaim) = self.standing, reclaim.pending == 0, !reclaim.isCompleting,
            self.phase == .up
        else { return }
        reclaim.isCompleting = true
        self.standing = .reclaiming(reclaim)
        self.submit(.reclaimComplete) { [unowned self] outcome in
            guard case .reclaiming(var reclaim) = self.standing, reclaim.isCompleting else { return }
            switch outcome {
            case .answered: self.endReclaim(reclaim)
            case .notExecuted, .unknown:
                // At the next tick, or with the next session.
                reclaim.isCompleting = false
                self.standing = .reclaiming(reclaim)
            }
        }
    }

    /// The server knows what is held, and has dropped the rest.
    private func endReclaim(_ reclaim: Standing.Reclaim) {
        self.owesReclaim = false
        if let sent = reclaim.renewal { self.renewedAt = max(self.renewedAt ?? sent, sent) }
        let isInTime = self.ownDeadline.map { self.localNow < $0 } ?? false
        if reclaim.isRevoked {
            self.standing = .owing(.owed)
        } else {
            self.standing = isInTime ? .inForce : .suspended
        }
        for file in self.files.indices {
            if !self.hasLease, reclaim.isUsable { self.tell(file, .leaseSuspended) }
            self.tell(file, .reclaimEnded)
            if self.hasLease { self.fileRegained(file) }
        }
        self.payDebt()
        self.renew()
    }

    /// Nothing that was held counts any more, whoever the server will be.
    func loseRecord() {
        self.owesReclaim = false
        guard self.standing != .none else { return }
        self.standing = .owing(.owed)
        for file in self.files.indices {
            self.loseFile(file)
            self.tell(file, .reclaimEnded)
        }
    }
}
