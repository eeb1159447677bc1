import LayoutCore
import MappingGuard
import Testing

/// The table of calls, without a kernel.
@Suite struct GuardCallsTests {
    private static let start = Instant(nanoseconds: 1_000_000_000)
    private var calls = GuardCalls(completionLimit: .seconds(5))

    private func call(
        _ id: UInt64,
        thread: Int32 = 100,
        number: Int64 = 285,
        name: String = "fallocate",
        _ operation: MappingOperation = .punchHole,
        _ offset: UInt64 = 0,
        _ length: UInt64 = 4096,
        file: UInt64 = 1
    ) throws -> GuardedCall {
        GuardedCall(
            id: GuardedCallID(id),
            file: FileID(file),
            thread: GuardedThread(number: thread, start: 5),
            process: thread,
            command: "stranger",
            call: BlockedCall(number: number, 3),
            callName: name,
            change: GuardedChange(operation, try #require(ByteRange(offset: offset, length: length))),
            size: 1 << 20,
            arrived: Self.start
        )
    }

    private func answer(_ id: UInt64, _ descriptor: Int32, _ errno: Int32 = 0) -> GuardCalls.Action {
        .answer(GuardedCallID(id), descriptor: descriptor, errno: errno)
    }

    private func ended(_ id: UInt64, _ outcome: CallOutcome) -> [GuardCalls.Action] {
        [.unwatch(thread: 100), .forget(GuardedCallID(id)), .report(.ended(GuardedCallID(id), outcome))]
    }

    /// A call that has arrived, is traced, and was let through.
    private mutating func run(_ call: GuardedCall, _ descriptor: Int32) {
        _ = self.calls.handle(.arrived(call, descriptor: descriptor), at: Self.start)
        _ = self.calls.handle(.watched(call.id, traced: true), at: Self.start)
        _ = self.calls.handle(.allowed(call.id), at: Self.start)
    }

    @Test("a call is answered once, after its end is sure to be seen, and ends with its result")
    mutating func life() throws {
        let call = try call(1)
        #expect(
            self.calls.handle(.arrived(call, descriptor: 9), at: Self.start)
                == [.watch(call.id, thread: 100), .report(.arrived(call))]
        )
        #expect(self.calls.handle(.allowed(call.id), at: Self.start) == [])
        #expect(self.calls.handle(.watched(call.id, traced: true), at: Self.start) == [answer(1, 9)])
        #expect(self.calls.handle(.allowed(call.id), at: Self.start) == [])
        #expect(self.calls.handle(.denied(call.id, errno: 16), at: Self.start) == [])
        #expect(self.calls.nextDeadline == nil, "however long the system call takes")
        #expect(self.calls.handle(.threadLeft(100, result: 0), at: Self.start) == ended(1, .succeeded(0)))
        #expect(self.calls.handle(.threadLeft(100, result: 0), at: Self.start) == [])
        #expect(self.calls.count == 0)
    }

    @Test("a result that is an error is the call's failure")
    mutating func failure() throws {
        self.run(try call(1), 9)
        #expect(self.calls.handle(.threadLeft(100, result: -22), at: Self.start) == ended(1, .failed(22)))
        // A pointer's value is no error.
        self.run(try call(2), 9)
        #expect(self.calls.handle(.threadLeft(100, result: -5000), at: Self.start) == ended(2, .succeeded(-5000)))
    }

    @Test("a refused call is answered with its error and forgotten")
    mutating func refusal() throws {
        let call = try call(1)
        _ = self.calls.handle(.arrived(call, descriptor: 9), at: Self.start)
        #expect(
            self.calls.handle(.denied(call.id, errno: 26), at: Self.start)
                == [answer(1, 9, 26), .unwatch(thread: 100), .forget(call.id)]
        )
        #expect(self.calls.handle(.allowed(call.id), at: Self.start) == [])
    }

    @Test("a caller that leaves while it waits is withdrawn, and the kernel still gets its answer")
    mutating func withdrawn() throws {
        for event in [GuardCalls.Event.threadEnded(100), .threadLeft(100, result: -4)] {
            let call = try call(1)
            _ = self.calls.handle(.arrived(call, descriptor: 9), at: Self.start)
            #expect(self.calls.handle(event, at: Self.start) == [answer(1, 9)] + ended(1, .withdrawn))
        }
    }

    @Test("a second question inside what the first one covers goes with it; in a ring it never does")
    mutating func covered() throws {
        let copying = "copy_file_range"
        self.run(try call(1, number: 326, name: copying, .cloneTo, 0, 1 << 20), 9)
        let inner = try call(2, number: 326, name: copying, .cloneTo, 8192, 4096)
        #expect(
            self.calls.handle(.arrived(inner, descriptor: 10), at: Self.start) == [answer(2, 10), .forget(inner.id)]
        )
        #expect(self.calls.count == 1)

        let ring = "io_uring_enter"
        self.run(try call(3, thread: 200, number: 426, name: ring, .unknown, 0, 1 << 20), 11)
        let next = try call(4, thread: 200, number: 426, name: ring, .unknown, 0, 1 << 20)
        let actions = self.calls.handle(.arrived(next, descriptor: 12), at: Self.start)
        #expect(actions.contains(.report(.ended(GuardedCallID(3), .failed(nil)))))
        #expect(actions.contains(.report(.arrived(next))))
    }

    @Test("the next piece of a call ends the one before")
    mutating func pieces() throws {
        self.run(try call(1, number: 40, name: "sendfile", .write, 0, 4096), 9)
        let next = try call(2, number: 40, name: "sendfile", .write, 4096, 4096)
        let actions = self.calls.handle(.arrived(next, descriptor: 10), at: Self.start)
        #expect(
            actions == ended(1, .succeeded(nil)) + [.watch(next.id, thread: 100), .report(.arrived(next))]
        )
    }

    @Test("both sides of a clone within a file stay until the call is over")
    mutating func twoSides() throws {
        self.run(try call(1, number: 16, name: "ioctl", .cloneTo, 0, 4096), 9)
        let other = try call(2, number: 16, name: "ioctl", .cloneTo, 8192, 4096)
        #expect(
            self.calls.handle(.arrived(other, descriptor: 10), at: Self.start)
                == [.watch(other.id, thread: 100), .report(.arrived(other))]
        )
        _ = self.calls.handle(.watched(other.id, traced: true), at: Self.start)
        _ = self.calls.handle(.allowed(other.id), at: Self.start)
        let actions = self.calls.handle(.threadLeft(100, result: 0), at: Self.start)
        #expect(actions.contains(.report(.ended(GuardedCallID(1), .succeeded(0)))))
        #expect(actions.contains(.report(.ended(GuardedCallID(2), .succeeded(0)))))
    }

    @Test("an end that nothing tells is looked for, and given up on in the end, visibly")
    mutating func looking() throws {
        let call = try call(1, number: 426, name: "io_uring_enter", .unknown)
        _ = self.calls.handle(.arrived(call, descriptor: 9), at: Self.start)
        _ = self.calls.handle(.watched(call.id, traced: false), at: Self.start)
        #expect(self.calls.handle(.allowed(call.id), at: Self.start) == [answer(1, 9)])
        var now = Self.start
        var looks = 0
        while let deadline = self.calls.nextDeadline {
            now = max(now, deadline)
            #expect(self.calls.looksDue(at: now) == [call])
            let actions = self.calls.handle(.looked(call.id, .unclear), at: now)
            looks += 1
            guard actions.isEmpty else {
                #expect(actions == [.report(.trouble(.endNotSeen(call.id)))] + ended(1, .unknown))
                break
            }
        }
        #expect(self.calls.count == 0 && now >= Self.start.advanced(by: .seconds(5)))
        #expect(looks > 20 && looks < 200)
    }

    @Test("a ring's operation is done with its modification, or was none if its worker goes idle")
    mutating func rings() throws {
        for (event, outcome) in [
            (GuardCalls.Event.modified(100), CallOutcome.succeeded(nil)),
            (.looked(GuardedCallID(1), .idle), .failed(nil)),
            (.looked(GuardedCallID(1), .gone), .failed(nil)),
        ] {
            let call = try call(1, number: 426, name: "io_uring_enter", .unknown)
            _ = self.calls.handle(.arrived(call, descriptor: 9), at: Self.start)
            _ = self.calls.handle(.watched(call.id, traced: false), at: Self.start)
            _ = self.calls.handle(.allowed(call.id), at: Self.start)
            #expect(self.calls.handle(event, at: Self.start) == ended(1, outcome))
        }
    }

    @Test("what ran in an earlier life is certain only once it was seen in its call")
    mutating func recovered() throws {
        for isSeen in [false, true] {
            let call = try call(1)
            #expect(
                self.calls.handle(.recovered(call), at: Self.start)
                    == [.watch(call.id, thread: 100), .report(.runs(call))]
            )
            _ = self.calls.handle(.watched(call.id, traced: true), at: Self.start)
            if isSeen { #expect(self.calls.handle(.looked(call.id, .inCall), at: Self.start) == []) }
            let outcome: CallOutcome = isSeen ? .succeeded(0) : .unknown
            #expect(self.calls.handle(.threadLeft(100, result: 0), at: Self.start) == ended(1, outcome))
        }
    }

    @Test("closing refuses what waits and leaves what runs")
    mutating func closing() throws {
        self.run(try call(1), 9)
        let waiting = try call(2, thread: 200)
        _ = self.calls.handle(.arrived(waiting, descriptor: 10), at: Self.start)
        #expect(
            self.calls.handle(.closing(errno: 16), at: Self.start)
                == [answer(2, 10, 16), .unwatch(thread: 200), .forget(waiting.id)]
        )
        #expect(self.calls.count == 1)
    }
}
