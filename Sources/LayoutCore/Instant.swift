/// A point on the boot-time clock (`CLOCK_BOOTTIME`, which also counts time asleep), in nanoseconds.
///
/// The pure modules never read a clock; their callers pass the time in.
public struct Instant: Hashable, Comparable, Sendable {
    /// Nanoseconds since boot.
    public let nanoseconds: UInt64

    /// Makes an instant from nanoseconds since boot.
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Whether `left` is earlier than `right`.
    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The instant `duration` later.
    ///
    /// A negative duration counts as zero; the far future is clamped.
    public func advanced(by duration: Duration) -> Instant {
        let (sum, overflow) = self.nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    /// The time from `earlier` to this instant; negative if `earlier` is later.
    public func duration(since earlier: Instant) -> Duration {
        self >= earlier
            ? .nanoseconds(Int64(clamping: self.nanoseconds - earlier.nanoseconds))
            : .nanoseconds(-Int64(clamping: earlier.nanoseconds - self.nanoseconds))
    }
}

extension Duration {
    /// The duration in nanoseconds: 0 if it is negative, `UInt64.max` if it does not fit.
    public var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = self.components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowed) = product.addingReportingOverflow(UInt64(attoseconds / 1_000_000_000))
        return overflow || overflowed ? .max : sum
    }

    /// The duration in milliseconds, rounded down; 0 if it is negative, `UInt32.max` if it does not fit.
    public var wholeMilliseconds: UInt32 {
        UInt32(clamping: self.wholeNanoseconds / 1_000_000)
    }
}
