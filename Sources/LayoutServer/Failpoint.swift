import Glibc
import Synchronization

/// Places in the life of a change at which a test lets the server die.
///
/// The environment variable `LAYOUTD_FAILPOINT` names one, with a count if it is not the first visit that matters:
/// `afterIntent`, `afterSystemCall:3`. The process then ends as by `kill -9`. Without the variable a visit costs a
/// comparison.
enum Failpoint: String, CaseIterable, Sendable {
    /// Before a change is written down.
    case beforeIntent
    /// The change is written down; its system call comes next.
    case afterIntent
    /// The system call is over, and not on stable storage.
    case afterSystemCall
    /// The change is on stable storage, its reply is not.
    case afterSync
    /// The reply is on stable storage, and not sent.
    case afterReplyWritten
    /// The reply is on its way.
    case afterReplySent
    /// A grant is decided and not written down.
    case beforeHolderWritten
    /// A grant is written down and not sent.
    case afterHolderWritten
    /// A new life has begun: once when the store is loaded, and once before each change that an earlier life left.
    case duringRecovery
    /// Everything is recovered, and nobody is served yet.
    case afterRecovery

    /// The failpoint that is set, and the visit at which it strikes.
    private struct Target {
        let failpoint: Failpoint
        let visit: Int
    }

    private static let target: Target? = {
        guard let text = unsafe getenv("LAYOUTD_FAILPOINT").map({ unsafe String(cString: $0) }) else { return nil }
        let parts = text.split(separator: ":", maxSplits: 1)
        guard let name = parts.first, let failpoint = Failpoint(rawValue: String(name)) else { return nil }
        return Target(failpoint: failpoint, visit: parts.count > 1 ? Int(parts[1]) ?? 1 : 1)
    }()

    private static let visits = Atomic<Int>(0)

    /// Dies here, if the environment says so.
    static func hit(_ failpoint: Failpoint) {
        guard let target = Self.target, target.failpoint == failpoint else { return }
        guard Self.visits.add(1, ordering: .relaxed).newValue == target.visit else { return }
        kill(getpid(), SIGKILL)
        // The signal is on its way: nothing more is done.
        while true { pause() }
    }
}
