import Glibc
import LayoutClient
import LayoutCore
import LayoutXDR
import TestSupport
import Testing

@Suite("A restart of the server")
struct RestartTests {
    @Test("what is held is reclaimed, and threads go on loading and storing all the time [D1]")
    func reclaim() async throws {
        let server = try await ScriptedServer()
        let client = try await server.connect()
        let region = try await client.open("file", .readWrite).map(0..<16384, .readWrite)
        let work = startBusyThread { unsafe region.bytes[4096] &+= 1 }
        try await server.restart(.everything)
        try await eventually("reclaimed") { try await server.with { $0.executed.last == .reclaimComplete } }
        try await eventually("settled") { client.statistics.layoutsReclaimed == 1 }
        let rounds = work.rounds
        try await eventually("the thread goes on") { work.rounds > rounds + 100 }
        let longestPause = work.stop()
        #expect(longestPause < .seconds(1))
        #expect(client.statistics.windowsRevoked == 0 && client.statistics.leasesLost == 0)
        try await eventually("it is counted") { client.statistics.sessionsLost == 1 }
        let reclaims = try await server.with { core in core.gets.filter { $0.flags.contains(.reclaim) } }
        #expect(reclaims.map(\.offset) == [0] && reclaims.map(\.length) == [16384])
        #expect(reclaims.allSatisfy { $0.stateID.seqid == 1 && $0.knownEpoch == 1 })
        let (held, recovered) = try await server.with { ($0.held, $0.recovered) }
        #expect(held.map(\.range) == [ByteRange(0, 16384)] && recovered.isEmpty)
        await client.close()
        await server.stop()
    }

    @Test("an idle client notices a restart at once, and tells the server that it holds nothing [F4]")
    func idle() async throws {
        let server = try await ScriptedServer()
        let client = try await server.connect()
        for life in 1...3 {
            try await server.restart(.everything)
            try await eventually("life \(life)") {
                try await server.with { $0.executed.count { $0 == .reclaimComplete } } == life
            }
        }
        try await eventually("it is counted") { client.statistics.sessionsLost == 3 }
        await client.close()
        await server.stop()
    }

    @Test("a change that the server executed before it died is answered from its store, and not done again [A24]")
    func executedChange() async throws {
        let server = try await ScriptedServer()
        let client = try await server.connect()
        let file = try await client.open("file", .readWrite)
        try await server.with { $0.swallowsReplies = [.insertRange] }
        let change = Task { try await file.insertRange(at: 0, length: 4096) }
        try await eventually("it is done") { try await server.with { $0.executed.contains(.insertRange) } }
        try await server.restart(.everything)
        try await change.value
        #expect(try await server.with { core in core.executed.count { $0 == .insertRange } } == 1)
        await client.close()
        await server.stop()
    }

    @Test("a change that never reached the dead server is made in the new session, once, when grace is over [A24]")
    func lostChange() async throws {
        let server = try await ScriptedServer()
        let client = try await server.connect()
        let file = try await client.open("file", .readWrite)
        let region = try await file.map(0..<16384, .readWrite)
        try await server.with { $0.swallowsCalls = [.insertRange] }
        let change = Task { try await file.insertRange(at: 0, length: 4096) }
        try await eventually("its windows are closed") { client.statistics.windowsRevoked == 1 }
        try await server.restart(.everything)
        try await change.value
        let executed = try await server.with { $0.executed }
        // It may have been refused in grace before; it was done behind the end of the reclaim.
        #expect(executed.lastIndex(of: .insertRange) ?? 0 > executed.firstIndex(of: .reclaimComplete) ?? .max)
        #expect(try await server.with { $0.epoch } == 2)
        #expect(try await onThread { unsafe region.bytes[0] } == 1)
        await client.close()
        await server.stop()
    }

    @Test("a change under way at a server that has lost its memory has an unknown outcome, and is not made again [A24]")
    func unknownOutcome() async throws {
        let server = try await ScriptedServer()
        let client = try await server.connect()
        let file = try await client.open("file", .readWrite)
        try await server.with { $0.swallowsReplies = [.insertRange] }
        let change = Task { try await file.insertRange(at: 0, length: 4096) }
        try await eventually("it is done") { try await server.with { $0.executed.contains(.insertRange) } }
        try await server.restart(.nothing)
        let error = await #expect(throws: LayoutError.self) { try await change.value }
        #expect(error?.code == .outcomeUnknown)
        #expect(try await server.with { core in core.executed.count { $0 == .insertRange } } == 1)
        await client.close()
        await server.stop()
    }

    @Test(
        "a server that does not know the holdings any more: just those windows are taken, and leased anew by touch"
    )
    func refused() async throws {
        let server = try await ScriptedServer()
        let client = try await server.connect()
        let file = try await client.open("file", .readWrite)
        let region = try await file.map(0..<16384, .readWrite)
        unsafe region.bytes[0] = 9
        try await server.restart(.clients)
        try await eventually("it is refused") { client.statistics.reclaimsRefused == 1 }
        try await eventually("it is counted") {
            client.statistics.windowsRevoked == 1 && client.statistics.windowsFailed == 0
        }
        #expect(try await onThread { unsafe region.bytes[0] } == 9)
        try await eventually("it is counted") { client.statistics.windowsGranted == 2 }
        await client.close()
        await server.stop()
    }

    @Test("a server that is down for longer than the lease: loads go on, then wait, and go on after the reclaim [F1]")
    func downForLong() async throws {
        let server = try await ScriptedServer()
        try await server.with { $0.leaseMilliseconds = 4000 }
        let client = try await server.connect()
        let region = try await client.open("file", .readWrite).map(0..<16384, .readWrite)
        // Never on a thread that tasks need: it waits as long as the server is down.
        let loads = startBusyThread { _ = unsafe region.bytes[0] }
        try await server.kill()
        let killed = loads.rounds
        try await eventually("loads go on") { loads.rounds > killed + 100 }
        #expect(client.statistics.windowsRevoked == 0)
        try await eventually("the own deadline") { client.statistics.windowsRevoked == 1 }
        try await eventually("it is counted") { client.statistics.leasesLost == 1 }
        let revoked = loads.rounds
        try await Task.sleep(for: .milliseconds(200))
        #expect(loads.rounds <= revoked + 1)
        try await server.start(.everything)
        try await eventually("loads go on again") { loads.rounds > revoked + 100 }
        _ = loads.stop()
        try await eventually("it is counted") {
            client.statistics.layoutsReclaimed == 1 && client.statistics.reclaimsRefused == 0
        }
        try await eventually("it is counted") { client.statistics.grants == 1 }
        await client.close()
        await server.stop()
    }

    @Test("a second death in the middle of the reclaim: all is reclaimed again [D1]")
    func twice() async throws {
        let server = try await ScriptedServer()
        let client = try await server.connect()
        let region = try await client.open("file", .readWrite).map(0..<16384, .readWrite)
        try await server.with { $0.nextSwallowsCalls = [.layoutGet] }
        try await server.restart(.everything)
        let held = try await server.with { $0.recovered }
        try await eventually("a session of the second life") { client.statistics.sessionsLost == 1 }
        try await server.kill()
        // What was recovered and not reclaimed is still in the store.
        try await server.with { $0.remember(held) }
        try await server.start(.everything)
        try await eventually("reclaimed") { client.statistics.layoutsReclaimed == 1 }
        #expect(unsafe region.bytes[4096] == 2)
        #expect(client.statistics.windowsRevoked == 0)
        await client.close()
        await server.stop()
    }

    @Test("content windows follow what the log says was moved before the restart, and are SIGBUS if it is gone")
    func content() async throws {
        let server = try await ScriptedServer()
        let client = try await server.connect()
        let file = try await client.open("file", .readWrite)
        let region = try await file.map(8 * 4096..<10 * 4096, .readWrite, following: .content)
        try await file.returnLayouts()
        // Somebody else collapses one block below; the bytes move in the file.
        try await server.with { core in
            core.epoch = 2
            core.shifts = [LoggedShift(epoch: 2, shift: Shift(isInsert: false, offset: 0, length: 4096))]
        }
        try server.collapse(blocks: 1)
        try await server.restart(.everything)
        #expect(try await onThread { unsafe region.bytes[0] } == 9)
        try await file.returnLayouts()
        try await server.with { core in
            core.epoch = 1 << 33
            core.shifts = nil
        }
        try await server.restart(.everything)
        let error = await #expect(throws: LayoutError.self) { try await region.prepare() }
        #expect(error?.code == .outcomeUnknown)
        await client.close()
        await server.stop()
    }

    @Test("a lost session in the same life: a new one, and nothing that is held is lost [F4]")
    func lostSession() async throws {
        let server = try await ScriptedServer()
        try await server.with { $0.leaseMilliseconds = 900 }
        let client = try await server.connect()
        let region = try await client.open("file", .readWrite).map(0..<16384, .readWrite)
        try await server.with { $0.forgetSessions() }
        // The next renewal hears of it.
        try await eventually("another session") { client.statistics.sessionsLost == 1 }
        try await eventually("renewed") { try await server.with { $0.executed.last == .sequence } }
        #expect(unsafe region.bytes[0] == 1)
        #expect(client.statistics.windowsRevoked == 0 && client.statistics.leasesLost == 0)
        #expect(try await server.with { core in core.executed.contains(.layoutReturn) } == false)
        await client.close()
        await server.stop()
    }

    @Test("a client that gave the server up in the middle of a reclaim ends that first when it is there again")
    func givenUpMeanwhile() async throws {
        let server = try await ScriptedServer()
        try await server.with { $0.leaseMilliseconds = 300 }
        let client = try await server.connect { $0.giveUpAfter = .milliseconds(400) }
        let file = try await client.open("file", .readWrite)
        let region = try await file.map(0..<16384, .readWrite)
        // The reclaim gets stuck, and then the server is out of reach in the same life.
        try await server.with { $0.nextSwallowsCalls = [.layoutGet] }
        try await server.restart(.everything)
        try await eventually("a session of the second life") { client.statistics.sessionsLost == 1 }
        try await server.kill()
        try await eventually("it gives up") { client.statistics.windowsFailed == 1 }
        try await server.with { $0.swallowsCalls = [] }
        try await server.start(nil)
        // The region is gone for good; the file can be mapped again, as soon as the client has found the server.
        await #expect(throws: LayoutError.self) { try await region.prepare() }
        var mapped: MappedRegion?
        try await eventually("the server is found again") {
            mapped = try? await file.map(0..<16384, .readWrite)
            return mapped != nil
        }
        let other = try #require(mapped)
        #expect(try await onThread { unsafe other.bytes[4096] } == 2)
        #expect(try await server.with { $0.executed.contains(.reclaimComplete) })
        await client.close()
        await server.stop()
    }

    @Test("a revocation that the server still knows of ends all")
    func revokedBefore() async throws {
        let server = try await ScriptedServer()
        let client = try await server.connect()
        let region = try await client.open("file", .readWrite).map(0..<16384, .readWrite)
        try await server.with { $0.nextFlags = [.someRevoked] }
        try await server.restart(.everything)
        try await eventually("all is given back") { try await server.with { $0.executed.contains(.layoutReturn) } }
        #expect(try await onThread { unsafe region.bytes[4096] } == 2)
        let executed = try await server.with { $0.executed }
        let end = try #require(executed.firstIndex(of: .reclaimComplete))
        let returned = try #require(executed.firstIndex(of: .layoutReturn))
        #expect(end < returned)
        try await eventually("it is counted") {
            client.statistics.leasesLost == 1 && client.statistics.windowsFailed == 0
        }
        await client.close()
        await server.stop()
    }

    @Test("patience ends a change that the server refuses in grace")
    func patienceInGrace() async throws {
        let server = try await ScriptedServer()
        let client = try await server.connect()
        let file = try await client.open("file", .readWrite)
        try await server.with { $0.isInGrace = true }
        let start = ContinuousClock.now
        let error = await #expect(throws: LayoutError.self) {
            try await file.insertRange(at: 0, length: 4096, patience: .milliseconds(700))
        }
        #expect(error?.code == .grace)
        #expect((.milliseconds(300) ... .seconds(5)).contains(ContinuousClock.now - start))
        let tries = try await server.with { core in core.executed.count { $0 == .insertRange } }
        #expect((3...12).contains(tries))
        await client.close()
        await server.stop()
    }
}
