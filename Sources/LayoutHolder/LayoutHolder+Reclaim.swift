import LayoutCore

/// A restart of the server: what is held is asked for again while it stays mapped (RFC 8881 §8.4.2.1).
extension LayoutHolder {
    /// Asks for all that is held, under the stateid of the server's earlier life.
    mutating func serverRestarted(_ actions: inout [Action]) {
        // Should it have restarted twice, the reclaims sent to the life between find nobody that waits for them.
        let reclaims = self.held.elements.map { element in
            PendingReclaim(id: GetID(self.nextNumber()), range: element.range, ioMode: element.ioMode)
        }
        self.reclaims = reclaims
        for reclaim in reclaims {
            actions.append(
                .sendReclaim(reclaim.id, reclaim.range, reclaim.ioMode, self.stateID, knownEpoch: self.epoch)
            )
        }
    }

    /// The reclaim that an answer belongs to; `nil` if it is another LAYOUTGET's.
    mutating func takeReclaim(_ id: GetID) -> PendingReclaim? {
        guard let place = self.reclaims?.firstIndex(where: { $0.id == id }) else { return nil }
        return self.reclaims?.remove(at: place)
    }

    /// The server knows again what it gives; the rest is lost.
    mutating func reclaimed(_ reclaim: PendingReclaim, _ layout: GrantedLayout, _ actions: inout [Action]) {
        guard layout.stateID.other == self.stateID.other, layout.ioMode == reclaim.ioMode else {
            return self.lose(reclaim.range, reclaim.ioMode, &actions)
        }
        self.learn(layout.stateID)
        self.learnSize(layout.fileSize)
        let (before, after) = reclaim.range.subtracting(layout.range)
        for missing in [before, after].compactMap({ $0 }) { self.lose(missing, reclaim.ioMode, &actions) }
        self.follow(layout.shifts, to: layout.epoch, &actions)
    }

    /// What the server does not give again may belong to others: access to it ends at once, pins or not.
    mutating func lose(_ range: ByteRange, _ ioMode: IOMode, _ actions: inout [Action]) {
        _ = self.closeWindows(over: range, isForced: true, &actions)
        self.letGo(range, ioMode == .read ? .read : .readWrite, &actions)
    }

    /// The server has heard that all is reclaimed, and has dropped the rest.
    mutating func reclaimEnded(_ actions: inout [Action]) {
        for reclaim in self.reclaims ?? [] { self.lose(reclaim.range, reclaim.ioMode, &actions) }
        self.reclaims = nil
        self.returnDrainedRecalls(&actions)
    }
}
