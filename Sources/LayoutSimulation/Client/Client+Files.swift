import LayoutCore
import LayoutHolder
import LeaseEngine

/// A grant whose descriptor is still to come, or that waits behind such a one.
struct PendingGrant {
    enum State {
        /// The descriptor is being fetched.
        case fetching
        case fetched(lock: UInt64)
        /// It goes with the descriptor that came earlier.
        case covered
        /// There is no descriptor any more under this token.
        case lost
    }

    let id: LayoutHolder.GetID
    let grant: GrantedReply
    var state: State
}

/// What the holders' actions become: LAYOUTGET, LAYOUTRETURN, descriptors, and the way out when the sides disagree.
extension Client {
    func tell(_ file: Int, _ event: LayoutHolder.Event) {
        self.tells.append((file, event))
        guard !self.isTelling else { return }
        self.isTelling = true
        var next = 0
        while next < self.tells.count, self.isAlive {
            let (file, event) = self.tells[next]
            next += 1
            self.world.trace("client \(self.place) file \(file) <- \(event)")
            for action in self.files[file].holder.handle(event) {
                self.world.trace("client \(self.place) file \(file) -> \(action)")
                self.carryOut(action, file)
            }
        }
        self.tells.removeAll(keepingCapacity: true)
        self.isTelling = false
    }

    private func carryOut(_ action: LayoutHolder.Action, _ file: Int) {
        switch action {
        case .sendGet(let id, let range, let ioMode, let stateID, let knownEpoch):
            self.sendGet(id, file, range, ioMode, stateID, knownEpoch)
        case .sendReclaim(let id, let range, let ioMode, let stateID, let knownEpoch):
            self.sendReclaim(id, file, range, ioMode, stateID, knownEpoch)
        case .map(let id, let generation, let segments, _): self.map(id, file, generation, segments)
        case .revoke(let id, let isForced): self.revoke(id, file, isForced: isForced)
        case .fail(let id, let status): self.fail(id, status)
        case .answerRecall(_, let status): self.recallAnswer = status
        case .sendReturn(let id, let range, let ioMode, let stateID):
            self.submit(.giveBack(file: file, range, ioMode, stateID)) { [unowned self] outcome in
                self.returnEnded(id, file, outcome)
            }
        case .permitChange(let id): self.sendChange(id, file)
        case .retryLater(let id, let milliseconds):
            self.after(milliseconds * 1000...milliseconds * 1000 + 100) { [unowned self] in
                self.tell(file, .retryDue(id))
            }
        case .dropDescriptors:
            guard !self.world.has(.keepsDescriptors) else { return }
            self.dropDescriptor(file)
        }
    }

    private func dropDescriptor(_ file: Int) {
        guard let descriptor = self.files[file].descriptor else { return }
        self.files[file].descriptor = nil
        self.world.host.release(descriptor.lock)
    }

    // MARK: LAYOUTGET

    private func sendGet(
        _ id: LayoutHolder.GetID,
        _ file: Int,
        _ range: ByteRange,
        _ ioMode: IOMode,
        _ stateID: StateID,
        _ knownEpoch: UInt64
    ) {
        let arguments = GetArguments(
            file: file,
            range: range,
            ioMode: ioMode,
            stateID: stateID,
            knownEpoch: knownEpoch,
            patience: self.world.random.oneIn(3) ? .zero : .seconds(5),
            needsDescriptor: self.files[file].descriptor == nil
        )
        self.files[file].getsInFlight += 1
        self.submit(.get(arguments)) { [unowned self] outcome in
            self.files[file].getsInFlight -= 1
            self.getEnded(id, file, outcome)
            self.continueReset(file)
            self.payDebt()
        }
    }

    private func getEnded(_ id: LayoutHolder.GetID, _ file: Int, _ outcome: Call.Outcome) {
        switch outcome {
        case .answered(.granted(let grant)):
            if grant.shifts?.isEmpty == false { self.world.mark(.contentFollowed) }
            self.note(grant.stateID, of: file)
            var pending = PendingGrant(id: id, grant: grant, state: .covered)
            if let lock = grant.lock {
                pending.state = .fetching
                self.fetch(lock, file, id)
            }
            self.files[file].grants.append(pending)
            self.passGrantsOn(file)
        case .answered(.refused(let status)):
            if status == .recallConflict { self.world.mark(.grantWaitedForChange) }
            self.tell(file, .refused(id, status == .outcomeUnknown ? .layoutTryLater : status))
        case .notExecuted:
            self.tell(file, .refused(id, .delay))
        case .answered, .unknown:
            // It may have been granted all the same.
            self.tell(file, .refused(id, .delay))
            self.startReset(file)
        }
    }

    /// The latest stateid that a message has shown.
    func note(_ stateID: StateID, of file: Int) {
        let latest = self.files[file].latestStateID
        let isNewer = stateID.other != latest.other || StateID.distance(from: latest.seqid, to: stateID.seqid) > 0
        if isNewer { self.files[file].latestStateID = stateID }
    }

    /// Asks the descriptor socket for what a grant's token stands for.
    private func fetch(_ lock: UInt64, _ file: Int, _ id: LayoutHolder.GetID) {
        let boot = self.world.host.boot
        self.after(20...5000) { [unowned self] in
            guard let server = self.world.server, server.fetch(lock) else {
                self.world.mark(.descriptorLost)
                return self.fetched(id, file, .lost)
            }
            // From here on it is in a message to this process, and dies with it.
            self.incomingLocks.append(lock)
            self.after(1...500) { [unowned self] in
                guard self.world.host.boot == boot else { return }
                self.incomingLocks.removeAll { $0 == lock }
                self.fetched(id, file, .fetched(lock: lock))
            }
        }
    }

    private func fetched(_ id: LayoutHolder.GetID, _ file: Int, _ state: PendingGrant.State) {
        guard let place = self.files[file].grants.firstIndex(where: { $0.id == id }) else {
            // Nobody waits for it any more.
            if case .fetched(let lock) = state { self.world.host.release(lock) }
            return
        }
        self.files[file].grants[place].state = state
        self.passGrantsOn(file)
    }

    /// Tells the holder of the grants whose descriptors are here, in the order of their replies.
    private func passGrantsOn(_ file: Int) {
        while let pending = self.files[file].grants.first {
            switch pending.state {
            case .fetching:
                return
            case .fetched(let lock):
                self.files[file].grants.removeFirst()
                if self.world.has(.keepsDescriptors), self.files[file].descriptor != nil {
                    self.world.host.release(lock)
                } else {
                    self.dropDescriptor(file)
                    self.files[file].descriptor = FileState.Descriptor(lock: lock, holder: pending.grant.holder)
                }
                self.accept(pending, file)
            case .covered where self.files[file].descriptor?.holder == pending.grant.holder:
                self.files[file].grants.removeFirst()
                self.accept(pending, file)
            case .covered, .lost:
                // The server believes that this side has a descriptor that it has not: give all back and ask again.
                self.files[file].grants.removeFirst()
                self.tell(file, .refused(pending.id, .delay))
                self.startReset(file)
            }
        }
    }

    private func accept(_ pending: PendingGrant, _ file: Int) {
        let grant = pending.grant
        var size = grant.fileSize
        let known = self.files[file].sizeStateID
        let isNewest =
            grant.stateID.other == known.other
            ? StateID.distance(from: known.seqid, to: grant.stateID.seqid) > 0
            : grant.stateID.other.number > known.other.number
        if isNewest {
            self.files[file].grantedSize = size
            self.files[file].sizeStateID = grant.stateID
        } else {
            // A later grant's reply came first, and knows better how long the file is.
            size = self.files[file].grantedSize
        }
        self.tell(file, .granted(pending.id, self.layout(of: grant, size: size)))
    }

    func layout(of grant: GrantedReply, size: UInt64) -> LayoutHolder.GrantedLayout {
        LayoutHolder.GrantedLayout(
            stateID: grant.stateID,
            range: grant.range,
            ioMode: grant.ioMode,
            fileSize: size,
            epoch: grant.epoch,
            shifts: grant.shifts
        )
    }

    // MARK: LAYOUTRETURN

    private func returnEnded(_ id: LayoutHolder.ReturnID, _ file: Int, _ outcome: Call.Outcome) {
        switch outcome {
        case .answered(.returned(let stateID)):
            if let stateID { self.note(stateID, of: file) }
            self.tell(file, .returnEnded(id, stateID))
        case .answered(.refused(.badStateID)), .notExecuted:
            // Nothing is held under it any more; what the next life still believes goes with RECLAIM_COMPLETE.
            self.tell(file, .returnEnded(id, nil))
        case .answered, .unknown:
            self.tell(file, .returnEnded(id, nil))
            self.startReset(file)
        }
    }

    // MARK: Starting over

    /// Whether files may give back what the two sides do not agree about.
    private var allowsReturns: Bool { self.standing == .inForce || self.standing == .suspended }

    /// Ends all access to a file, gives back whatever the server believes to be held, and lets windows ask again.
    func startReset(_ file: Int) {
        guard self.standing.holds, self.files[file].reset.begin() else { return }
        self.tell(file, .leaseLost)
        self.dropGrants(file)
        self.dropDescriptor(file)
        self.continueReset(file)
    }

    func dropGrants(_ file: Int) {
        for grant in self.files[file].grants {
            if case .fetched(let lock) = grant.state { self.world.host.release(lock) }
        }
        self.files[file].grants = []
    }

    func continueReset(_ file: Int) {
        // A LAYOUTGET under way could be granted after the return.
        guard self.files[file].reset.isWaiting, self.files[file].getsInFlight == 0, self.allowsReturns else {
            return
        }
        let stateID = self.files[file].latestStateID
        guard stateID != .none else { return self.endReset(file) }
        let number = self.files[file].reset.send()
        self.submit(.giveBack(file: file, .all, .any, stateID)) { [unowned self] outcome in
            guard self.files[file].reset.awaits(number) else { return }
            switch outcome {
            case .answered: self.endReset(file)
            case .notExecuted, .unknown:
                // Once more, in the next session.
                self.files[file].reset.sendAgain()
                self.continueReset(file)
            }
        }
    }

    private func endReset(_ file: Int) {
        self.files[file].reset.end()
        self.files[file].latestStateID = .none
        if self.hasLease { self.tell(file, .leaseRegained) }
    }

    /// The lease is in force again.
    func fileRegained(_ file: Int) {
        if !self.files[file].reset.isUnderWay { self.tell(file, .leaseRegained) }
        self.continueReset(file)
    }

    // MARK: Own changes

    func changeOwnFile(_ file: Int, _ kind: MappingOperation, _ argument: ByteRange) {
        let id = LayoutHolder.OwnChangeID(self.world.nextNumber())
        let arguments = ChangeArguments(
            operation: self.world.oracle.begin("client \(self.place)", by: self),
            file: file,
            kind: kind,
            argument: argument,
            patience: .seconds(Int64(1 + self.world.random.below(8)))
        )
        self.files[file].intents.append(FileState.Intent(id: id, arguments: arguments))
        self.tell(file, .changeWanted(LayoutHolder.ChangeIntent(id: id, operation: kind, argument: argument)))
    }

    private func sendChange(_ id: LayoutHolder.OwnChangeID, _ file: Int) {
        guard let place = self.files[file].intents.firstIndex(where: { $0.id == id }) else { return }
        let intent = self.files[file].intents.remove(at: place)
        self.submit(.change(intent.arguments)) { [unowned self] outcome in
            guard case .answered(.changed(let epoch, let stateID)) = outcome else {
                return self.tell(file, .changeEnded(id, .failed))
            }
            self.trialEnded("change file \(file)")
            if let stateID { self.note(stateID, of: file) }
            self.tell(file, .changeEnded(id, .done(epoch: epoch, stateID: stateID)))
            // What this side has let go of and the server has not taken is given back, so that both agree.
            let state = self.files[file]
            if stateID != nil, state.holder.heldRanges.isEmpty, state.getsInFlight == 0 { self.startReset(file) }
        }
    }
}
