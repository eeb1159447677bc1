import LayoutCore
import LeaseEngine
import Testing

@Suite struct RecallTests {
    /// Alice holds blocks 0 to 4 and a change wants them.
    private func recalled(
        _ configure: (inout Engine.Configuration) -> Void = { _ in }
    ) throws -> (world: World, change: ChangeID, recall: Engine.Recall) {
        var world = World(configure)
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        let change = world.change(.punchHole, blocks(0, 4))
        let recall = try #require(world.recalls.first)
        return (world, change, recall)
    }

    @Test(
        "C2, C13: the deadline counts from the sending; then the holder is fenced, and only proof lets the change run"
    )
    func deadline() throws {
        var (world, change, recall) = try self.recalled()
        world.wait(.seconds(5))
        world.send(.recallSent(recall.id))
        world.send(.recallAnswered(recall.id, .ok))
        world.wait(.seconds(6))
        #expect(world.fences.isEmpty)
        world.wait(.seconds(5))
        #expect(world.fences.map(\.method) == [.enforce])
        #expect(world.permitted.isEmpty)
        let holder = try #require(world.fences.first?.holder)
        world.send(.fenceFinished(holder, isGone: true))
        #expect(world.permitted == [change])
        #expect(world.revoked == [holder])
        #expect(world.endedRecalls[recall.id] == .revoked)
        #expect(world.refusals[world.giveBack(alice, stateID: recall.stateID)] == .badStateID)
    }

    @Test("T6, T7, C16: a failed fence keeps the range blocked and is tried again, for ever")
    func failedFence() throws {
        var (world, change, _) = try self.recalled()
        world.wait(.seconds(11))
        for attempt in 1...40 {
            let fence = try #require(world.fences.last)
            #expect(fence.attempt == attempt)
            world.send(.fenceFinished(fence.holder, isGone: false))
            world.wait(.seconds(6))
        }
        #expect(world.permitted.isEmpty)
        #expect(world.refusedChanges[change] == .delay)
        #expect(world.held(alice) == ["rw[0, 16384)"])
    }

    @Test("An overdue client is not renewed and gets no new layout, until it returns")
    func overdue() throws {
        var (world, _, recall) = try self.recalled()
        world.connect(bob)
        world.wait(.seconds(11))
        #expect(world.engine.isOverdue(alice))
        let left = world.engine.leaseLeft(alice, at: world.now)
        world.send(.leaseRenewed(alice))
        #expect(world.engine.leaseLeft(alice, at: world.now) == left)
        #expect(world.refusals[world.get(alice, blocks(8, 9))] == .delay)
        world.giveBack(alice, recall.range)
        #expect(!world.engine.isOverdue(alice))
        world.send(.leaseRenewed(alice))
        #expect(world.grants[world.get(alice, blocks(8, 9))] != nil)
    }

    @Test(
        "C3: an error for an answer changes nothing before the deadline",
        arguments: [
            LayoutStatus.resource, .serverFault, .badXDR, .badStateID, .badHandle, LayoutStatus(rawValue: 4711),
        ]
    )
    func errorAnswers(status: LayoutStatus) throws {
        var (world, change, recall) = try self.recalled()
        world.send(.recallSent(recall.id))
        world.send(.recallAnswered(recall.id, status))
        #expect(world.permitted.isEmpty)
        world.wait(.seconds(11))
        #expect(world.fences.count == 1)
        world.giveBack(alice)
        #expect(world.permitted == [change])
    }

    @Test("C9: DELAY has the recall sent again, with the same ID, and not at once")
    func delayAnswer() throws {
        var (world, _, recall) = try self.recalled()
        world.send(.recallAnswered(recall.id, .delay))
        #expect(world.recalls.count == 1)
        world.wait(.milliseconds(60))
        #expect(world.recalls == [recall, recall])
    }

    @Test("C10: NOMATCHING_LAYOUT counts as returned")
    func noMatch() throws {
        var (world, change, recall) = try self.recalled()
        world.send(.recallAnswered(recall.id, .noMatchingLayout))
        #expect(world.permitted == [change])
        #expect(world.endedRecalls[recall.id] == .nothingMatched)
        #expect(world.held(alice) == [])
    }

    @Test("T14, C12: a recall that met a broken connection is sent again when the back channel is bound")
    func brokenConnection() throws {
        var (world, change, recall) = try self.recalled()
        world.send(.recallSent(recall.id))
        world.send(.backChannelChanged(alice, isUp: false))
        world.send(.recallFailed(recall.id))
        #expect(world.fences.map(\.method) == [.prove])
        world.send(.fenceFinished(recall.holder, isGone: false))
        world.wait(.seconds(2))
        #expect(world.recalls.count == 1)
        world.send(.backChannelChanged(alice, isUp: true))
        #expect(world.recalls == [recall, recall])
        world.giveBack(alice)
        #expect(world.permitted == [change])
    }

    @Test("C17: a holder whose process died is not waited for")
    func deadProcess() throws {
        var (world, change, recall) = try self.recalled()
        world.send(.backChannelChanged(alice, isUp: false))
        world.send(.fenceFinished(recall.holder, isGone: true))
        #expect(world.permitted == [change])
    }

    @Test("C17: a holder that dies while its fence waits for the next try is looked at at once, and fenced no oftener")
    func deadBetweenTries() throws {
        var (world, change, recall) = try self.recalled()
        world.wait(.seconds(10))
        for pause in [250, 500, 1000, 2000] {
            world.send(.fenceFinished(recall.holder, isGone: false))
            world.wait(.milliseconds(pause))
        }
        world.send(.fenceFinished(recall.holder, isGone: false))
        let tries = world.fences.count
        world.wait(.seconds(1))
        #expect(world.fences.count == tries)
        world.send(.backChannelChanged(alice, isUp: false))
        #expect(world.fences.count == tries + 1)
        #expect(world.fences.last?.method == .prove)
        // It only was a broken connection: the next try comes in its time, once.
        world.send(.fenceFinished(recall.holder, isGone: false))
        world.wait(.milliseconds(4500))
        #expect(world.fences.count == tries + 1)
        world.wait(.milliseconds(600))
        #expect(world.fences.count == tries + 2)
        #expect(world.fences.last?.method == .enforce)
        world.send(.fenceFinished(recall.holder, isGone: true))
        #expect(world.permitted == [change])
    }

    @Test("D9: a silent client keeps its layouts until something conflicts; then nobody waits for an answer")
    func courtesy() throws {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world.wait(.seconds(3600))
        #expect(world.held(alice) == ["rw[0, 16384)"])
        let change = world.change(.punchHole, blocks(0, 1))
        #expect(world.recalls.isEmpty)
        let fence = try #require(world.fences.first)
        world.send(.fenceFinished(fence.holder, isGone: true))
        #expect(world.permitted == [change])
    }

    @Test("D9: a client that was silent and comes back has its layouts still")
    func courtesyReturn() {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world.wait(.seconds(3600))
        world.send(.leaseRenewed(alice))
        world.change(.punchHole, blocks(0, 1))
        #expect(world.recalls.count == 1)
    }

    @Test("D9: a thousand expired clients and one conflicting change")
    func manyExpired() {
        var world = World()
        world.checksEachStep = false
        for number in 1...1000 {
            world.connect(ClientID(UInt64(number)))
            world.get(ClientID(UInt64(number)), blocks(0, 4), .read)
        }
        world.wait(.seconds(3600))
        let change = world.change(.truncate, .all)
        #expect(world.fences.count == 1000)
        for fence in world.fences { world.send(.fenceFinished(fence.holder, isGone: true)) }
        #expect(world.permitted == [change])
    }

    @Test("cooperative: the change runs when the lease of the overdue client has ended, without proof")
    func cooperative() throws {
        var (world, change, _) = try self.recalled {
            $0.fencePolicy = .cooperative
            $0.enforcedLease = .seconds(15)
        }
        world.wait(.seconds(11))
        #expect(world.permitted.isEmpty && world.fences.isEmpty)
        world.wait(.seconds(5))
        #expect(world.permitted == [change])
        #expect(world.endedRecalls.values.first == .expired)
    }

    @Test("cooperative: a change over two holders whose leases have ended is permitted once")
    func cooperativeWithTwoExpiredHolders() {
        var world = World { $0.fencePolicy = .cooperative }
        world.connect(alice, bob)
        world.get(alice, blocks(0, 4))
        world.get(bob, blocks(2, 6))
        world.wait(.seconds(3600))
        let change = world.change(.insertRange, blocks(0, .max))
        world.wait(.zero)
        #expect(world.permitted == [change])
        world.finish(change)
        #expect(world.endedChanges[change]?.recalled == 2)
        #expect(world.revoked.count == 2)
    }

    @Test("A lost client's layouts block until it is proven gone, and then it is forgotten")
    func lostClient() throws {
        var world = World()
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world.send(.clientLost(alice))
        let fence = try #require(world.fences.first)
        world.send(.fenceFinished(fence.holder, isGone: false))
        let change = world.change(.punchHole, blocks(0, 1))
        #expect(world.permitted.isEmpty)
        world.wait(.seconds(1))
        world.send(.fenceFinished(fence.holder, isGone: true))
        #expect(world.permitted == [change])
        #expect(world.forgotten == [alice])
    }

    @Test("T15: the holder goes between the recall and its sending")
    func holderGoes() throws {
        var (world, change, recall) = try self.recalled()
        world.giveBack(alice)
        #expect(world.permitted == [change])
        world.send(.recallSent(recall.id))
        world.send(.recallAnswered(recall.id, .ok))
        world.send(.recallFailed(recall.id))
        world.send(.fenceFinished(recall.holder, isGone: true))
        world.finish(change)
        #expect(world.engine.totals.recalls == 0)
    }

    @Test("T16: a return in pieces ends the recall with the last piece")
    func piecemealReturn() throws {
        var (world, change, _) = try self.recalled()
        world.giveBack(alice, blocks(1, 3))
        world.giveBack(alice, blocks(0, 1))
        #expect(world.permitted.isEmpty)
        world.giveBack(alice, blocks(3, 4))
        #expect(world.permitted == [change])
    }

    @Test("A later change profits from a recall that is on its way")
    func sharedRecall() throws {
        var world = World { $0.recallTimeout = .seconds(60) }
        world.connect(alice)
        world.get(alice, blocks(0, 4))
        world.change(.punchHole, blocks(0, 4), patience: .seconds(1))
        world.wait(.seconds(2))
        let second = world.change(.punchHole, blocks(1, 2))
        #expect(world.recalls.count == 1)
        world.giveBack(alice)
        #expect(world.permitted == [second])
    }
}
