import NIOCore

/// Everything that ends because time passes: one lazy timer for all of it.
///
/// Deadlines come and go with each call, the timer does not: it is set to the earliest deadline, and looks for the next
/// one only when it fires.
extension RPCConnection {
    /// Sees to it that the timer fires at `deadline` or earlier.
    func arm(_ deadline: NIODeadline) {
        if let current = self.timerDeadline, current <= deadline { return }
        guard self.closeReason == nil else { return }
        self.timer?.cancel()
        self.timerDeadline = deadline
        self.timer = self.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in
            self?.timerFired()
        }
    }

    func startFirstCallDeadline() {
        let deadline = NIODeadline.now() + TimeAmount(self.group.limits.firstCall)
        self.firstCallDeadline = deadline
        self.arm(deadline)
    }

    func startWriteStallDeadline() {
        guard self.writeStallDeadline == nil else { return }
        let deadline = NIODeadline.now() + TimeAmount(self.group.limits.writeStall)
        self.writeStallDeadline = deadline
        self.arm(deadline)
    }

    /// Notes whether the input ends in the middle of a record, and whether that record has begun just now.
    func recordIsPartial(_ isPartial: Bool, isNew: Bool) {
        guard isPartial else {
            self.partialRecordDeadline = nil
            return
        }
        guard isNew else { return }
        let deadline = NIODeadline.now() + TimeAmount(self.group.limits.partialRecord)
        self.partialRecordDeadline = deadline
        self.arm(deadline)
    }

    private func timerFired() {
        self.timer = nil
        self.timerDeadline = nil
        let now = NIODeadline.now()
        let expired = self.outstanding.endExpired(at: now)
        self.callsWereGivenUp(expired.count)
        for completion in expired { completion(.failure(.deadlineExceeded)) }
        if let deadline = self.partialRecordDeadline, deadline <= now { self.close(.partialRecordDeadline) }
        if let deadline = self.firstCallDeadline, deadline <= now { self.close(.firstCallDeadline) }
        if let deadline = self.writeStallDeadline, deadline <= now { self.close(.writeStalled) }
        let pending = [
            self.outstanding.earliestDeadline, self.partialRecordDeadline, self.firstCallDeadline,
            self.writeStallDeadline,
        ]
        if let next = pending.compactMap({ $0 }).min() { self.arm(next) }
    }
}
