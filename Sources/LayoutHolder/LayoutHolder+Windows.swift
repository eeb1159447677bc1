import LayoutCore

extension LayoutHolder {
    mutating func windowRemoved(_ id: WindowID, _ actions: inout [Action]) {
        guard let state = self.windows.removeValue(forKey: id) else { return }
        if state.hasAccess { actions.append(.revoke(id, isForced: false)) }
        self.wanted.removeAll { $0 == id }
    }

    mutating func windowWanted(_ id: WindowID, _ actions: inout [Action]) {
        guard let state = self.windows[id] else { return }
        switch state.phase {
        case .open, .mapping, .failed:
            // A touch that crossed a grant, or a loss: whoever touched will see.
            return
        case .closed, .draining:
            self.want(id)
        }
    }

    private mutating func want(_ id: WindowID) {
        self.windows[id]?.isWanted = true
        if !self.wanted.contains(id) { self.wanted.append(id) }
    }

    /// Goes on with every window that a thread waits for.
    mutating func pursueWanted(_ actions: inout [Action]) {
        self.wanted.removeAll { self.windows[$0]?.isWanted != true }
        for id in self.wanted { self.pursue(id, &actions) }
    }

    /// Maps a window if all that it shows is held, else asks for what is missing, unless something is in the way.
    private mutating func pursue(_ id: WindowID, _ actions: inout [Action]) {
        guard let state = self.windows[id], state.isWanted, state.phase == .closed, !state.isWaitingToRetry,
            self.hasLease, !self.gets.contains(where: { $0.window == id })
        else { return }
        // The first grant tells the epoch. A second call that knows none would not be told of a shift between the two.
        guard self.epoch != 0 || self.gets.isEmpty else { return }
        let pieces = self.piecesBeforeEnd(of: state)
        guard !pieces.isEmpty else {
            self.fail(id, .noSuchAddress, &actions)
            return
        }
        guard !pieces.contains(where: { self.isBlocked($0.range) }) else { return }
        let missing = pieces.flatMap { self.held.gaps(in: $0.range, for: state.window.ioMode) }
        guard let first = missing.first else {
            self.map(id, pieces, &actions)
            return
        }
        // The server grants nothing new to a client that has not reclaimed.
        guard self.reclaims == nil else { return }
        // One call for all that is missing, unless that would ask for much that is not.
        let hull = missing.dropFirst().reduce(first) { $0.hull($1) }
        let sum = missing.reduce(0) { $0 + $1.wireLength }
        let range = hull.wireLength <= 2 * sum && !self.isBlocked(hull) ? hull : first
        let get = GetID(self.nextNumber())
        self.gets.append(Get(id: get, window: id, range: range))
        actions.append(.sendGet(get, range, state.window.ioMode, self.stateID, knownEpoch: self.epoch))
    }

    private mutating func map(_ id: WindowID, _ pieces: [ContentPieces.Piece], _ actions: inout [Action]) {
        let generation = self.nextNumber()
        let isCurrent = self.windows[id]?.isMapCurrent == true
        self.windows[id]?.phase = .mapping(generation: generation)
        self.windows[id]?.isWanted = false
        if case .content = self.windows[id]?.window.place {
            // What is past the end of the file is no content: it was cut off, or never was.
            self.windows[id]?.window.place = .content(ContentPieces(pieces))
        }
        let segments = pieces.map { Segment(windowOffset: $0.windowOffset, range: $0.range) }
        actions.append(.map(id, generation: generation, segments, isCurrent: isCurrent))
    }

    /// What a window shows of the file as long as the file is; the rest is past the end.
    private func piecesBeforeEnd(of state: WindowState) -> [ContentPieces.Piece] {
        guard let size = self.fileSize, let file = ByteRange(0, size) else {
            return self.fileSize == nil ? state.window.pieces : []
        }
        let rounded = file.roundedOut(to: self.blockSize)
        return state.window.pieces.compactMap { piece in
            piece.range.intersection(rounded).map {
                ContentPieces.Piece(windowOffset: piece.windowOffset, range: $0)
            }
        }
    }

    /// Whether a return, a recall or an own change stands between a range and a LAYOUTGET for it.
    private func isBlocked(_ range: ByteRange) -> Bool {
        self.returns.contains { $0.range.overlaps(range) }
            || self.recalls.contains { $0.recall.range.overlaps(range) }
            || self.changes.contains { $0.closedToGets?.overlaps(range) == true }
    }

    mutating func granted(_ id: GetID, _ layout: GrantedLayout, _ actions: inout [Action]) {
        if let reclaim = self.takeReclaim(id) { return self.reclaimed(reclaim, layout, &actions) }
        // Whoever passes it on has a descriptor for it: that must not stay if nothing of the grant does.
        defer { self.dropIfNothingHeld(&actions) }
        guard let place = self.gets.firstIndex(where: { $0.id == id }) else { return }
        let get = self.gets.remove(at: place)
        if self.isStale(layout.stateID) {
            self.retryLater(get.window, &actions)
            return
        }
        if self.replacesHeld(layout.stateID) { self.loseHeld(&actions) }
        self.learn(layout.stateID)
        for range in get.validParts(of: layout) { self.hold(range, layout.ioMode) }
        self.learnSize(layout.fileSize)
        self.windows[get.window]?.refusals = 0
        self.follow(layout.shifts, to: layout.epoch, &actions)
    }

    mutating func refused(_ id: GetID, _ status: LayoutStatus, _ actions: inout [Action]) {
        if let reclaim = self.takeReclaim(id) { return self.lose(reclaim.range, reclaim.ioMode, &actions) }
        guard let place = self.gets.firstIndex(where: { $0.id == id }) else { return }
        let get = self.gets.remove(at: place)
        switch status {
        case .delay, .recallConflict, .returnConflict, .layoutTryLater, .grace, .resource, .oldStateID:
            self.retryLater(get.window, &actions)
        case .badStateID:
            // The server knows nothing of what this side holds: it is revoked.
            self.loseEverything(&actions)
            self.retryLater(get.window, &actions)
        case .layoutUnavailable, .badLayout, .noSuchAddress:
            // Past the end of the file: what is before it can still be shown.
            let isAtStart = self.windows[get.window]?.window.pieces.first?.range.lowerBound == get.range.lowerBound
            if isAtStart {
                self.fail(get.window, status, &actions)
            } else {
                self.learnSize(get.range.lowerBound)
            }
        default:
            self.fail(get.window, status, &actions)
        }
    }

    /// The windows lose their layouts; LAYOUTGETs that are under way still count.
    private mutating func loseHeld(_ actions: inout [Action]) {
        let gets = self.gets
        self.loseEverything(&actions)
        self.gets = gets
    }

    private mutating func retryLater(_ id: WindowID, _ actions: inout [Action]) {
        guard let state = self.windows[id] else { return }
        self.windows[id]?.isWaitingToRetry = true
        self.windows[id]?.refusals += 1
        actions.append(.retryLater(id, milliseconds: 1 << UInt64(min(state.refusals, 8))))
    }

    mutating func retryDue(_ id: WindowID, _ actions: inout [Action]) {
        self.windows[id]?.isWaitingToRetry = false
    }

    mutating func mapFinished(_ id: WindowID, _ generation: UInt64, isMapped: Bool, _ actions: inout [Action]) {
        // A revoke may have come first: then the window is no longer in this phase.
        guard self.windows[id]?.phase == .mapping(generation: generation) else { return }
        if isMapped {
            self.windows[id]?.phase = .open
            self.windows[id]?.isMapCurrent = true
        } else {
            self.fail(id, .resource, &actions)
        }
    }

    /// Takes access away from the windows that show bytes of `range`; returns those whose pins have not gone yet.
    mutating func closeWindows(
        over range: ByteRange,
        isForced: Bool = false,
        _ actions: inout [Action]
    ) -> [WindowID] {
        var draining: [WindowID] = []
        for id in self.windows.keys.sorted() {
            guard let state = self.windows[id], state.window.pieces.contains(where: { $0.range.overlaps(range) }) else {
                continue
            }
            if state.hasAccess {
                // Whoever waits for a window that was being mapped waits on.
                if state.phase != .open { self.want(id) }
                self.windows[id]?.phase = .draining
                actions.append(.revoke(id, isForced: isForced))
                draining.append(id)
            } else if state.phase == .draining {
                if isForced { actions.append(.revoke(id, isForced: true)) }
                draining.append(id)
            }
        }
        return draining
    }

    mutating func drained(_ id: WindowID, _ actions: inout [Action]) {
        if self.windows[id]?.phase == .draining { self.windows[id]?.phase = .closed }
        for index in self.recalls.indices { self.recalls[index].draining.removeAll { $0 == id } }
        for index in self.changes.indices { self.changes[index].draining.removeAll { $0 == id } }
        self.returnDrainedRecalls(&actions)
    }
}

extension LayoutHolder.Get {
    /// The parts of a grant that no return has taken with it.
    fileprivate func validParts(of layout: LayoutHolder.GrantedLayout) -> [ByteRange] {
        var parts = [layout.range]
        for void in self.voids where void.applies(to: layout.stateID) {
            parts = parts.flatMap { part in
                let (before, after) = part.subtracting(void.range)
                return [before, after].compactMap { $0 }
            }
        }
        return parts
    }
}
