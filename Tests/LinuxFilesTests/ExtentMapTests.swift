import LayoutCore
import LinuxFiles
import TestSupport
import Testing

@Suite struct ExtentMapTests {
    /// Checks what is promised of every map, and returns the extents without their places.
    private func shape(_ map: ExtentMap, _ asked: ByteRange) -> [(UInt64, UInt64, ExtentState)] {
        var position = asked.lowerBound
        var last: Extent?
        for extent in map.extents {
            #expect(extent.range.lowerBound == position)
            #expect(extent.state != .hole || extent.storageOffset == 0)
            if let last, last.state == .hole { #expect(extent.state != .hole, "neighbouring holes are one") }
            position = extent.range.upperBound
            last = extent
        }
        #expect(position == map.covered.upperBound)
        #expect(asked.contains(map.covered) && asked.lowerBound == map.covered.lowerBound)
        return map.extents.map { ($0.range.lowerBound, $0.range.upperBound, $0.state) }
    }

    private func expect(
        _ map: ExtentMap,
        _ asked: ByteRange,
        _ expected: [(UInt64, UInt64, ExtentState)],
        _ comment: Comment? = nil
    ) {
        let actual = self.shape(map, asked)
        #expect(actual.count == expected.count && zip(actual, expected).allSatisfy { $0 == $1 }, comment)
        #expect(map.covered == asked)
    }

    @Test(arguments: TestFileSystems.images)
    func everyStateShows(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let file = try export.make("file")
        let block = export.blockSize
        // Data, unwritten, hole, data, and a size beyond it all.
        _ = try FileInputOutput.write([UInt8](repeating: 1, count: Int(block) * 2), at: 0, to: file)
        try MappingCalls.truncate(to: 64 * block, file)
        try MappingCalls.allocate(try range(2 * block, 4 * block), of: file, keepingSize: true)
        _ = try FileInputOutput.write([1], at: 32 * block, to: file)
        try MappingCalls.punchHole(try range(33 * block, 64 * block), of: file)
        try MappingCalls.punchHole(try range(4 * block, 32 * block), of: file)
        let whole = try range(0, 64 * block)
        let map = try ExtentMap.read(whole, of: file, limit: 100, syncing: true)
        self.expect(
            map,
            whole,
            [
                (0, 2 * block, .data), (2 * block, 4 * block, .unwritten), (4 * block, 32 * block, .hole),
                (32 * block, 33 * block, .data), (33 * block, 64 * block, .hole),
            ]
        )
        #expect(map.traits == [])
        for extent in map.extents where extent.state != .hole { #expect(extent.storageOffset > 0) }

        // Any part of it is the same map, cut; with places that fit.
        for (lower, upper) in [
            (1, 2), (block - 1, block * 3 + 7), (5 * block, 6 * block), (32 * block + 5, 70 * block),
        ] {
            let part = try range(lower, upper)
            let partial = try ExtentMap.read(part, of: file, limit: 100)
            var expected: [(UInt64, UInt64, ExtentState)] = []
            for extent in map.extents {
                if let cut = extent.range.intersection(part) {
                    expected.append((cut.lowerBound, cut.upperBound, extent.state))
                }
            }
            if upper > 64 * block { expected[expected.count - 1].1 = upper }
            self.expect(partial, part, expected)
            if let first = partial.extents.first, let whole = map.extents.first(where: { $0.range.contains(lower) }),
                first.state != .hole
            {
                #expect(first.storageOffset == whole.storageOffset + lower - whole.range.lowerBound)
            }
        }
    }

    @Test(arguments: TestFileSystems.images)
    func dirtyDataIsDataWithoutAPlaceUntilItIsSynced(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let file = try export.make("file", [UInt8](repeating: 3, count: 100_000))
        let asked = try range(0, 65536)
        let dirty = try ExtentMap.read(asked, of: file, limit: 10)
        self.expect(dirty, asked, [(0, 65536, .data)])
        #expect(dirty.traits.contains(.delayed))
        #expect(dirty.extents.first?.storageOffset == 0)
        let synced = try ExtentMap.read(asked, of: file, limit: 10, syncing: true)
        #expect(synced.traits == [])
        #expect((synced.extents.first?.storageOffset ?? 0) > 0)
    }

    @Test(arguments: TestFileSystems.images)
    func manyExtentsComeInPages(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let file = try export.make("file")
        let block = export.blockSize
        let count: UInt64 = 1500
        try MappingCalls.truncate(to: 2 * count * block, file)
        for number in 0..<count { _ = try FileInputOutput.write([1], at: 2 * number * block, to: file) }
        try MappingCalls.synchronize(file)
        // XFS may have preallocated between the blocks: take that away.
        for number in 0..<count {
            try MappingCalls.punchHole(try range((2 * number + 1) * block, (2 * number + 2) * block), of: file)
        }
        let whole = try range(0, 2 * count * block)
        let map = try ExtentMap.read(whole, of: file, limit: 10_000)
        let expected = (0..<2 * count).map { ($0 * block, ($0 + 1) * block, $0 % 2 == 0 ? ExtentState.data : .hole) }
        self.expect(map, whole, expected)

        // In pieces by the limit: put together they are the same.
        for limit in [1, 127, 128, 129, 1000] {
            var pieces: [Extent] = []
            var rest: ByteRange? = whole
            while let asked = rest {
                let piece = try ExtentMap.read(asked, of: file, limit: limit)
                #expect(piece.extents.count <= limit)
                _ = self.shape(piece, asked)
                pieces += piece.extents
                rest = asked.subtracting(piece.covered).before ?? asked.subtracting(piece.covered).after
                if limit == 1, pieces.count > 200 { break }
            }
            #expect(pieces == Array(map.extents.prefix(pieces.count)))
            if limit > 1 { #expect(pieces.count == map.extents.count) }
        }
        // The middle only.
        let middle = try range(1000 * block, 1003 * block)
        self.expect(
            try ExtentMap.read(middle, of: file, limit: 10),
            middle,
            [
                (1000 * block, 1001 * block, .data), (1001 * block, 1002 * block, .hole),
                (1002 * block, 1003 * block, .data),
            ]
        )
    }

    @Test(arguments: TestFileSystems.available)
    func beyondTheEndIsAHole(_ fileSystem: TestFileSystem) throws {
        let file = try Export(fileSystem).make("empty")
        let far = [
            ByteRange.all, ByteRange(from: 1 << 62), ByteRange(from: .max - 1), try range(1 << 63, (1 << 63) + 5),
            try range(UInt64(Int64.max) - 1, UInt64(Int64.max)), try range(0, UInt64(Int64.max)),
            try range(1 << 50, 1 << 51),
        ]
        for asked in far {
            let map = try ExtentMap.read(asked, of: file, limit: 5)
            #expect(map.extents == [Extent(range: asked, storageOffset: 0, state: .hole)], "\(asked)")
        }
    }

    @Test(.enabled(if: TestFileSystems.hasImages, "mounting needs root"))
    func sharedBlocksShow() throws {
        let export = try Export(.xfs)
        let block = export.blockSize
        let file = try export.make("file", [UInt8](repeating: 1, count: 65536))
        let copy = try export.make("copy")
        try MappingCalls.synchronize(file)
        try MappingCalls.cloneRange(from: file, at: 0, length: 8 * block, to: copy, at: 4 * block)
        let whole = try range(0, 65536)
        let map = try ExtentMap.read(whole, of: file, limit: 10)
        #expect(map.traits == .shared)
        #expect(try ExtentMap.read(try range(8 * block, 65536), of: file, limit: 10).traits == [])
        let copied = try ExtentMap.read(try range(4 * block, 12 * block), of: copy, limit: 10)
        #expect(copied.traits == .shared)
        #expect(copied.extents.first?.storageOffset == map.extents.first?.storageOffset)
        try MappingCalls.unshareRange(whole, of: file)
        try MappingCalls.synchronize(file)
        #expect(try ExtentMap.read(whole, of: file, limit: 10).traits == [])
    }

    @Test(.enabled(if: TestFileSystems.hasImages, "mounting needs root"))
    func tmpfsHasDataAndHolesWithoutPlaces() throws {
        let image = try LoopFileSystem(.tmpfs)
        let export = try Export(at: image.path)
        let block = export.blockSize
        let file = try export.make("file")
        try MappingCalls.truncate(to: 10 * block, file)
        for number in [UInt64(1), 2, 5] { _ = try FileInputOutput.write([1], at: number * block, to: file) }
        let asked = try range(100, 20 * block)
        let map = try ExtentMap.read(asked, of: file, limit: 10, syncing: true)
        self.expect(
            map,
            asked,
            [
                (100, block, .hole), (block, 3 * block, .data), (3 * block, 5 * block, .hole),
                (5 * block, 6 * block, .data), (6 * block, 20 * block, .hole),
            ]
        )
        #expect(map.traits == .unaddressed)
        let few = try ExtentMap.read(asked, of: file, limit: 2)
        #expect(try few.covered == range(100, 3 * block))
    }

    @Test(.enabled(if: TestFileSystems.hasImages, "mounting needs root"))
    func openingOnlyAPlaceIsNotEnough() throws {
        let export = try Export(.xfs)
        try export.make("file")
        let place = try export.root.resolve(bytes("file"))
        #expect(
            failure { () throws(LinuxError) in
                _ = try ExtentMap.read(.all, of: place, limit: 1)
            } != nil
        )
    }
}
