import Foundation
import LayoutClient
import Synchronization

/// A mapped range whose bytes a thread of its own verifies, over and over, through the raw pointer.
///
/// Nothing tells it when bytes are taken back: the thread then waits inside a load, and goes on with what is there when
/// they return. While a change is announced each word has to be what it was or what it will be; before and afterwards all of
/// it has to be what it should be.
final class WatchedWindow: Sendable {
    /// What it is called in messages.
    let name: String
    private let region: MappedRegion
    private let state: Mutex<State>

    private struct State {
        var expected: [UInt8]
        var checksum: Checksum
        /// What it becomes while a change runs.
        var next: [UInt8]?
        /// How often ``expected`` or ``next`` was set.
        var generation = 0
        var passes = 0
        var bytesVerified = 0
        var isStopping = false
        var waiters: [Waiter] = []
    }

    /// Who waits for a pass of at least this generation to begin or to end.
    private struct Waiter {
        var generation: Int
        var forEnd: Bool
        var continuation: CheckedContinuation<Checksum, Never>
    }

    /// Begins to verify.
    init(name: String, region: MappedRegion, expected: [UInt8]) {
        self.name = name
        self.region = region
        self.state = Mutex(State(expected: expected, checksum: Checksum(expected)))
        // Not a task: a load may wait for as long as a change takes, and the cooperative pool has few threads.
        let thread = Thread { [self] in
            while self.pass() {}
        }
        thread.name = name
        thread.start()
    }

    /// From now on bytes may also be those; returns once no pass goes on that did not know.
    func announce(_ next: [UInt8]) async {
        _ = await self.wait(forEnd: false) { $0.next = next }
    }

    /// From now on bytes have to be those; returns the checksum of a whole pass that found them.
    func settle(_ expected: [UInt8]) async -> Checksum {
        await self.wait(forEnd: true) {
            $0.expected = expected
            $0.checksum = Checksum(expected)
            $0.next = nil
        }
    }

    /// Ends the thread; returns how many passes there were, over how many bytes.
    func stop() async -> (passes: Int, bytes: Int) {
        _ = await self.wait(forEnd: true) { $0.isStopping = true }
        return self.state.withLock { ($0.passes, $0.bytesVerified) }
    }

    private func wait(forEnd: Bool, _ change: @Sendable (inout State) -> Void) async -> Checksum {
        await withCheckedContinuation { continuation in
            self.state.withLock { state in
                change(&state)
                state.generation += 1
                state.waiters.append(Waiter(generation: state.generation, forEnd: forEnd, continuation: continuation))
            }
        }
    }

    private func tell(_ generation: Int, atEnd: Bool) {
        let (ready, checksum) = self.state.withLock { state in
            let isReady = { (waiter: Waiter) in waiter.generation <= generation && (atEnd || !waiter.forEnd) }
            let ready = state.waiters.filter(isReady)
            state.waiters.removeAll(where: isReady)
            return (ready, state.checksum)
        }
        for waiter in ready { waiter.continuation.resume(returning: checksum) }
    }

    /// Verifies everything once; `false` when it was the last time.
    private func pass() -> Bool {
        let now = self.state.withLock { $0 }
        self.tell(now.generation, atEnd: false)
        let count = min(now.expected.count, now.next?.count ?? .max)
        let bytes = unsafe UnsafeRawBufferPointer(start: self.region.baseAddress, count: count)
        if let next = now.next {
            unsafe self.compare(bytes, now.expected, next)
        } else if unsafe Checksum(bytes) != now.checksum {
            unsafe self.compare(bytes, now.expected, now.expected)
            self.fail("has another checksum, and then the right bytes again")
        }
        self.state.withLock { state in
            state.passes += 1
            state.bytesVerified += count
        }
        self.tell(now.generation, atEnd: true)
        return !now.isStopping
    }

    /// Each word of 8 bytes is one load, so it is from before or from after the change; a page may have some of both.
    private func compare(_ bytes: UnsafeRawBufferPointer, _ old: [UInt8], _ new: [UInt8]) {
        let page = 4096
        unsafe old.withUnsafeBytes { old in
            unsafe new.withUnsafeBytes { new in
                for start in stride(from: 0, to: bytes.count, by: page) {
                    let part = start..<min(start + page, bytes.count)
                    if unsafe Self.areEqual(bytes, old, part) || Self.areEqual(bytes, new, part) { continue }
                    // The tail of a window has less than a word only at the end of the file, where nothing moves.
                    for offset in stride(from: part.lowerBound, to: part.upperBound - 7, by: 8) {
                        let word = unsafe bytes.load(fromByteOffset: offset, as: UInt64.self)
                        let before = unsafe old.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                        let after = unsafe new.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                        if word != before, word != after { self.fail("is wrong at byte \(offset)") }
                    }
                }
            }
        }
    }

    private static func areEqual(
        _ one: UnsafeRawBufferPointer,
        _ other: UnsafeRawBufferPointer,
        _ part: Range<Int>
    ) -> Bool {
        guard let one = one.baseAddress, let other = other.baseAddress else { return part.isEmpty }
        return unsafe memcmp(one + part.lowerBound, other + part.lowerBound, part.count) == 0
    }

    /// One wrong byte ends the process, so that nothing can go unnoticed.
    private func fail(_ what: String) -> Never {
        print("wrong \(self.name) \(what)")
        exit(1)
    }
}
