import LayoutClient
import TestSupport
import Testing

@Suite("Reading and writing")
struct InputOutputTests {
    @Test("reads and writes go to the mapping, and extend through the server", arguments: TestFileSystems.available)
    func directly(_ fileSystem: TestFileSystem) async throws {
        try await withWorld(on: fileSystem) { world in
            let client = try await world.connect()
            let file = try await client.open("new", .readWrite, options: [.create, .exclusive])
            let pattern = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
            try await file.write(pattern, at: 0)
            #expect(try await file.size == 100_000)
            #expect(client.statistics.writesThroughServer > 0)
            let written = client.statistics.writesDirect
            try await file.write([1, 2, 3], at: 50_000)
            try await eventually("it is counted") { client.statistics.writesDirect == written + 1 }
            var expected = pattern
            expected.replaceSubrange(50_000..<50_003, with: [1, 2, 3])
            #expect(try await file.read(200_000, at: 0) == expected)
            #expect(client.statistics.readsDirect > 0)
            // Part inside, part beyond the end.
            try await file.write([9, 9, 9, 9], at: 99_998)
            #expect(try await file.read(10, at: 99_996) == [expected[99_996], expected[99_997], 9, 9, 9, 9])
            try await file.flush()
            #expect(try world.bytes(of: "new").count == 100_002)
            #expect(try await file.read(10, at: 100_002) == [])
            await client.close()
        }
    }

    @Test("a client on TCP of the same host can map too; one without descriptors goes through the server")
    func withoutMappings() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 4)
            let client = try await world.connect { $0.readsAndWritesDirectly = false }
            let file = try await client.open("a", .readWrite)
            try await file.write([5, 6, 7], at: 4096)
            #expect(try await file.read(4, at: 4096) == [5, 6, 7, 2])
            #expect(client.statistics.writesDirect == 0)
            #expect(client.statistics.readsDirect == 0)
            try await eventually("it is counted") { client.statistics.writesThroughServer == 1 }
            try await eventually("it is counted") { client.statistics.readsThroughServer == 1 }
            await client.close()
        }
    }

    @Test("names can be made, listed, renamed and removed")
    func names() async throws {
        try await withWorld { world in
            let client = try await world.connect()
            try await client.makeDirectory("d")
            let file = try await client.open("d/x", .readWrite, options: .create)
            try await file.write([1], at: 0)
            #expect(try await client.list("d").map { $0.name } == ["x"])
            #expect(try await client.stat("d/x").size == 1)
            try await client.rename("d/x", to: "d/y")
            #expect(try await client.list("d").map { $0.name } == ["y"])
            try await client.remove("d/y")
            #expect(try await client.list("d").isEmpty)
            await #expect(throws: LayoutError.self) { _ = try await client.stat("d/y") }
            await client.close()
        }
    }

    @Test("extents say what is data and what is a hole")
    func extents() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 8)
            let client = try await world.connect()
            let file = try await client.open("a", .readWrite)
            try await file.flush()
            try await file.punchHole(2 * 4096..<4 * 4096)
            let extents = try await file.extents(0..<8 * 4096)
            #expect(extents.first?.range.lowerBound == 0)
            #expect(extents.last?.range.upperBound == 8 * 4096)
            let holes = extents.filter { $0.state == .hole }
            #expect(holes.map { $0.range } == [ByteRange(8192, 16384)])
            try await eventually("the layout is back") { try await client.layoutStates().isEmpty }
            await client.close()
        }
    }
}
