import LayoutCore
import LeaseEngine
import Recovery
import Testing

/// Random lives of a server: whatever happens, what is kept is what is held.
@Suite struct LivesPropertyTests {
    private static func held(_ engine: Engine) -> [String] {
        Self.bytes(engine.heldLayouts().map { ($0.client, $0.file, $0.range, $0.ioMode) })
    }

    private static func kept(_ world: World) -> [String] {
        Self.bytes(
            world.kept.values.flatMap { record in
                record.segments.map { (record.client, record.file, $0.range, $0.ioMode) }
            }
        )
    }

    /// What each client holds of each file; neighbours of one iomode together, whatever else they differ in.
    private static func bytes(
        _ ranges: [(client: ClientID, file: FileID, range: ByteRange, ioMode: IOMode)]
    ) -> [String] {
        let sorted = ranges.sorted {
            ($0.client, $0.file, $0.range.lowerBound) < ($1.client, $1.file, $1.range.lowerBound)
        }
        var merged: [(client: ClientID, file: FileID, range: ByteRange, ioMode: IOMode)] = []
        for next in sorted {
            if let last = merged.last, last.client == next.client, last.file == next.file, last.ioMode == next.ioMode,
                last.range.upperBound == next.range.lowerBound
            {
                merged[merged.count - 1].range = last.range.hull(next.range)
            } else {
                merged.append(next)
            }
        }
        return merged.map { "\($0.client.rawValue) \($0.file.rawValue) \($0.range) \($0.ioMode)" }
    }

    @Test("D1, D4: after every event what is kept is what is held, and the next life holds just that")
    func keptIsHeld() {
        var seen: Set<RandomRun.Sight> = []
        for seed in 1...8 as ClosedRange<UInt64> {
            var run = RandomRun(seed: seed)
            for step in 0..<1500 {
                run.step()
                let held = Self.held(run.world.engine)
                #expect(Self.kept(run.world) == held, "seed \(seed), step \(step)")
                guard step % 250 == 249 else { continue }
                run.restart()
                #expect(Self.held(run.world.engine) == held, "seed \(seed), step \(step)")
            }
            seen.formUnion(run.seen)
        }
        // Runs in which nothing happens prove nothing.
        #expect(seen == Set(RandomRun.Sight.allCases))
    }

    @Test("Events and their actions are the same in every run", arguments: [1, 2, 3] as [UInt64])
    func deterministic(seed: UInt64) {
        let runs = (0..<2).map { _ in
            var run = RandomRun(seed: seed)
            for step in 0..<1000 {
                run.step()
                if step % 250 == 249 { run.restart() }
            }
            return run.log
        }
        #expect(runs[0] == runs[1])
    }
}

/// Draws events; keeps a client's word as the protocol has it, more or less.
private struct RandomRun {
    enum Sight: Hashable, CaseIterable {
        case granted, reclaimed, reclaimRefused, graceRefused, permitted, revoked, revokedInGrace, graceEndedEarly
        case graceTermOver, returned
    }

    var world = World()
    var seen: Set<Sight> = []
    /// Every action of every life.
    var log: [Engine.Action] = []
    private var state: UInt64
    private var clients = [alice, bob, carol]
    private var lastClient: UInt64 = 3
    private var running: [ChangeID] = []
    private var pendingFences: [Engine.HolderID] = []
    private var openRecalls: [Engine.Recall] = []
    private var reclaims: Set<CallID> = []
    /// What a store would hold when the action that is looked at is carried out.
    private var kept: [Engine.HolderID: [StoredSegment]] = [:]

    init(seed: UInt64) {
        self.state = seed &* 0x9E37_79B9_7F4A_7C15
        self.world.resolvesAtOnce = false
        for client in self.clients { self.world.connect(client) }
    }

    private mutating func next(_ bound: UInt64) -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return (z ^ (z >> 31)) % bound
    }

    private mutating func pick<Value>(_ values: [Value]) -> Value? {
        values.isEmpty ? nil : values[Int(self.next(UInt64(values.count)))]
    }

    private mutating func range() -> ByteRange {
        let lower = self.next(16)
        return blocks(lower, self.next(12) == 0 ? .max : lower + 1 + self.next(6))
    }

    mutating func restart() {
        self.look(from: 0)
        self.world = self.world.restarted(
            graceTerm: .seconds(Int64(5 + self.next(40))),
            clients: self.clients,
            files: [FileID(1), FileID(2)]
        )
        self.world.resolvesAtOnce = false
        (self.running, self.pendingFences, self.openRecalls, self.reclaims) = ([], [], [], [])
        self.look(from: 0)
        for client in self.clients where self.next(4) != 0 { self.world.connect(client) }
    }

    mutating func step() {
        let before = self.world.actions.count
        let wasInGrace = self.world.engine.isInGrace
        self.act()
        self.look(from: before)
        if wasInGrace, !self.world.engine.isInGrace {
            self.seen.insert(self.world.engine.reclaimingClientIDs().isEmpty ? .graceEndedEarly : .graceTermOver)
        }
    }

    private mutating func act() {
        let client = self.pick(self.clients) ?? alice
        let file = self.pick([FileID(1), FileID(2)]) ?? FileID(1)
        switch self.next(22) {
        case 0...4:
            let isReclaim = self.world.engine.isReclaiming(client) && self.next(4) != 0
            let held = self.world.engine.heldLayouts(of: file).filter { $0.client == client }
            let range = isReclaim ? self.pick(held)?.range ?? self.range() : self.range()
            let call = self.world.get(
                client,
                range,
                self.next(2) == 0 ? .read : .readWrite,
                file: file,
                stateID: self.world.stateID(of: client, file) ?? .none,
                patience: self.next(2) == 0 ? .zero : .seconds(3),
                breaksOnWrite: self.next(8) == 0,
                isExclusive: self.next(16) == 0,
                isReclaim: isReclaim
            )
            if isReclaim { self.reclaims.insert(call) }
        case 5...8:
            guard let (call, request) = self.world.resolving.first else { return }
            self.world.resolving.removeFirst()
            let isShort = self.next(4) == 0
            let shorter = ByteRange(request.range.lowerBound, request.range.lowerBound + 4096) ?? request.range
            self.world.send(.extentsResolved(call, .success(isShort ? shorter : request.range)))
        case 9...10:
            self.world.giveBack(
                client,
                self.range(),
                self.pick([.any, .read, .readWrite]) ?? .any,
                file: file,
                isDowngrade: self.next(3) == 0
            )
        case 11...13:
            let operation = self.pick([.punchHole, .insertRange, .write, .truncate, .revoke]) ?? MappingOperation.none
            self.world.change(
                operation,
                self.range(),
                breaks: self.pick([.everyone, .readWriteHolders, .holdersAskingForWrite, .nobody]) ?? .everyone,
                file: file,
                by: self.next(2) == 0 ? .client(client) : .local(pid: 1, command: "test"),
                patience: .seconds(4),
                mayWait: self.next(4) != 0
            )
        case 14...15:
            guard !self.running.isEmpty else { return }
            self.world.finish(self.running.removeFirst(), didChange: self.next(3) != 0)
        case 16:
            guard !self.openRecalls.isEmpty else { return }
            let recall = self.openRecalls.removeFirst()
            self.world.send(.recallSent(recall.id))
            let answer: LayoutStatus = self.pick([.ok, .noMatchingLayout, .delay]) ?? .ok
            self.world.send(.recallAnswered(recall.id, answer))
        case 17...18:
            guard !self.pendingFences.isEmpty else { return }
            self.world.send(.fenceFinished(self.pendingFences.removeFirst(), isGone: self.next(2) == 0))
        case 19:
            self.world.wait(.milliseconds(Int64(self.next(6000))))
        case 20:
            switch self.next(8) {
            case 0:
                // It starts again under a new ID.
                guard let index = self.clients.firstIndex(of: client) else { return }
                self.world.send(.clientLost(client))
                self.lastClient += 1
                self.clients.append(ClientID(self.lastClient))
                if !self.world.engine.heldLayouts().contains(where: { $0.client == client }) {
                    self.clients.remove(at: index)
                }
                self.world.connect(ClientID(self.lastClient))
            case 1...2: self.world.send(.reclaimComplete(client))
            case 3: self.world.send(.backChannelChanged(client, isUp: false))
            case 4: self.world.send(.layoutReturn(CallID(1 << 40), client, .all))
            case 5: self.world.send(.callAbandoned(CallID(self.next(200))))
            case 6: self.world.send(.changeAbandoned(ChangeID(self.next(100))))
            default: self.world.send(.leaseRenewed(client))
            }
        default:
            self.world.connect(client)
        }
    }

    /// Notes what the engine said since, and checks that what is relied on was kept before.
    private mutating func look(from start: Int) {
        for action in self.world.actions[start...] {
            switch action {
            case .persist(let record):
                self.kept[record.holder] = record.segments
            case .grant(let call, let grant):
                var next = grant.range.lowerBound
                for segment in self.kept[grant.holder] ?? []
                where segment.range.lowerBound <= next && (grant.ioMode == .read || segment.ioMode == .readWrite) {
                    next = max(next, segment.range.upperBound)
                }
                #expect(next >= grant.range.upperBound, "\(grant) was not kept before")
                self.seen.insert(self.reclaims.contains(call) ? .reclaimed : .granted)
            case .refuse(let call, let refusal):
                if refusal.status == .grace { self.seen.insert(.graceRefused) }
                if self.reclaims.contains(call) { self.seen.insert(.reclaimRefused) }
            case .returned: self.seen.insert(.returned)
            case .permitChange(let id, _):
                self.running.append(id)
                self.seen.insert(.permitted)
            case .sendRecall(let recall): self.openRecalls.append(recall)
            case .fence(let fence): self.pendingFences.append(fence.holder)
            case .revoked(let holder, _, _):
                #expect(self.kept[holder]?.isEmpty != false, "\(holder) was revoked and is kept")
                self.seen.insert(self.world.engine.isInGrace ? .revokedInGrace : .revoked)
            case .resolveExtents, .recallEnded, .refuseChange, .changeEnded, .released, .recallAny, .clientForgotten,
                .persistRevocation, .graceEnded:
                break
            }
        }
        self.log += self.world.actions[start...]
        self.world.actions = []
    }
}
