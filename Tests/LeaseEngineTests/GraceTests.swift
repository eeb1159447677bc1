import LayoutCore
import LeaseEngine
import Testing

@Suite struct GraceTests {
    /// Alice held blocks 0 to 4 read-write and bob 8 to 12 to read; then the server started again.
    private func restarted() -> World {
        var world = World()
        world.connect(alice, bob)
        world.get(alice, blocks(0, 4))
        world.get(bob, blocks(8, 12), .read)
        return world.restarted()
    }

    @Test("D3: in grace nothing new is granted, to nobody, and nothing changes")
    func nothingNew() {
        var world = self.restarted()
        world.connect(alice, bob, carol)
        #expect(world.engine.isInGrace)
        #expect(world.refusals[world.get(carol, blocks(20, 21))] == .grace)
        #expect(world.refusals[world.get(alice, blocks(20, 21))] == .grace)
        #expect(world.refusals[world.get(alice, blocks(0, 4), stateID: world.stateID(of: alice) ?? .none)] == .grace)
        for operation in [MappingOperation.punchHole, .write, .allocate, .remove, .insertRange] {
            let change = world.change(operation, blocks(30, 31), breaks: .nobody, by: .client(alice))
            #expect(world.refusedChanges[change] == .grace)
        }
        #expect(world.permitted.isEmpty && world.grants.isEmpty && world.recalls.isEmpty)
        #expect(world.held(alice) == ["rw[0, 16384)"] && world.held(bob) == ["r[32768, 49152)"])
    }

    @Test("An operator's revocation and a shutdown change no mapping: they go on in grace")
    func operatorInGrace() throws {
        var world = self.restarted()
        let change = world.change(.revoke, .all)
        #expect(world.refusedChanges.isEmpty)
        let fence = try #require(world.fences.last)
        world.send(.fenceFinished(fence.holder, isGone: true))
        #expect(world.revoked == [fence.holder] && world.permitted.isEmpty && world.engine.isInGrace)
        for fence in world.fences { world.send(.fenceFinished(fence.holder, isGone: true)) }
        #expect(world.permitted == [change] && !world.engine.isInGrace)
    }

    @Test("D1: every holder of the old life is looked at when the new one starts; those that are gone go at once")
    func startedProves() {
        var world = self.restarted()
        #expect(world.fences.map(\.client) == [alice, bob])
        #expect(world.fences.allSatisfy { $0.method == .prove && $0.attempt == 1 })
        world.send(.fenceFinished(world.fences[0].holder, isGone: false))
        world.send(.fenceFinished(world.fences[1].holder, isGone: true))
        #expect(world.held(alice) == ["rw[0, 16384)"] && world.held(bob).isEmpty)
        #expect(world.revocations.map(\.client) == [bob])
        #expect(world.engine.isInGrace && world.engine.reclaimingClientIDs() == [alice])
        world.wait(.seconds(29))
        #expect(world.fences.count == 2)
    }

    @Test(
        "D2: grace ends early, once, when every client has completed its reclaims, is lost, or holds nothing any more"
    )
    func endsEarly() {
        var world = World()
        world.connect(alice, bob, carol)
        for client in [alice, bob, carol] { world.get(client, blocks(0, 4), .read) }
        world = world.restarted()
        world.connect(alice, bob)
        #expect(world.engine.missingClientIDs() == [carol])
        world.send(.reclaimComplete(alice))
        #expect(world.engine.isInGrace && world.held(alice).isEmpty)
        world.giveBack(bob)
        #expect(world.engine.isInGrace)
        world.send(.clientLost(carol))
        #expect(!world.engine.isInGrace && world.gracesEnded == 1)
        #expect(world.held(carol) == ["r[0, 16384)"])
        world.wait(.seconds(100))
        #expect(world.gracesEnded == 1)
        #expect(world.grants[world.get(alice, blocks(0, 1))] != nil)
    }

    @Test("D2: the end of one client's reclaims is not the end of another's; a client that is done is refused new ones")
    func perClient() {
        var world = self.restarted()
        world.connect(alice, bob)
        let stateID = world.stateID(of: alice)
        world.reclaim(alice, blocks(0, 4))
        world.send(.reclaimComplete(alice))
        #expect(world.refusals[world.reclaim(alice, blocks(0, 4), stateID: stateID)] == .noGrace)
        #expect(world.refusals[world.get(alice, blocks(20, 21))] == .grace)
        #expect(world.grants[world.reclaim(bob, blocks(8, 12), .read)] != nil)
        world.send(.reclaimComplete(bob))
        #expect(world.grants[world.get(alice, blocks(20, 21))] != nil)
        // Once more: it is for the server to refuse, and changes nothing here.
        world.send(.reclaimComplete(alice))
        #expect(world.held(alice) == ["rw[0, 16384)", "rw[81920, 86016)"])
    }

    @Test("D2: without grace a client with something to reclaim gets nothing new before RECLAIM_COMPLETE")
    func newLayoutsWaitForComplete() {
        var world = self.restarted()
        world.connect(alice, bob, carol)
        world.wait(.seconds(31))
        #expect(!world.engine.isInGrace && world.gracesEnded == 1)
        #expect(world.refusals[world.get(alice, blocks(20, 21))] == .grace)
        #expect(world.grants[world.get(carol, blocks(20, 21))] != nil)
        #expect(world.grants[world.reclaim(alice, blocks(0, 4))] != nil)
        world.send(.reclaimComplete(alice))
        #expect(world.grants[world.get(alice, blocks(20, 21))] != nil)
    }

    @Test(
        "D9: after the grace term an unreclaimed holder falls at the first conflict, and the change waits for the proof"
    )
    func firstConflict() throws {
        var world = self.restarted()
        for fence in world.fences { world.send(.fenceFinished(fence.holder, isGone: false)) }
        world.fences = []
        world.wait(.seconds(31))
        #expect(!world.engine.isInGrace && world.fences.isEmpty)
        #expect(world.held(alice) == ["rw[0, 16384)"])
        let elsewhere = world.change(.punchHole, blocks(5, 6))
        #expect(world.permitted == [elsewhere] && world.fences.isEmpty)
        let change = world.change(.punchHole, blocks(0, 1))
        let fence = try #require(world.fences.first)
        #expect(fence.client == alice && fence.method == .enforce)
        #expect(world.recalls.isEmpty && world.permitted == [elsewhere])
        world.send(.fenceFinished(fence.holder, isGone: true))
        #expect(world.permitted == [elsewhere, change])
        #expect(world.held(bob) == ["r[32768, 49152)"])
    }

    @Test("D9: a client that is back after the grace term is recalled like any other")
    func lateClientIsRecalled() throws {
        var world = self.restarted()
        world.wait(.seconds(31))
        world.connect(alice)
        let change = world.change(.punchHole, blocks(0, 1))
        let recall = try #require(world.recalls.first)
        #expect(recall.client == alice)
        // Its own count of seqids may be ahead of what was kept.
        world.giveBack(alice, stateID: StateID(seqid: 40, other: recall.stateID.other))
        #expect(world.permitted == [change])
    }

    @Test("A client that was recalled before it came back reclaims first, and then returns")
    func recalledBeforeReclaim() throws {
        var world = self.restarted()
        let stateID = try #require(world.stateID(of: alice))
        world.wait(.seconds(31))
        let change = world.change(.punchHole, blocks(0, 1))
        world.connect(alice)
        let recall = try #require(world.recalls.first)
        world.send(.recallAnswered(recall.id, .ok))
        // The recall is overdue, and the change is ahead of it: what is held is reclaimed all the same.
        #expect(world.grants[world.reclaim(alice, blocks(0, 4), stateID: stateID)] != nil)
        world.send(.reclaimComplete(alice))
        #expect(world.permitted.isEmpty)
        world.giveBack(alice, blocks(0, 1))
        #expect(world.permitted == [change])
        #expect(world.held(alice) == ["rw[4096, 16384)"])
    }

    @Test("A reclaim whose holder is proven gone while its extents are read is refused, with the change under way")
    func goneBeforeReclaim() throws {
        var world = self.restarted()
        let stateID = try #require(world.stateID(of: alice))
        world.wait(.seconds(31))
        world.resolvesAtOnce = false
        let change = world.change(.punchHole, blocks(0, 1))
        world.connect(alice)
        let call = world.reclaim(alice, blocks(0, 4), stateID: stateID)
        let holder = try #require(world.recalls.first?.holder)
        world.send(.fenceFinished(holder, isGone: true))
        #expect(world.permitted == [change])
        world.resolveAll()
        #expect(world.refusals[call] == .noGrace || world.refusals[call] == .reclaimBad)
    }

    @Test("D1: a client that comes back keeps its lease for the grace term, and then as long as it renews it")
    func lease() {
        var world = self.restarted()
        #expect(world.engine.leaseLeft(alice, at: world.now) == .seconds(30))
        world.connect(alice)
        #expect(world.engine.leaseLeft(alice, at: world.now) == .seconds(30))
        #expect(world.engine.graceLeft(at: world.now) == .seconds(30))
        world.wait(.seconds(25))
        world.send(.leaseRenewed(alice))
        #expect(world.engine.leaseLeft(alice, at: world.now) == .seconds(20))
    }

    @Test("Without a holder of an earlier life there is no grace")
    func noHolders() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world.giveBack(alice)
        world = world.restarted()
        world.connect(alice)
        #expect(!world.engine.isInGrace && world.gracesEnded == 0)
        #expect(world.refusals[world.reclaim(alice, blocks(0, 4))] == .noGrace)
        #expect(world.grants[world.get(alice, blocks(0, 4))] != nil)
    }

    @Test("A client that started again with the server is lost: its holders go once they are proven gone")
    func lostClient() {
        var world = self.restarted()
        let holder = world.fences[0].holder
        world.send(.clientLost(alice))
        world.send(.fenceFinished(holder, isGone: true))
        #expect(world.forgotten == [alice] && world.held(alice).isEmpty)
        // Nobody is left who could learn of it.
        #expect(world.revocations.isEmpty)
        #expect(world.engine.reclaimingClientIDs() == [bob])
    }

    @Test("D7: what a damaged store may say of holders is found out before an engine starts from it")
    func defects() {
        func recovered(_ holders: [(number: UInt64, file: FileID, ranges: [ByteRange])]) -> Engine.Recovered {
            let holders = holders.map { holder in
                Engine.RecoveredHolder(
                    id: Engine.HolderID(holder.number),
                    file: holder.file,
                    seqid: 1,
                    segments: holder.ranges.map { storedSegment($0) }
                )
            }
            return Engine.Recovered(
                clients: [Engine.RecoveredClient(id: alice, holders: holders)],
                graceTerm: .seconds(1)
            )
        }
        let other = FileID(2)
        #expect(recovered([(1, file, [blocks(0, 1), blocks(1, 2)]), (2, other, [.all])]).defect == nil)
        #expect(recovered([(1, file, [.all]), (1, other, [.all])]).defect != nil)
        #expect(recovered([(1, file, [.all]), (2, file, [.all])]).defect != nil)
        #expect(recovered([(1, file, [])]).defect != nil)
        #expect(recovered([(1, file, [blocks(0, 2), blocks(1, 3)])]).defect != nil)
        var twice = recovered([])
        twice.clients += twice.clients
        #expect(twice.defect != nil)
    }
}
