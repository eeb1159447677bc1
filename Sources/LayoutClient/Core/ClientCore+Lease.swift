import LayoutCore
import LayoutHolder
import LayoutXDR
import LinuxFiles

/// The lease: its renewal, its end, and what follows.
extension ClientCore {
    /// Whether what is held may be used.
    var hasLease: Bool { self.standing.isUsable }

    // MARK: Sessions

    func sessionEstablished(_ basis: SessionBasis) {
        switch basis {
        case .rebound:
            self.counters.count(\.reconnections)
            self.catchUpWithReclaim()
        case .fresh:
            self.startAnew()
        case .sameLife:
            self.counters.count(\.sessionsLost)
            self.resumeInSameLife()
        case .recovered:
            self.counters.count(\.sessionsLost)
            self.life = self.link.client?.serverVerifier ?? 0
            // Tokens of the new life are redeemed where it says.
            self.devices.forgetKnown()
            self.beginReclaim()
        }
        self.payDebt()
        self.regainLease()
        self.scheduleTick()
        // The time that it took to connect again has not renewed anything; and the answer shows whether the server that
        // is there now is the one that was.
        self.renew()
    }

    /// The first session, or one with a server that knows nothing of this client.
    private func startAnew() {
        let life = self.link.client?.serverVerifier ?? 0
        self.owesReclaim = false
        if self.standing == .none {
            self.standing = .owing(.paid)
        } else {
            self.counters.count(\.sessionsLost)
            self.standing = .owing(.owed)
            if life != self.life {
                // Handles, epochs and device IDs end with the server's life.
                self.life = life
                self.devices.forgetKnown()
                for file in self.files.values { file.resolveAnew() }
            }
        }
        self.life = life
    }

    private func resumeInSameLife() {
        switch self.standing {
        case .none, .inForce, .suspended:
            break
        case .reclaiming:
            self.beginReclaim()
        case .owing:
            // What was sent on the session before may not have been executed.
            self.standing = .owing(.owed)
            self.catchUpWithReclaim()
        }
    }

    func recordLost() { self.loseRecord() }

    func serverGivenUp(_ failure: Failure) {
        self.loseRecord()
        for file in self.files.values { file.handle(.leaseGivenUp(.unreachable)) }
    }

    /// Nothing that was held counts any more, whoever the server will be.
    private func loseRecord() {
        guard self.standing != .none else { return }
        if self.hasLease { self.counters.count(\.leasesLost) }
        self.standing = .owing(.owed)
        for file in self.files.values {
            file.leaseLost()
            file.handle(.reclaimEnded)
        }
    }

    // MARK: Renewal

    func renewed(sent: Instant, flags: SequenceStatusFlags) {
        if flags.contains(.callbackPathDown) { self.link.bindBackChannel() }
        if !flags.contains(.recallOverdue) {
            if case .reclaiming(var reclaim) = self.standing {
                // Not before the server has heard of all that is held: what it has not is as an expired client's.
                reclaim.renewal = max(reclaim.renewal ?? sent, sent)
                self.standing = .reclaiming(reclaim)
            } else {
                self.link.lease.renew(sent: sent)
            }
        }
        if !flags.isDisjoint(with: [.someRevoked, .allRevoked]) { self.loseLease() }
        self.regainLease()
    }

    func renewIfDue() {
        guard self.link.connection != nil, let due = self.link.lease.renewalDue else { return }
        let now = Host.now
        guard now >= due else { return }
        if let last = self.lastRenewalTry, now < last.advanced(by: self.link.lease.lease / 6) { return }
        self.renew()
    }

    private func renew() {
        let lease = self.link.lease.lease
        self.lastRenewalTry = Host.now
        self.link.submit(
            .sequence,
            loss: .sessionBound,
            kind: .urgent,
            timeout: lease,
            answerTimeout: max(lease / 3, .milliseconds(500))
        ) { _ in }
    }

    // MARK: The own deadline

    /// Ends access once this side's own deadline has passed (R4.4-14), whatever else is going on.
    ///
    /// A server that is there may be waiting for the locks of this client's descriptors to fall: everything is let go of.
    /// One that is down waits for nothing, and its successor lets the client reclaim.
    func checkDeadline() {
        guard let deadline = self.link.lease.deadline, let renewed = self.link.lease.renewed else { return }
        let now = Host.now
        guard now >= deadline else { return }
        switch self.standing {
        case .none, .owing:
            return
        case .inForce:
            // On the connection that the last renewal went over, or on none since: silent, or down.
            let isConnected = self.link.connection != nil
            if isConnected, self.link.lastConnected.map({ $0 <= renewed }) ?? true { return self.loseLease() }
            self.counters.count(\.leasesLost)
            self.standing = .suspended
            for file in self.files.values { file.handle(.leaseSuspended) }
        case .suspended:
            // Connected all the time, or again: it answers, and a recall that is overdue keeps it from renewing.
            let isThere = self.link.connection != nil || self.link.lastConnected.map { $0 > deadline } ?? false
            if isThere, now >= deadline.advanced(by: self.link.lease.lease) { self.loseLease() }
        case .reclaiming(var reclaim):
            guard reclaim.isUsable else { return }
            reclaim.isUsable = false
            self.counters.count(\.leasesLost)
            self.standing = .reclaiming(reclaim)
            for file in self.files.values { file.handle(.leaseSuspended) }
        }
    }

    /// Ends all access, because what is held is or may be void.
    private func loseLease() {
        guard self.standing.holds else { return }
        if self.hasLease { self.counters.count(\.leasesLost) }
        if case .reclaiming(var reclaim) = self.standing {
            // The server still has to hear the end of the reclaim; then that nothing is held.
            reclaim.isUsable = false
            reclaim.isRevoked = true
            self.standing = .reclaiming(reclaim)
            for file in self.files.values { file.leaseLost() }
            return
        }
        self.standing = .owing(.owed)
        for file in self.files.values { file.leaseLost() }
        self.payDebt()
    }

    // MARK: Beginning anew

    /// Gives back what the server may believe to be held, so that both begin anew.
    func payDebt() {
        guard self.standing == .owing(.owed), self.link.session != nil, !self.isClosing else { return }
        self.standing = .owing(.sent(again: self.files.values.contains { $0.getsInFlight > 0 }))
        self.link.submit(
            .layoutReturn(.everything),
            loss: .sessionBound,
            kind: .urgent,
            timeout: self.configuration.answerTimeout * 2
        ) { [self] result in
            guard case .owing(.sent(let again)) = self.standing else { return }
            if case .success = result, !again {
                self.standing = .owing(.paid)
                self.regainLease()
            } else {
                self.standing = .owing(.owed)
                // At the next tick, or when the session is back.
                if again { self.layoutGetEnded() }
            }
        }
    }

    /// A LAYOUTGET was answered.
    func layoutGetEnded() {
        guard self.standing == .owing(.owed), !self.files.values.contains(where: { $0.getsInFlight > 0 }) else {
            return
        }
        self.payDebt()
    }

    /// Allows access again, if the lease runs and nothing stands against it.
    func regainLease() {
        guard let deadline = self.link.lease.deadline, Host.now < deadline else { return }
        guard self.standing == .owing(.paid) || self.standing == .suspended else { return }
        self.standing = .inForce
        for file in self.files.values { file.leaseRegained() }
    }
}
