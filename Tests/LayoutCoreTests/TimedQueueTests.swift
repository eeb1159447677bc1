import LayoutCore
import Testing

@Suite struct TimedQueueTests {
    @Test func elementsComeOutByTimeAndThenByArrival() {
        // Every order of five elements with times that meet.
        for code in 0..<(3 * 3 * 3 * 3 * 3) {
            var queue = TimedQueue<Int>()
            var times: [UInt64] = []
            var rest = code
            for element in 0..<5 {
                times.append(UInt64(rest % 3))
                queue.add(element, at: Instant(nanoseconds: times[element]))
                rest /= 3
            }
            var found: [Int] = []
            while let (at, element) = queue.pop() {
                #expect(at.nanoseconds == times[element])
                found.append(element)
            }
            let expected = (0..<5).sorted { (times[$0], $0) < (times[$1], $1) }
            #expect(found == expected)
        }
    }

    @Test func onlyWhatIsDueComesOut() {
        var queue = TimedQueue<String>()
        queue.add("late", at: Instant(nanoseconds: 9))
        queue.add("soon", at: Instant(nanoseconds: 5))
        #expect(queue.first == Instant(nanoseconds: 5))
        let early = queue.popDue(at: Instant(nanoseconds: 4))
        #expect(early == nil)
        let soon = queue.popDue(at: Instant(nanoseconds: 5))
        #expect(soon == "soon")
        let late = queue.popDue(at: Instant(nanoseconds: 8))
        #expect(late == nil && queue.first == Instant(nanoseconds: 9))
    }
}
