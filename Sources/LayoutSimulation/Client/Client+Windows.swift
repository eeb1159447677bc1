import LayoutCore
import LayoutHolder

extension Client {
    /// A window as the hardware sees it.
    struct Mapping {
        let file: Int
        let followsContent: Bool
        /// For windows that follow their content: the place that each block shows since it was first shown.
        var expected: [UInt64?]
        /// What is mapped, with or without access.
        var segments: [LayoutHolder.Segment] = []
        var hasAccess = false
        /// Counts revocations: a map that was begun before the last one must not open the window.
        var revocations = 0
        /// Accesses in flight: revoked windows drain until they end.
        var pins = 0
        var isDraining = false
        /// A thread waits for it.
        var isParked = false
        var isFailed = false

        init(file: Int, followsContent: Bool, blocks: Int) {
            self.file = file
            self.followsContent = followsContent
            self.expected = Array(repeating: nil, count: blocks)
        }
    }
}

/// The application and its windows: what threads touch, and what they may see.
extension Client {
    // MARK: What the application does

    func scheduleStep() {
        let pace = self.world.swarm.pace
        self.after(pace / 4...pace * 2) { [unowned self] in
            guard !self.world.isHealing else { return }
            self.scheduleStep()
            self.step()
        }
    }

    private func step() {
        self.checkOwnDeadline()
        let file = Int(self.world.random.below(UInt64(self.files.count)))
        switch self.world.random.below(20) {
        case 0 where self.windowOrder.count < 6: self.openWindow(file)
        case 1: self.closeWindow()
        case 2, 3:
            // A program has few threads that wait for changes.
            guard self.hasLease, self.files[file].intents.isEmpty, self.queue.count < 8 else { return }
            let kind = World.operations[Int(self.world.random.below(6))]
            if let argument = self.world.randomArgument(kind, file) { self.changeOwnFile(file, kind, argument) }
        default:
            guard !self.windowOrder.isEmpty else { return self.openWindow(file) }
            self.touch(self.windowOrder[Int(self.world.random.below(UInt64(self.windowOrder.count)))], parks: true)
        }
    }

    func openWindow(_ file: Int) {
        let blocks = UInt64(self.world.host.files[file].blocks.count)
        guard blocks > 0 else { return }
        let first = self.world.random.below(blocks)
        let count = 1 + self.world.random.below(min(16, blocks - first))
        let size = SimulatedFile.blockSize
        guard let range = ByteRange(offset: first * size, length: count * size) else { return }
        let follows = self.world.random.oneIn(2)
        let id = WindowID(self.world.nextNumber())
        self.mappings[id] = Mapping(file: file, followsContent: follows, blocks: Int(count))
        self.windowOrder.append(id)
        let ioMode: IOMode = self.world.random.oneIn(3) ? .read : .readWrite
        self.tell(file, .windowAdded(id, LayoutHolder.Window(range, ioMode, followsContent: follows)))
        self.touch(id, parks: true)
    }

    private func closeWindow() {
        guard let id = self.windowOrder.first, let mapping = self.mappings[id], mapping.pins == 0, !mapping.isDraining,
            !mapping.isParked
        else { return }
        self.windowOrder.removeFirst()
        self.tell(mapping.file, .windowRemoved(id))
        self.mappings[id] = nil
    }

    /// After everything has healed: each file has to be usable, and changeable.
    func proveLife() -> [Trial] {
        for file in self.files.indices {
            let size = SimulatedFile.blockSize
            guard let range = ByteRange(0, size), let hole = ByteRange(offset: size, length: size) else { continue }
            let id = WindowID(self.world.nextNumber())
            self.mappings[id] = Mapping(file: file, followsContent: false, blocks: 1)
            self.windowOrder.append(id)
            self.trials.append(Trial(client: self.place, what: "use file \(file)"))
            self.trials.append(Trial(client: self.place, what: "change file \(file)"))
            self.tell(file, .windowAdded(id, LayoutHolder.Window(range, .readWrite, followsContent: false)))
            self.touch(id, parks: true)
            self.changeUntilDone(file, hole)
        }
        return self.trials
    }

    private func changeUntilDone(_ file: Int, _ hole: ByteRange) {
        guard self.trials.contains(where: { $0.what == "change file \(file)" && !$0.isOver }) else { return }
        if self.files[file].intents.isEmpty, self.hasLease { self.changeOwnFile(file, .punchHole, hole) }
        self.after(2_000_000...4_000_000) { [unowned self] in self.changeUntilDone(file, hole) }
    }

    func trialEnded(_ what: String) {
        for trial in self.trials where trial.what == what { trial.isOver = true }
    }

    // MARK: Accesses

    /// A thread loads or stores through a window.
    ///
    /// Without access it parks, unless it only tries.
    func touch(_ id: WindowID, parks: Bool) {
        guard let mapping = self.mappings[id], !mapping.isFailed else { return }
        guard mapping.hasAccess else {
            guard parks else { return }
            self.mappings[id]?.isParked = true
            return self.tell(mapping.file, .windowWanted(id))
        }
        self.world.oracle.checkAccess(self, mapping)
        if parks, !mapping.isDraining, self.world.random.oneIn(4) {
            self.mappings[id]?.pins += 1
            // Now and then longer than a recall waits.
            let isLong = self.world.random.oneIn(100) && !self.world.isHealing
            let longest = isLong ? 10_000_000 : self.world.swarm.pace * 4
            self.after(10...longest) { [unowned self] in self.unpin(id) }
        }
    }

    private func unpin(_ id: WindowID) {
        guard let mapping = self.mappings[id] else { return }
        if self.world.has(.returnsBeforeRevoking), mapping.pins == 0 {
            self.mappings[id]?.hasAccess = false
            return
        }
        guard mapping.pins > 0 else { return }
        // The access went on all the time.
        if mapping.hasAccess { self.world.oracle.checkAccess(self, mapping) }
        self.mappings[id]?.pins -= 1
        guard mapping.pins == 1, mapping.isDraining else { return }
        self.world.mark(.returnWaitedForPin)
        self.mappings[id]?.isDraining = false
        self.mappings[id]?.hasAccess = false
        self.tell(mapping.file, .drained(id))
    }

    // MARK: What the holder asks for

    func map(_ id: WindowID, _ file: Int, _ generation: UInt64, _ segments: [LayoutHolder.Segment]) {
        guard let mapping = self.mappings[id] else { return }
        self.after(1...20_000) { [unowned self] in self.mapDone(id, generation, mapping.revocations, segments) }
    }

    private func mapDone(
        _ id: WindowID,
        _ generation: UInt64,
        _ revocations: Int,
        _ segments: [LayoutHolder.Segment]
    ) {
        guard let mapping = self.mappings[id] else { return }
        guard mapping.revocations == revocations || self.world.has(.mapIgnoresRevoke) else { return }
        self.mappings[id]?.segments = segments
        self.noteContent(id, mapping, segments)
        self.mappings[id]?.hasAccess = true
        self.mappings[id]?.isParked = false
        self.trialEnded("use file \(mapping.file)")
        self.tell(mapping.file, .mapFinished(id, generation: generation, isMapped: true))
    }

    /// What a window is to follow is what it shows when it is first mapped.
    private func noteContent(_ id: WindowID, _ mapping: Mapping, _ segments: [LayoutHolder.Segment]) {
        guard mapping.followsContent else { return }
        let blocks = self.world.host.files[mapping.file].blocks
        for segment in segments {
            let first = Int(segment.range.lowerBound / SimulatedFile.blockSize)
            let window = Int(segment.windowOffset / SimulatedFile.blockSize)
            for index in 0..<Int(segment.range.wireLength / SimulatedFile.blockSize)
            where mapping.expected[window + index] == nil && first + index < blocks.count {
                self.mappings[id]?.expected[window + index] = blocks[first + index].place
            }
        }
    }

    func revoke(_ id: WindowID, _ file: Int, isForced: Bool) {
        guard let mapping = self.mappings[id] else { return }
        if !mapping.isFailed, !mapping.hasAccess { self.world.mark(.mapOvertakenByRevoke) }
        self.mappings[id]?.revocations += 1
        self.mappings[id]?.isFailed = false
        let waitsForPins = mapping.pins > 0 && !self.world.has(.ignoresPins)
        // No new pin; the page tables allow raw accesses until the last pin is gone.
        if waitsForPins { self.mappings[id]?.isDraining = true }
        if self.world.has(.returnsBeforeRevoking) {
            self.after(1...50_000) { [unowned self] in self.unpin(id) }
        } else if isForced || mapping.pins == 0 {
            self.mappings[id]?.hasAccess = false
        }
        if !waitsForPins { self.tell(file, .drained(id)) }
    }

    func fail(_ id: WindowID, _ status: LayoutStatus) {
        if status == .noSuchAddress { self.world.mark(.contentRemoved) }
        self.mappings[id]?.hasAccess = false
        self.mappings[id]?.isFailed = true
        self.mappings[id]?.isParked = false
    }
}
