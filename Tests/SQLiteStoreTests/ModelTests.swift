import Glibc
import LayoutCore
import Recovery
import RecoveryScript
import SQLiteStore
import TestSupport
import Testing

@Suite struct ModelTests {
    @Test(
        "what is loaded is what the records have led to, over any number of restarts",
        arguments: 1...8 as ClosedRange<UInt64>
    )
    func model(_ seed: UInt64) throws {
        let state = try State()
        var script = RecoveryScript(seed: seed)
        var expected = RecoveredState()
        var most = (holders: 0, replies: 0, intents: 0)
        for _ in 0..<6 {
            let store = try state.open()
            #expect(try store.load() == expected)
            for write in script.next(40) {
                try store.write(write.records, write.durability)
                for record in write.records { expected.apply(record) }
                most.holders = max(most.holders, expected.holders.count)
                most.replies = max(most.replies, expected.replies.count)
                most.intents = max(most.intents, expected.intents.count)
            }
            #expect(try store.load() == expected)
            store.close()
        }
        #expect(most.holders > 5 && most.replies > 1 && most.intents > 2)
        #expect(try state.load() == expected)
    }

    @Test("what a killed server was answered for is there, in order, and each write is there wholly or not at all")
    func kill() throws {
        // On the disk: the log is brought into the database in between, and syncs take their time.
        let state = try State(in: TestDirectory.base)
        let writer = try builtProgram("store-writer")
        var count = 0
        for round in 0..<12 {
            let process = try ChildProcess(writer, [state.path, "5", String(count)])
            // Ends some way into a write behind this one.
            var answered = count
            for _ in 0..<(1 + round * 37 % 113) {
                let line = process.readLine().dropLast()
                answered = try #require(Int(line), "\(line)")
            }
            process.signal(SIGKILL)
            for line in process.wait().output.split(separator: "\n") { answered = Int(line) ?? answered }
            let found = try state.load()
            var script = RecoveryScript(seed: 5)
            var expected = RecoveredState(script.next(answered))
            if found != expected {
                // Or the one that nobody was answered for any more.
                for record in script.next().records { expected.apply(record) }
                answered += 1
            }
            #expect(found == expected, "after \(answered) writes")
            count = answered
        }
    }

    @Test("calls of many threads are all kept, in the order in which each thread made them")
    func threads() async throws {
        let state = try State()
        let store = try state.open()
        let writes = 100
        await withTaskGroup(of: Void.self) { group in
            for client in 1...8 as ClosedRange<UInt64> {
                group.addTask {
                    for number in 1...UInt32(writes) {
                        let holder = StoredHolder(
                            number: client,
                            client: ClientID(client),
                            file: .root,
                            seqid: number,
                            segments: [],
                            locks: []
                        )
                        do throws(RecoveryStoreError) {
                            try store.write([.holder(holder)], number.isMultiple(of: 10) ? .synced : .written)
                        } catch {
                            Issue.record(error)
                        }
                    }
                }
            }
        }
        store.close()
        let found = try state.load()
        #expect(found.holders.map(\.number) == Array(1...8))
        #expect(found.holders.allSatisfy { $0.seqid == UInt32(writes) })
    }
}
