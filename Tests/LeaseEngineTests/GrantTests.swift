import LayoutCore
import LeaseEngine
import Testing

@Suite struct GrantTests {
    @Test("B1: the first grant has seqid 1; every grant, return and recall adds one")
    func seqidCounts() throws {
        var world = World()
        world.connect(alice)
        let first = world.get(alice, blocks(0, 2))
        let stateID = try #require(world.grants[first]?.stateID)
        #expect(stateID.seqid == 1)
        let second = world.get(alice, blocks(2, 4), stateID: stateID)
        #expect(world.grants[second]?.stateID == StateID(seqid: 2, other: stateID.other))
        let third = world.giveBack(alice, blocks(0, 1))
        #expect(world.returned[third] == .some(StateID(seqid: 3, other: stateID.other)))
        world.change(.punchHole, blocks(1, 2))
        #expect(world.recalls.map(\.stateID.seqid) == [4])
    }

    @Test("B1: two calls in parallel may carry the same older seqid")
    func parallelCalls() throws {
        var world = World()
        world.connect(alice)
        let first = try #require(world.grants[world.get(alice, blocks(0, 1))]?.stateID)
        let second = world.get(alice, blocks(1, 2), stateID: first)
        let third = world.get(alice, blocks(2, 3), stateID: first)
        #expect(world.grants[second] != nil && world.grants[third] != nil)
    }

    @Test("B2: neighbours merge into one layout")
    func merges() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 2))
        world.get(alice, blocks(2, 4))
        #expect(world.held(alice) == ["rw[0, 16384)"])
        world.get(alice, blocks(0, 4))
        #expect(world.held(alice) == ["rw[0, 16384)"])
    }

    @Test("Whether a client holds anything of an iomode is told of its own layouts alone")
    func holds() {
        var world = World()
        world.connect(alice, bob)
        world.get(alice, blocks(0, 2), .read)
        world.get(bob, blocks(4, 6), .readWrite)
        #expect(world.engine.holds(.read, of: file, alice) && !world.engine.holds(.readWrite, of: file, alice))
        #expect(world.engine.holds(.readWrite, of: file, bob) && !world.engine.holds(.read, of: file, bob))
        world.giveBack(alice)
        #expect(!world.engine.holds(.read, of: file, alice))
    }

    @Test("B5: a read grant does not weaken a read-write layout; a read-write grant upgrades")
    func modesMerge() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(1, 2), .readWrite)
        world.get(alice, blocks(0, 3), .read)
        #expect(world.held(alice) == ["r[0, 4096)", "rw[4096, 8192)", "r[8192, 12288)"])
        world.get(alice, blocks(0, 3), .readWrite)
        #expect(world.held(alice) == ["rw[0, 12288)"])
    }

    @Test("B6: zero, stale, future, foreign and other files' stateids are refused")
    func stateIDsAreChecked() throws {
        var world = World()
        world.connect(alice, bob)
        let other = FileID(2)
        let stateID = try #require(world.grants[world.get(alice, blocks(0, 1))]?.stateID)
        let zero = StateID(seqid: 0, other: stateID.other)
        let future = StateID(seqid: 9, other: stateID.other)
        for bad in [zero, future] {
            #expect(world.refusals[world.get(alice, blocks(1, 2), stateID: bad)] == .badStateID)
            #expect(world.refusals[world.giveBack(alice, blocks(0, 1), stateID: bad)] == .badStateID)
        }
        #expect(world.refusals[world.get(bob, blocks(1, 2), stateID: stateID)] == .badStateID)
        #expect(world.refusals[world.get(alice, blocks(1, 2), file: other, stateID: stateID)] == .badStateID)
        #expect(world.refusals[world.giveBack(bob, blocks(0, 1), stateID: stateID)] == .badStateID)
        for block in 1...70 { world.get(alice, blocks(UInt64(block), UInt64(block) + 1)) }
        #expect(world.refusals[world.get(alice, blocks(1, 2), stateID: stateID)] == .oldStateID)
        #expect(world.held(alice) == ["rw[0, 290816)"])
    }

    @Test("B8: returning the middle of a layout splits it; returning what is not held is a no-op")
    func returnSplits() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world.giveBack(alice, blocks(1, 2))
        #expect(world.held(alice) == ["rw[0, 4096)", "rw[8192, 16384)"])
        let call = world.giveBack(alice, blocks(1, 2))
        #expect(world.returned[call] != nil)
        #expect(world.held(alice) == ["rw[0, 4096)", "rw[8192, 16384)"])
    }

    @Test("B8: after the last range the stateid is dead")
    func lastReturnEndsTheStateID() throws {
        var world = World()
        world.connect(alice)
        let stateID = try #require(world.grants[world.get(alice, blocks(0, 1))]?.stateID)
        let call = world.giveBack(alice)
        #expect(world.returned[call] == .some(nil))
        #expect(world.refusals[world.giveBack(alice, stateID: stateID)] == .badStateID)
        let again = try #require(world.grants[world.get(alice, blocks(0, 1))]?.stateID)
        #expect(again.other != stateID.other && again.seqid == 1)
    }

    @Test("B9: a bulk return forgets every layout and wakes every change")
    func bulkReturn() {
        var world = World()
        world.connect(alice)
        for number in 1...3 { world.get(alice, blocks(0, 1), file: FileID(UInt64(number))) }
        let changes = (1...3).map { world.change(.truncate, .all, file: FileID(UInt64($0))) }
        #expect(world.permitted.isEmpty)
        world.send(.layoutReturn(CallID(1000), alice, .all))
        #expect(world.permitted == changes)
        #expect(world.returned[CallID(1000)] == .some(nil))
    }

    @Test("B13: a thousand alternating grants leave no state behind")
    func alternatingGrants() {
        var world = World()
        world.connect(alice)
        for round in 0..<1000 {
            world.get(alice, blocks(0, 8), round.isMultiple(of: 2) ? .read : .readWrite)
        }
        #expect(world.held(alice) == ["rw[0, 32768)"])
        #expect(world.engine.totals.layouts == 1)
    }

    @Test("C4: no layout is granted without a back channel")
    func needsBackChannel() {
        var world = World()
        world.send(.clientEstablished(alice))
        #expect(world.refusals[world.get(alice, blocks(0, 1))] == .layoutTryLater)
    }

    @Test("Readers and writers of the same bytes do not conflict in file addressing")
    func sharing() {
        var world = World()
        world.connect(alice, bob)
        world.get(alice, blocks(0, 4), .readWrite)
        world.get(bob, blocks(0, 4), .readWrite)
        #expect(world.recalls.isEmpty)
        #expect(world.held(alice) == world.held(bob))
    }

    @Test("The tables are bounded, and the client is told before it meets the bound")
    func bounds() {
        var world = World { $0.layoutsPerClientMax = 8 }
        world.connect(alice)
        for number in 0..<8 { world.get(alice, blocks(0, 1), file: FileID(UInt64(number))) }
        #expect(world.told.map(\.keep) == [4])
        #expect(world.refusals[world.get(alice, blocks(0, 1), file: FileID(100))] == .resource)
    }

    @Test("B10: a commit needs a read-write layout of every byte")
    func commitIsChecked() throws {
        var world = World()
        world.connect(alice, bob)
        world.get(alice, blocks(0, 2), .readWrite)
        world.get(alice, blocks(2, 4), .read)
        let stateID = try #require(world.stateID(of: alice))
        #expect(world.engine.refusalOfCommit(alice, file, stateID, blocks(0, 2)) == nil)
        #expect(world.engine.refusalOfCommit(alice, file, stateID, blocks(0, 3))?.status == .badLayout)
        #expect(world.engine.refusalOfCommit(bob, file, stateID, blocks(0, 1))?.status == .badStateID)
    }
}
