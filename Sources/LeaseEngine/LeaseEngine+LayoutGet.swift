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
        let isBlocked = self.isBlocked(request.range, isGet: true, on: request.file, before: nil)
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
        self.files[request.file]?.queue.append(
            QueueEntry(range: request.range, kind: .get(call, client, request, phase))
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
            if let refusal = self.clientRefusal(client) {
                actions.append(.refuse(call, refusal))
            } else {
                self.grant(call, client, request, range, at: now, &actions)
            }
        }
        self.advance(file, at: now, &actions)
    }

    // MARK: Checks

    private func clientRefusal(_ client: ClientID) -> Refusal? {
        guard let state = self.clients[client], !state.isLost else {
            return Refusal(.staleClientID, "the client is not known: create a session first")
        }
        guard state.hasBackChannel else {
            return Refusal(
                .layoutTryLater,
                "no back channel, so that a recall could not reach the client: bind a connection first"
            )
        }
        guard state.overdueRecalls == 0 else {
            return Refusal(.delay, "a recall is past its deadline: return the recalled layouts first")
        }
        return nil
    }

    private func refusal(of request: LayoutRequest, from client: ClientID) -> Refusal? {
        if let refusal = self.clientRefusal(client) { return refusal }
        guard let state = self.clients[client] else { return nil }
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
        let behind = StateID.distance(from: stateID.seqid, to: state.seqid)
        if behind < 0 { return Refusal(.badStateID, "the stateid's seqid was never given out") }
        if behind > Self.seqidWindow { return Refusal(.oldStateID, "the stateid's seqid is \(behind) behind") }
        return nil
    }

    /// How far a seqid may lag: calls in parallel carry older ones (RFC 8881 §12.5.5.2.1.4).
    static var seqidWindow: Int64 { 64 }

    func other(of holder: HolderID) -> StateIDOther {
        StateIDOther(number: holder.rawValue, boot: self.configuration.boot)
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
        var next = range.lowerBound
        state.segments.forEachOverlapping(range) { element in
            guard element.value.ioMode == .readWrite, element.range.lowerBound <= next else { return false }
            next = element.range.upperBound
            return true
        }
        guard next >= range.upperBound else {
            return Refusal(.badLayout, "no read-write layout covers \(range) beyond byte \(next)")
        }
        return nil
    }

    /// Why a range cannot be granted that the caller itself has been asked to give back, or `nil` if it has not.
    ///
    /// The change behind the recall may be given up: the return is still to come, and would take the new grant with it
    /// (RFC 8881 §18.43.3).
    func refusalByRecall(_ request: LayoutRequest, of client: ClientID) -> Refusal? {
        guard let holder = self.clients[client]?.holders[request.file], let state = self.holders[holder] else {
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
        let segment = Segment(
            ioMode: request.ioMode,
            breaksOnWrite: request.breaksOnWrite,
            isExclusive: request.isExclusive,
            grantedAt: now
        )
        let holder = self.holder(of: client, on: request.file)
        self.add(segment, range, to: holder)
        self.statistics.grants += 1
        actions.append(
            .grant(
                call,
                Grant(
                    holder: holder,
                    client: client,
                    file: request.file,
                    stateID: self.nextStateID(of: holder),
                    range: range,
                    ioMode: request.ioMode,
                    epoch: self.epoch(of: request.file),
                    shifts: self.shifts(of: request.file, since: request.knownEpoch)
                )
            )
        )
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

    // MARK: Segments

    /// Adds a segment to a holder, over its old ones: read-write parts stay read-write, neighbours that are alike merge.
    mutating func add(_ segment: Segment, _ range: ByteRange, to holder: HolderID) {
        guard let file = self.holders[holder]?.file, let segments = self.holders[holder]?.segments else { return }
        var pieces: [(range: ByteRange, segment: Segment)] = []
        var next = range.lowerBound
        // One byte on either side, to find neighbours to merge with.
        let around = ByteRange(
            range.lowerBound == 0 ? 0 : range.lowerBound - 1,
            range.isToEnd ? .max : range.upperBound + 1
        )
        for element in segments.overlapping(around ?? range) {
            self.removeSegment(element, of: holder, on: file)
            let (before, after) = element.range.subtracting(range)
            let overlap = element.range.intersection(range)
            if let before { pieces.append((before, element.value)) }
            if let overlap {
                if let gap = ByteRange(next, overlap.lowerBound) { pieces.append((gap, segment)) }
                var merged = segment
                // What was granted stays, until it is returned (specification R6.1-10, R6.1-12).
                if element.value.ioMode == .readWrite { merged.ioMode = .readWrite }
                merged.breaksOnWrite = segment.breaksOnWrite || element.value.breaksOnWrite
                merged.isExclusive = segment.isExclusive || element.value.isExclusive
                pieces.append((overlap, merged))
                next = overlap.upperBound
            }
            if let after {
                if let gap = ByteRange(next, Swift.min(range.upperBound, after.lowerBound)) {
                    pieces.append((gap, segment))
                    next = gap.upperBound
                }
                pieces.append((after, element.value))
            }
        }
        if let gap = ByteRange(next, range.upperBound) { pieces.append((gap, segment)) }
        pieces.sort { $0.range.lowerBound < $1.range.lowerBound }
        var run: (range: ByteRange, segment: Segment)?
        for piece in pieces {
            if let current = run {
                if current.range.upperBound == piece.range.lowerBound, current.segment.isLike(piece.segment) {
                    var segment = piece.segment
                    segment.grantedAt = Swift.min(current.segment.grantedAt, piece.segment.grantedAt)
                    run = (current.range.hull(piece.range), segment)
                    continue
                }
                self.insertSegment(current.segment, current.range, of: holder, on: file)
            }
            run = piece
        }
        if let run { self.insertSegment(run.segment, run.range, of: holder, on: file) }
    }

    /// Takes the parts of a holder's segments that lie in `range` and match `ioMode`, or downgrades them to read.
    mutating func remove(_ range: ByteRange, _ ioMode: IOModeSelector, isDowngrade: Bool, of holder: HolderID) {
        guard let file = self.holders[holder]?.file, let segments = self.holders[holder]?.segments else { return }
        for element in segments.overlapping(range) where ioMode.matches(element.value.ioMode) {
            guard let overlap = element.range.intersection(range) else { continue }
            self.removeSegment(element, of: holder, on: file)
            let (before, after) = element.range.subtracting(range)
            if let before { self.insertSegment(element.value, before, of: holder, on: file) }
            if let after { self.insertSegment(element.value, after, of: holder, on: file) }
            if isDowngrade {
                var segment = element.value
                segment.ioMode = .read
                self.add(segment, overlap, to: holder)
            }
        }
    }

    private mutating func insertSegment(_ segment: Segment, _ range: ByteRange, of holder: HolderID, on file: FileID) {
        self.holders[holder]?.segments.insert(range, key: 0, segment)
        self.files[file]?.index.insert(range, key: holder.rawValue, segment)
        self.layoutCount += 1
        if let client = self.holders[holder]?.client { self.clients[client]?.layoutCount += 1 }
    }

    private mutating func removeSegment(
        _ element: IntervalMap<Segment>.Element,
        of holder: HolderID,
        on file: FileID
    ) {
        self.holders[holder]?.segments.remove(lowerBound: element.range.lowerBound, key: 0)
        self.files[file]?.index.remove(lowerBound: element.range.lowerBound, key: holder.rawValue)
        self.layoutCount -= 1
        if let client = self.holders[holder]?.client { self.clients[client]?.layoutCount -= 1 }
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
