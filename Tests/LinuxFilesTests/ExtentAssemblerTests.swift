import LayoutCore
import Testing

@testable import LinuxFiles

@Suite struct ExtentAssemblerTests {
    private typealias Report = ExtentAssembler.Report

    private func report(
        _ lower: UInt64,
        _ upper: UInt64,
        at place: UInt64 = 0,
        _ state: ExtentState = .data,
        _ traits: ExtentTraits = []
    ) throws -> Report {
        Report(range: try range(lower, upper), storageOffset: place, state: state, traits: traits)
    }

    private func extent(_ lower: UInt64, _ upper: UInt64, _ place: UInt64, _ state: ExtentState) throws -> Extent {
        Extent(range: try range(lower, upper), storageOffset: place, state: state)
    }

    @Test func gapsAreHolesAndEdgesAreClipped() throws {
        var assembler = ExtentAssembler(range: try range(10, 100), limit: 100)
        assembler.add(try report(0, 20, at: 1000))
        assembler.add(try report(30, 40, at: 2000, .unwritten))
        assembler.add(try report(90, 200, at: 3000))
        let map = assembler.finish()
        #expect(
            map.extents == [
                try extent(10, 20, 1010, .data), try extent(20, 30, 0, .hole), try extent(30, 40, 2000, .unwritten),
                try extent(40, 90, 0, .hole), try extent(90, 100, 3000, .data),
            ]
        )
        #expect(try map.covered == range(10, 100))
    }

    @Test func neighboursOnStorageAreOne() throws {
        var assembler = ExtentAssembler(range: try range(0, 60), limit: 100)
        assembler.add(try report(0, 10, at: 100))
        assembler.add(try report(10, 20, at: 110))
        assembler.add(try report(20, 30, at: 120, .unwritten))
        assembler.add(try report(30, 40, at: 500, .unwritten))
        assembler.add(try report(40, 50, at: 0, .data, .delayed))
        assembler.add(try report(50, 60, at: 0, .data, .delayed))
        let map = assembler.finish()
        #expect(
            map.extents == [
                try extent(0, 20, 100, .data), try extent(20, 30, 120, .unwritten), try extent(30, 40, 500, .unwritten),
                try extent(40, 60, 0, .data),
            ]
        )
        #expect(map.traits == .delayed)
    }

    @Test func theLimitCutsTheRange() throws {
        for limit in 0...6 {
            var assembler = ExtentAssembler(range: try range(0, 50), limit: limit)
            assembler.add(try report(0, 10, at: 1000, .data, .shared))
            assembler.add(try report(20, 30, at: 2000))
            assembler.add(try report(40, 45, at: 3000, .data, .encoded))
            let map = assembler.finish()
            #expect(map.extents.count == min(max(limit, 1), 6))
            let ends: [UInt64] = [10, 10, 20, 30, 40, 45, 50]
            #expect(try map.covered == range(0, ends[limit]))
            #expect(map.traits == (limit >= 5 ? [.shared, .encoded] : .shared), "only of what is covered")
        }
    }

    @Test func nothingIsAHole() throws {
        let map = ExtentAssembler(range: ByteRange(from: 7), limit: 1).finish()
        #expect(map.extents == [Extent(range: ByteRange(from: 7), storageOffset: 0, state: .hole)])
        #expect(map.covered == ByteRange(from: 7))
    }

    /// Every three reports over a small file, in any order: what comes out covers the range, sorted and without gaps.
    @Test func whateverComesTheRangeIsCovered() throws {
        var all: [Report] = []
        for lower in UInt64(0)..<6 {
            for upper in (lower + 1)...6 {
                all.append(try report(lower, upper, at: 100 + lower, lower % 2 == 0 ? .data : .unwritten))
            }
        }
        let asked = try range(1, 5)
        for first in all {
            for second in all {
                for third in all {
                    for limit in [1, 2, 10] {
                        var assembler = ExtentAssembler(range: asked, limit: limit)
                        for report in [first, second, third] { assembler.add(report) }
                        let map = assembler.finish()
                        var position = asked.lowerBound
                        for extent in map.extents {
                            #expect(extent.range.lowerBound == position)
                            position = extent.range.upperBound
                        }
                        #expect(position == map.covered.upperBound && map.covered.lowerBound == asked.lowerBound)
                        #expect(map.extents.count <= limit && asked.contains(map.covered))
                        if limit == 10 { #expect(map.covered == asked) }
                    }
                }
            }
        }
    }

    @Test func absurdReportsDoNotTrap() throws {
        var assembler = ExtentAssembler(range: .all, limit: 10)
        assembler.add(try report(0, .max, at: .max))
        assembler.add(try report(.max - 1, .max, at: .max))
        #expect(assembler.finish().covered == .all)
    }
}
