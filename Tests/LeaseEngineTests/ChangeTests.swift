import LayoutCore
import LeaseEngine
import Testing

@Suite struct ChangeTests {
    @Test("C1: a change recalls exactly the overlapping part, waits for it, and then runs")
    func recallThenRun() throws {
        var world = World()
        world.connect(alice, bob)
        world.get(alice, blocks(0, 10))
        world.get(bob, blocks(20, 30))
        let change = world.change(.punchHole, blocks(8, 12))
        #expect(world.recalls.count == 1)
        let recall = try #require(world.recalls.first)
        #expect(recall.client == alice && recall.range == blocks(8, 10) && recall.reason == .unmap)
        #expect(world.permitted.isEmpty)
        world.send(.recallSent(recall.id))
        world.send(.recallAnswered(recall.id, .ok))
        #expect(world.permitted.isEmpty)
        world.giveBack(alice, recall.range)
        #expect(world.permitted == [change])
        #expect(world.endedRecalls[recall.id] == .returned)
        #expect(world.held(alice) == ["rw[0, 32768)"])
        world.finish(change)
        #expect(world.endedChanges[change]?.recalled == 1)
    }

    @Test("A change of bytes that nobody holds runs at once and recalls nobody")
    func disjoint() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 10))
        let change = world.change(.insertRange, blocks(10, .max))
        #expect(world.permitted == [change])
        #expect(world.recalls.isEmpty)
    }

    @Test(
        "Break rules: who is in the way of what",
        arguments: [
            (BreakRule.nobody, 0), (.holdersAskingForWrite, 1), (.readWriteHolders, 2), (.everyone, 3),
        ]
    )
    func breakRules(rule: BreakRule, recalled: Int) {
        var world = World()
        world.connect(alice, bob, carol)
        world.get(alice, blocks(0, 4), .read)
        world.get(bob, blocks(0, 4), .readWrite)
        world.get(carol, blocks(0, 4), .readWrite, breaksOnWrite: true)
        world.change(rule == .holdersAskingForWrite ? .write : .cloneFrom, blocks(1, 2), breaks: rule)
        #expect(world.recalls.count == recalled)
        if rule == .holdersAskingForWrite { #expect(world.recalls.map(\.reason) == [.write]) }
    }

    @Test("A downgrade is enough for a change that only read-write layouts stand in the way of")
    func downgrade() throws {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        let change = world.change(.cloneFrom, blocks(1, 2), breaks: .readWriteHolders)
        let recall = try #require(world.recalls.first)
        #expect(recall.ioMode == .readWrite)
        world.giveBack(alice, recall.range, .readWrite, isDowngrade: true)
        #expect(world.permitted == [change])
        #expect(world.held(alice) == ["rw[0, 4096)", "r[4096, 8192)", "rw[8192, 16384)"])
    }

    @Test("T1, B16: no grant on the range from the moment a change registers until it has finished")
    func barrier() {
        var world = World()
        world.connect(alice, bob)
        world.get(alice, blocks(0, 4))
        let change = world.change(.collapseRange, blocks(2, .max))
        #expect(world.refusals[world.get(bob, blocks(3, 5))] == .recallConflict)
        #expect(world.grants[world.get(bob, blocks(0, 2))] != nil)
        let parked = world.get(bob, blocks(3, 5), patience: .seconds(5))
        world.giveBack(alice)
        #expect(world.permitted == [change])
        #expect(world.grants[parked] == nil)
        world.finish(change)
        #expect(world.grants[parked] != nil)
    }

    @Test("T2: a change waits for a grant whose extents are being read, then recalls it")
    func grantInFlight() {
        var world = World()
        world.resolvesAtOnce = false
        world.connect(alice)
        let get = world.get(alice, blocks(0, 4))
        let change = world.change(.punchHole, blocks(0, 1))
        #expect(world.permitted.isEmpty && world.recalls.isEmpty)
        world.resolveAll()
        #expect(world.grants[get] != nil)
        #expect(world.recalls.map(\.range) == [blocks(0, 1)])
        world.giveBack(alice, blocks(0, 1))
        #expect(world.permitted == [change])
    }

    @Test("Arrival order: neither changes nor LAYOUTGETs starve")
    func arrivalOrder() {
        var world = World()
        world.connect(alice, bob)
        let first = world.change(.punchHole, blocks(0, 4))
        let get = world.get(alice, blocks(0, 4), patience: .seconds(5))
        let second = world.change(.punchHole, blocks(0, 4))
        #expect(world.permitted == [first])
        world.finish(first)
        #expect(world.grants[get] != nil)
        #expect(world.permitted == [first])
        #expect(world.recalls.count == 1)
        world.giveBack(alice)
        #expect(world.permitted == [first, second])
    }

    @Test("T4, C8: the requester's own layouts go back with the call")
    func implicitReturn() {
        var world = World()
        world.connect(alice, bob)
        world.get(alice, blocks(0, 4))
        world.get(bob, blocks(0, 4))
        let change = world.change(.insertRange, blocks(2, .max), by: .client(alice))
        #expect(world.recalls.map(\.client) == [bob])
        #expect(world.held(alice) == ["rw[0, 8192)"])
        world.giveBack(bob)
        world.finish(change)
        #expect(world.endedChanges[change]?.stateID == world.stateID(of: alice))
    }

    @Test("Patience: DELAY, nothing was done, the barrier falls, recalls go on")
    func patience() {
        var world = World { $0.recallTimeout = .seconds(60) }
        world.connect(alice, bob)
        world.get(alice, blocks(0, 4))
        let change = world.change(.truncate, .all, patience: .seconds(2))
        world.wait(.seconds(3))
        #expect(world.refusedChanges[change] == .delay)
        #expect(world.grants[world.get(bob, blocks(0, 4))] != nil)
        #expect(world.endedRecalls.isEmpty)
        world.giveBack(alice)
        #expect(world.endedRecalls.count == 1)
        world.finish(world.change(.truncate, .all, by: .client(bob)))
        #expect(world.engine.totals.changes == 0)
    }

    @Test("The holder of a recalled range gets no new grant there, also when the change was given up")
    func noGrantUnderRecall() throws {
        var world = World { $0.recallTimeout = .seconds(60) }
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world.change(.truncate, .all, patience: .seconds(1))
        world.wait(.seconds(2))
        let recall = try #require(world.recalls.first)
        #expect(world.refusals[world.get(alice, blocks(0, 1))] == .recallConflict)
        world.send(.recallAnswered(recall.id, .ok))
        #expect(world.refusals[world.get(alice, blocks(0, 1))] == .returnConflict)
        world.giveBack(alice)
        #expect(world.grants[world.get(alice, blocks(0, 1))] != nil)
    }

    @Test("A LAYOUTGET that runs out of patience is refused and lets those behind it go on")
    func getPatience() {
        var world = World()
        world.connect(alice, bob)
        let running = world.change(.punchHole, blocks(0, 4))
        let get = world.get(alice, blocks(0, 4), patience: .seconds(1))
        let second = world.change(.punchHole, blocks(1, 2))
        world.wait(.seconds(2))
        #expect(world.refusals[get] == .recallConflict)
        world.finish(running)
        #expect(world.permitted == [running, second])
    }

    @Test("A clone registers both files at once, and two crossing clones do not deadlock")
    func clones() {
        var world = World()
        world.connect(alice)
        let other = FileID(2)
        world.get(alice, blocks(0, 4), .read)
        world.get(alice, blocks(0, 4), .readWrite, file: other)
        func part(_ operation: MappingOperation, _ file: FileID) -> MappingChange {
            MappingChange(
                file: file,
                operation: operation,
                argument: blocks(0, 2),
                affected: blocks(0, 2),
                breaks: operation == .cloneTo ? .everyone : .readWriteHolders
            )
        }
        let first = world.request([part(.cloneTo, file), part(.cloneFrom, other)])
        let second = world.request([part(.cloneTo, other), part(.cloneFrom, file)])
        #expect(world.recalls.map(\.file) == [file, other])
        world.giveBack(alice, blocks(0, 2))
        #expect(world.permitted.isEmpty)
        world.giveBack(alice, blocks(0, 2), file: other)
        #expect(world.permitted == [first])
        world.finish(first)
        #expect(world.permitted == [first, second])
    }

    @Test("A clone within one file does not wait for itself")
    func cloneWithinFile() {
        var world = World()
        let part = MappingChange(
            file: file,
            operation: .cloneTo,
            argument: blocks(0, 2),
            affected: blocks(0, 4),
            breaks: .everyone
        )
        var source = part
        source.operation = .cloneFrom
        source.breaks = .readWriteHolders
        #expect(world.permitted == [] && world.request([part, source]) == world.permitted.first)
    }

    @Test("An exclusive layout makes others' changes fail instead of being recalled")
    func exclusive() {
        var world = World()
        world.connect(alice, bob)
        world.get(alice, blocks(0, 4), isExclusive: true)
        let refused = world.change(.punchHole, blocks(0, 1), by: .client(bob))
        #expect(world.refusedChanges[refused] == .textBusy)
        #expect(world.recalls.isEmpty)
        let own = world.change(.punchHole, blocks(0, 1), by: .client(alice))
        #expect(world.permitted == [own])
    }

    @Test("A change that may not wait is refused with DELAY and leaves no barrier")
    func mayNotWait() {
        var world = World()
        world.connect(alice, bob)
        world.get(alice, blocks(0, 4))
        let change = world.change(.punchHole, blocks(0, 1), mayWait: false)
        #expect(world.refusedChanges[change] == .delay)
        #expect(world.recalls.isEmpty)
        #expect(world.grants[world.get(bob, blocks(0, 1))] != nil)
        #expect(
            world.permitted == [] && world.change(.punchHole, blocks(8, 9), mayWait: false) == world.permitted.first
        )
    }

    @Test("T10, D: only completed shifts enter the log, and a gap in it is told")
    func epochs() throws {
        var world = World { $0.shiftsMax = 2 }
        world.connect(alice)
        let known = try #require(world.grants[world.get(alice, blocks(0, 1))]?.epoch)
        func insert(didChange: Bool) {
            let id = world.change(.insertRange, blocks(1, 3))
            world.finish(id, didChange: didChange)
        }
        insert(didChange: false)
        let same = try #require(world.grants[world.get(alice, blocks(0, 1), knownEpoch: known)])
        #expect(same.epoch == known && same.shifts == [])
        insert(didChange: true)
        insert(didChange: true)
        let moved = try #require(world.grants[world.get(alice, blocks(0, 1), knownEpoch: known)])
        #expect(
            moved.shifts?.map(\.shift) == [
                Shift(isInsert: true, offset: 4096, length: 8192), Shift(isInsert: true, offset: 4096, length: 8192),
            ]
        )
        #expect(moved.shifts?.last?.epoch == moved.epoch)
        insert(didChange: true)
        let late = try #require(world.grants[world.get(alice, blocks(0, 1), knownEpoch: known)])
        #expect(late.shifts == nil)
        let fresh = try #require(world.grants[world.get(alice, blocks(0, 1))])
        #expect(fresh.shifts == [])
    }

    @Test("C5, C15: thousands of changes wait for one holder, and all end when it returns")
    func manyWaiters() {
        var world = World()
        world.connect(alice)
        world.checksEachStep = false
        world.get(alice, blocks(0, 1000))
        let changes = (0..<1000).map { world.change(.punchHole, blocks(UInt64($0), UInt64($0) + 1)) }
        #expect(world.recalls.count == 1000)
        world.giveBack(alice)
        #expect(Set(world.permitted) == Set(changes))
        world.engine.checkInvariants()
    }

    @Test("C5: a hundred holders are recalled at once, with one deadline")
    func fanOut() {
        var world = World()
        world.checksEachStep = false
        for number in 1...100 {
            world.connect(ClientID(UInt64(number)))
            world.get(ClientID(UInt64(number)), blocks(0, 4), .read)
        }
        let change = world.change(.truncate, .all)
        #expect(Set(world.recalls.map(\.client)).count == 100)
        for number in 1...100 { world.giveBack(ClientID(UInt64(number))) }
        #expect(world.permitted == [change])
    }

    /// What the engine says about a change of each of `files` files, on each of which a client holds a hundred ranges.
    private func actionsForChanges(files: UInt64) -> Int {
        var world = World()
        world.checksEachStep = false
        world.connect(alice)
        for number in 1...files {
            // Every other block, so that no two ranges become one.
            for block in stride(from: UInt64(0), to: 200, by: 2) {
                let known = world.stateID(of: alice, FileID(number)) ?? .none
                world.get(alice, blocks(block, block + 1), .read, file: FileID(number), stateID: known)
            }
        }
        #expect(world.engine.totals.layouts == Int(files) * 100)
        let before = world.actions.count
        for number in 1...files {
            let change = world.change(.truncate, .all, file: FileID(number))
            #expect(world.recalls.count == Int(number), "one recall for all that the client holds of the file")
            world.giveBack(alice, file: FileID(number))
            world.finish(change)
        }
        #expect(world.endedChanges.count == Int(files))
        #expect(world.engine.totals.layouts == 0 && world.engine.totals.recalls == 0)
        return world.actions.count - before
    }

    @Test("A hundred files with a hundred layouts each cost a hundred times what one does, and a recall each [F6]")
    func manyLayouts() {
        #expect(self.actionsForChanges(files: 100) == 100 * self.actionsForChanges(files: 1))
    }
}
