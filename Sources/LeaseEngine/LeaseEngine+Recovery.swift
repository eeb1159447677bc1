package import LayoutCore
import Recovery

extension LeaseEngine {
    // MARK: The start of a life

    /// Makes the engine of a server that has started again.
    ///
    /// `recovered` has no ``Recovered/defect``. The holders in it hold what they held from now on; the lease of their
    /// clients ends with the grace term.
    package init(configuration: Configuration, recovered: Recovered, at now: Instant) {
        self.init(configuration: configuration)
        for file in recovered.files {
            self.files[file.file] = File(file)
            // Numbers of lives that made more than their share are not made again either.
            self.lastEpoch = max(self.lastEpoch, file.epoch)
        }
        let leaseEnd = now.advanced(by: recovered.graceTerm)
        for client in recovered.clients {
            self.clients[client.id] = Client(leaseEnd: leaseEnd, isBack: false)
            for holder in client.holders { self.take(holder, of: client.id, at: now) }
            if !client.holders.isEmpty {
                self.clients[client.id]?.isReclaiming = true
                self.reclaimingClients += 1
            }
        }
        for file in recovered.files { self.settle(file.file) }
        self.reducedHolders = [:]
        guard self.reclaimingClients > 0 else { return }
        self.graceEnd = leaseEnd
        self.deadlines.add(.grace, at: leaseEnd)
    }

    private mutating func take(_ holder: RecoveredHolder, of client: ClientID, at now: Instant) {
        self.lastHolderNumber = max(self.lastHolderNumber, holder.id.rawValue)
        self.remember(holder.file)
        self.holders[holder.id] = Holder(client: client, file: holder.file, seqid: holder.seqid, isSeqidUnknown: true)
        self.clients[client]?.holders[holder.file] = holder.id
        for stored in holder.segments {
            let segment = Segment(
                ioMode: stored.ioMode,
                breaksOnWrite: stored.breaksOnWrite,
                isExclusive: stored.isExclusive,
                grantedAt: now,
                unreclaimed: .everything
            )
            self.add(segment, stored.range, to: holder.id)
        }
    }

    mutating func started(at now: Instant, _ actions: inout [Action]) {
        for holder in self.holders.keys.sorted() { self.startFence(holder, .prove, at: now, &actions) }
    }

    // MARK: Grace

    /// Whether holders of an earlier life may still come back, so that nothing new is granted and no mapping changes.
    package var isInGrace: Bool { self.graceEnd != nil }

    /// The time that is left of the grace period; `nil` without one.
    package func graceLeft(at now: Instant) -> Duration? { self.graceEnd?.duration(since: now) }

    /// Why a change cannot run in grace, or `nil` if it can.
    ///
    /// A shutdown and an operator's revocation change no mapping.
    func refusalByGrace(_ request: ChangeRequest) -> Refusal? {
        guard self.isInGrace, request.changesMapping, !request.waitsForGrace else { return nil }
        return Refusal(.grace, "nothing was done: the server has restarted and waits for its clients; try again")
    }

    /// Whether a change waits for the end of grace before it does anything.
    func isHeldByGrace(_ id: ChangeID) -> Bool {
        guard self.isInGrace, let change = self.changes[id], !change.isRunning else { return false }
        return change.request.waitsForGrace && change.request.changesMapping
    }

    /// Where those take their place in a file's queue who go on in grace: ahead of the changes that wait for its end.
    ///
    /// `nil`: at the end.
    func placeInGrace(on file: FileID) -> Int? {
        guard self.isInGrace else { return nil }
        return self.files[file]?.queue.firstIndex {
            switch $0.kind {
            case .get: false
            case .change(let id, _): self.isHeldByGrace(id)
            }
        }
    }

    /// Grace ends early when there is nobody left to wait for.
    mutating func endGraceIfDone(at now: Instant, _ actions: inout [Action]) {
        guard self.graceEnd != nil, self.reclaimingClients == 0 else { return }
        self.endGrace(at: now, &actions)
    }

    mutating func endGrace(at now: Instant, _ actions: inout [Action]) {
        self.graceEnd = nil
        actions.append(.graceEnded)
        self.beginHeldChanges(at: now, &actions)
    }

    /// A client has said all, is lost, or holds nothing any more.
    mutating func endReclaim(of client: ClientID) {
        guard self.clients[client]?.isReclaiming == true else { return }
        self.clients[client]?.isReclaiming = false
        self.reclaimingClients -= 1
    }

    // MARK: Reclaim

    /// Why a LAYOUTGET cannot be granted because of what was held in an earlier life, or `nil` if it can.
    func refusalByReclaim(_ request: LayoutRequest, _ range: ByteRange, of client: ClientID) -> Refusal? {
        let isReclaiming = self.clients[client]?.isReclaiming == true
        guard request.isReclaim else {
            if self.isInGrace {
                return Refusal(.grace, "the server has restarted and waits for its clients: reclaim, or try again")
            }
            guard isReclaiming else { return nil }
            return Refusal(.grace, "the client has layouts to reclaim: reclaim them and send RECLAIM_COMPLETE first")
        }
        guard isReclaiming else {
            return Refusal(.noGrace, "the client has nothing to reclaim: ask for a new layout")
        }
        guard let holder = self.clients[client]?.holders[request.file], let state = self.holders[holder],
            request.stateID.other == self.other(of: holder)
        else {
            return Refusal(.reclaimBad, "the client holds no layout of this file under this stateid: it is lost")
        }
        let wanted = Segment(
            ioMode: request.ioMode,
            breaksOnWrite: request.breaksOnWrite,
            isExclusive: request.isExclusive,
            grantedAt: Instant(nanoseconds: 0)
        )
        guard state.segments.covers(range, where: { $0.includes(wanted) }) else {
            return Refusal(.reclaimBad, "the client did not hold all of \(range) in this way: reclaim what it held")
        }
        return nil
    }

    /// Notes that a client goes on using a range that it holds.
    mutating func reclaim(_ range: ByteRange, _ ioMode: IOMode, _ stateID: StateID, of holder: HolderID) {
        self.adoptSeqid(of: stateID, for: holder)
        self.holders[holder]?.isSeqidUnknown = false
        self.change(range, of: holder) { segment in
            var reclaimed = segment
            if ioMode == .readWrite || segment.ioMode == .read {
                reclaimed.unreclaimed = .nothing
            } else if segment.unreclaimed == .everything {
                reclaimed.unreclaimed = .stores
            }
            return reclaimed
        }
    }

    /// Takes a client's word for the seqid of a holder of an earlier life, if it is ahead of what was kept.
    mutating func adoptSeqid(of stateID: StateID, for holder: HolderID) {
        guard let state = self.holders[holder], self.clients[state.client]?.isReclaiming == true, stateID.seqid != 0,
            stateID.other == self.other(of: holder), StateID.distance(from: state.seqid, to: stateID.seqid) > 0
        else { return }
        self.holders[holder]?.seqid = stateID.seqid
    }

    mutating func reclaimComplete(_ client: ClientID, at now: Instant, _ actions: inout [Action]) {
        guard let state = self.clients[client], state.isReclaiming else { return }
        let files = state.holders.keys.sorted()
        for file in files {
            guard let holder = state.holders[file] else { continue }
            let didChange = self.change(.all, of: holder) { segment in
                switch segment.unreclaimed {
                case .nothing: segment
                case .stores: segment.downgraded
                case .everything: nil
                }
            }
            guard didChange else { continue }
            self.persistLater(holder)
            self.endSatisfiedRecalls(of: holder, .returned, at: now, &actions)
            _ = self.releaseIfEmpty(holder, &actions)
        }
        self.endReclaim(of: client)
        for file in files { self.advance(file, at: now, &actions) }
    }

    // MARK: What the next life must know

    /// Has a holder's segments kept before what follows in the list is done.
    mutating func persist(_ holder: HolderID, _ actions: inout [Action]) {
        guard let state = self.holders[holder] else { return }
        self.reducedHolders[holder] = nil
        actions.append(.persist(self.record(of: holder, state.client, state.file)))
    }

    /// Has a holder's segments kept at the end of the list: a next life that takes a holder for one that holds more is
    /// only more careful.
    mutating func persistLater(_ holder: HolderID) {
        guard let state = self.holders[holder] else { return }
        self.reducedHolders[holder] = HolderPlace(client: state.client, file: state.file)
    }

    mutating func persistReduced(_ actions: inout [Action]) {
        guard !self.reducedHolders.isEmpty else { return }
        for holder in self.reducedHolders.keys.sorted() {
            guard let place = self.reducedHolders[holder] else { continue }
            actions.append(.persist(self.record(of: holder, place.client, place.file)))
        }
        self.reducedHolders = [:]
    }

    /// Whether a holder holds anything.
    package func isHolder(_ holder: HolderID) -> Bool { self.holders[holder] != nil }

    /// What a holder holds, as it is kept; `nil` if it is gone.
    package func record(of holder: HolderID) -> HolderRecord? {
        self.holders[holder].map { self.record(of: holder, $0.client, $0.file) }
    }

    private func record(of holder: HolderID, _ client: ClientID, _ file: FileID) -> HolderRecord {
        let state = self.holders[holder]
        var segments: [StoredSegment] = []
        for element in state?.segments.elements ?? [] {
            let segment = element.value.stored(element.range)
            // What is reclaimed and what is not are one to the next life.
            if let last = segments.last, last.range.upperBound == segment.range.lowerBound,
                element.value.stored(last.range) == last
            {
                segments[segments.count - 1].range = last.range.hull(segment.range)
            } else {
                segments.append(segment)
            }
        }
        return HolderRecord(holder: holder, client: client, file: file, seqid: state?.seqid ?? 0, segments: segments)
    }
}

extension LeaseEngine.Segment {
    fileprivate func stored(_ range: ByteRange) -> StoredSegment {
        StoredSegment(
            range: range,
            ioMode: self.ioMode,
            breaksOnWrite: self.breaksOnWrite,
            isExclusive: self.isExclusive
        )
    }
}

extension LeaseEngine.ChangeRequest {
    /// Whether it is more than a way to get layouts back.
    var changesMapping: Bool { self.parts.contains { $0.operation != .shutdown && $0.operation != .revoke } }
}
