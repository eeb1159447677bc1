package import LayoutCore

extension LeaseEngine {
    mutating func layoutGet(
        _ call: CallID,
        _ client: ClientID,
        _ request: LayoutRequest,
        at now: Instant,
        _ actions: inout [Action]
    ) {
        if let refusal = self.refusal(of: request, from: client) {
            actions.append(.refuse(call, refusal))
            return
        }
        if let refusal = self.refusalByRecall(request, of: client) {
            actions.append(.refuse(call, refusal))
            return
        }
        let place = self.placeInGrace(on: request.file)
        let isBlocked = self.isBlocked(request, before: place)
        if isBlocked {
            guard request.patience > .zero else {
                let detail = "a mapping change is under way on \(request.range): ask again, or with patience"
                actions.append(.refuse(call, Refusal(.recallConflict, detail)))
                return
            }
            guard self.waitingGets < self.configuration.waitingGetsMax else {
                actions.append(
                    .refuse(call, Refusal(.delay, "too many LAYOUTGETs wait for mapping changes; try again"))
                )
                return
            }
        }
        let phase: QueueEntry.GetPhase = isBlocked ? .waiting : .resolving
        self.remember(request.file)
        let end = self.files[request.file]?.queue.endIndex ?? 0
        self.files[request.file]?.queue.insert(
            QueueEntry(range: request.range, kind: .get(call, client, request, phase)),
            at: place ?? end
        )
        self.fileOfCall[call] = request.file
        if isBlocked {
            self.waitingGets += 1
            let patience = min(request.patience, self.configuration.patienceMax)
            self.deadlines.add(.get(call), at: now.advanced(by: patience))
        } else {
            actions.append(.resolveExtents(call, client, request))
        }
    }

    mutating func extentsResolved(
        _ call: CallID,
        _ result: Result<ByteRange, Refusal>,
        at now: Instant,
        _ actions: inout [Action]
    ) {
        guard let file = self.fileOfCall[call], let (client, request) = self.resolving(call, on: file) else {
            preconditionFailure("extents for \(call), which reads none")
        }
        self.removeGet(call, on: file)
        switch result {
        case .failure(let refusal):
            actions.append(.refuse(call, refusal))
        case .success(let range):
            precondition(request.range.contains(range), "granted \(range), asked for \(request.range)")
            // The client may have gone, or fallen under a fence, while the extents were read.
            let refusal = self.clientRefusal(client, isReclaim: request.isReclaim)
            if let refusal = refusal ?? self.refusalByReclaim(request, range, of: client) {
                actions.append(.refuse(call, refusal))
            } else {
                self.grant(call, client, request, range, at: now, &actions)
            }
        }
        self.advance(file, at: now, &actions)
    }

    // MARK: Checks

    private func clientRefusal(_ client: ClientID, isReclaim: Bool) -> Refusal? {
        guard let state = self.clients[client], !state.isLost else {
            return Refusal(.staleClientID, "the client is not known: create a session first")
        }
        guard state.hasBackChannel else {
            return Refusal(
                .layoutTryLater,
                "no back channel, so that a recall could not reach the client: bind a connection first"
            )
        }
        guard state.overdueRecalls == 0 || isReclaim else {
            return Refusal(.delay, "a recall is past its deadline: return the recalled layouts first")
        }
        return nil
    }

    private func refusal(of request: LayoutRequest, from client: ClientID) -> Refusal? {
        if let refusal = self.clientRefusal(client, isReclaim: request.isReclaim) { return refusal }
        guard let state = self.clients[client] else { return nil }
        if let refusal = self.refusalByReclaim(request, request.range, of: client) { return refusal }
        // It takes no more than is held already, under a stateid that was checked.
        if request.isReclaim { return nil }
        if request.stateID != .none {
            guard let holder = state.holders[request.file] else {
                return Refusal(.badStateID, "the client holds no layout of this file under this stateid")
            }
            if let refusal = self.refusal(of: request.stateID, for: holder) { return refusal }
        }
        if state.layoutCount >= self.configuration.layoutsPerClientMax {
            return Refusal(.resource, "the client holds \(state.layoutCount) layouts: return some")
        }
        if self.layoutCount >= self.configuration.layoutsMax {
            return Refusal(.resource, "the server holds \(self.layoutCount) layouts, its limit: try later")
        }
        return nil
    }

    /// Why a stateid is not good for a holder, or `nil` if it is (specification §6.1).
    func refusal(of stateID: StateID, for holder: HolderID) -> Refusal? {
        guard let state = self.holders[holder], stateID.other == self.other(of: holder), stateID.seqid != 0 else {
            return Refusal(.badStateID, "not the stateid of a layout that the client holds")
        }
        // Which seqid an earlier life gave out last, nobody knows.
        if state.isSeqidUnknown { return nil }
        let behind = StateID.distance(from: stateID.seqid, to: state.seqid)
        if behind < 0 { return Refusal(.badStateID, "the stateid's seqid was never given out") }
        if behind > Self.seqidWindow { return Refusal(.oldStateID, "the stateid's seqid is \(behind) behind") }
        return nil
    }

    /// How far a seqid may lag: calls in parallel carry older ones (RFC 8881 §12.5.5.2.1.4).
    static var seqidWindow: Int64 { 64 }

    func other(of holder: HolderID) -> StateIDOther {
        StateIDOther(number: holder.rawValue, boot: UInt32(truncatingIfNeeded: holder.rawValue >> 32))
    }

    /// Whether the caller may commit bytes of `range`: it must hold a read-write layout of all of it.
    package func refusalOfCommit(
        _ client: ClientID,
        _ file: FileID,
        _ stateID: StateID,
        _ range: ByteRange
    ) -> Refusal? {
        guard let holder = self.clients[client]?.holders[file], let state = self.holders[holder] else {
            return Refusal(.badStateID, "the client holds no layout of this file: write the bytes through the server")
        }
        if let refusal = self.refusal(of: stateID, for: holder) { return refusal }
        if let gap = state.segments.firstGap(in: range, where: { $0.ioMode == .readWrite }) {
            return Refusal(.badLayout, "no read-write layout covers \(range) beyond byte \(gap)")
        }
        return nil
    }

    /// Why a range cannot be granted that the caller itself has been asked to give back, or `nil` if it has not.
    ///
    /// The change behind the recall may be given up: the return is still to come, and would take the new grant with it
    /// (RFC 8881 §18.43.3). A reclaim is granted all the same: what it covers is held, and what was not reclaimed cannot be
    /// returned.
    func refusalByRecall(_ request: LayoutRequest, of client: ClientID) -> Refusal? {
        guard !request.isReclaim, let holder = self.clients[client]?.holders[request.file],
            let state = self.holders[holder]
        else {
            return nil
        }
        for id in state.recalls {
            guard let recall = self.recalls[id], recall.recall.range.overlaps(request.range) else { continue }
            return Refusal(
                recall.phase == .answered ? .returnConflict : .recallConflict,
                "\(recall.recall.range) is recalled: return it before asking again"
            )
        }
        return nil
    }

    // MARK: Granting

    private mutating func grant(
        _ call: CallID,
        _ client: ClientID,
        _ request: LayoutRequest,
        _ range: ByteRange,
        at now: Instant,
        _ actions: inout [Action]
    ) {
        let holder = self.holder(of: client, on: request.file)
        let holdsMore: Bool
        if request.isReclaim {
            self.reclaim(range, request.ioMode, request.stateID, of: holder)
            holdsMore = false
        } else {
            let segment = Segment(
                ioMode: request.ioMode,
                breaksOnWrite: request.breaksOnWrite,
                isExclusive: request.isExclusive,
                grantedAt: now
            )
            holdsMore = self.add(segment, range, to: holder)
        }
        self.statistics.grants += 1
        let grant = Grant(
            holder: holder,
            client: client,
            file: request.file,
            stateID: self.nextStateID(of: holder),
            range: range,
            ioMode: request.ioMode,
            epoch: self.epoch(of: request.file),
            shifts: self.shifts(of: request.file, since: request.knownEpoch)
        )
        // The client may use it as soon as it hears of it, so the next life must know before.
        if holdsMore { self.persist(holder, &actions) }
        actions.append(.grant(call, grant))
        self.askToReduceIfNeeded(client, &actions)
    }

    private mutating func holder(of client: ClientID, on file: FileID) -> HolderID {
        if let holder = self.clients[client]?.holders[file] { return holder }
        self.lastHolderNumber += 1
        let holder = HolderID(self.lastHolderNumber)
        self.holders[holder] = Holder(client: client, file: file, seqid: 0)
        self.clients[client]?.holders[file] = holder
        return holder
    }

    /// Counts the seqid up and returns the stateid: with every grant, return, recall and implicit return.
    mutating func nextStateID(of holder: HolderID) -> StateID {
        let seqid = StateID.successor(of: self.holders[holder]?.seqid ?? 0)
        self.holders[holder]?.seqid = seqid
        return StateID(seqid: seqid, other: self.other(of: holder))
    }

    private mutating func askToReduceIfNeeded(_ client: ClientID, _ actions: inout [Action]) {
        guard let state = self.clients[client] else { return }
        let max = self.configuration.layoutsPerClientMax
        if state.layoutCount * 4 < max * 3 {
            if state.wasToldToReduce { self.clients[client]?.wasToldToReduce = false }
        } else if !state.wasToldToReduce {
            self.clients[client]?.wasToldToReduce = true
            actions.append(.recallAny(client, keep: max / 2))
        }
    }

    // MARK: Queue

    private func resolving(_ call: CallID, on file: FileID) -> (ClientID, LayoutRequest)? {
        for entry in self.files[file]?.queue ?? [] {
            if case .get(call, let client, let request, .resolving) = entry.kind { return (client, request) }
        }
        return nil
    }

    mutating func removeGet(_ call: CallID, on file: FileID) {
        guard
            let index = self.files[file]?.queue.firstIndex(where: {
                if case .get(call, _, _, _) = $0.kind { return true }
                return false
            })
        else { return }
        if case .get(_, _, _, .waiting)? = self.files[file]?.queue[index].kind { self.waitingGets -= 1 }
        self.files[file]?.queue.remove(at: index)
        self.fileOfCall[call] = nil
    }
}
