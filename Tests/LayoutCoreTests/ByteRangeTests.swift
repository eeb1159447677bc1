import LayoutCore
import Testing

/// The algebra of byte ranges, checked against sets of bytes for every small range.
@Suite struct ByteRangeTests {
    /// Bytes 0 to 6, and one more that stands for all that follow: the end.
    private static let size: UInt64 = 7

    /// A range over the small file, where the bound `size + 1` stands for "to the end".
    private static func range(_ lower: UInt64, _ upper: UInt64) -> ByteRange? {
        ByteRange(lower, upper == Self.size + 1 ? .max : upper)
    }

    private static let all: [ByteRange] = (0...Self.size).flatMap { lower in
        (0...(Self.size + 1)).compactMap { upper in Self.range(lower, upper) }
    }

    /// Which of the small file's bytes, and of those that follow, are in the range.
    private static func members(_ range: ByteRange?) -> Set<UInt64> {
        guard let range else { return [] }
        return Set((0...Self.size).filter { range.contains($0) })
    }

    private static func members(_ range: ByteRange) -> Set<UInt64> { Self.members(Optional(range)) }

    @Test func thereAreNoEmptyRanges() {
        #expect(Self.all.count == 36)
        for lower: UInt64 in [0, 1, 4096, .max - 1, .max] {
            #expect(ByteRange(lower, lower) == nil)
            #expect(ByteRange(offset: lower, length: 0) == nil)
        }
        #expect(ByteRange(2, 1) == nil)
        #expect(ByteRange(.max, 0) == nil)
    }

    @Test func containingIsByBytes() {
        for range in Self.all {
            for byte in 0...Self.size {
                #expect(range.contains(byte) == (range.lowerBound <= byte && byte < range.upperBound))
            }
        }
    }

    @Test func overlapContainmentAndIntersectionAgreeWithSets() {
        for left in Self.all {
            for right in Self.all {
                let (a, b) = (Self.members(left), Self.members(right))
                #expect(left.overlaps(right) == !a.isDisjoint(with: b), "\(left) \(right)")
                #expect(left.contains(right) == a.isSuperset(of: b), "\(left) \(right)")
                #expect(Self.members(left.intersection(right)) == a.intersection(b), "\(left) \(right)")
                #expect(left.intersection(right) == right.intersection(left))
            }
        }
    }

    @Test func theHullIsTheSmallestThatHoldsBoth() {
        for left in Self.all {
            for right in Self.all {
                let hull = left.hull(right)
                #expect(hull == right.hull(left))
                #expect(hull.contains(left) && hull.contains(right))
                for other in Self.all where other.contains(left) && other.contains(right) {
                    #expect(other.contains(hull), "\(other) is smaller than the hull of \(left) and \(right)")
                }
            }
        }
    }

    @Test func subtractingLeavesTheRestInOrder() {
        for left in Self.all {
            for right in Self.all {
                let (before, after) = left.subtracting(right)
                let rest = Self.members(left).subtracting(Self.members(right))
                #expect(Self.members(before).union(Self.members(after)) == rest, "\(left) \(right)")
                #expect(Self.members(before).isDisjoint(with: Self.members(after)))
                if let before, let after { #expect(before.upperBound <= after.lowerBound) }
            }
        }
    }

    @Test func roundingOutIsTheSmallestAlignedRange() {
        for alignment: UInt64 in [1, 2, 4, 8] {
            for range in Self.all {
                let rounded = range.roundedOut(to: alignment)
                #expect(rounded.contains(range))
                #expect(rounded.lowerBound % alignment == 0)
                #expect(rounded.isToEnd == range.isToEnd)
                #expect(rounded.isToEnd || rounded.upperBound % alignment == 0)
                #expect(range.lowerBound - rounded.lowerBound < alignment)
                #expect(rounded.isToEnd || rounded.upperBound - range.upperBound < alignment)
            }
        }
    }

    @Test func roundingOutNearTheEndGoesToTheEnd() throws {
        let range = try #require(ByteRange(.max - 10, .max - 1))
        #expect(range.roundedOut(to: 4096) == ByteRange(.max - 4095, .max))
        #expect(range.roundedOut(to: 1) == range)
        #expect(range.roundedOut(to: 1 << 63) == ByteRange(1 << 63, .max))
    }

    @Test func anAlignmentIsAPowerOfTwo() async {
        await #expect(processExitsWith: .failure) { _ = ByteRange.all.roundedOut(to: 3) }
        await #expect(processExitsWith: .failure) { _ = ByteRange.all.roundedOut(to: 0) }
    }

    @Test func offsetAndLengthSurvive() {
        for range in Self.all {
            #expect(ByteRange(offset: range.lowerBound, length: range.wireLength) == range)
        }
        #expect(ByteRange(offset: 5, length: .max) == ByteRange(from: 5))
        #expect(ByteRange.all.wireLength == .max)
    }

    @Test func sumsThatOverflowAreNoRanges() {
        #expect(ByteRange(offset: 1 << 63, length: 1 << 63) == nil)
        #expect(ByteRange(offset: .max, length: 1) == nil)
        #expect(ByteRange(offset: .max, length: .max) == nil)
        // An end of all ones would read as "to the end".
        #expect(ByteRange(offset: .max - 1, length: 1) == nil)
        #expect(ByteRange(offset: 0, length: .max - 1) == ByteRange(0, .max - 1))
        #expect(ByteRange(offset: .max - 2, length: 1) == ByteRange(.max - 2, .max - 1))
    }

    @Test func aRangeToTheEndIsNeverEmpty() {
        #expect(ByteRange(from: .max) == ByteRange(from: .max - 1))
        #expect(ByteRange(from: .max).contains(.max - 1))
        #expect(ByteRange(from: 3).isToEnd)
    }

    @Test func descriptionsShowTheEnd() throws {
        #expect("\(ByteRange.all)" == "[0, end)")
        #expect("\(try #require(ByteRange(0, 4096)))" == "[0, 4096)")
    }
}
