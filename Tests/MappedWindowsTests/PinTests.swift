import Glibc
import LayoutCore
import MappedWindows
import Synchronization
import Testing

extension WindowTests {
    /// Guarded accesses: they delay the revocation, and are never torn apart by it.
    @Suite struct PinTests {
        @Test("A pin delays the owner that drains, and its end is told")
        func pinDelaysAndTells() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let mayEnd = Flag()
            let thread = TestThread { [window] in
                try? unsafe window.withPin(.readWrite) { bytes in
                    while !mayEnd.isSet { usleep(100) }
                    unsafe bytes[0] = 5
                }
            }
            #expect(eventually { window.hasPins })
            var cursor = NoticeCursor()
            let runtime = try WindowRuntime.shared
            #expect(window.closeGate())
            #expect(window.access == .readWrite)  // raw pointers go on
            #expect(runtime.waitForWants(&cursor).drained.isEmpty)
            mayEnd.set()
            var drained: [WindowID] = []
            for _ in 0..<100 where drained.isEmpty {
                drained = runtime.waitForWants(&cursor, timeout: .milliseconds(100)).drained
            }
            #expect(drained == [window.id])
            #expect(!window.hasPins)
            window.revoke()
            #expect(file.read(1, at: 0) == [5])
            thread.join()
        }

        @Test("A window that is not granted has no pins to wait for, whoever tries to pin it meanwhile")
        func revokedWindowHasNothingToDrain() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            window.revoke()
            let mayEnd = Flag()
            // An attempt counts itself for a moment, before it sees that it is refused; nobody tells of the end of that.
            let threads = (0..<2).map { _ in
                TestThread { [window] in
                    while !mayEnd.isSet {
                        do {
                            if let pin = try window.tryLongPin(.read) { try pin.end() }
                        } catch {
                            fatalError("\(error)")
                        }
                    }
                }
            }
            var waits = 0
            for _ in 0..<20_000 where window.closeGate() { waits += 1 }
            mayEnd.set()
            for thread in threads { thread.join() }
            #expect(waits == 0)
        }

        @Test("A guarded access waits at a closed gate and in a revoked window, and goes on after the grant")
        func accessWaitsAtTheGate() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let before = try WindowRuntime.shared.statistics
            #expect(!window.closeGate())
            let thread = TestThread {
                do {
                    try unsafe window.withPin(.readWrite) { bytes in unsafe bytes[0] = 6 }
                } catch {
                    fatalError("\(error)")
                }
            }
            #expect(eventually { window.waiters == 1 })
            var cursor = NoticeCursor()
            let wants = try WindowRuntime.shared.waitForWants(&cursor).wants
            #expect(wants == [WindowWant(window: window.id, ioMode: .readWrite)])
            let generation = window.revoke()
            #expect(window.waiters == 1)
            #expect(file.read(1, at: 0) == [0])
            #expect(try window.regrant(.readWrite, generation: generation))
            thread.join()
            #expect(file.read(1, at: 0) == [6])
            #expect(try WindowRuntime.shared.statistics.pinsParked > before.pinsParked)
        }

        @Test("Pins nest, also behind a closed gate, and are counted")
        func pinsNest() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            try unsafe window.withPin(.read) { _ in
                #expect(window.closeGate())
                try unsafe window.withPin(.readWrite) { bytes in unsafe bytes[1] = 1 }
                #expect(window.hasPins)
            }
            #expect(!window.hasPins)
        }

        @Test("A thread that pins one window does not wait for another")
        func secondWindowIsRefused() throws {
            let file = ScratchFile(size: 4 * page)
            let first = try Window.granted(file)
            let second = try Window.granted(file)
            second.revoke()
            try unsafe first.withPin(.read) { _ in
                let error = #expect(throws: WindowError.self) { try unsafe second.withPin(.read) { _ in } }
                #expect(error?.code == .wouldDeadlock)
                let both = #expect(throws: WindowError.self) { try Window.withPins([first, second], .read) {} }
                #expect(both?.code == .wouldDeadlock)
                #expect(first.hasPins)
            }
            #expect(!first.hasPins)
            #expect(!second.hasPins)
        }

        @Test("Several windows are pinned at once, however many, waiting for one without holding another")
        func manyWindowsAtOnce() throws {
            let file = ScratchFile(size: 4 * page)
            let windows = try (0..<12).map { _ in try Window.granted(file) }
            windows[3].revoke()
            windows[10].revoke()
            let isInside = Flag()
            let mayEnd = Flag()
            let thread = TestThread {
                try? Window.withPins(windows, .readWrite) {
                    isInside.set()
                    while !mayEnd.isSet { usleep(100) }
                }
            }
            #expect(eventually { windows[3].waiters == 1 })
            #expect(windows.allSatisfy { !$0.hasPins })
            try windows[3].mapAndGrant(file)
            #expect(eventually { windows[10].waiters == 1 })
            #expect(windows.allSatisfy { !$0.hasPins })
            #expect(!isInside.isSet)
            try windows[10].mapAndGrant(file)
            #expect(eventually { isInside.isSet })
            #expect(windows.allSatisfy { $0.hasPins })
            mayEnd.set()
            thread.join()
            #expect(windows.allSatisfy { !$0.hasPins })
        }

        @Test("A lease that ends before the pin does is told to who held the pin")
        func forcedRevocationIsTold() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let error = #expect(throws: WindowError.self) {
                try unsafe window.withPin(.readWrite) { _ in
                    let generation = window.revoke()
                    let isGranted = try window.regrant(.readWrite, generation: generation)
                    #expect(isGranted)
                }
            }
            #expect(error?.code == .revokedWhilePinned)
            let pin = try window.longPin(.readWrite)
            window.revoke()
            do throws(WindowError) {
                try pin.end()
                Issue.record("the long pin did not notice")
            } catch {
                #expect(error.code == .revokedWhilePinned)
            }
        }

        @Test("What a body throws comes out, and the pin has ended")
        func errorsPassThrough() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            #expect(throws: Failure.self) { try unsafe window.withPin(.read) { _ in throw Failure() } }
            #expect(throws: Failure.self) { try Window.withPins([window], .read) { throw Failure() } }
            #expect(!window.hasPins)
        }

        @Test("A pin is refused by a failed window, and for stores by a window granted for reading")
        func refusals() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file, .read)
            let store = #expect(throws: WindowError.self) { try unsafe window.withPin(.readWrite) { _ in } }
            #expect(store?.code == .notWritable)
            window.fail()
            let failed = #expect(throws: WindowError.self) { try unsafe window.withPin(.read) { _ in } }
            #expect(failed?.code == .failed)
            window.release()
            let released = #expect(throws: WindowError.self) { _ = try window.longPin(.read) }
            #expect(released?.code == .failed)
        }

        @Test("A long pin may end on another thread, and is not taken at a closed gate")
        func longPins() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let pin = try window.longPin(.read)
            let holder = Mutex<LongPin?>(pin)
            #expect(window.closeGate())
            #expect(try window.tryLongPin(.read) == nil)
            TestThread { holder.withLock { $0 = nil } }.join()
            #expect(!window.hasPins)
            var cursor = NoticeCursor()
            #expect(try WindowRuntime.shared.waitForWants(&cursor).drained == [window.id])
        }

        @Test("A thread that ends inside a guarded access leaves no pin behind")
        func endedThreadLeavesNoPin() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let thread = TestThread {
                try? unsafe window.withPin(.read) { _ in pthread_exit(nil) }
            }
            thread.join()
            #expect(!window.hasPins)
        }

        @Test("Guarded accesses are whole: none is in progress when a drained window has been revoked")
        func guardedAccessIsWhole() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let guarded = Guarded(window, threads: 4)
            let runtime = try WindowRuntime.shared
            var cursor = NoticeCursor()
            var delayed = 0
            let recalls = 1000
            for _ in 0..<recalls {
                usleep(200)
                if window.closeGate() { delayed += 1 }
                while window.hasPins { _ = runtime.waitForWants(&cursor, timeout: .milliseconds(100)) }
                let generation = window.revoke()
                #expect(guarded.inside == 0)
                #expect(try window.regrant(.readWrite, generation: generation))
            }
            let counts = guarded.stop()
            window.revoke()
            print("guarded: \(counts.reduce(0, +)) accesses, \(delayed) of \(recalls) recalls had to wait for a pin")
            for (thread, count) in counts.enumerated() {
                #expect(file.word(at: thread * 64) == count)
            }
            #expect(delayed > 0)
        }
    }
}

private struct Failure: Error {}

/// Threads that count inside guarded accesses, and say when they are inside.
private final class Guarded: Sendable {
    private let isStopping = Flag()
    private let insideNow: [SharedAddress]
    private let counts: Mutex<[UInt64]>
    private let threads = Mutex<[TestThread]>([])

    init(_ window: Window, threads count: Int) {
        self.counts = Mutex([UInt64](repeating: 0, count: count))
        self.insideNow = (0..<count).map { _ in
            let flag = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: 1)
            unsafe flag.initialize(to: Atomic(0))
            return unsafe SharedAddress(UnsafeMutableRawPointer(flag))
        }
        let started = (0..<count).map { index in TestThread { [self] in self.work(index, window) } }
        self.threads.withLock { $0 = started }
    }

    /// How many threads are between the two ends of an access; exact only while none can begin one.
    var inside: UInt64 {
        self.insideNow.reduce(0) { sum, address in
            unsafe sum + address.pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
        }
    }

    /// Ends the threads; what each has counted.
    func stop() -> [UInt64] {
        self.isStopping.set()
        for thread in self.threads.withLock({ $0 }) { thread.join() }
        for address in self.insideNow { unsafe address.pointer.deallocate() }
        return self.counts.withLock { $0 }
    }

    private func work(_ index: Int, _ window: Window) {
        let flag = unsafe self.insideNow[index].pointer.assumingMemoryBound(to: Atomic<UInt64>.self)
        var count: UInt64 = 0
        while !self.isStopping.isSet {
            do {
                try unsafe window.withPin(.readWrite) { bytes in
                    unsafe flag.pointee.store(1, ordering: .relaxed)
                    guard let base = bytes.baseAddress else { return }
                    let word = unsafe (base + index * 64).assumingMemoryBound(to: UInt64.self)
                    let value = unsafe word.pointee
                    for _ in 0..<(count & 15) { _ = unsafe flag.pointee.load(ordering: .relaxed) }
                    unsafe word.pointee = value + 1
                    unsafe flag.pointee.store(0, ordering: .releasing)
                }
            } catch {
                fatalError("\(error)")
            }
            count += 1
        }
        self.counts.withLock { $0[index] = count }
    }
}
