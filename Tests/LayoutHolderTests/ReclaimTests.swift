import LayoutCore
import LayoutHolder
import Testing

@Suite struct ReclaimTests {
    @Test("what is held is reclaimed under its stateid, range by range, and stays mapped meanwhile [D1]")
    func reclaims() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        try world.open(2, blocks(8, 9), seqid: 2)
        world.send(.serverRestarted)
        #expect(world.reclaims.map(\.range) == [blocks(0, 4), blocks(8, 9)])
        #expect(world.reclaims.allSatisfy { $0.stateID == stateID(2) && $0.epoch == 5 && $0.ioMode == .readWrite })
        #expect(world.actions.count == 2)
        #expect(world.holder.isReclaiming)
        for (index, reclaim) in world.reclaims.enumerated() {
            world.grant(reclaim.id, reclaim.range, seqid: UInt32(3 + index))
            #expect(world.actions.isEmpty)
        }
        #expect(!world.holder.isReclaiming)
        world.send(.reclaimEnded)
        #expect(world.actions.isEmpty)
        #expect(world.holder.stateID == stateID(4))
        #expect(world.holder.heldRanges.map(\.range) == [blocks(0, 4), blocks(8, 9)])
    }

    @Test("a refused reclaim takes just its own windows, by force, and they are leased anew after the reclaim")
    func refused() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        try world.open(2, blocks(8, 9), seqid: 2)
        world.send(.serverRestarted)
        let reclaims = world.reclaims
        world.send(.refused(reclaims[0].id, .noGrace))
        #expect(world.actions == [.revoke(Holder.WindowID(1), isForced: true)])
        world.grant(reclaims[1].id, reclaims[1].range, seqid: 3)
        world.send(.drained(Holder.WindowID(1)))
        world.send(.windowWanted(Holder.WindowID(1)))
        // In grace the server would refuse it.
        #expect(world.get == nil)
        #expect(world.holder.heldRanges.map(\.range) == [blocks(8, 9)])
        world.send(.reclaimEnded)
        #expect(world.get?.range == blocks(0, 4))
    }

    @Test("with the last refused reclaim the descriptors go, and the next LAYOUTGET names no stateid")
    func allRefused() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.send(.serverRestarted)
        world.send(.refused(try #require(world.reclaims.first).id, .badStateID))
        #expect(world.actions == [.revoke(Holder.WindowID(1), isForced: true), .dropDescriptors])
        #expect(world.holder.stateID == .none)
    }

    @Test("what a reclaim's grant leaves out is lost; a grant of another stateid or iomode is worth nothing")
    func partial() throws {
        var world = World()
        try world.open(1, blocks(0, 2), seqid: 1)
        try world.open(2, blocks(2, 4), seqid: 2)
        world.send(.serverRestarted)
        #expect(world.reclaims.map(\.range) == [blocks(0, 4)])
        world.grant(try #require(world.reclaims.first).id, blocks(0, 3), seqid: 3)
        #expect(world.actions == [.revoke(Holder.WindowID(2), isForced: true)])
        #expect(world.holder.heldRanges.map(\.range) == [blocks(0, 3)])
        world.send(.serverRestarted)
        world.grant(
            try #require(world.reclaims.first).id,
            blocks(0, 3),
            seqid: 1,
            other: StateIDOther(number: 9, boot: 2)
        )
        #expect(world.holder.heldRanges.isEmpty)

        world = World()
        try world.open(1, blocks(0, 2), seqid: 1)
        world.send(.serverRestarted)
        world.grant(try #require(world.reclaims.first).id, blocks(0, 2), seqid: 2, ioMode: .read)
        #expect(world.holder.heldRanges.isEmpty)
    }

    @Test("a recall that was not returned yet is returned behind the reclaim, never before")
    func returnsWait() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.recall(blocks(2, 4), seqid: 2)
        world.send(.serverRestarted)
        let reclaim = try #require(world.reclaims.first)
        #expect(reclaim.range == blocks(0, 4))
        world.send(.drained(Holder.WindowID(1)))
        #expect(world.actions.isEmpty)
        world.grant(reclaim.id, reclaim.range, seqid: 3)
        #expect(world.actions.isEmpty)
        world.send(.reclaimEnded)
        guard case .sendReturn(_, blocks(2, 4), .any, stateID(3))? = world.actions.first else {
            return #expect(Bool(false), "\(world.actions)")
        }
        #expect(world.holder.heldRanges.map(\.range) == [blocks(0, 2)])
    }

    @Test("an own change that was not sent yet waits for the end of the reclaim")
    func changesWait() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.send(.serverRestarted)
        let reclaim = try #require(world.reclaims.first)
        let id = Holder.OwnChangeID(1)
        world.send(.changeWanted(Holder.ChangeIntent(id: id, operation: .insertRange, argument: blocks(1, 2))))
        world.send(.drained(Holder.WindowID(1)))
        world.grant(reclaim.id, reclaim.range, seqid: 2)
        #expect(!world.actions.contains(.permitChange(id)))
        world.send(.reclaimEnded)
        #expect(world.actions.contains(.permitChange(id)))
    }

    @Test("content follows the shifts that a reclaim's grant tells; a log with a gap makes it SIGBUS, and nothing else")
    func content() throws {
        var world = World()
        try world.open(1, blocks(8, 10), seqid: 1, follows: true)
        try world.open(2, blocks(0, 1), seqid: 2)
        world.recall(ByteRange(from: 4 * 4096), seqid: 3)
        world.send(.drained(Holder.WindowID(1)))
        guard case .sendReturn(let id, _, _, _)? = world.actions.last else { return #expect(Bool(false)) }
        // Its answer died with the server.
        world.send(.returnEnded(id, nil))
        world.send(.serverRestarted)
        let shift = LoggedShift(epoch: 6, shift: Shift(isInsert: true, offset: 4 * 4096, length: 4096))
        world.grant(try #require(world.reclaims.first).id, blocks(0, 1), seqid: 4, epoch: 6, shifts: [shift])
        world.send(.reclaimEnded)
        world.send(.windowWanted(Holder.WindowID(1)))
        #expect(world.get?.range == blocks(9, 11))
        world.send(.serverRestarted)
        world.grant(try #require(world.reclaims.first).id, blocks(0, 1), seqid: 5, epoch: 1 << 33, shifts: nil)
        #expect(world.actions == [.fail(Holder.WindowID(1), .outcomeUnknown)])
    }

    @Test("bytes that move under a held layout are revoked at once, whatever the server meant [F5]")
    func brokenPromise() throws {
        var world = World()
        try world.open(1, blocks(8, 10), seqid: 1, follows: true)
        world.send(.serverRestarted)
        let shift = LoggedShift(epoch: 6, shift: Shift(isInsert: true, offset: 0, length: 4096))
        world.grant(try #require(world.reclaims.first).id, blocks(8, 10), seqid: 4, epoch: 6, shifts: [shift])
        #expect(world.actions == [.revoke(Holder.WindowID(1), isForced: true)])
    }

    @Test("content that a shift would move beyond what a file can have is gone [F5]")
    func shiftBeyondTheEnd() {
        var pieces = ContentPieces(blocks(1, 2))
        pieces.apply(Shift(isInsert: true, offset: 0, length: .max - 2 * 4096))
        #expect(pieces.isEmpty)
    }

    @Test("a second restart asks for all again; answers to the first are worth nothing [D1]")
    func twice() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.send(.serverRestarted)
        let first = try #require(world.reclaims.first)
        world.send(.serverRestarted)
        let second = try #require(world.reclaims.first)
        #expect(first.id != second.id)
        world.send(.refused(first.id, .noGrace))
        #expect(world.actions.isEmpty && world.holder.isReclaiming)
        world.grant(second.id, second.range, seqid: 2)
        #expect(!world.holder.isReclaiming && world.holder.heldRanges.map(\.range) == [blocks(0, 4)])
    }

    @Test("a suspended lease ends access and keeps what is held: with the lease it comes back without a call [F1]")
    func suspended() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.send(.leaseSuspended)
        #expect(world.actions == [.revoke(Holder.WindowID(1), isForced: true)])
        world.send(.drained(Holder.WindowID(1)))
        world.send(.windowWanted(Holder.WindowID(1)))
        #expect(world.actions.isEmpty)
        // A recall of what nobody can reach is returned at once.
        world.recall(blocks(3, 4), seqid: 2)
        #expect(world.actions.first == .answerRecall(RecallID(1), .ok))
        guard case .sendReturn(let id, blocks(3, 4), .any, stateID(2))? = world.actions.last else {
            return #expect(Bool(false), "\(world.actions)")
        }
        world.send(.returnEnded(id, stateID(3)))
        world.send(.leaseRegained)
        #expect(world.get?.range == blocks(3, 4))
    }

    @Test("a suspended lease that is lost after all lets go of everything")
    func suspendedAndLost() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.send(.leaseSuspended)
        world.send(.drained(Holder.WindowID(1)))
        world.send(.leaseLost)
        #expect(world.actions == [.dropDescriptors])
        #expect(world.holder.isIdle)
    }
}
