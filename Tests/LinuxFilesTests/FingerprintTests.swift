import LayoutCore
import TestSupport
import Testing

@testable import LinuxFiles

/// The fingerprint against what real filesystems do.
@Suite struct FingerprintTests {
    private enum Block: CaseIterable {
        case data
        case hole
        case unwritten
    }

    /// Makes a file of these blocks behind one block of data; the last block lacks `tail` bytes.
    private func make(_ name: String, _ blocks: [Block], tail: UInt64 = 0, in export: Export) throws -> SharedDescriptor
    {
        let block = export.blockSize
        let file = try export.make(name, [UInt8](repeating: 7, count: Int(block)))
        try MappingCalls.truncate(to: UInt64(blocks.count + 1) * block - tail, file)
        for (index, kind) in blocks.enumerated() {
            let start = UInt64(index + 1) * block
            switch kind {
            case .data:
                let count = Int(index == blocks.count - 1 ? block - tail : block)
                _ = try FileInputOutput.write([UInt8](repeating: UInt8(index + 1), count: count), at: start, to: file)
            case .unwritten: try MappingCalls.allocate(try range(start, start + block), of: file, keepingSize: true)
            case .hole: break
            }
        }
        try MappingCalls.synchronize(file)
        return file
    }

    private func take(_ file: SharedDescriptor, _ shift: Shift, in export: Export) throws -> ExtentFingerprint {
        try ExtentFingerprint(of: file, before: shift, blockSize: export.blockSize)
    }

    private func carryOut(_ shift: Shift, on file: SharedDescriptor) throws {
        let argument = try range(shift.offset, shift.offset + shift.length)
        if shift.isInsert {
            try MappingCalls.insertRange(argument, of: file)
        } else {
            try MappingCalls.collapseRange(argument, of: file)
        }
    }

    /// The whole story of one shift: before is before, and after is after.
    private func expectStory(_ shift: Shift, on file: SharedDescriptor, in export: Export, _ comment: Comment) throws {
        let print = try self.take(file, shift, in: export)
        #expect(try print.compare(to: file) == .before, comment)
        try self.carryOut(shift, on: file)
        #expect(try print.compare(to: file) == .after, comment)
    }

    @Test(
        "every small layout of data, holes and unwritten blocks: before is before, after is after",
        arguments: TestFileSystems.images,
        [UInt64(0), 100]
    )
    func everySmallLayout(_ fileSystem: TestFileSystem, _ tail: UInt64) throws {
        let export = try Export(fileSystem)
        let block = export.blockSize
        var shifts: [Shift] = []
        for (offset, length) in [(1, 1), (1, 2), (2, 1), (3, 1), (2, 2)] as [(UInt64, UInt64)] {
            shifts.append(Shift(isInsert: true, offset: offset * block, length: length * block))
            guard offset + length < 4 else { continue }
            shifts.append(Shift(isInsert: false, offset: offset * block, length: length * block))
        }
        var count = 0
        for first in Block.allCases {
            for second in Block.allCases {
                for third in Block.allCases {
                    for shift in shifts {
                        count += 1
                        let file = try self.make("\(count)", [first, second, third], tail: tail, in: export)
                        try self.expectStory(shift, on: file, in: export, "\([first, second, third]), \(shift)")
                    }
                }
            }
        }
        #expect(count == 27 * 8)
    }

    @Test("a file of many extents, of which only the ends are seen", arguments: TestFileSystems.images)
    func manyExtents(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let block = export.blockSize
        let blocks = (0..<200).map { $0 % 5 == 3 ? Block.unwritten : $0 % 2 == 0 ? .data : .hole }
        for (number, (isInsert, offset, length))
            in ([(true, 1, 1), (true, 90, 7), (false, 1, 1), (false, 20, 60), (false, 40, 1), (true, 190, 3)]
            as [(Bool, UInt64, UInt64)]).enumerated()
        {
            let file = try self.make("\(number)", blocks, tail: 9, in: export)
            let shift = Shift(isInsert: isInsert, offset: offset * block, length: length * block)
            let print = try self.take(file, shift, in: export)
            #expect(print.isComplete == (offset == 190))
            #expect(print.bytes.count < 1300)
            #expect(ExtentFingerprint(print.bytes) == print)
            try self.expectStory(shift, on: file, in: export, "\(shift)")
        }
    }

    @Test("a sparse file whose last data is far from its end", arguments: TestFileSystems.images)
    func sparse(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let block = export.blockSize
        for isInsert in [true, false] {
            let file = try self.make("\(isInsert)", [Block](repeating: .data, count: 3), in: export)
            for index in 0..<60 { _ = try FileInputOutput.write([1], at: UInt64(10 + 2 * index) * block, to: file) }
            try MappingCalls.truncate(to: 1 << 33, file)
            try MappingCalls.synchronize(file)
            let shift = Shift(isInsert: isInsert, offset: 2 * block, length: 3 * block)
            let print = try self.take(file, shift, in: export)
            #expect(!print.isComplete)
            // The last window reaches back to data.
            #expect(print.windows.last?.contains { $0.state == .data } == true)
            try self.expectStory(shift, on: file, in: export, "\(shift)")
        }
    }

    @Test(
        "the size is set and nothing has moved, as XFS does it first: neither; where all is zeros there was nothing to move",
        arguments: TestFileSystems.images
    )
    func onlyTheSize(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let block = export.blockSize
        for (number, (blocks, expected))
            in ([
                ([.data, .data], .neither), ([.hole, .data], .neither), ([.data, .hole], .neither),
                ([.hole, .hole], .after), ([.unwritten, .hole], .after), ([.unwritten, .unwritten], .after),
            ] as [([Block], ExtentFingerprint.Verdict)]).enumerated()
        {
            let file = try self.make("\(number)", blocks, in: export)
            let shift = Shift(isInsert: true, offset: block, length: block)
            let print = try self.take(file, shift, in: export)
            try MappingCalls.truncate(to: 4 * block, file)
            #expect(try print.compare(to: file) == expected, "\(blocks)")
        }
    }

    @Test(
        "an insert that has moved some of the extents: neither, until the last of them is in its place",
        .enabled(if: TestFileSystems.hasImages, "mounting needs root")
    )
    func halfDoneInsert() throws {
        let export = try Export(.xfs)
        let block = export.blockSize
        for count in [6, 80] {
            let blocks = (0..<count).map { $0 % 2 == 0 ? Block.data : .hole }
            let file = try self.make("\(count)", blocks, in: export)
            let shift = Shift(isInsert: true, offset: block, length: 3 * block)
            let print = try self.take(file, shift, in: export)
            #expect(print.isComplete == (count == 6))
            try MappingCalls.truncate(to: UInt64(count + 4) * block, file)
            for index in (0..<UInt64(count)).reversed() where index % 2 == 0 {
                #expect(try print.compare(to: file) == .neither, "block \(index) of \(count) is next")
                // Moves the block itself, as the kernel does: shared at its new place, then freed at the old one.
                let (from, to) = ((index + 1) * block, (index + 4) * block)
                try MappingCalls.cloneRange(from: file, at: from, length: block, to: file, at: to)
                try MappingCalls.punchHole(try range(from, from + block), of: file)
            }
            #expect(try print.compare(to: file) == .after)
        }
    }

    @Test(
        "a collapse that has moved some of the extents: neither, until the size is set",
        .enabled(if: TestFileSystems.hasImages, "mounting needs root")
    )
    func halfDoneCollapse() throws {
        let export = try Export(.xfs)
        let block = export.blockSize
        for count in [6, 80] {
            let blocks = (0..<count).map { $0 % 2 == 0 ? Block.data : .hole }
            let file = try self.make("\(count)", blocks, tail: 0, in: export)
            let shift = Shift(isInsert: false, offset: block, length: 3 * block)
            let print = try self.take(file, shift, in: export)
            try MappingCalls.punchHole(try range(block, 4 * block), of: file)
            for index in 3..<UInt64(count) where index % 2 == 0 {
                #expect(try print.compare(to: file) == .neither, "block \(index) of \(count) is next")
                let (from, to) = ((index + 1) * block, (index - 2) * block)
                try MappingCalls.cloneRange(from: file, at: from, length: block, to: file, at: to)
                try MappingCalls.punchHole(try range(from, from + block), of: file)
            }
            #expect(try print.compare(to: file) == .neither)
            try MappingCalls.truncate(to: UInt64(count - 2) * block, file)
            #expect(try print.compare(to: file) == .after)
        }
    }

    @Test(
        "blocks behind the end of the file move or go, and do not count",
        arguments: TestFileSystems.images,
        [true, false]
    )
    func preallocation(_ fileSystem: TestFileSystem, _ isInsert: Bool) throws {
        let export = try Export(fileSystem)
        let block = export.blockSize
        let file = try self.make("file", [.data, .hole, .data, .data], tail: 11, in: export)
        try MappingCalls.allocate(try range(5 * block, 30 * block), of: file, keepingSize: true)
        let shift = Shift(isInsert: isInsert, offset: 2 * block, length: block)
        try self.expectStory(shift, on: file, in: export, "kept size")
        // What XFS sets aside by itself while a file grows.
        let growing = try export.make("growing")
        for index in 0..<300 {
            _ = try FileInputOutput.write([UInt8](repeating: 1, count: 1000), at: UInt64(index) * 1000, to: growing)
        }
        try MappingCalls.synchronize(growing)
        try self.expectStory(shift, on: growing, in: export, "growing")
    }

    @Test(
        "a file that shares its blocks with another one, also that of its end",
        .enabled(if: TestFileSystems.hasImages, "mounting needs root"),
        arguments: [true, false]
    )
    func shared(_ isInsert: Bool) throws {
        let export = try Export(.xfs)
        let block = export.blockSize
        let file = try self.make("file", [.data, .hole, .data, .data], tail: 11, in: export)
        let clone = try export.make("clone")
        try MappingCalls.cloneRange(from: file, at: 0, length: 0, to: clone, at: 0)
        let shift = Shift(isInsert: isInsert, offset: 2 * block, length: block)
        try self.expectStory(shift, on: file, in: export, "the source")
        try self.expectStory(shift, on: clone, in: export, "the clone")
    }

    @Test(
        "changes of others show; data that is overwritten in place is no change of the mapping",
        arguments: TestFileSystems.images
    )
    func strangers(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let block = export.blockSize
        let shift = Shift(isInsert: true, offset: block, length: 2 * block)
        let changes: [(String, ExtentFingerprint.Verdict, (SharedDescriptor) throws -> Void)] = [
            ("overwrite", .before, { _ = try FileInputOutput.write([9, 9], at: block, to: $0) }),
            ("before the shift", .before, { try MappingCalls.punchHole(try range(0, block), of: $0) }),
            ("append", .neither, { _ = try FileInputOutput.write([9], at: 5 * block, to: $0) }),
            ("truncate", .neither, { try MappingCalls.truncate(to: 4 * block, $0) }),
            ("write into a hole", .neither, { _ = try FileInputOutput.write([9], at: 2 * block, to: $0) }),
            ("punch", .neither, { try MappingCalls.punchHole(try range(3 * block, 4 * block), of: $0) }),
            ("another insert", .neither, { try MappingCalls.insertRange(try range(2 * block, 3 * block), of: $0) }),
            (
                "twice", .neither,
                {
                    for _ in 0..<2 { try MappingCalls.insertRange(try range(block, 3 * block), of: $0) }
                }
            ),
            (
                "insert and collapse", .before,
                {
                    try MappingCalls.insertRange(try range(2 * block, 4 * block), of: $0)
                    try MappingCalls.collapseRange(try range(2 * block, 4 * block), of: $0)
                }
            ),
        ]
        for (name, expected, change) in changes {
            let file = try self.make(name, [.data, .hole, .data, .data], in: export)
            let print = try self.take(file, shift, in: export)
            try change(file)
            #expect(try print.compare(to: file) == expected, "\(name)")
        }
    }
}
