import Glibc
import LayoutClient
import LayoutServer
import TestSupport
import Testing

@Suite("What is lost")
struct LossTests {
    @Test("content that others remove raises SIGBUS; the rest stays")
    func removedContent() async throws {
        await #expect(processExitsWith: .signal(SIGBUS)) {
            try await withWorld { world in
                try world.makeFile("a", blocks: 16)
                let client = try await world.connect()
                let other = try await world.connect()
                let file = try await client.open("a", .readWrite)
                let region = try await file.map(4 * 4096..<8 * 4096, .readWrite, following: .content)
                try await other.open("a", .readWrite).collapseRange(5 * 4096..<6 * 4096)
                let rest = try await onThread { [0, 2, 3].map { unsafe region.bytes[$0 * 4096] } }
                guard rest == [5, 7, 8] else { exit(1) }
                _ = try await onThread { unsafe region.bytes[4096] }
                exit(2)
            }
        }
    }

    @Test("beyond the end of the file there is SIGBUS, until this client makes the file longer")
    func beyondTheEnd() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 4)
            let client = try await world.connect()
            let file = try await client.open("a", .readWrite)
            let region = try await file.map(0..<4 << 20, .readWrite, windowSize: 2 << 20)
            let error = await #expect(throws: LayoutError.self) { try await region.prepare() }
            #expect(error?.code == .layoutUnavailable || error?.code == .noSuchAddress)
            try await file.truncate(to: 4 << 20)
            try await region.prepare()
            try await onThread { unsafe region.bytes[3 << 20] = 9 }
            try await file.flush()
            #expect(try world.bytes(of: "a")[3 << 20] == 9)
            await client.close()
        }
    }

    @Test("a file that others cut off raises SIGBUS behind its new end")
    func cutOff() async throws {
        await #expect(processExitsWith: .signal(SIGBUS)) {
            try await withWorld { world in
                try world.makeFile("a", blocks: 16)
                let client = try await world.connect()
                let other = try await world.connect()
                let region = try await client.open("a", .readWrite).map(0..<65536, .readWrite)
                try await other.open("a", .readWrite).truncate(to: 8192)
                guard try await onThread({ unsafe region.bytes[4096] }) == 2 else { exit(1) }
                _ = try await onThread { unsafe region.bytes[40000] }
                exit(2)
            }
        }
    }

    @Test("a change whose server dies has an unknown outcome, and is not repeated")
    func unknownOutcome() async throws {
        let lives = try await ServerLives()
        let world = lives.world
        try world.makeFile("a", blocks: 4)
        let proxy = try Proxy(world.socket)
        let client = try await world.connect(to: proxy.url)
        let file = try await client.open("a", .readWrite)
        proxy.setLosesReplies(true)
        let change = Task { try await file.insertRange(at: 0, length: 4096) }
        try await eventually("it is done") { try world.bytes(of: "a").count == 5 * 4096 }
        await lives.end()
        try await lives.begin()
        proxy.setLosesReplies(false)
        let error = await #expect(throws: LayoutError.self) { try await change.value }
        #expect(error?.code == .outcomeUnknown)
        #expect(try await file.size == 5 * 4096)
        await client.close()
        await lives.end()
        proxy.stop()
    }

    @Test("a pin that outlives the lease is told so")
    func pinOutlivesLease() async throws {
        try await withWorld {
            $0.lease = .milliseconds(600)
        } _: { world in
            try world.makeFile("a", blocks: 4)
            let proxy = try Proxy(world.socket)
            let client = try await world.connect(to: proxy.url)
            let file = try await client.open("a", .readWrite)
            let region = try await file.map(0..<16384, .readWrite)
            let error = await #expect(throws: LayoutError.self) {
                unsafe try await region.withPinnedBytes(nil, .read) { _ in
                    proxy.setStalled(true)
                    try await eventually("the lease is over") { client.statistics.leasesLost == 1 }
                }
            }
            #expect(error?.code == .expired)
            proxy.setStalled(false)
            #expect(try await onThread { unsafe region.bytes[0] } == 1)
            await client.close()
            proxy.stop()
        }
    }

    @Test("writes that were lost with the server are told at the next flush")
    func lostWrites() async throws {
        let lives = try await ServerLives()
        let world = lives.world
        let client = try await world.connect()
        let file = try await client.open("a", .readWrite, options: .create)
        try await file.write([1, 2, 3], at: 0)
        await lives.end()
        try await lives.begin()
        #expect(try await file.size == 3)
        let error = await #expect(throws: LayoutError.self) { try await file.flush() }
        #expect(error?.code == .outcomeUnknown)
        try await file.write([1, 2, 3], at: 0)
        try await file.flush()
        await client.close()
        await lives.end()
    }

    @Test("a file whose path names another one after a restart is stale")
    func replacedFile() async throws {
        let lives = try await ServerLives()
        let world = lives.world
        try world.makeFile("a", blocks: 4)
        let client = try await world.connect()
        let file = try await client.open("a", .readWrite)
        let region = try await file.map(0..<4096)
        await lives.end()
        try world.makeFile("b", blocks: 4)
        #expect(unsafe rename(world.directory.file("b"), world.directory.file("a")) == 0)
        try await lives.begin()
        let error = await #expect(throws: LayoutError.self) { _ = try await file.size }
        #expect(error?.code == .stale)
        let mapError = await #expect(throws: LayoutError.self) { try await region.prepare() }
        #expect(mapError?.code == .stale)
        await client.close()
        await lives.end()
    }
}
