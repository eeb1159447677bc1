import Glibc
import Synchronization

/// Tells a forked child from the process that made a client, without a system call.
enum ForkGuard {
    private static let forks = Atomic<UInt64>(0)
    /// Registered once; what a raw `clone(2)` makes is not seen, and can only exec.
    private static let isRegistered = pthread_atfork(nil, nil, { ForkGuard.forks.add(1, ordering: .relaxed) }) == 0

    /// How many forks there are between this process and the one that registered: the same for as long as it is the same
    /// process.
    static var generation: UInt64 {
        _ = self.isRegistered
        return self.forks.load(ordering: .relaxed)
    }
}
