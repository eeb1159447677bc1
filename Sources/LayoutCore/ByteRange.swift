/// Bytes `lowerBound ..< upperBound` of a file; never empty.
///
/// An upper bound of `UInt64.max` means "to the end of the file, wherever that is or will be".
public struct ByteRange: Hashable, Sendable {
    /// The first byte.
    public let lowerBound: UInt64
    /// The first byte behind the range, or `UInt64.max` for "to the end".
    public let upperBound: UInt64

    /// Makes a range from its bounds, or `nil` if it would be empty.
    public init?(_ lowerBound: UInt64, _ upperBound: UInt64) {
        guard lowerBound < upperBound else { return nil }
        self.lowerBound = lowerBound
        self.upperBound = upperBound
    }

    /// Makes a range from an offset and a length, as they travel on the wire.
    ///
    /// A length of `UInt64.max` means "to the end". `nil` if the length is 0 or the sum overflows.
    public init?(offset: UInt64, length: UInt64) {
        if length == .max {
            self.init(offset, .max)
        } else {
            let (end, overflow) = offset.addingReportingOverflow(length)
            // An end of all ones cannot be told from "to the end"; no file is that long.
            guard !overflow, end != .max else { return nil }
            self.init(offset, end)
        }
    }

    /// Makes the range from `offset` to the end of the file, wherever that is.
    public init(from offset: UInt64) {
        self.lowerBound = Swift.min(offset, .max - 1)
        self.upperBound = .max
    }

    /// The whole file.
    public static var all: ByteRange { ByteRange(from: 0) }

    /// Whether the range goes on to the end of the file, wherever that is.
    public var isToEnd: Bool { self.upperBound == .max }

    /// The length as it travels on the wire: `UInt64.max` for "to the end".
    public var wireLength: UInt64 { self.isToEnd ? .max : self.upperBound - self.lowerBound }

    /// Whether the two ranges share a byte.
    public func overlaps(_ other: ByteRange) -> Bool {
        self.lowerBound < other.upperBound && other.lowerBound < self.upperBound
    }

    /// Whether `other` lies wholly inside this range.
    public func contains(_ other: ByteRange) -> Bool {
        self.lowerBound <= other.lowerBound && other.upperBound <= self.upperBound
    }

    /// Whether the byte at `offset` is in the range.
    public func contains(_ offset: UInt64) -> Bool {
        self.lowerBound <= offset && offset < self.upperBound
    }

    /// The bytes that are in both ranges, or `nil` if there are none.
    public func intersection(_ other: ByteRange) -> ByteRange? {
        ByteRange(Swift.max(self.lowerBound, other.lowerBound), Swift.min(self.upperBound, other.upperBound))
    }

    /// The smallest range that holds both.
    public func hull(_ other: ByteRange) -> ByteRange {
        ByteRange(
            unchecked: Swift.min(self.lowerBound, other.lowerBound),
            Swift.max(self.upperBound, other.upperBound)
        )
    }

    /// What is left of this range without `other`: nothing, one part, or two.
    public func subtracting(_ other: ByteRange) -> (before: ByteRange?, after: ByteRange?) {
        guard self.overlaps(other) else { return (self, nil) }
        return (ByteRange(self.lowerBound, other.lowerBound), ByteRange(other.upperBound, self.upperBound))
    }

    /// The range rounded out to multiples of `alignment`, which must be a power of two.
    public func roundedOut(to alignment: UInt64) -> ByteRange {
        precondition(alignment > 0 && alignment & (alignment - 1) == 0, "\(alignment) is not a power of two")
        let lower = self.lowerBound & ~(alignment - 1)
        guard !self.isToEnd else { return ByteRange(unchecked: lower, .max) }
        let (sum, overflow) = self.upperBound.addingReportingOverflow(alignment - 1)
        return ByteRange(unchecked: lower, overflow ? .max : sum & ~(alignment - 1))
    }

    private init(unchecked lowerBound: UInt64, _ upperBound: UInt64) {
        self.lowerBound = lowerBound
        self.upperBound = upperBound
    }
}

extension ByteRange: CustomStringConvertible {
    /// `[0, 4096)` or `[4096, end)`.
    public var description: String {
        self.isToEnd ? "[\(self.lowerBound), end)" : "[\(self.lowerBound), \(self.upperBound))"
    }
}
