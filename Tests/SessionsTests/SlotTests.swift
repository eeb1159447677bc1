import LayoutCore
import Sessions
import Testing

private func take(_ caller: inout SlotCaller) throws -> SlotCaller.Ticket {
    let ticket = caller.take()
    return try #require(ticket)
}

@Suite struct SlotTests {
    @Test("A14: a retry gets the same bytes and runs nothing")
    func replay() {
        var table = SlotTable(count: 2)
        #expect(table.begin(slot: 0, highestSlot: 0, sequence: 1, digest: 7) == .execute)
        table.complete(slot: 0, reply: [1, 2, 3])
        for _ in 0..<3 {
            let before = table
            #expect(table.begin(slot: 0, highestSlot: 1, sequence: 1, digest: 7) == .replay([1, 2, 3]))
            // A19: replaying does not write to the slot.
            #expect(table == before)
        }
    }

    @Test("A14: a retry of a call whose reply was not kept is refused, and never executed again")
    func uncached() {
        var table = SlotTable(count: 1)
        #expect(table.begin(slot: 0, highestSlot: 0, sequence: 1, digest: 7) == .execute)
        table.complete(slot: 0, reply: nil)
        #expect(table.begin(slot: 0, highestSlot: 0, sequence: 1, digest: 7) == .refuse(.retryUncachedReply))
        #expect(table.begin(slot: 0, highestSlot: 0, sequence: 2, digest: 7) == .execute)
    }

    @Test(
        "A15, A17: a jump, a step back and a bad slot change nothing",
        arguments: [
            (0, 0, 3, LayoutStatus.sequenceMisordered), (0, 0, 0, .sequenceMisordered), (5, 5, 1, .badSlot),
            (0, 9, 2, .badHighSlot),
        ] as [(UInt32, UInt32, UInt32, LayoutStatus)]
    )
    func misordered(slot: UInt32, highest: UInt32, sequence: UInt32, status: LayoutStatus) {
        var table = SlotTable(count: 2)
        #expect(table.begin(slot: 0, highestSlot: 0, sequence: 1, digest: 7) == .execute)
        table.complete(slot: 0, reply: [])
        let before = table
        #expect(table.begin(slot: slot, highestSlot: highest, sequence: sequence, digest: 7) == .refuse(status))
        #expect(table == before)
    }

    @Test("A16: the same slot and sequence with other arguments is a false retry")
    func falseRetry() {
        var table = SlotTable(count: 1)
        #expect(table.begin(slot: 0, highestSlot: 0, sequence: 1, digest: 7) == .execute)
        #expect(table.begin(slot: 0, highestSlot: 0, sequence: 1, digest: 8) == .refuse(.falseRetry))
        table.complete(slot: 0, reply: [1])
        #expect(table.begin(slot: 0, highestSlot: 0, sequence: 1, digest: 8) == .refuse(.falseRetry))
    }

    @Test("A18: a retry while the first copy runs is told to wait")
    func stillRunning() {
        var table = SlotTable(count: 1)
        #expect(table.begin(slot: 0, highestSlot: 0, sequence: 1, digest: 7) == .execute)
        #expect(table.begin(slot: 0, highestSlot: 0, sequence: 1, digest: 7) == .refuse(.delay))
        #expect(table.begin(slot: 0, highestSlot: 0, sequence: 2, digest: 7) == .refuse(.sequenceMisordered))
        table.complete(slot: 0, reply: [9])
        #expect(table.begin(slot: 0, highestSlot: 0, sequence: 1, digest: 7) == .replay([9]))
    }

    @Test("A27: a caller uses the lowest free slot, one call per slot, and counts each call")
    func caller() throws {
        var caller = SlotCaller(count: 2)
        let first = try take(&caller)
        let second = try take(&caller)
        #expect(caller.take() == nil)
        #expect([first.slot, second.slot] == [0, 1])
        #expect([first.sequence, second.sequence] == [1, 1])
        #expect(second.highestSlot == 1)
        caller.release(first, wasSequenced: true)
        let third = try take(&caller)
        #expect(third.slot == 0 && third.sequence == 2 && third.highestSlot == 1)
        caller.release(third, wasSequenced: false)
        #expect(try take(&caller).sequence == 2)
    }

    @Test("Releasing a ticket twice frees the slot once")
    func doubleRelease() throws {
        var caller = SlotCaller(count: 1)
        let ticket = try take(&caller)
        caller.release(ticket, wasSequenced: true)
        caller.release(ticket, wasSequenced: true)
        #expect(caller.freeCount == 1)
        let next = try take(&caller)
        caller.release(ticket, wasSequenced: true)
        #expect(caller.freeCount == 0 && next.sequence == 2)
    }
}
