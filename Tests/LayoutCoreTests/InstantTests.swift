import LayoutCore
import Testing

/// Instants and durations clamp; they never trap.
@Suite struct InstantTests {
    @Test func advancingAdds() {
        let instant = Instant(nanoseconds: 5)
        #expect(instant.advanced(by: .nanoseconds(3)) == Instant(nanoseconds: 8))
        #expect(instant.advanced(by: .seconds(2)) == Instant(nanoseconds: 2_000_000_005))
        #expect(instant.advanced(by: .zero) == instant)
    }

    @Test func aNegativeDurationDoesNotGoBack() {
        for duration: Duration in [.nanoseconds(-1), .seconds(-1), .milliseconds(-1500), .seconds(Int64.min)] {
            #expect(Instant(nanoseconds: 5).advanced(by: duration) == Instant(nanoseconds: 5), "\(duration)")
        }
    }

    @Test func theFarFutureIsClamped() {
        #expect(Instant(nanoseconds: .max).advanced(by: .nanoseconds(1)).nanoseconds == .max)
        #expect(Instant(nanoseconds: 1).advanced(by: .seconds(Int64.max)).nanoseconds == .max)
        #expect(Instant(nanoseconds: .max - 1).advanced(by: .nanoseconds(1)).nanoseconds == .max)
    }

    @Test func durationsBetweenInstantsHaveASign() {
        let (early, late) = (Instant(nanoseconds: 10), Instant(nanoseconds: 25))
        #expect(late.duration(since: early) == .nanoseconds(15))
        #expect(early.duration(since: late) == .nanoseconds(-15))
        #expect(early.duration(since: early) == .zero)
        #expect(early < late)
        #expect(Instant(nanoseconds: .max).duration(since: Instant(nanoseconds: 0)) == .nanoseconds(Int64.max))
        #expect(Instant(nanoseconds: 0).duration(since: Instant(nanoseconds: .max)) == .nanoseconds(-Int64.max))
    }

    @Test func wholeNanosecondsClamp() {
        #expect(Duration.nanoseconds(7).wholeNanoseconds == 7)
        #expect(Duration.seconds(3).wholeNanoseconds == 3_000_000_000)
        #expect(Duration.zero.wholeNanoseconds == 0)
        #expect(Duration.nanoseconds(-1).wholeNanoseconds == 0)
        #expect(Duration.seconds(-1).wholeNanoseconds == 0)
        #expect(Duration.seconds(Int64.max).wholeNanoseconds == .max)
        #expect(Duration(secondsComponent: 0, attosecondsComponent: 1_999_999_999).wholeNanoseconds == 1)
        // 2^64 - 1 ns is 18,446,744,073.709551615 s.
        let last = Duration(secondsComponent: 18_446_744_073, attosecondsComponent: 709_551_615_000_000_000)
        #expect(last.wholeNanoseconds == .max)
        #expect((last - .nanoseconds(1)).wholeNanoseconds == UInt64.max - 1)
        #expect((last + .nanoseconds(1)).wholeNanoseconds == .max)
    }

    @Test func wholeMillisecondsRoundDownAndClamp() {
        #expect(Duration.microseconds(1999).wholeMilliseconds == 1)
        #expect(Duration.milliseconds(250).wholeMilliseconds == 250)
        #expect(Duration.seconds(-5).wholeMilliseconds == 0)
        #expect(Duration.milliseconds(4_294_967_295).wholeMilliseconds == .max)
        #expect(Duration.milliseconds(4_294_967_296).wholeMilliseconds == .max)
        #expect(Duration.seconds(Int64.max).wholeMilliseconds == .max)
    }
}
