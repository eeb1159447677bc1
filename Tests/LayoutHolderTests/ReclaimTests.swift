import LayoutCore
import LayoutHolder
import Testing

/// A reclaim as the holder asks for it.
private struct Asked: Equatable {
    var id: Holder.GetID
    var range: ByteRange
    var ioMode: IOMode
    var stateID: StateID
    var epoch: UInt64
}

extension World {
    /// The reclaims among the latest actions.
    fileprivate var reclaims: [Asked] {
        self.actions.compactMap { action in
            guard case .sendReclaim(let id, let range, let ioMode, let stateID, let epoch) = action else { return nil }
            return Asked(id: id, range: range, ioMode: ioMode, stateID: stateID, epoch: epoch)
        }
    }

    fileprivate mutating func reclaimed(
        _ asked: Asked,
        _ range: ByteRange? = nil,
        seqid: UInt32,
        other: StateIDOther = other,
        epoch: UInt64 = 5,
        shifts: [LoggedShift]? = []
    ) {
        let layout = Holder.GrantedLayout(
            stateID: StateID(seqid: seqid, other: other),
            range: range ?? asked.range,
            ioMode: asked.ioMode,
            fileSize: 1 << 20,
            epoch: epoch,
            shifts: shifts
        )
        self.send(.reclaimed(asked.id, layout))
    }

    /// The session is lost, and there is one with the next life of the server.
    fileprivate mutating func restart() {
        self.send(.sessionLost)
        self.send(.reclaimBegan)
    }

    fileprivate var sentReturn: (id: Holder.ReturnID, range: ByteRange)? {
        for case .sendReturn(let id, let range, _, _) in self.actions { return (id, range) }
        return nil
    }

    fileprivate func isOpen(_ window: UInt64) -> Bool {
        // A window that has access is taken it from when it goes.
        var copy = self
        copy.send(.windowRemoved(Holder.WindowID(window)))
        return copy.actions.contains(.revoke(Holder.WindowID(window), isForced: false))
    }
}

@Suite struct HolderReclaimTests {
    private let first = Holder.WindowID(1)

    @Test("D1: while the server is gone access goes on, what is held is mapped, and nothing is sent")
    func accessGoesOn() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.send(.sessionLost)
        #expect(world.actions.isEmpty && world.isOpen(1))
        world.add(2, blocks(1, 2), .read)
        world.send(.windowWanted(Holder.WindowID(2)))
        #expect(world.map?.segments.map(\.range) == [blocks(1, 2)] && world.get == nil)
        world.add(3, blocks(8, 9))
        world.send(.windowWanted(Holder.WindowID(3)))
        #expect(world.actions.isEmpty)
        world.send(.leaseRegained)
        #expect(world.get?.range == blocks(8, 9))
    }

    @Test("D1: what is held is reclaimed, each range in its iomode under the old stateid, and the maps stay")
    func reclaims() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.add(2, blocks(8, 10), .read)
        world.send(.windowWanted(Holder.WindowID(2)))
        let get = try #require(world.get)
        let read = Holder.GrantedLayout(
            stateID: stateID(2),
            range: get.range,
            ioMode: .read,
            fileSize: 1 << 20,
            epoch: 5,
            shifts: []
        )
        world.send(.granted(get.id, read))
        world.restart()
        let asked = world.reclaims
        #expect(asked.map(\.range) == [blocks(0, 4), blocks(8, 10)])
        #expect(asked.map(\.ioMode) == [.readWrite, .read])
        #expect(asked.allSatisfy { $0.stateID == stateID(2) && $0.epoch == 5 })
        #expect(world.actions.count == 2)
        world.reclaimed(asked[1], seqid: 7)
        #expect(world.actions.isEmpty)
        world.reclaimed(asked[0], seqid: 6)
        #expect(world.actions == [.reclaimEnded])
        #expect(world.holder.stateID == stateID(7) && world.isOpen(1))
        world.send(.leaseRegained)
        #expect(world.actions.isEmpty)
        #expect(world.holder.heldRanges.map(\.range) == [blocks(0, 4), blocks(8, 10)])
    }

    @Test(
        "D1: with nothing held there is nothing to reclaim, and nothing is asked for before the reclaims of all are over"
    )
    func nothingHeld() {
        var world = World()
        world.add(1, blocks(0, 1))
        world.send(.sessionLost)
        world.send(.windowWanted(self.first))
        world.send(.reclaimBegan)
        #expect(world.actions == [.reclaimEnded])
        world.send(.windowWanted(self.first))
        #expect(world.get == nil)
        world.send(.leaseRegained)
        #expect(world.get?.range == blocks(0, 1))
    }

    @Test("D4: a reclaim that is refused ends access at once, and a touch asks anew")
    func refused() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        try world.open(2, blocks(8, 9), seqid: 2)
        world.restart()
        let asked = world.reclaims
        world.send(.reclaimRefused(asked[0].id, .reclaimBad))
        #expect(world.actions == [.revoke(self.first, isForced: true)])
        world.reclaimed(asked[1], seqid: 3)
        #expect(world.actions == [.reclaimEnded] && world.isOpen(2))
        #expect(world.holder.heldRanges.map(\.range) == [blocks(8, 9)])
        world.send(.drained(self.first))
        world.send(.windowWanted(self.first))
        #expect(world.actions.isEmpty)
        world.send(.leaseRegained)
        #expect(world.get?.range == blocks(0, 4))
    }

    @Test("D4: with the last range that is refused the descriptors go, and the stateid with them")
    func allRefused() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.restart()
        world.send(.reclaimRefused(try #require(world.reclaims.first).id, .noGrace))
        #expect(world.actions == [.revoke(self.first, isForced: true), .dropDescriptors, .reclaimEnded])
        #expect(world.holder.stateID == .none && world.holder.heldRanges.isEmpty)
    }

    @Test("F1: when the lease runs out before the server is back access ends, and the reclaim's grant restores it")
    func expired() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.send(.sessionLost)
        world.send(.leaseExpired)
        #expect(world.actions == [.revoke(self.first, isForced: true)])
        #expect(world.holder.heldRanges.isEmpty)
        #expect(world.holder.expiredRanges.map(\.range) == [blocks(0, 4)] && !world.holder.isIdle)
        world.send(.drained(self.first))
        world.send(.windowWanted(self.first))
        #expect(world.actions.isEmpty)
        world.send(.reclaimBegan)
        let asked = try #require(world.reclaims.first)
        #expect(asked.range == blocks(0, 4) && asked.stateID == stateID(1) && world.map == nil)
        world.reclaimed(asked, seqid: 4)
        // The descriptor may be another one: it is mapped anew.
        guard case .map(self.first, _, _, isCurrent: false)? = world.actions.last else {
            return #expect(Bool(false), "\(world.actions)")
        }
        #expect(world.actions.contains(.reclaimEnded) && world.holder.expiredRanges.isEmpty)
        #expect(world.holder.heldRanges.map(\.range) == [blocks(0, 4)])
    }

    @Test("F1: what has expired and is not reclaimed is over when there is a session again")
    func expiredIsGivenUp() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.send(.sessionLost)
        world.send(.leaseExpired)
        world.send(.drained(self.first))
        world.send(.leaseRegained)
        #expect(world.actions == [.dropDescriptors])
        #expect(world.holder.isIdle && world.holder.stateID == .none)
        world.send(.windowWanted(self.first))
        #expect(world.get?.range == blocks(0, 4))
    }

    @Test("A window that follows its content moves by the shifts of the reclaim's grant")
    func shifts() throws {
        var world = World()
        try world.open(1, blocks(0, 2), seqid: 1)
        world.add(2, blocks(8, 9), follows: true)
        let shift = LoggedShift(epoch: 9, shift: Shift(isInsert: true, offset: 4 * 4096, length: 4096))
        world.restart()
        world.reclaimed(try #require(world.reclaims.first), seqid: 2, epoch: 9, shifts: [shift])
        #expect(world.actions == [.reclaimEnded] && world.holder.epoch == 9 && world.isOpen(1))
        world.send(.leaseRegained)
        world.send(.windowWanted(Holder.WindowID(2)))
        #expect(world.get?.range == blocks(9, 10))
    }

    @Test("A gap in the log over a restart: what is shown and held has not moved, and everything else may have")
    func gap() throws {
        var world = World()
        try world.open(1, blocks(0, 2), seqid: 1, follows: true)
        world.add(2, blocks(8, 9), follows: true)
        world.restart()
        world.reclaimed(try #require(world.reclaims.first), seqid: 2, epoch: 9, shifts: nil)
        #expect(world.actions == [.fail(Holder.WindowID(2), .outcomeUnknown), .reclaimEnded])
        #expect(world.isOpen(1))
    }

    @Test("What a reclaim's grant leaves out of its range is over")
    func shorter() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        try world.open(2, blocks(4, 6), seqid: 2)
        world.restart()
        let asked = try #require(world.reclaims.first)
        #expect(asked.range == blocks(0, 6))
        world.reclaimed(asked, blocks(0, 4), seqid: 3)
        #expect(world.actions == [.revoke(Holder.WindowID(2), isForced: true), .reclaimEnded])
        #expect(world.holder.heldRanges.map(\.range) == [blocks(0, 4)] && world.isOpen(1))
    }

    @Test("A reclaim that is answered with another stateid is none")
    func foreignStateID() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.restart()
        let asked = try #require(world.reclaims.first)
        world.reclaimed(asked, seqid: 1, other: StateIDOther(number: 1 << 33, boot: 2))
        #expect(world.actions == [.revoke(self.first, isForced: true), .dropDescriptors, .reclaimEnded])
    }

    @Test("D1: the server dies again: what was reclaimed and what was not are reclaimed from the next life")
    func twice() throws {
        var world = World()
        try world.open(1, blocks(0, 1), seqid: 1)
        try world.open(2, blocks(4, 5), seqid: 2)
        world.restart()
        let old = world.reclaims
        world.reclaimed(old[0], seqid: 8)
        world.restart()
        let asked = world.reclaims
        #expect(asked.map(\.range) == [blocks(0, 1), blocks(4, 5)])
        #expect(asked.allSatisfy { $0.stateID == stateID(8) })
        // An answer of the life between comes too late.
        world.send(.reclaimRefused(old[1].id, .noGrace))
        #expect(world.actions.isEmpty && world.isOpen(1) && world.isOpen(2))
    }

    @Test("A recall whose pins are gone while there is no server is not reclaimed; one with pins is, and returned then")
    func recalls() throws {
        var world = World()
        try world.open(1, blocks(0, 2), seqid: 1)
        try world.open(2, blocks(4, 6), seqid: 2)
        world.recall(blocks(0, 2), seqid: 3, id: 1)
        world.recall(blocks(4, 6), seqid: 4, id: 2)
        world.send(.sessionLost)
        world.send(.drained(self.first))
        #expect(world.sentReturn == nil)
        world.send(.reclaimBegan)
        #expect(world.reclaims.map(\.range) == [blocks(4, 6)])
        world.reclaimed(world.reclaims[0], seqid: 5)
        world.send(.drained(Holder.WindowID(2)))
        #expect(world.sentReturn?.range == blocks(4, 6))
        #expect(world.holder.heldRanges.isEmpty)
    }

    @Test(
        "A session that is lost without its server: what was given back or recalled meanwhile is returned in the next"
    )
    func sameLife() throws {
        var world = World()
        try world.open(1, blocks(0, 2), seqid: 1)
        try world.open(2, blocks(4, 6), seqid: 2)
        world.recall(blocks(0, 1), seqid: 3, id: 1)
        world.send(.drained(self.first))
        let lost = try #require(world.sentReturn)
        world.recall(blocks(4, 5), seqid: 4, id: 2)
        world.send(.sessionLost)
        world.send(.drained(Holder.WindowID(2)))
        #expect(world.sentReturn == nil)
        world.send(.leaseRegained)
        let ranges = world.actions.compactMap { action in
            if case .sendReturn(_, let range, _, _) = action { range } else { ByteRange?.none }
        }
        #expect(ranges == [blocks(0, 1), blocks(4, 5)])
        let again = try #require(world.sentReturn)
        world.send(.returnEnded(lost.id, nil))
        world.send(.windowWanted(self.first))
        #expect(world.get == nil)
        world.send(.returnEnded(again.id, stateID(5)))
        #expect(world.get?.range == blocks(0, 1))
    }

    @Test("R6.5-7: a recall that overtakes the grant of a reclaim is returned, and the grant is void there")
    func overtakenReclaim() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.send(.sessionLost)
        world.send(.leaseExpired)
        world.send(.drained(self.first))
        world.send(.reclaimBegan)
        let asked = try #require(world.reclaims.first)
        world.recall(blocks(0, 2), seqid: 3)
        #expect(world.actions == [.answerRecall(RecallID(1), .delay)])
        world.recall(blocks(0, 2), seqid: 2)
        #expect(world.actions.contains(.answerRecall(RecallID(1), .ok)) && world.sentReturn?.range == blocks(0, 2))
        world.reclaimed(asked, seqid: 2)
        #expect(world.holder.heldRanges.map(\.range) == [blocks(2, 4)])
    }

    @Test("An own change waits for the reclaims of what it affects")
    func ownChange() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.restart()
        let asked = try #require(world.reclaims.first)
        let id = Holder.OwnChangeID(1)
        world.send(.changeWanted(Holder.ChangeIntent(id: id, operation: .punchHole, argument: blocks(0, 1))))
        world.send(.drained(self.first))
        #expect(!world.actions.contains(.permitChange(id)))
        world.reclaimed(asked, seqid: 2)
        #expect(world.actions.contains(.permitChange(id)))
        #expect(world.holder.heldRanges.map(\.range) == [blocks(1, 4)])
    }

    @Test("C19: a revocation while reclaims are under way ends them")
    func revokedMeanwhile() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.restart()
        let asked = try #require(world.reclaims.first)
        world.send(.layoutsRevoked)
        #expect(world.actions == [.revoke(self.first, isForced: true), .reclaimEnded, .dropDescriptors])
        world.reclaimed(asked, seqid: 2)
        #expect(world.actions.isEmpty && world.holder.heldRanges.isEmpty)
    }

    @Test("A lease that is lost for good takes what has expired with it")
    func leaseLost() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.send(.sessionLost)
        world.send(.leaseExpired)
        world.send(.leaseLost)
        world.send(.leaseGivenUp(.stale))
        #expect(world.holder.expiredRanges.isEmpty)
        world.send(.leaseRegained)
        #expect(world.reclaims.isEmpty && world.get == nil)
    }
}
