import Glibc
import LayoutClient
import LayoutServer
import TestSupport
import Testing

@Suite("Connections and leases")
struct ConnectionTests {
    @Test("a region goes on over a broken connection, in the same session")
    func regionsOutliveConnections() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 16)
            let proxy = try Proxy(world.socket)
            let client = try await world.connect(to: proxy.url)
            let file = try await client.open("a", .readWrite)
            let region = try await file.map(0..<65536, .readWrite)
            try await onThread { unsafe region.bytes[0] = 50 }
            proxy.breakConnections()
            #expect(try await file.size == 65536)
            #expect(try await onThread { unsafe region.bytes[0] } == 50)
            #expect(proxy.connections == 2)
            #expect(client.statistics.sessionsLost == 0)
            #expect(client.statistics.leasesLost == 0)
            // The back channel is on the new connection.
            let other = try await world.connect()
            try await other.open("a", .readWrite).insertRange(at: 0, length: 4096)
            try await eventually("it is counted") { client.statistics.recallsReceived == 1 }
            #expect(try await onThread { unsafe region.bytes[4096] } == 50)
            await other.close()
            await client.close()
            proxy.stop()
        }
    }

    @Test("a change whose reply was lost with the connection is done once, and answered")
    func changesAreDoneOnce() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 4)
            let proxy = try Proxy(world.socket)
            let client = try await world.connect(to: proxy.url)
            let file = try await client.open("a", .readWrite)
            for round in 1...5 {
                proxy.setLosesReplies(true)
                let change = Task { try await file.insertRange(at: 0, length: 4096) }
                try await eventually("it is done") { try world.bytes(of: "a").count == (4 + round) * 4096 }
                proxy.setLosesReplies(false)
                proxy.breakConnections()
                try await change.value
                #expect(try await file.size == UInt64(4 + round) * 4096)
            }
            #expect(client.statistics.sessionsLost == 0)
            await client.close()
            proxy.stop()
        }
    }

    @Test("when the server is silent for a lease the windows are closed, and they come back with it")
    func ownDeadline() async throws {
        try await withWorld {
            $0.lease = .seconds(1)
        } _: { world in
            try world.makeFile("a", blocks: 16)
            let proxy = try Proxy(world.socket)
            let client = try await world.connect(to: proxy.url)
            let file = try await client.open("a", .readWrite)
            let region = try await file.map(0..<65536, .readWrite)
            try await onThread { unsafe region.bytes[0] = 7 }
            proxy.setStalled(true)
            try await eventually("the lease is over") { client.statistics.leasesLost == 1 }
            try await eventually("it is counted") { client.statistics.windowsRevoked == 1 }
            let touch = Task { try await onThread { unsafe region.bytes[0] } }
            try await Task.sleep(for: .milliseconds(100))
            proxy.setStalled(false)
            #expect(try await touch.value == 7)
            #expect(client.statistics.windowsFailed == 0)
            await client.close()
            proxy.stop()
        }
    }

    @Test("renewals keep an idle client's lease")
    func renewals() async throws {
        try await withWorld {
            $0.lease = .milliseconds(600)
            $0.enforcedLeaseMargin = .milliseconds(100)
        } _: { world in
            try world.makeFile("a", blocks: 4)
            let client = try await world.connect()
            let file = try await client.open("a", .readWrite)
            let region = try await file.map(0..<4096, .readWrite)
            try await Task.sleep(for: .seconds(2))
            #expect(client.statistics.leasesLost == 0)
            #expect(client.statistics.windowsRevoked == 0)
            #expect(try await onThread { unsafe region.bytes[0] } == 1)
            await client.close()
        }
    }

    @Test("a restarted server gets a new session; windows are closed first and come back")
    func restart() async throws {
        let lives = try await ServerLives()
        let world = lives.world
        try world.makeFile("a", blocks: 16)
        let client = try await world.connect()
        let file = try await client.open("a", .readWrite)
        let region = try await file.map(0..<65536, .readWrite)
        let content = try await file.map(4096..<8192, .readWrite, following: .content)
        try await onThread { unsafe region.bytes[4096] = 33 }
        await lives.end()
        try await lives.begin()
        #expect(try await onThread { unsafe region.bytes[4096] } == 33)
        try await eventually("a new session") { client.statistics.sessionsLost == 1 }
        // What was where in the server's earlier life is not known any more.
        let code = await #expect(throws: LayoutError.self) { try await content.prepare() }?.code
        #expect(code == .outcomeUnknown)
        await client.close()
        await lives.end()
    }

    @Test("a server out of reach for too long: calls fail, and touches raise SIGBUS")
    func givingUp() async throws {
        await #expect(processExitsWith: .signal(SIGBUS)) {
            try await withWorld {
                $0.lease = .milliseconds(500)
            } _: { world in
                try world.makeFile("a", blocks: 4)
                let proxy = try Proxy(world.socket)
                let client = try await world.connect(to: proxy.url) {
                    $0.giveUpAfter = .seconds(1)
                    $0.reconnectPauseMax = .milliseconds(100)
                }
                let file = try await client.open("a", .readWrite)
                let region = try await file.map(0..<4096, .readWrite)
                proxy.setRefuses(true)
                proxy.breakConnections()
                do {
                    _ = try await file.size
                    exit(1)
                } catch let error as LayoutError {
                    guard error.code == .unreachable else { exit(2) }
                }
                _ = try await onThread { unsafe region.bytes[0] }
                exit(3)
            }
        }
    }

    @Test("connecting to nobody fails in time and says so")
    func nobody() async throws {
        var configuration = ClientConfiguration()
        configuration.connectTimeout = .milliseconds(300)
        let start = ContinuousClock.now
        let error = await #expect(throws: LayoutError.self) {
            _ = try await LayoutClient.connect(to: "layout+unix:///nonexistent/l.sock", configuration: configuration)
        }
        #expect(error?.code == .unreachable)
        #expect(ContinuousClock.now - start < .seconds(20))
        for url in ["unix:///x", "layout+unix://x", "layout://host", "layout://:1", "layout://h:0", "layout://h:70000"]
        {
            let error = await #expect(throws: LayoutError.self) { _ = try await LayoutClient.connect(to: url) }
            #expect(error?.code == .invalid, "\(url)")
        }
    }

    @Test("calls after close fail, and close can be called again")
    func closing() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 4)
            let client = try await world.connect()
            let other = try await world.connect()
            let file = try await client.open("a", .readWrite)
            let region = try await file.map(0..<4096)
            try await eventually("it is there") { try await other.layoutStates().count == 1 }
            await client.close()
            await client.close()
            #expect(try await other.layoutStates().isEmpty)
            #expect(try await other.clientStates().count == 1)
            let error = await #expect(throws: LayoutError.self) { _ = try await file.size }
            #expect(error?.code == .closed)
            await region.unmap()
            await file.close()
            await other.close()
        }
    }

    @Test("a client that is only dropped says goodbye too")
    func dropping() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 4)
            let other = try await world.connect()
            do {
                let client = try await world.connect()
                let file = try await client.open("a", .readWrite)
                let region = try await file.map(0..<4096)
                #expect(region.count == 4096)
            }
            try await eventually("it is gone") { try await other.clientStates().count == 1 }
            await other.close()
        }
    }

    @Test("over TCP on the same host files can be mapped")
    func tcp() async throws {
        try await withWorld {
            $0.trustsRemoteRoot = true
        } _: { world in
            try world.makeFile("a", blocks: 4)
            let client = try await world.connect(to: world.tcpURL)
            let file = try await client.open("a", .readWrite)
            try await file.write([8], at: 0)
            #expect(try await file.read(2, at: 0) == [8, 1])
            try await eventually("it is counted") { client.statistics.writesDirect == 1 }
            await client.close()
        }
    }

    @Test("without the descriptor socket everything goes through the server, and is counted")
    func noDescriptors() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 4)
            unsafe unlink(world.server.descriptorSocketPath)
            let client = try await world.connect()
            let file = try await client.open("a", .readWrite)
            try await file.write([5], at: 4096)
            #expect(try await file.read(2, at: 4096) == [5, 2])
            try await eventually("it is counted") { client.statistics.writesThroughServer == 1 }
            try await eventually("it is counted") { client.statistics.readsThroughServer == 1 }
            #expect(client.statistics.fallbacks > 0)
            let error = await #expect(throws: LayoutError.self) { _ = try await file.map(0..<4096) }
            #expect(error?.code == .layoutUnavailable)
            try await eventually("nothing is held") { try await client.layoutStates().isEmpty }
            await client.close()
        }
    }
}
