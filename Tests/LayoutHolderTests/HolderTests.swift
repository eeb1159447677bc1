import LayoutCore
import LayoutHolder
import Testing

@Suite struct HolderTests {
    @Test("A recall closes the window, is answered at once, and is returned when the last pin is gone")
    func recallOrder() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.recall(blocks(2, 4), seqid: 2)
        #expect(world.actions == [.revoke(Holder.WindowID(1), isForced: false), .answerRecall(RecallID(1), .ok)])
        world.send(.drained(Holder.WindowID(1)))
        guard case .sendReturn(_, let range, .any, let sent)? = world.actions.first else {
            return #expect(Bool(false), "\(world.actions)")
        }
        #expect(range == blocks(2, 4) && sent == stateID(2))
        #expect(world.holder.heldRanges.map(\.range) == [blocks(0, 2)])
    }

    @Test("C9: a recall that speaks of a grant whose reply has not come is answered DELAY")
    func recallAheadOfGrant() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.add(2, blocks(8, 9))
        world.send(.windowWanted(Holder.WindowID(2)))
        let get = try #require(world.get)
        world.recall(blocks(8, 9), seqid: 3)
        #expect(world.actions == [.answerRecall(RecallID(1), .delay)])
        world.grant(get.id, get.range, seqid: 2)
        world.recall(blocks(8, 9), seqid: 3)
        #expect(world.actions.contains(.answerRecall(RecallID(1), .ok)))
    }

    @Test("C10, B: a recall of what is not held is answered NOMATCHING_LAYOUT; a repeated one is answered again")
    func nothingMatches() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.recall(blocks(8, 9), seqid: 2)
        #expect(world.actions == [.answerRecall(RecallID(1), .noMatchingLayout)])
        world.recall(blocks(0, 1), seqid: 3, id: 2)
        world.recall(blocks(0, 1), seqid: 3, id: 2)
        #expect(world.actions == [.answerRecall(RecallID(2), .ok)])
    }

    @Test("R6.3-4: a recall is returned while the grant of its range may be on its way, and the grant is void there")
    func recallOfAnOvertakenGrant() throws {
        var world = World()
        try world.open(1, blocks(0, 2), seqid: 1)
        world.add(2, blocks(4, 6))
        world.send(.windowWanted(Holder.WindowID(2)))
        let late = try #require(world.get)
        world.add(3, blocks(8, 10))
        world.send(.windowWanted(Holder.WindowID(3)))
        let early = try #require(world.get)
        // The server has granted the second call after the first (seqid 2), and its reply is here first.
        world.grant(early.id, early.range, seqid: 3)
        world.recall(blocks(4, 6), seqid: 4)
        #expect(world.actions.contains(.answerRecall(RecallID(1), .ok)))
        let returned = world.actions.contains { action in
            if case .sendReturn(_, blocks(4, 6), .any, stateID(4)) = action { true } else { false }
        }
        #expect(returned)
        world.grant(late.id, late.range, seqid: 2)
        #expect(world.map == nil)
        #expect(world.holder.heldRanges.allSatisfy { !$0.range.overlaps(blocks(4, 6)) })
    }

    @Test("A grant of which a return has left nothing leaves no descriptor and no stateid behind")
    func voidGrantAfterTheLastReturn() throws {
        var world = World()
        try world.open(1, blocks(0, 2), seqid: 1)
        world.add(2, blocks(4, 6))
        world.send(.windowWanted(Holder.WindowID(2)))
        let late = try #require(world.get)
        world.recall(blocks(0, 6), seqid: 2)
        world.send(.drained(Holder.WindowID(1)))
        #expect(world.holder.heldRanges.isEmpty)
        // Its reply brings the descriptor of a stateid that is over.
        world.grant(late.id, late.range, seqid: 2)
        #expect(world.actions.contains(.dropDescriptors))
        #expect(world.holder.stateID == .none)
    }

    @Test("No LAYOUTGET for a range that is being given back")
    func noGetBeforeReturn() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.recall(blocks(0, 4), seqid: 2)
        world.send(.windowWanted(Holder.WindowID(1)))
        #expect(world.get == nil)
        world.send(.drained(Holder.WindowID(1)))
        #expect(world.get == nil)
        guard case .sendReturn(let id, _, _, _)? = world.actions.last else { return #expect(Bool(false)) }
        world.send(.returnEnded(id, nil))
        #expect(world.get?.range == blocks(0, 4))
    }

    @Test("With the last layout the descriptors go, before the return is sent")
    func descriptorsGoFirst() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.recall(blocks(0, 4), seqid: 2)
        world.send(.drained(Holder.WindowID(1)))
        #expect(world.actions.first == .dropDescriptors)
        #expect(world.actions.count == 2)
    }

    @Test("A map that a recall overtakes does not open the window, and whoever waits for it waits on")
    func overtakenMap() throws {
        var world = World()
        world.add(1, blocks(0, 4))
        world.send(.windowWanted(Holder.WindowID(1)))
        let get = try #require(world.get)
        world.grant(get.id, get.range, seqid: 1)
        let map = try #require(world.map)
        world.recall(blocks(0, 4), seqid: 2)
        world.send(.mapFinished(Holder.WindowID(1), generation: map.generation, isMapped: true))
        #expect(world.actions.isEmpty)
        world.send(.drained(Holder.WindowID(1)))
        guard case .sendReturn(let id, _, _, _)? = world.actions.last else { return #expect(Bool(false)) }
        world.send(.returnEnded(id, nil))
        #expect(world.get?.range == blocks(0, 4))
    }

    @Test("What is held is mapped again without a call")
    func mapsWithoutCall() throws {
        var world = World()
        try world.open(1, blocks(0, 8), seqid: 1)
        world.add(2, blocks(2, 3), .read)
        world.send(.windowWanted(Holder.WindowID(2)))
        #expect(world.get == nil && world.map != nil)
    }

    @Test("T4: an own change closes the windows first, and waits for LAYOUTGETs that are under way")
    func ownChange() throws {
        var world = World()
        try world.open(1, blocks(0, 8), seqid: 1)
        world.add(2, blocks(10, 11))
        world.send(.windowWanted(Holder.WindowID(2)))
        let get = try #require(world.get)
        let id = Holder.OwnChangeID(1)
        let argument = try #require(ByteRange(offset: 4 * 4096, length: 4096))
        world.send(.changeWanted(Holder.ChangeIntent(id: id, operation: .insertRange, argument: argument)))
        #expect(world.actions == [.revoke(Holder.WindowID(1), isForced: false)])
        world.send(.drained(Holder.WindowID(1)))
        #expect(!world.actions.contains(.permitChange(id)))
        world.grant(get.id, get.range, seqid: 2)
        #expect(world.actions.contains(.permitChange(id)))
        #expect(world.holder.heldRanges.map(\.range) == [blocks(0, 4)])
        world.send(.windowWanted(Holder.WindowID(1)))
        #expect(world.get == nil)
        world.send(.changeEnded(id, .done(epoch: 6, stateID: stateID(3))))
        #expect(world.get != nil)
    }

    @Test("An own truncate waits for every LAYOUTGET, and gives back what those were granted beyond the file's end")
    func truncateWithAGetUnderWay() throws {
        var world = World()
        try world.open(1, blocks(0, 2), seqid: 1)
        world.add(2, blocks(4, 8))
        world.send(.windowWanted(Holder.WindowID(2)))
        let get = try #require(world.get)
        // Nothing at or behind block 16 is held; but the file may be shorter when the server begins with the change.
        let id = Holder.OwnChangeID(1)
        let intent = Holder.ChangeIntent(id: id, operation: .truncate, argument: ByteRange(from: 16 * 4096))
        world.send(.changeWanted(intent))
        world.send(.drained(Holder.WindowID(1)))
        #expect(!world.actions.contains(.permitChange(id)))
        world.grant(get.id, blocks(4, 8), seqid: 2)
        #expect(world.actions.contains(.permitChange(id)))
        #expect(world.holder.heldRanges.allSatisfy { $0.range.upperBound <= 7 * 4096 })
        // And nothing is asked for until it has ended.
        world.add(3, blocks(9, 10))
        world.send(.windowWanted(Holder.WindowID(3)))
        #expect(world.get == nil)
        world.send(.changeEnded(id, .done(epoch: 5, stateID: nil)))
        #expect(world.get?.range == blocks(9, 10) || world.get?.range == blocks(7, 8))
    }

    @Test("F1: when the own deadline passes, access ends at once, pins or not, and nothing is returned")
    func leaseLost() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1)
        world.send(.leaseLost)
        #expect(world.actions == [.revoke(Holder.WindowID(1), isForced: true), .dropDescriptors])
        world.send(.windowWanted(Holder.WindowID(1)))
        #expect(world.get == nil)
        world.send(.drained(Holder.WindowID(1)))
        world.send(.leaseRegained)
        #expect(world.get?.range == blocks(0, 4))
    }

    @Test("T10: content follows an insert that cuts its window, and a gap in the log makes it fail")
    func contentFollows() throws {
        var world = World()
        try world.open(1, blocks(0, 4), seqid: 1, follows: true)
        world.recall(blocks(2, 4), seqid: 2)
        world.send(.drained(Holder.WindowID(1)))
        guard case .sendReturn(let id, _, _, _)? = world.actions.last else { return #expect(Bool(false)) }
        world.send(.returnEnded(id, stateID(3)))
        world.send(.windowWanted(Holder.WindowID(1)))
        let first = try #require(world.get)
        #expect(first.range == blocks(2, 4))
        let shift = LoggedShift(epoch: 6, shift: Shift(isInsert: true, offset: 2 * 4096, length: 3 * 4096))
        world.grant(first.id, first.range, seqid: 4, epoch: 6, shifts: [shift])
        let second = try #require(world.get)
        #expect(second.range == blocks(5, 7))
        world.grant(second.id, second.range, seqid: 5, epoch: 6)
        #expect(world.map?.segments.map(\.windowOffset) == [0, 2 * 4096])
        #expect(world.map?.segments.map(\.range) == [blocks(0, 2), blocks(5, 7)])
    }

    @Test("A shift log with a gap makes windows that follow their content fail, and no others")
    func gapInTheLog() throws {
        var world = World()
        try world.open(1, blocks(0, 1), seqid: 1, follows: true)
        world.recall(blocks(0, 1), seqid: 2)
        world.send(.drained(Holder.WindowID(1)))
        world.add(2, blocks(8, 9))
        world.send(.windowWanted(Holder.WindowID(2)))
        let get = try #require(world.get)
        world.grant(get.id, get.range, seqid: 1, other: StateIDOther(number: 8, boot: 1), epoch: 99, shifts: nil)
        #expect(world.actions.contains(.fail(Holder.WindowID(1), .outcomeUnknown)))
        #expect(world.map != nil)
    }

    @Test("A grant whose stateid was over before its reply came is not used")
    func staleGrant() throws {
        var world = World()
        world.add(1, blocks(0, 1))
        world.add(2, blocks(4, 5))
        world.send(.windowWanted(Holder.WindowID(1)))
        let first = try #require(world.get)
        world.grant(first.id, first.range, seqid: 1, other: StateIDOther(number: 9, boot: 1))
        world.send(.windowWanted(Holder.WindowID(2)))
        let second = try #require(world.get)
        world.grant(second.id, second.range, seqid: 5, other: StateIDOther(number: 8, boot: 1))
        #expect(world.holder.heldRanges.map(\.range) == [blocks(0, 1)])
        #expect(world.map == nil)
    }

    @Test("Past the end of the file a touch is a SIGBUS, and after the file has grown it is not")
    func pastTheEnd() throws {
        var world = World()
        world.add(1, blocks(100, 101))
        world.send(.windowWanted(Holder.WindowID(1)))
        world.send(.refused(try #require(world.get).id, .noSuchAddress))
        #expect(world.actions == [.fail(Holder.WindowID(1), .noSuchAddress)])
        let id = Holder.OwnChangeID(1)
        let argument = ByteRange(from: 200 * 4096)
        world.send(.changeWanted(Holder.ChangeIntent(id: id, operation: .truncate, argument: argument)))
        world.send(.changeEnded(id, .done(epoch: 5, stateID: nil)))
        #expect(world.actions == [.revoke(Holder.WindowID(1), isForced: false)])
    }
}

@Suite struct ContentPiecesTests {
    /// Every window of up to four blocks, under every pair of shifts in a file of six blocks: the pieces show the
    /// blocks that a list of stamps says they must.
    @Test("Pieces follow their bytes through every pair of shifts")
    func exhaustive() throws {
        var shifts: [Shift] = []
        for offset in 0..<6 as Range<UInt64> {
            for length in 1...3 as ClosedRange<UInt64> {
                for isInsert in [true, false] {
                    shifts.append(Shift(isInsert: isInsert, offset: offset, length: length))
                }
            }
        }
        for lower in 0..<4 as Range<UInt64> {
            for upper in (lower + 1)...6 {
                let window = try #require(ByteRange(lower, upper))
                for first in shifts {
                    for second in shifts { self.check(window, [first, second]) }
                }
            }
        }
    }

    private func check(_ window: ByteRange, _ shifts: [Shift]) {
        var file: [UInt64?] = (0..<12).map { $0 }
        var pieces = ContentPieces(window)
        for shift in shifts {
            pieces.apply(shift)
            let offset = Int(shift.offset)
            if shift.isInsert {
                file.insert(contentsOf: Array(repeating: nil, count: Int(shift.length)), at: offset)
            } else {
                file.removeSubrange(offset..<min(file.count, offset + Int(shift.length)))
            }
        }
        var shown: [UInt64] = []
        for piece in pieces.pieces {
            for index in 0..<piece.range.wireLength {
                let stamp = file[Int(piece.range.lowerBound + index)]
                #expect(stamp == window.lowerBound + piece.windowOffset + index, "\(window) \(shifts)")
                if let stamp { shown.append(stamp) }
            }
        }
        let left = file.compactMap { $0 }.filter { window.contains($0) }
        #expect(shown == left, "\(window) \(shifts)")
    }
}
