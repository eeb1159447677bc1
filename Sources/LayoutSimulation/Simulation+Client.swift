import LayoutCore
import LayoutHolder
import LeaseEngine

/// The client's shell: what its threads do, and what its state machines ask for.
extension Simulation {
    typealias WindowID = LayoutHolder.WindowID

    // MARK: What the application does

    mutating func step(_ client: Int) {
        if !self.isHealing { self.queue.add(.step(client: client), at: self.after(500...60_000)) }
        guard !self.isPaused(client), !self.isHealing else { return }
        self.checkOwnDeadline(client)
        let file = Int(self.random.below(UInt64(self.options.files)))
        switch self.random.below(20) {
        case 0 where self.clients[client].windowOrder.count < 6:
            self.openWindow(client, file)
        case 1:
            self.closeWindow(client)
        case 2, 3:
            self.changeOwnFile(client, file)
        default:
            guard !self.clients[client].windowOrder.isEmpty else {
                self.openWindow(client, file)
                return
            }
            let choice = Int(self.random.below(UInt64(self.clients[client].windowOrder.count)))
            self.touch(client, self.clients[client].windowOrder[choice], parks: true)
        }
    }

    private mutating func openWindow(_ client: Int, _ file: Int) {
        let blocks = UInt64(self.disks[file].stamps.count)
        guard blocks > 0 else { return }
        let first = self.random.below(blocks)
        let count = 1 + self.random.below(min(16, blocks - first))
        guard let range = ByteRange(first * SimulatedDisk.blockSize, (first + count) * SimulatedDisk.blockSize) else {
            return
        }
        let follows = self.random.oneIn(2)
        let id = WindowID(self.nextNumber())
        self.clients[client].mappings[id] = SimulatedClient.Mapping(
            file: file,
            followsContent: follows,
            blocks: Int(count)
        )
        self.clients[client].windowOrder.append(id)
        let ioMode: IOMode = self.random.oneIn(3) ? .read : .readWrite
        self.tell(client, file, .windowAdded(id, LayoutHolder.Window(range, ioMode, followsContent: follows)))
        self.touch(client, id, parks: true)
    }

    private mutating func closeWindow(_ client: Int) {
        guard let id = self.clients[client].windowOrder.first, let mapping = self.clients[client].mappings[id],
            mapping.pins == 0, !mapping.isDraining, !mapping.isParked
        else { return }
        self.clients[client].windowOrder.removeFirst()
        self.tell(client, mapping.file, .windowRemoved(id))
        self.clients[client].mappings[id] = nil
    }

    private func randomArgument(
        _ operation: MappingOperation,
        _ file: Int,
        _ random: inout SeededGenerator
    ) -> ByteRange? {
        let blocks = UInt64(self.disks[file].stamps.count)
        let first = random.below(blocks + 8) * SimulatedDisk.blockSize
        if operation == .truncate { return ByteRange(from: first) }
        return ByteRange(offset: first, length: (1 + random.below(4)) * SimulatedDisk.blockSize)
    }

    private static let operations: [MappingOperation] = [
        .insertRange, .insertRange, .collapseRange, .collapseRange, .punchHole, .truncate,
    ]

    private mutating func changeOwnFile(_ client: Int, _ file: Int) {
        let operation = Self.operations[Int(self.random.below(6))]
        guard self.clients[client].hasLease, let argument = self.randomArgument(operation, file, &self.random) else {
            return
        }
        let id = LayoutHolder.OwnChangeID(self.nextNumber())
        self.clients[client].intents[id] = (file, operation, argument)
        let intent = LayoutHolder.ChangeIntent(id: id, operation: operation, argument: argument)
        self.tell(client, file, .changeWanted(intent))
    }

    mutating func localChange() {
        guard !self.isHealing else { return }
        self.queue.add(.localChange, at: self.after(5000...400_000))
        let file = Int(self.random.below(UInt64(self.options.files)))
        let operation = Self.operations[Int(self.random.below(6))]
        guard let argument = self.randomArgument(operation, file, &self.random) else { return }
        self.requestChange(file, operation, argument, call: nil)
    }

    // MARK: Accesses

    /// A thread loads or stores through a window.
    ///
    /// Without access it parks, unless it only tries.
    mutating func touch(_ client: Int, _ id: WindowID, parks: Bool) {
        guard let mapping = self.clients[client].mappings[id], !mapping.isFailed else { return }
        guard mapping.hasAccess else {
            guard parks else { return }
            self.clients[client].mappings[id]?.isParked = true
            self.tell(client, mapping.file, .windowWanted(id))
            return
        }
        self.report.accesses += 1
        self.checkAccess(client, id, mapping)
        if parks, !mapping.isDraining, self.random.oneIn(4) {
            self.clients[client].mappings[id]?.pins += 1
            self.queue.add(.unpin(client: client, window: id), at: self.after(10...50_000))
        }
    }

    private mutating func checkAccess(_ client: Int, _ id: WindowID, _ mapping: SimulatedClient.Mapping) {
        for change in self.changeOrder {
            guard let change = self.changes[change], change.isPermitted, change.file == mapping.file else { continue }
            for segment in mapping.segments where segment.range.overlaps(change.affected) {
                self.violation("client \(client) reaches \(segment.range) while \(change.operation) runs")
                return
            }
        }
        guard mapping.followsContent else { return }
        for segment in mapping.segments {
            var offset = segment.range.lowerBound
            while offset < segment.range.upperBound {
                let block = Int((segment.windowOffset + offset - segment.range.lowerBound) / SimulatedDisk.blockSize)
                let seen = self.disks[mapping.file].stamp(at: offset)
                offset += SimulatedDisk.blockSize
                guard let first = mapping.expected[block], first != 0 else { continue }
                let wanted = self.latest(first)
                if seen != wanted, !(seen == 0 && self.deadStamps.contains(wanted)) {
                    self.violation("client \(client) sees stamp \(seen ?? 0) where \(wanted) must be")
                    return
                }
            }
        }
    }

    /// The stamp that took the place of `stamp`, through all stores since.
    private func latest(_ stamp: UInt64) -> UInt64 {
        var stamp = stamp
        while let next = self.successors[stamp] { stamp = next }
        return stamp
    }

    mutating func unpin(_ client: Int, _ id: WindowID) {
        guard let mapping = self.clients[client].mappings[id] else { return }
        if self.options.fault == .returnsBeforeRevoking, mapping.pins == 0 {
            self.clients[client].mappings[id]?.hasAccess = false
            return
        }
        guard mapping.pins > 0 else { return }
        // The access went on all the time.
        if mapping.hasAccess { self.checkAccess(client, id, mapping) }
        self.clients[client].mappings[id]?.pins -= 1
        guard mapping.pins == 1, mapping.isDraining else { return }
        self.mark(.returnWaitedForPin)
        self.clients[client].mappings[id]?.isDraining = false
        self.clients[client].mappings[id]?.hasAccess = false
        self.tell(client, mapping.file, .drained(id))
    }

    /// A process that is stopped does nothing until it goes on.
    mutating func waitsForResume(_ client: Int, _ event: Event) -> Bool {
        guard let end = self.clients[client].pausedUntil, end > self.now else { return false }
        self.queue.add(event, at: end.advanced(by: .microseconds(1)))
        return true
    }

    // MARK: Messages

    mutating func deliver(_ client: Int, _ connection: Int, _ message: ToClient) {
        guard self.clients[client].connection == connection, self.clients[client].isConnected else { return }
        if let end = self.clients[client].pausedUntil, end > self.now {
            self.queue.add(
                .toClient(client: client, connection: connection, message: message),
                at: end.advanced(by: .microseconds(1))
            )
            return
        }
        self.checkOwnDeadline(client)
        switch message {
        case .recall(let recall):
            let incoming = LayoutHolder.IncomingRecall(
                id: recall.id,
                stateID: recall.stateID,
                ioMode: recall.ioMode,
                range: recall.range
            )
            self.tell(client, self.file(recall.file), .recallReceived(incoming))
        case .reply(let number, let reply):
            guard let place = self.clients[client].outstanding.firstIndex(where: { $0.number == number }) else {
                return
            }
            let call = self.clients[client].outstanding.remove(at: place)
            self.accept(client, call, reply)
        }
    }

    private mutating func accept(_ client: Int, _ call: SimulatedClient.Outstanding, _ reply: Reply) {
        switch (call.request, reply) {
        case (.get(let id, _, _, _, _), .granted(let grant, let fileSize)):
            let layout = LayoutHolder.GrantedLayout(
                stateID: grant.stateID,
                range: grant.range,
                ioMode: grant.ioMode,
                fileSize: fileSize,
                epoch: grant.epoch,
                shifts: grant.shifts
            )
            if grant.shifts?.isEmpty == false { self.mark(.contentFollowed) }
            self.tell(client, call.file, .granted(id, layout))
        case (.get(let id, _, _, _, _), .refused(let status)):
            if status == .recallConflict { self.mark(.grantWaitedForChange) }
            self.tell(client, call.file, .refused(id, status))
        case (.giveBack(let id, _, _, _), .returned(let stateID)):
            self.tell(client, call.file, .returnEnded(id, stateID))
        case (.giveBack(let id, _, _, _), .refused):
            self.tell(client, call.file, .returnEnded(id, nil))
        case (.change(let id, _, _), .changed(let outcome)):
            self.tell(client, call.file, .changeEnded(id, .done(epoch: outcome.epoch, stateID: outcome.stateID)))
        case (.change(let id, _, _), .refused):
            self.tell(client, call.file, .changeEnded(id, .failed))
        case (.renew(let sentAt), .renewed(let counts)):
            self.renewed(client, sentAt: sentAt, counts: counts)
        default:
            self.violation("the reply \(reply) does not belong to the call \(call.request)")
        }
    }

    mutating func call(_ client: Int, _ file: Int, _ request: SimulatedClient.Request) {
        let number = self.nextNumber()
        self.clients[client].outstanding.append(
            SimulatedClient.Outstanding(number: number, file: file, request: request)
        )
        self.transmit(client, number, file, request)
    }

    mutating func transmit(_ client: Int, _ number: UInt64, _ file: Int, _ request: SimulatedClient.Request) {
        guard self.clients[client].isConnected else { return }
        let at = self.arrival(client, direction: 0)
        let connection = self.clients[client].connection
        self.queue.add(
            .toServer(client: client, connection: connection, number: number, file: file, request: request),
            at: at
        )
    }

    // MARK: The state machine

    mutating func tell(_ client: Int, _ file: Int, _ event: LayoutHolder.Event) {
        self.tells.append((client, file, event))
        guard !self.isTelling else { return }
        self.isTelling = true
        while !self.tells.isEmpty {
            let (client, file, event) = self.tells.removeFirst()
            self.trace("client \(client) file \(file) <- \(event)")
            for action in self.clients[client].holders[file].handle(event) {
                self.trace("client \(client) file \(file) -> \(action)")
                self.carryOut(action, client, file)
            }
        }
        self.isTelling = false
    }

    private mutating func carryOut(_ action: LayoutHolder.Action, _ client: Int, _ file: Int) {
        switch action {
        case .sendGet(let id, let range, let ioMode, let stateID, let knownEpoch):
            self.call(client, file, .get(id, range, ioMode, stateID, knownEpoch: knownEpoch))
        case .sendReclaim:
            self.violation("client \(client) reclaims, and no server has restarted")
        case .map(let id, let generation, let segments, _):
            guard let mapping = self.clients[client].mappings[id] else { return }
            let holder = self.clients[client].holders[file].stateID.other.number
            self.queue.add(
                .mapDone(
                    client: client,
                    window: id,
                    generation: generation,
                    revocations: mapping.revocations,
                    holder: holder,
                    segments
                ),
                at: self.after(1...20_000)
            )
        case .revoke(let id, let isForced):
            self.revoke(client, file, id, isForced: isForced)
        case .fail(let id, let status):
            if status == .noSuchAddress { self.mark(.contentRemoved) }
            self.clients[client].mappings[id]?.hasAccess = false
            self.clients[client].mappings[id]?.isFailed = true
            self.clients[client].mappings[id]?.isParked = false
        case .answerRecall(let id, let status):
            self.answerRecall(client, id, status)
        case .sendReturn(let id, let range, let ioMode, let stateID):
            self.call(client, file, .giveBack(id, range, ioMode, stateID))
        case .permitChange(let id):
            self.permitOwnChange(client, id)
        case .retryLater(let id, let milliseconds):
            let at = self.now.advanced(by: .milliseconds(Int64(milliseconds)))
            self.queue.add(.retry(client: client, file: file, window: id), at: at)
        case .dropDescriptors:
            guard self.options.fault != .keepsDescriptors else { return }
            self.clients[client].descriptors[file] = nil
        }
    }

    private mutating func revoke(_ client: Int, _ file: Int, _ id: WindowID, isForced: Bool) {
        guard let mapping = self.clients[client].mappings[id] else { return }
        if !mapping.isFailed, !mapping.hasAccess { self.mark(.mapOvertakenByRevoke) }
        self.clients[client].mappings[id]?.revocations += 1
        self.clients[client].mappings[id]?.isFailed = false
        let waitsForPins = mapping.pins > 0 && self.options.fault != .ignoresPins
        if waitsForPins {
            // No new pin; the page tables allow raw accesses until the last pin is gone.
            self.clients[client].mappings[id]?.isDraining = true
        }
        if self.options.fault == .returnsBeforeRevoking {
            self.queue.add(.unpin(client: client, window: id), at: self.after(1...50_000))
        } else if isForced || mapping.pins == 0 {
            self.clients[client].mappings[id]?.hasAccess = false
        }
        if !waitsForPins { self.tell(client, file, .drained(id)) }
    }

    mutating func mapDone(
        _ client: Int,
        _ id: WindowID,
        _ generation: UInt64,
        _ revocations: Int,
        _ holder: UInt64,
        _ segments: [LayoutHolder.Segment]
    ) {
        guard let mapping = self.clients[client].mappings[id] else { return }
        guard mapping.revocations == revocations || self.options.fault == .mapIgnoresRevoke else { return }
        if self.clients[client].descriptors[mapping.file] == nil {
            guard !self.isRevoked(holder) else {
                self.tell(client, mapping.file, .layoutsRevoked)
                return
            }
            self.clients[client].descriptors[mapping.file] = holder
        }
        self.clients[client].mappings[id]?.segments = segments
        self.noteContent(client, id, mapping, segments)
        self.clients[client].mappings[id]?.hasAccess = true
        self.clients[client].mappings[id]?.isParked = false
        self.tell(client, mapping.file, .mapFinished(id, generation: generation, isMapped: true))
    }

    /// What a window is to follow is what it shows when it is first mapped.
    private mutating func noteContent(
        _ client: Int,
        _ id: WindowID,
        _ mapping: SimulatedClient.Mapping,
        _ segments: [LayoutHolder.Segment]
    ) {
        guard mapping.followsContent else { return }
        for segment in segments {
            for index in 0..<(segment.range.wireLength / SimulatedDisk.blockSize) {
                let block = Int(segment.windowOffset / SimulatedDisk.blockSize + index)
                guard mapping.expected[block] == nil else { continue }
                let offset = segment.range.lowerBound + index * SimulatedDisk.blockSize
                self.clients[client].mappings[id]?.expected[block] = self.disks[mapping.file].stamp(at: offset)
            }
        }
    }

    private mutating func answerRecall(_ client: Int, _ id: RecallID, _ status: LayoutStatus) {
        guard self.clients[client].isConnected else { return }
        self.feed(.recallAnswered(id, status))
    }

    mutating func permitOwnChange(_ client: Int, _ id: LayoutHolder.OwnChangeID) {
        guard let intent = self.clients[client].intents.removeValue(forKey: id) else { return }
        self.call(client, intent.file, .change(id, intent.operation, intent.argument))
    }
}
