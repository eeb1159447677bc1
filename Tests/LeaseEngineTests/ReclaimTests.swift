import LayoutCore
import LeaseEngine
import Recovery
import Testing

func storedSegment(_ range: ByteRange, _ ioMode: IOMode = .readWrite) -> StoredSegment {
    StoredSegment(range: range, ioMode: ioMode, breaksOnWrite: false, isExclusive: false)
}

@Suite struct ReclaimTests {
    /// Alice held blocks 0 to 4 read-write and 6 to 8 to read; then the server started again, and she is back.
    private func restarted() throws -> (world: World, stateID: StateID) {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world.get(alice, blocks(6, 8), .read)
        let stateID = try #require(world.stateID(of: alice))
        world = world.restarted()
        world.connect(alice)
        return (world, stateID)
    }

    @Test("D1: what was held is reclaimed under its stateid, whose seqid goes on from the client's count")
    func reclaims() throws {
        var (world, stateID) = try self.restarted()
        // A recall that the old life sent last has counted on, and was not kept.
        let ahead = StateID(seqid: stateID.seqid + 5, other: stateID.other)
        let first = try #require(world.grants[world.reclaim(alice, blocks(0, 4), stateID: ahead)])
        #expect(first.stateID == StateID(seqid: ahead.seqid + 1, other: stateID.other))
        #expect(first.range == blocks(0, 4) && first.ioMode == .readWrite)
        // The second call left before the answer to the first.
        let second = try #require(world.grants[world.reclaim(alice, blocks(6, 8), .read, stateID: ahead)])
        #expect(second.stateID == StateID(seqid: ahead.seqid + 2, other: stateID.other))
        let persists = world.persists
        world.send(.reclaimComplete(alice))
        #expect(world.held(alice) == ["rw[0, 16384)", "r[24576, 32768)"])
        #expect(world.persists == persists && world.gracesEnded == 1)
        let new = try #require(world.grants[world.get(alice, blocks(4, 6), stateID: second.stateID)])
        #expect(new.stateID.seqid == ahead.seqid + 3)
        #expect(world.held(alice) == ["rw[0, 24576)", "r[24576, 32768)"])
    }

    @Test("D1: a reclaim may be sent twice")
    func twice() throws {
        var (world, stateID) = try self.restarted()
        let first = try #require(world.grants[world.reclaim(alice, blocks(0, 4), stateID: stateID)])
        let second = try #require(world.grants[world.reclaim(alice, blocks(0, 4), stateID: stateID)])
        #expect(second.stateID.seqid == first.stateID.seqid + 1)
        world.send(.reclaimComplete(alice))
        #expect(world.held(alice) == ["rw[0, 16384)"])
    }

    @Test("D3: another range, another iomode, another stateid and another client's holder are refused")
    func onlyWhatWasHeld() throws {
        var (world, stateID) = try self.restarted()
        world.connect(bob)
        for (range, ioMode) in [
            (blocks(0, 5), IOMode.readWrite), (blocks(3, 7), .read), (blocks(6, 8), .readWrite), (blocks(4, 6), .read),
            (blocks(10, 11), .read), (.all, .read),
        ] {
            #expect(world.refusals[world.reclaim(alice, range, ioMode, stateID: stateID)] == .reclaimBad)
        }
        let wrong = [
            StateID.none, StateID(seqid: 1, other: StateIDOther(number: 1, boot: 1)),
            StateID(seqid: stateID.seqid, other: StateIDOther(number: stateID.other.number + 1, boot: 1)),
        ]
        for wrong in wrong {
            #expect(world.refusals[world.reclaim(alice, blocks(0, 4), stateID: wrong)] == .reclaimBad)
        }
        #expect(world.refusals[world.reclaim(alice, blocks(0, 1), file: FileID(9), stateID: stateID)] == .reclaimBad)
        #expect(world.refusals[world.reclaim(bob, blocks(0, 4), stateID: stateID)] == .noGrace)
        #expect(world.grants.isEmpty)
        #expect(world.held(alice) == ["rw[0, 16384)", "r[24576, 32768)"])
    }

    @Test("D3: a reclaim does not strengthen what was held: no exclusivity that was not there before")
    func flags() throws {
        var (world, stateID) = try self.restarted()
        let exclusive = world.get(alice, blocks(0, 4), stateID: stateID, isExclusive: true, isReclaim: true)
        let breaking = world.get(alice, blocks(0, 4), stateID: stateID, breaksOnWrite: true, isReclaim: true)
        #expect(world.refusals[exclusive] == .reclaimBad && world.refusals[breaking] == .reclaimBad)
    }

    @Test("D1: an exclusive layout, and one that is recalled for writes, are that in the next life too")
    func flagsAreKept() throws {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 1), isExclusive: true)
        world.get(alice, blocks(8, 9), breaksOnWrite: true)
        world = world.restarted()
        world.connect(alice)
        let stateID = world.stateID(of: alice) ?? .none
        world.get(alice, blocks(0, 1), stateID: stateID, isExclusive: true, isReclaim: true)
        world.reclaim(alice, blocks(8, 9))
        world.send(.reclaimComplete(alice))
        #expect(world.refusedChanges[world.change(.punchHole, blocks(0, 1))] == .textBusy)
        world.change(.write, blocks(8, 9), breaks: .holdersAskingForWrite)
        #expect(world.recalls.map(\.range) == [blocks(8, 9)])
    }

    @Test("D2: RECLAIM_COMPLETE drops what was not reclaimed, and the changes that waited for it go on")
    func completeDropsTheRest() throws {
        var (world, stateID) = try self.restarted()
        world.reclaim(alice, blocks(1, 2), stateID: stateID)
        world.reclaim(alice, blocks(2, 3), .read, stateID: stateID)
        #expect(world.held(alice).first == "rw[0, 4096)")
        world.wait(.seconds(31))
        world.send(.leaseRenewed(alice))
        let change = world.change(.punchHole, blocks(3, 4))
        #expect(world.recalls.count == 1 && world.permitted.isEmpty)
        let before = world.actions.count
        world.send(.reclaimComplete(alice))
        #expect(world.held(alice) == ["rw[4096, 8192)", "r[8192, 12288)"])
        #expect(world.permitted == [change])
        // Nothing waits for its being kept: it comes last.
        guard case .persist(let record)? = world.actions[before...].last else { return #expect(Bool(false)) }
        #expect(record.segments == [storedSegment(blocks(1, 2)), storedSegment(blocks(2, 3), .read)])
    }

    @Test("D2: a client that reclaims nothing has given everything back with RECLAIM_COMPLETE")
    func completeWithoutReclaim() throws {
        var (world, stateID) = try self.restarted()
        world.send(.reclaimComplete(alice))
        #expect(world.held(alice).isEmpty && world.kept.isEmpty && world.gracesEnded == 1)
        let refused = world.get(alice, blocks(6, 8), .read, stateID: stateID)
        #expect(world.refusals[refused] == .badStateID)
        let new = try #require(world.grants[world.get(alice, blocks(0, 4))])
        #expect(new.stateID.other.boot == 2 && new.stateID.other.number > stateID.other.number)
        #expect(new.stateID.seqid == 1)
    }

    @Test(
        "D1: reading is reclaimed of a read-write layout: the layout stays until RECLAIM_COMPLETE, and is weaker then"
    )
    func weaker() throws {
        var (world, stateID) = try self.restarted()
        world.reclaim(alice, blocks(0, 4), .read, stateID: stateID)
        #expect(world.held(alice).first == "rw[0, 16384)")
        world.reclaim(alice, blocks(0, 1), .readWrite, stateID: stateID)
        world.send(.reclaimComplete(alice))
        #expect(world.held(alice) == ["rw[0, 4096)", "r[4096, 16384)"])
        #expect(world.kept.values.first?.segments.map(\.ioMode) == [.readWrite, .read])
    }

    @Test("D1: a client may give back and downgrade before it reclaims, whatever seqid it knows")
    func returns() throws {
        var (world, stateID) = try self.restarted()
        let ahead = StateID(seqid: stateID.seqid + 7, other: stateID.other)
        let call = world.giveBack(alice, blocks(0, 1), stateID: ahead)
        #expect(world.returned[call] == .some(StateID(seqid: ahead.seqid + 1, other: stateID.other)))
        world.giveBack(alice, blocks(1, 2), .readWrite, isDowngrade: true)
        #expect(world.held(alice).first == "r[4096, 8192)")
        #expect(world.refusals[world.reclaim(alice, blocks(0, 2), .read)] == .reclaimBad)
        #expect(world.grants[world.reclaim(alice, blocks(1, 2), .read)] != nil)
        world.send(.reclaimComplete(alice))
        #expect(world.held(alice) == ["r[4096, 8192)"])
    }

    @Test("D1: a reclaim whose holder is proven gone while its extents are read is refused")
    func goneMeanwhile() throws {
        var (world, stateID) = try self.restarted()
        world.resolvesAtOnce = false
        let call = world.reclaim(alice, blocks(0, 4), stateID: stateID)
        let holder = try #require(world.fences.first?.holder)
        world.send(.fenceFinished(holder, isGone: true))
        world.resolveAll()
        #expect(world.refusals[call] == .noGrace && world.held(alice).isEmpty)
        #expect(world.revocations.map(\.client) == [alice])
    }

    @Test("D1: where the extents end sooner than the layout did, only that part is reclaimed")
    func shorter() throws {
        var (world, stateID) = try self.restarted()
        world.resolvesAtOnce = false
        let call = world.reclaim(alice, blocks(0, 4), stateID: stateID)
        world.resolving = []
        world.send(.extentsResolved(call, .success(blocks(0, 2))))
        #expect(world.grants[call]?.range == blocks(0, 2))
        world.send(.reclaimComplete(alice))
        #expect(world.held(alice) == ["rw[0, 8192)"])
    }

    @Test("D1: two restarts, the second in grace: what was reclaimed and what was not can be reclaimed again")
    func twoRestarts() throws {
        var (world, stateID) = try self.restarted()
        world.reclaim(alice, blocks(0, 4), stateID: stateID)
        world = world.restarted()
        #expect(world.engine.isInGrace && world.held(alice) == ["rw[0, 16384)", "r[24576, 32768)"])
        world.connect(alice)
        #expect(world.grants[world.reclaim(alice, blocks(0, 4), stateID: stateID)] != nil)
        #expect(world.grants[world.reclaim(alice, blocks(6, 8), .read, stateID: stateID)] != nil)
        world.send(.reclaimComplete(alice))
        #expect(world.held(alice) == ["rw[0, 16384)", "r[24576, 32768)"])
        #expect(world.stateID(of: alice)?.other == stateID.other)
    }

    @Test("D1: stateids and recalls of all lives are different, and later ones are greater")
    func numbersAreUnique() throws {
        var world = World()
        world.connect(alice)
        var numbers: [UInt64] = []
        var recalls: [RecallID] = []
        for life in 1...4 as ClosedRange<UInt32> {
            for block in 0..<3 as Range<UInt64> {
                world.get(alice, blocks(block, block + 1))
                let other = try #require(world.stateID(of: alice)).other
                #expect(other.boot == life)
                numbers.append(other.number)
                world.finish(world.changeAndReturn(alice, blocks(block, block + 1)))
            }
            recalls += world.recalls.map(\.id)
            world = world.restarted()
            world.connect(alice)
        }
        #expect(numbers == numbers.sorted() && Set(numbers).count == 12)
        #expect(recalls == recalls.sorted() && Set(recalls).count == 12)
    }

    @Test("D4: the layout that a partitioned client has lost to another one cannot be reclaimed, restart or not")
    func lostToAnother() throws {
        // Alice is cut off and her lease ends; a change of bob's takes her layout; bob takes and gives back one.
        var world = World()
        world.connect(alice, bob)
        let stateID = try #require(world.grants[world.get(alice, blocks(0, 4))]?.stateID)
        world.get(alice, blocks(0, 4), file: FileID(2))
        world.send(.backChannelChanged(alice, isUp: false))
        world.wait(.seconds(25))
        world.send(.leaseRenewed(bob))
        let change = world.change(.punchHole, blocks(0, 4), by: .client(bob))
        let fence = try #require(world.fences.last)
        world.send(.fenceFinished(fence.holder, isGone: true))
        world.finish(change)
        world.get(bob, blocks(0, 4))
        world.giveBack(bob)
        world = world.restarted()
        world.connect(alice)
        #expect(world.refusals[world.reclaim(alice, blocks(0, 4), stateID: stateID)] == .reclaimBad)
        // What nobody took is hers still.
        #expect(world.grants[world.reclaim(alice, blocks(0, 4), file: FileID(2))] != nil)
    }

    @Test("D4: nor can one that was lost to another in the life that never knew of the first")
    func lostBetweenRestarts() throws {
        // The server restarts while alice is cut off; grace ends without her; her layout is taken; it restarts again.
        var world = World()
        world.connect(alice, bob)
        let stateID = try #require(world.grants[world.get(alice, blocks(0, 4))]?.stateID)
        world = world.restarted()
        world.connect(bob)
        world.send(.fenceFinished(try #require(world.fences.first?.holder), isGone: false))
        world.wait(.seconds(31))
        world.send(.leaseRenewed(bob))
        let change = world.change(.insertRange, ByteRange(from: 0), by: .client(bob))
        world.send(.fenceFinished(try #require(world.fences.last?.holder), isGone: true))
        world.finish(change)
        world.get(bob, blocks(0, 4))
        world = world.restarted()
        world.connect(alice, bob)
        #expect(world.refusals[world.reclaim(alice, blocks(0, 4), stateID: stateID)] == .noGrace)
        #expect(world.held(bob) == ["rw[0, 16384)"])
    }

    @Test("C19: what was revoked is kept as gone before anybody hears of it, and stays so over a restart")
    func revokedStaysRevoked() throws {
        var world = World()
        world.connect(alice)
        let stateID = try #require(world.grants[world.get(alice, blocks(0, 4))]?.stateID)
        let change = world.change(.punchHole, blocks(0, 1))
        world.wait(.seconds(11))
        let before = world.actions.count
        let holder = try #require(world.fences.first?.holder)
        world.send(.fenceFinished(holder, isGone: true))
        let actions = Array(world.actions[before...])
        let kept = try #require(actions.firstIndex { if case .persist = $0 { true } else { false } })
        #expect(kept == 0 && actions[1] == .persistRevocation(alice, file))
        #expect(actions[2] == .revoked(holder, alice, file))
        #expect(try #require(actions.firstIndex(of: .permitChange(change, recalled: 1))) > 2)
        world = world.restarted()
        world.connect(alice)
        #expect(world.refusals[world.reclaim(alice, blocks(0, 4), stateID: stateID)] == .noGrace)
        #expect(!world.engine.isInGrace)
    }

    @Test("D1: the shifts that a client has missed are in the grant of its reclaim; a log that is lost is a gap")
    func shifts() throws {
        var world = World()
        world.connect(alice)
        let before = try #require(world.grants[world.get(alice, blocks(0, 4))])
        world.logStart[file] = before.epoch
        let change = world.change(.insertRange, ByteRange(from: 8 * 4096))
        world.finish(change)
        let next = world.restarted()
        var kept = next
        kept.connect(alice)
        let grant = try #require(kept.grants[kept.reclaim(alice, blocks(0, 4), knownEpoch: before.epoch)])
        #expect(grant.shifts?.map(\.shift.offset) == [8 * 4096])
        #expect(grant.epoch == world.engine.epoch(of: file))
        var lost = world.restarted(files: [])
        lost.connect(alice)
        let blind = try #require(lost.grants[lost.reclaim(alice, blocks(0, 4), knownEpoch: before.epoch)])
        #expect(blind.shifts == nil && blind.epoch > grant.epoch)
    }
}
