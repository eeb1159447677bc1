import LayoutHolder
import Testing

@Suite struct ResetTests {
    @Test("One reset is under way at a time, from its beginning to the answer to its return")
    func course() {
        var reset = LayoutHolder.Reset()
        #expect(!reset.isUnderWay)
        let begins = [reset.begin(), reset.begin()]
        #expect(begins == [true, false])
        #expect(reset.isWaiting)
        let number = reset.send()
        #expect(!reset.isWaiting && reset.isUnderWay && reset.awaits(number))
        reset.end()
        #expect(!reset.isUnderWay && !reset.awaits(number))
    }

    @Test("The answer to the return of an earlier reset does not end a later one")
    func lateAnswer() {
        var reset = LayoutHolder.Reset()
        _ = reset.begin()
        let earlier = reset.send()
        // The lease is lost: what was to be given back is void, and the return stays without an answer for now.
        reset.end()
        _ = reset.begin()
        #expect(!reset.awaits(earlier), "nothing is sent yet")
        let later = reset.send()
        #expect(!reset.awaits(earlier))
        #expect(reset.awaits(later))
    }

    @Test("A return whose fate is not known is sent once more, and only the answer to the last one counts")
    func sentAgain() {
        var reset = LayoutHolder.Reset()
        _ = reset.begin()
        let first = reset.send()
        reset.sendAgain()
        #expect(reset.isWaiting && !reset.awaits(first))
        let second = reset.send()
        #expect(!reset.awaits(first) && reset.awaits(second))
    }
}
