import Glibc
import LayoutClient
import LayoutCore
import LayoutXDR
import LinuxFiles
import TestSupport
import Testing

/// What becomes of local programs when the server dies, and of holders among many strangers.
extension GuardedServerTests {
    @Test(
        "D3, D6: a program that waits when the server dies waits on, and its change runs after the holder's return",
        arguments: TestFileSystems.images
    )
    func serverDies(on fileSystem: TestFileSystem) throws {
        let server = try GuardedServer(on: fileSystem)
        let held = try server.hold("data")
        let inserting = try ChildProcess("fallocate", ["-i", "-o", "32768", "-l", "4096", held.file.path])
        _ = try server.client.nextRecall()
        server.process.kill()
        // Comes while there is no server; files without layouts are nobody's business.
        let punching = try ChildProcess("fallocate", ["-p", "-o", "0", "-l", "4096", held.file.path])
        try mustRun("truncate", ["-s", "100", server.process.directory.file("other")])
        usleep(300_000)
        #expect(inserting.isRunning && punching.isRunning)

        // Reading the file before there is a server would wait, too.
        try server.process.start()
        usleep(300_000)
        #expect(inserting.isRunning && punching.isRunning)
        #expect(try held.file.content().names == HeldFile.before)
        try server.reclaim(held)
        var recalled: [ByteRange] = []
        while recalled.count < 2 {
            let recall = try server.client.nextRecall()
            recalled.append(recall.range)
            if recalled.count == 1 {
                #expect(inserting.isRunning || punching.isRunning)
                held.storing.end()
            }
            try server.client.giveBack(recall)
        }
        #expect(inserting.wait().status == 0 && punching.wait().status == 0)
        #expect(Set(recalled.map(\.lowerBound)) == [0, 32768])
        let content = try held.file.content()
        #expect(content.names == [0] + HeldFile.after.dropFirst())
        #expect(content.misplaced == 0)
    }

    @Test("A server that ends while somebody holds on leaves its keeper: programs wait for the next server")
    func handsOver() throws {
        let server = try GuardedServer(on: .xfs)
        let held = try server.hold("data")
        // Nobody answers its recall.
        #expect(server.process.stop() == 0)
        #expect(server.keeper != nil)
        let child = try ChildProcess("fallocate", ["-i", "-o", "32768", "-l", "4096", held.file.path])
        usleep(300_000)
        #expect(child.isRunning)
        try server.process.start()
        try server.reclaim(held)
        let recall = try server.client.nextRecall()
        #expect(child.isRunning && recall.operation == .insertRange)
        held.storing.end()
        try server.client.giveBack(recall)
        #expect(child.wait().status == 0)
        let content = try held.file.content()
        #expect(content.names == HeldFile.after && content.misplaced == 0)
    }

    @Test(
        "A server that is not to guard ends what an earlier one has left: nobody waits for an answer that never comes"
    )
    func guardIsTurnedOff() throws {
        let server = try GuardedServer(on: .ext4)
        let held = try server.hold("data")
        let child = try ChildProcess("fallocate", ["-i", "-o", "32768", "-l", "4096", held.file.path])
        _ = try server.client.nextRecall()
        server.process.kill()
        #expect(server.keeper != nil)
        try server.process.start(prefix: [], ["--guard", "off"])
        let result = child.wait()
        #expect(result.status != 0 && result.output.contains("busy"), "\(result)")
        #expect(server.keeper == nil)
        #expect(try held.file.content().names == HeldFile.before)
        held.storing.end()
    }

    @Test("A server that cannot start leaves no keeper behind")
    func failedStart() throws {
        let server = try GuardedServer(on: .xfs)
        #expect(server.process.stop() == 0)
        // An address for documentation (RFC 5737), which no host has.
        #expect(throws: TestFailure.self) {
            try server.process.start(prefix: [], ["--listen", "tcp://203.0.113.1:1"])
        }
        #expect(server.keeper == nil)
    }

    @Test("GUARD_FAILS_OPEN: a grant says it when there is no keeper any more")
    func keeperIsLost() throws {
        let server = try GuardedServer(on: .xfs)
        let held = try server.hold("data")
        #expect(held.grant.capabilities.isSuperset(of: .guarded))
        held.storing.end()
        try server.client.layoutReturn(held.handle, held.grant.stateID)
        try waitUntil("the server has noticed") {
            // One that had lived for long is replaced once.
            server.endKeeper()
            let grant = try server.client.layoutGet(held.handle)
            defer { _ = try? server.client.layoutReturn(held.handle, grant.stateID) }
            return grant.capabilities.isSuperset(of: [.guarded, .guardFailsOpen])
        }
    }

    @Test("R8.4-8: nobody follows a log of shifts without the one that ran while the server was dead")
    func shiftWithoutServer() throws {
        let server = try GuardedServer(on: .xfs)
        // The insert does not touch what is held: nobody hears of it.
        let held = try server.hold("data", ByteRange(0, 16384) ?? .all)
        try mustRun("fallocate", ["-i", "-o", "32768", "-l", "4096", held.file.path])
        server.process.kill()
        try server.process.start()
        try server.client.comeBack()
        let request = LayoutGetArguments(
            handle: held.handle,
            stateID: held.grant.stateID,
            addressing: Addressing.file.rawValue,
            ioMode: IOMode.readWrite.rawValue,
            offset: 0,
            length: 16384,
            minLength: 1,
            maxCount: 4096,
            flags: .reclaim,
            waitMilliseconds: 0,
            knownEpoch: held.grant.epoch
        )
        let again = try server.client.grant(of: try server.client.send(.layoutGet(request)))
        // Either the shift is known, or it is known that something is not.
        #expect(again.epoch > held.grant.epoch)
        #expect(again.shifts == nil || again.shifts?.count == 1, "\(again)")
        try server.client.call(.reclaimComplete)
        held.storing.end()
        try server.client.layoutReturn(held.handle, again.stateID)
    }

    @Test(
        "C7, E3: threads count through raw pointers while programs that know nothing move the bytes: none is lost",
        arguments: TestFileSystems.images
    )
    func pointersUnderStrangers(on fileSystem: TestFileSystem) async throws {
        let server = try ServerProcess(on: fileSystem, ["--guard", "required"])
        var marked = try MarkedFile(in: server.directory, name: "data", seed: 7)
        let holder = try await LayoutClient.connect(to: server.url)
        let region = try await holder.open("data", .readWrite).map(
            MarkedFile.payload,
            .readWrite,
            following: .content
        )
        let storm = Storm()
        try storm.countInContent(of: region)
        let stranger = StrangeShifter(path: marked.path)
        let changes = 40
        for _ in 0..<changes {
            let granted = holder.statistics.windowsGranted
            try await marked.shift(by: stranger)
            let deadline = ContinuousClock.now + .seconds(20)
            while holder.statistics.windowsGranted == granted {
                try #require(ContinuousClock.now < deadline, "nobody got the window back")
                try await Task.sleep(for: .microseconds(250))
            }
        }
        let outcome = try storm.finish(marked)
        print("guard \(fileSystem): \(outcome) in \(changes) changes by strangers")
        #expect(outcome.lost == 0 && outcome.extra == 0 && outcome.misplaced == 0 && outcome.increments > 0)
        #expect(holder.statistics.recallsReceived >= UInt64(changes) && holder.statistics.leasesLost == 0)
        await holder.close()
        #expect(server.stop() == 0)
    }

    @Test("E7: hundreds of strangers at once, a holder that comes back again and again, and a server that dies once")
    func crowd() async throws {
        let server = try GuardedServer(on: .xfs, ["--local-patience", "60s"])
        let process = server.process
        let file = try StampedFile(process.directory.file("data"), pages: 64)
        let holder = try await LayoutClient.connect(to: process.url)
        let region = try await holder.open("data", .readWrite).map(0..<file.size, .readWrite)
        let storm = Storm()
        try storm.start { thread, random, _ in
            // What is there is the strangers' business; the window has to come back.
            unsafe Storm.Pages(base: region.baseAddress).word(random % 64, 1 + thread).pointee = 0
            return true
        }
        let mutator = try builtProgram("guard-mutator")
        let strangers = try (0..<200).map { try ChildProcess(mutator, ["storm", file.path, "10", "\($0)"]) }
        try waitUntil("strangers are at work", within: .seconds(60)) { holder.statistics.recallsReceived > 10 }
        process.kill()
        try process.start()
        for stranger in strangers {
            let result = stranger.wait()
            // In the moment between two calls of a server that dies its program may be refused.
            #expect(result.status == 0 || result.output.contains("busy"), "\(result)")
        }
        let recalls = holder.statistics.recallsReceived
        storm.stop()
        print("guard: \(recalls) recalls among \(strangers.count) strangers")
        #expect(recalls > 20 && holder.statistics.leasesLost == 0)
        await holder.close()
        try waitUntil("nothing waits") { try server.process.layoutctl(["waiting"]).contains("nothing waits") }
    }
}
