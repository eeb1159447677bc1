import LayoutCore
import LeaseEngine
import Recovery
import Testing

@Suite struct PersistTests {
    private func kinds(_ actions: ArraySlice<Engine.Action>) -> [String] {
        actions.map { String("\($0)".prefix { $0 != "(" }) }
    }

    @Test("A grant is kept before it is told; asking again for what is held keeps nothing, in pieces or at once")
    func grants() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 2))
        #expect(self.kinds(world.actions[...]) == ["resolveExtents", "persist", "grant"])
        world.get(alice, blocks(2, 4), .read)
        #expect(world.persists == 2)
        let held = world.engine.heldLayouts()
        world.wait(.seconds(1))
        for (range, ioMode) in [(blocks(0, 2), IOMode.readWrite), (blocks(0, 4), .read), (blocks(1, 3), .read)] {
            world.get(alice, range, ioMode)
        }
        #expect(world.persists == 2)
        let after = world.engine.heldLayouts()
        #expect(after.map(\.grantedAt) == held.map(\.grantedAt) && after.map(\.range) == held.map(\.range))
    }

    @Test("A return is kept last: a next life that does not know of it is only more careful")
    func returns() throws {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world.change(.punchHole, blocks(0, 1))
        let before = world.actions.count
        world.giveBack(alice)
        #expect(
            self.kinds(world.actions[before...]) == ["recallEnded", "permitChange", "released", "returned", "persist"]
        )
        #expect(world.kept.isEmpty)
        // Nothing is held: there is nothing to keep.
        let persists = world.persists
        world.send(.layoutReturn(CallID(99), alice, .all))
        #expect(world.persists == persists)
    }

    @Test("What a change takes from its own caller is kept, once")
    func ownChange() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        let persists = world.persists
        world.change(.punchHole, blocks(0, 1), by: .client(alice))
        #expect(world.persists == persists + 1 && world.permitted.count == 1)
        #expect(world.kept.values.flatMap(\.segments).map(\.range) == [blocks(1, 4)])
    }

    @Test("A return or downgrade of what is not held so keeps nothing")
    func noChange() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4), .read)
        let persists = world.persists
        world.giveBack(alice, blocks(4, 8))
        world.giveBack(alice, blocks(0, 4), .readWrite)
        world.giveBack(alice, blocks(0, 4), .any, isDowngrade: true)
        #expect(world.persists == persists && world.held(alice) == ["r[0, 16384)"])
    }
}

@Suite struct AbandonedTests {
    @Test("A change whose caller has gone is given up while it waits, and those behind it go on; one that runs ends")
    func changes() throws {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        let waiting = world.change(.punchHole, blocks(0, 1))
        let get = world.get(alice, blocks(0, 1), stateID: .none, patience: .seconds(5))
        #expect(world.refusals[get] == .recallConflict)
        let behind = world.change(.punchHole, blocks(0, 1), breaks: .nobody)
        world.send(.changeAbandoned(waiting))
        #expect(world.refusedChanges[waiting] == .delay && world.permitted == [behind])
        world.send(.changeAbandoned(behind))
        #expect(world.refusedChanges[behind] == nil)
        world.finish(behind)
        #expect(world.endedChanges[behind] != nil)
        world.send(.changeAbandoned(behind))
    }

    @Test("A LAYOUTGET whose caller has gone is given up while it waits; one whose extents are read goes on")
    func gets() throws {
        var world = World()
        world.connect(alice, bob)
        let change = world.change(.punchHole, blocks(0, 1))
        let waiting = world.get(bob, blocks(0, 1), patience: .seconds(5))
        world.send(.callAbandoned(waiting))
        #expect(world.refusals[waiting] == .recallConflict && world.engine.totals.waitingGets == 0)
        world.finish(change)
        world.resolvesAtOnce = false
        let resolving = world.get(bob, blocks(0, 1))
        world.send(.callAbandoned(resolving))
        world.resolveAll()
        #expect(world.grants[resolving] != nil)
        world.send(.callAbandoned(resolving))
    }
}
