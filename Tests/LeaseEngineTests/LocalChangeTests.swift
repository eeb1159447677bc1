import LayoutCore
import LeaseEngine
import Testing

/// Changes of local programs: they cannot be asked to come again, and their system call is not the server's.
@Suite struct LocalChangeTests {
    private func local(_ operation: MappingOperation, _ range: ByteRange) -> Engine.ChangeRequest {
        Engine.ChangeRequest(
            parts: [
                MappingChange(file: file, operation: operation, argument: range, affected: range, breaks: .everyone)
            ],
            requester: .local(pid: 7, command: "fallocate"),
            patience: .seconds(20),
            waitsForGrace: true
        )
    }

    /// Alice holds blocks 0 to 4 and knows the shifts so far; then an insert by a local program runs.
    private func inserting() -> (world: World, epoch: UInt64) {
        var world = World()
        world.connect(alice)
        let call = world.get(alice, blocks(0, 4), .read)
        world.finish(world.change(.insertRange, blocks(8, 9)))
        world.giveBack(alice)
        world.send(.changeRequested(ChangeID(100), self.local(.insertRange, blocks(0, 1))))
        return (world, world.grants[call]?.epoch ?? 0)
    }

    @Test("A local change whose outcome is not known voids the file's shifts: nobody follows what is not sure")
    func unknownOutcome() {
        var (world, epoch) = self.inserting()
        #expect(world.permitted.last == ChangeID(100))
        #expect(world.engine.shifts(of: file, since: epoch)?.count == 1)
        world.send(.changeOutcomeUnknown(ChangeID(100)))
        #expect(world.endedChanges[ChangeID(100)] != nil)
        #expect(world.engine.shifts(of: file, since: epoch) == nil)
        #expect(world.engine.epoch(of: file) > epoch)
        #expect(world.grants[world.get(alice, blocks(0, 4))]?.shifts == [])
    }

    @Test("A call that could not be told apart and was done may have moved bytes; one that failed has not")
    func unknownOperation() {
        var (world, epoch) = self.inserting()
        world.finish(ChangeID(100), didChange: false)
        #expect(world.engine.shifts(of: file, since: epoch)?.count == 1)
        world.finish(world.change(.unknown, .all), didChange: false)
        #expect(world.engine.shifts(of: file, since: epoch)?.count == 1)
        world.finish(world.change(.unknown, .all))
        #expect(world.engine.shifts(of: file, since: epoch) == nil)
    }

    @Test("The epoch of a void log is never the epoch of a state")
    func voidLog() {
        var (world, _) = self.inserting()
        let void = world.engine.voidLog()
        #expect(void.shifts.isEmpty && void.start == void.epoch)
        world.finish(ChangeID(100))
        #expect(world.engine.epoch(of: file) > void.epoch)
        #expect(world.engine.shifts(of: file, since: void.epoch) == nil)
    }

    @Test("D3, D6: in grace a local change waits, reclaims pass it, and it runs once the holders have returned")
    func waitsForGrace() {
        var world = World()
        world.connect(alice, bob)
        world.get(alice, blocks(0, 4))
        world.get(bob, blocks(8, 12), .read)
        world = world.restarted()
        world.send(.changeRequested(ChangeID(100), self.local(.punchHole, blocks(1, 2))))
        #expect(world.refusedChanges.isEmpty && world.permitted.isEmpty && world.recalls.isEmpty)
        world.connect(alice, bob)
        #expect(world.grants[world.reclaim(alice, blocks(0, 4))] != nil)
        world.send(.reclaimComplete(alice))
        #expect(world.engine.isInGrace && world.recalls.isEmpty)
        // Its patience has not begun.
        world.wait(.seconds(25))
        #expect(world.refusedChanges.isEmpty)
        world.send(.leaseRenewed(alice))
        world.send(.leaseRenewed(bob))
        world.send(.reclaimComplete(bob))
        #expect(!world.engine.isInGrace)
        #expect(world.recalls.map(\.range) == [blocks(1, 2)] && world.permitted.isEmpty)
        world.giveBack(alice, blocks(1, 2))
        #expect(world.permitted == [ChangeID(100)])
    }

    @Test("D6: a reclaim that is at work when grace ends is not overtaken by the change that waited")
    func reclaimIsNotOvertaken() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world = world.restarted()
        world.send(.changeRequested(ChangeID(100), self.local(.punchHole, blocks(1, 2))))
        world.connect(alice)
        world.resolvesAtOnce = false
        let call = world.reclaim(alice, blocks(0, 4))
        world.wait(.seconds(19))
        world.send(.leaseRenewed(alice))
        world.wait(.seconds(12))
        #expect(!world.engine.isInGrace && world.recalls.isEmpty && world.permitted.isEmpty)
        world.resolveAll()
        #expect(world.grants[call] != nil)
        #expect(world.recalls.map(\.range) == [blocks(1, 2)])
    }

    @Test("The patience of a change that waited for grace begins with its end; withdrawn in grace it is forgotten")
    func patienceAfterGrace() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world = world.restarted()
        world.send(.changeRequested(ChangeID(100), self.local(.punchHole, blocks(1, 2))))
        world.send(.changeRequested(ChangeID(101), self.local(.punchHole, blocks(1, 2))))
        world.send(.changeAbandoned(ChangeID(101)))
        #expect(world.refusedChanges == [ChangeID(101): .delay])
        world.wait(.seconds(31))
        #expect(!world.engine.isInGrace && world.refusedChanges[ChangeID(100)] == nil)
        world.wait(.seconds(18))
        #expect(world.refusedChanges[ChangeID(100)] == nil)
        world.wait(.seconds(3))
        #expect(world.refusedChanges[ChangeID(100)] == .delay)
        #expect(world.held(alice) == ["rw[0, 16384)"])
    }

    @Test("An operator's revocation is not held up in grace by a local change that waits")
    func revocationPasses() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world = world.restarted()
        world.send(.changeRequested(ChangeID(100), self.local(.punchHole, blocks(1, 2))))
        let revocation = world.change(.revoke, .all)
        for fence in world.fences { world.send(.fenceFinished(fence.holder, isGone: true)) }
        #expect(world.permitted == [revocation])
        world.finish(revocation)
        #expect(world.permitted == [revocation, ChangeID(100)])
    }

    @Test("D6: what runs since an earlier life closes its range from the start, until it ends")
    func runsSinceEarlierLife() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world = world.restarted()
        world.send(.changeRuns(ChangeID(100), self.local(.insertRange, ByteRange(from: blocks(2, 3).lowerBound))))
        world.connect(alice, bob)
        let epoch = world.engine.epoch(of: file)
        // What it broke is not reclaimed; what is reclaimed it did not break.
        #expect(world.grants[world.reclaim(alice, blocks(0, 3))] != nil)
        world.send(.reclaimComplete(alice))
        #expect(!world.engine.isInGrace && world.held(alice) == ["rw[0, 12288)"])
        #expect(world.refusals[world.get(alice, blocks(2, 4), stateID: world.stateID(of: alice) ?? .none)] != nil)
        let get = world.get(bob, blocks(8, 9), patience: .seconds(5))
        let change = world.change(.punchHole, blocks(9, 10))
        #expect(world.grants[get] == nil && !world.permitted.contains(change))
        world.send(.changeOutcomeUnknown(ChangeID(100)))
        #expect(world.grants[get] != nil)
        #expect(world.engine.shifts(of: file, since: epoch) == nil)
    }
}
