import LayoutClient
import TestSupport
import Testing

@Suite("Mapping")
struct MappingTests {
    @Test("what is stored to a region is in the file", arguments: TestFileSystems.available)
    func storesReachTheFile(_ fileSystem: TestFileSystem) async throws {
        try await withWorld(on: fileSystem) { world in
            try world.makeFile("a", blocks: 16)
            let client = try await world.connect()
            let file = try await client.open("a", .readWrite)
            #expect(try await file.size == 65536)
            let region = try await file.map(0..<65536, .readWrite)
            let first = try await onThread { unsafe region.bytes[5 * 4096] }
            #expect(first == 6)
            try await onThread { unsafe region.bytes[5 * 4096] = 200 }
            try await file.flush()
            #expect(try world.bytes(of: "a")[5 * 4096] == 200)
            try await eventually("it is counted") { client.statistics.grants == 1 }
            await region.unmap()
            await file.close()
            await client.close()
        }
    }

    @Test("a region made of several windows is one run of addresses")
    func windowsAreContiguous() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 2048)
            let client = try await world.connect()
            let file = try await client.open("a", .readWrite)
            let region = try await file.map(0..<8 << 20, .readWrite, windowSize: 2 << 20)
            try await region.prepare()
            let sum = try await onThread {
                (0..<2048).allSatisfy { unsafe region.bytes[$0 * 4096] == UInt8(truncatingIfNeeded: $0 + 1) }
            }
            #expect(sum)
            // Only the windows behind the hole go.
            let before = client.statistics.windowsRevoked
            try await file.punchHole(6 << 20..<7 << 20)
            try await eventually("it is counted") { client.statistics.windowsRevoked == before + 1 }
            let zero = try await onThread { unsafe region.bytes[6 << 20] }
            #expect(zero == 0)
            await client.close()
        }
    }

    @Test("a second client's insert takes the window back, and the touch that follows sees the file as it is then")
    func offsetWindowsShowOffsets() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 16)
            let holder = try await world.connect()
            let file = try await holder.open("a", .readWrite)
            let region = try await file.map(0..<65536, .readWrite)
            try await onThread { unsafe region.bytes[8 * 4096] = 99 }
            var events = holder.recallEvents.makeAsyncIterator()

            let other = try await world.connect()
            let theirs = try await other.open("a", .readWrite)
            try await theirs.insertRange(at: 4096, length: 8192)

            let event = try #require(await events.next())
            #expect(event.operation == .insertRange)
            #expect(event.shift == Shift(isInsert: true, offset: 4096, length: 8192))
            #expect(event.path == "a")
            let (hole, moved) = try await onThread { unsafe (region.bytes[4096], region.bytes[10 * 4096]) }
            #expect(hole == 0)
            #expect(moved == 99)
            try await eventually("it is counted") { holder.statistics.recallsReceived == 1 }
            await other.close()
            await holder.close()
        }
    }

    @Test("a content window follows its bytes through an insert and a collapse by others")
    func contentWindowsFollow() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 16)
            let holder = try await world.connect()
            let file = try await holder.open("a", .readWrite)
            let region = try await file.map(8 * 4096..<12 * 4096, .readWrite, following: .content)
            let other = try await world.connect()
            let theirs = try await other.open("a", .readWrite)

            try await theirs.insertRange(at: 0, length: 8192)
            let first = try await onThread { unsafe region.bytes[0] }
            #expect(first == 9)
            try await theirs.collapseRange(4096..<5 * 4096)
            let bytes = try await onThread { (0..<4).map { unsafe region.bytes[$0 * 4096] } }
            #expect(bytes == [9, 10, 11, 12])
            try await onThread { unsafe region.bytes[4096] = 77 }
            try await file.flush()
            #expect(try world.bytes(of: "a")[(9 + 2 - 4) * 4096] == 77)
            await other.close()
            await holder.close()
        }
    }

    @Test("what others have appended is there when it is mapped anew")
    func appended() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 4)
            let client = try await world.connect()
            let other = try await world.connect()
            let file = try await client.open("a", .readWrite)
            let region = try await file.map(0..<16384)
            #expect(try await onThread { unsafe region.bytes[0] } == 1)
            try await other.open("a", .readWrite).write([UInt8](repeating: 9, count: 8192), at: 16384)
            let tail = try await file.map(16384..<24576)
            #expect(try await onThread { unsafe tail.bytes[4096] } == 9)
            await client.close()
            await other.close()
        }
    }

    @Test("a change of bytes that the caller itself pins fails at once")
    func ownPinIsADeadlock() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 16)
            let client = try await world.connect()
            let file = try await client.open("a", .readWrite)
            let region = try await file.map(0..<65536, .readWrite)
            let start = ContinuousClock.now
            let code = unsafe try await region.withPinnedBytes { _ -> LayoutStatus? in
                do throws(LayoutError) {
                    try await file.insertRange(at: 0, length: 4096)
                    return nil
                } catch {
                    return error.code
                }
            }
            #expect(code == .deadlock)
            #expect(ContinuousClock.now - start < .seconds(2))
            // The pin is over.
            try await file.insertRange(at: 0, length: 4096)
            await client.close()
        }
    }

    @Test("a recall waits for a pin, and no longer")
    func recallsWaitForPins() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 16)
            let holder = try await world.connect()
            let file = try await holder.open("a", .readWrite)
            let region = try await file.map(0..<65536, .readWrite)
            let other = try await world.connect()
            let theirs = try await other.open("a", .readWrite)
            // The pin is there before the change is asked for.
            try await region.prepare()
            let change = Task { try await theirs.punchHole(0..<8192) }
            unsafe try await region.withPinnedBytes(nil, .readWrite) { bytes in
                try await Task.sleep(for: .milliseconds(200))
                // Still ours.
                #expect(unsafe bytes[0] == 1)
                unsafe bytes[4096 * 3] = 42
            }
            try await change.value
            #expect(try world.bytes(of: "a")[0] == 0)
            #expect(try world.bytes(of: "a")[4096 * 3] == 42)
            await other.close()
            await holder.close()
        }
    }
}
