import Glibc
import LayoutClient
import LayoutCore
import LayoutServer
import LayoutXDR
import TestSupport
import Testing

@Suite("The own deadline, and revocation")
struct LeaseTests {
    @Test("a server out of reach: access has ended before it lets a change run that trusts the deadline [F1]")
    func ownDeadline() async throws {
        try await withWorld {
            $0.lease = .seconds(1)
            $0.enforcedLeaseMargin = .milliseconds(500)
            $0.recallTimeout = .milliseconds(300)
            $0.fence = .cooperative
        } _: { world in
            try world.makeFile("a", blocks: 4)
            let proxy = try Proxy(world.socket)
            let client = try await world.connect(to: proxy.url)
            let other = try await world.connect()
            let region = try await client.open("a", .readWrite).map(0..<16384, .readWrite)
            // Thousands of raw stores a second: none must come after the change.
            let stores = startBusyThread { unsafe region.bytes[0] = 0xee }
            proxy.setStalled(true)
            let closed = Task {
                try await eventually("the deadline") { client.statistics.windowsRevoked == 1 }
                return ContinuousClock.now
            }
            try await other.open("a", .readWrite).punchHole(0..<16384)
            #expect(try await closed.value < ContinuousClock.now)
            try await eventually("it is counted") { client.statistics.leasesLost == 1 }
            for _ in 0..<50 {
                #expect(try world.bytes(of: "a")[0] == 0)
                try await Task.sleep(for: .milliseconds(2))
            }
            // The thread goes on with a layout of its own when the server is there again.
            proxy.setStalled(false)
            try await eventually("the store") { try world.bytes(of: "a")[0] == 0xee }
            _ = stores.stop()
            await client.close()
            await other.close()
            proxy.stop()
        }
    }

    @Test(
        "a holder that never returns: the change runs in bounded time, and what the holder read is told to be void [C2, D10]"
    )
    func neverReturns() async throws {
        try await withWorld {
            $0.lease = .seconds(1)
            $0.enforcedLeaseMargin = .milliseconds(500)
            $0.recallTimeout = .milliseconds(300)
        } _: { world in
            try world.makeFile("a", blocks: 4)
            try world.makeFile("b", blocks: 4)
            let client = try await world.connect()
            let other = try await world.connect()
            let region = try await client.open("a", .readWrite).map(0..<16384, .readWrite)
            let bystander = try await client.open("b", .readWrite).map(0..<16384, .readWrite)
            let error = await #expect(throws: LayoutError.self) {
                unsafe try await region.withPinnedBytes(nil, .read) { _ in
                    // Calls of the holder go on and do not renew its lease, as the recall is overdue (R6.6-2).
                    try await other.open("a", .readWrite).punchHole(0..<16384, patience: .seconds(15))
                }
            }
            #expect(error?.code == .expired)
            try await eventually("it is counted") { client.statistics.leasesLost == 1 }
            // Never stale bytes; and the other file is not hurt.
            #expect(try await onThread { unsafe region.bytes[0] } == 0)
            #expect(try await onThread { unsafe bystander.bytes[4096] } == 2)
            #expect(client.statistics.windowsFailed == 0)
            await client.close()
            await other.close()
        }
    }

    @Test("a client that hears of a revocation ends all access at once, gives all back, and leases anew by touch [D10]")
    func revoked() async throws {
        let server = try await ScriptedServer()
        try await server.with { $0.leaseMilliseconds = 600 }
        let client = try await server.connect()
        let region = try await client.open("file", .readWrite).map(0..<16384, .readWrite)
        let error = await #expect(throws: LayoutError.self) {
            unsafe try await region.withPinnedBytes(nil, .read) { _ in
                try await server.with { core in
                    core.revokeEverything()
                    core.flags = [.someRevoked]
                }
                // The next renewal says so.
                try await eventually("access has ended") { client.statistics.windowsRevoked == 1 }
            }
        }
        #expect(error?.code == .expired)
        #expect(try await onThread { unsafe region.bytes[4096] } == 2)
        let (executed, gets) = try await server.with { ($0.executed, $0.gets) }
        #expect(executed.contains(.layoutReturn))
        #expect(gets.count == 2 && gets.allSatisfy { $0.stateID == .none && !$0.flags.contains(.reclaim) })
        try await eventually("it is counted") {
            client.statistics.leasesLost == 1 && client.statistics.windowsFailed == 0
        }
        await client.close()
        await server.stop()
    }

    @Test(
        "stopped for three leases under the fence 'wait': no change runs meanwhile, and then the store is of this lease [F2]"
    )
    func stopped() async throws {
        await #expect(processExitsWith: .success) {
            let directory = try TestDirectory()
            let sockets = try TestDirectory()
            let url = "layout+unix://\(sockets.file("l.sock"))"
            let server = try ChildProcess(
                program("layoutd"),
                [
                    "serve", "--export", directory.path, "--listen", "unix://\(sockets.file("l.sock"))", "--lease", "1",
                    "--recall-timeout", "1", "--log-level", "error", "--guard", "off",
                ]
            )
            while true {
                let line = server.readLine()
                if line.contains("layoutd ready") { break }
                guard !line.isEmpty else { throw TestFailure("layoutd ended before it was ready") }
            }
            let client = try await LayoutClient.connect(to: url)
            let file = try await client.open("a", .readWrite, options: .create)
            try await file.truncate(to: 16384)
            let region = try await file.map(0..<16384, .readWrite)
            let stores = startBusyThread { unsafe region.bytes[0] = 7 }
            try await eventually("stores") { stores.rounds > 100 }
            let punch = "\(program("layoutctl")) punch a --offset 0 --length 16K --server \(url) --timeout"
            let script = """
                kill -STOP \(getpid()); sleep 0.5; \(punch) 3 >/dev/null 2>&1; echo stopped=$?; kill -CONT \(getpid())
                \(punch) 10; echo continued=$?
                """
            let helper = try ChildProcess("/bin/sh", ["-c", script])
            let output = try await onThread { helper.wait().output }
            guard output.contains("stopped=75"), output.contains("continued=0") else { throw TestFailure(output) }
            // It noticed by itself, and stores again with a layout that it has asked for.
            guard client.statistics.leasesLost == 1 else { throw TestFailure("\(client.statistics)") }
            let rounds = stores.rounds
            try await eventually("stores again") { stores.rounds > rounds + 100 }
            _ = stores.stop()
            await client.close()
            server.signal(SIGTERM)
            _ = server.wait()
            exit(EXIT_SUCCESS)
        }
    }
}
