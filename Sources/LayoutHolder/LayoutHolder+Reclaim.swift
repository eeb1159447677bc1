import LayoutCore

extension LayoutHolder {
    /// The calls of the session find no answer.
    ///
    /// Windows that waited for one wait on; what was recalled is still to be returned.
    mutating func sessionLost() {
        self.session = .lost
        self.gets.removeAll()
        self.reclaims.removeAll()
    }

    mutating func leaseExpired(_ actions: inout [Action]) {
        guard self.hasLease else { return }
        self.hasLease = false
        _ = self.closeWindows(over: .all, isForced: true, &actions)
        self.expireHeld()
    }

    mutating func reclaimBegan(_ actions: inout [Action]) {
        self.session = .reclaiming
        // RECLAIM_COMPLETE returns what is left out: what was given back, or is about to be and nobody can reach any more.
        self.returns.removeAll()
        for pending in self.recalls where pending.draining.isEmpty {
            self.letGo(pending.recall.range, pending.recall.ioMode, &actions)
        }
        self.recalls.removeAll { $0.draining.isEmpty }
        var wanted = self.held
        for (range, ioMode) in self.expired.elements { wanted.add(range, ioMode) }
        // A session has been made: a new lease runs, and what is reclaimed can be used.
        self.hasLease = true
        for (range, ioMode) in wanted.elements {
            let id = GetID(self.nextNumber())
            self.reclaims.append(Reclaim(id: id, range: range, ioMode: ioMode))
            actions.append(.sendReclaim(id, range, ioMode, self.stateID, knownEpoch: self.epoch))
        }
        if self.reclaims.isEmpty { actions.append(.reclaimEnded) }
    }

    mutating func reclaimed(_ id: GetID, _ layout: GrantedLayout, _ actions: inout [Action]) {
        guard let reclaim = self.takeReclaim(id) else { return }
        if layout.stateID.other == self.stateID.other {
            self.learn(layout.stateID)
            self.learnSize(layout.fileSize)
            self.expired.remove(reclaim.range, .any)
            for range in layout.parts(without: reclaim.voids) {
                if let range = range.intersection(reclaim.range) { self.hold(range, reclaim.ioMode) }
            }
            // What the server does not give back is over, as if it had refused it.
            let (before, after) = reclaim.range.subtracting(layout.range)
            for range in [before, after] {
                if let range { self.lose(range, &actions) }
            }
            self.follow(layout.shifts, to: layout.epoch, &actions)
        } else {
            self.lose(reclaim.range, &actions)
        }
        if self.reclaims.isEmpty { actions.append(.reclaimEnded) }
    }

    mutating func reclaimRefused(_ id: GetID, _ actions: inout [Action]) {
        guard let reclaim = self.takeReclaim(id) else { return }
        self.lose(reclaim.range, &actions)
        if self.reclaims.isEmpty { actions.append(.reclaimEnded) }
    }

    /// What was not reclaimed by now cannot be.
    mutating func giveUpExpired(_ actions: inout [Action]) {
        for (range, _) in self.expired.elements { self.lose(range, &actions) }
    }

    private mutating func takeReclaim(_ id: GetID) -> Reclaim? {
        guard let place = self.reclaims.firstIndex(where: { $0.id == id }) else { return nil }
        return self.reclaims.remove(at: place)
    }

    /// The right to a range is over, and nobody waits for its return: access ends now, and a touch asks for it anew.
    private mutating func lose(_ range: ByteRange, _ actions: inout [Action]) {
        _ = self.closeWindows(over: range, isForced: true, &actions)
        self.letGo(range, .any, &actions)
    }
}
