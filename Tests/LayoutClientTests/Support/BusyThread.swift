import Glibc
import Synchronization
import TestSupport

/// A thread that does something over and over until it is stopped.
final class BusyThread: Sendable {
    private let count = Atomic<UInt64>(0)
    private let isStopped = Atomic(false)
    private let longest = Mutex(Duration.zero)

    /// How often it has done it.
    var rounds: UInt64 { self.count.load(ordering: .acquiring) }

    /// Ends it; returns the longest time that one round took.
    func stop() -> Duration {
        self.isStopped.store(true, ordering: .releasing)
        return self.longest.withLock { $0 }
    }

    fileprivate func run(_ body: @Sendable () -> Void) {
        while !self.isStopped.load(ordering: .acquiring) {
            let start = ContinuousClock.now
            body()
            let time = ContinuousClock.now - start
            self.longest.withLock { $0 = max($0, time) }
            self.count.add(1, ordering: .releasing)
            // Leaves something of the machine to others.
            usleep(20)
        }
    }
}

/// Starts a thread that does something over and over.
func startBusyThread(_ body: @escaping @Sendable () -> Void) -> BusyThread {
    let busy = BusyThread()
    startThread { busy.run(body) }
    return busy
}
