import LayoutCore
import Recovery

/// The machine that everything runs on: files, the kernel's locks, the recovery store.
///
/// It outlives its processes.
final class Host {
    /// An open file description with the lock byte that proves its holder.
    struct Description {
        var file: Int
        /// Processes that have it, in descriptors or in mappings.
        var references: Int
    }

    var files: [SimulatedFile] = []
    private(set) var descriptions: [UInt64: Description] = [:]
    /// In order, for the few times that all are looked at.
    private var openLocks: [UInt64] = []
    private var lastLock: UInt64 = 0
    var store = MemoryStore()
    /// Which start of the machine this is.
    private(set) var boot = 1
    /// System calls of servers, dead or alive, that the kernel has not finished.
    var runningCalls = 0
    private var lastStorage: UInt64 = 1 << 20
    /// What intents in the store mean: they name their plan by a number.
    var plans: [UInt64: ChangePlan] = [:]
    private var lastPlan: UInt64 = 0

    func nextStorage() -> UInt64 {
        self.lastStorage += 1
        return self.lastStorage
    }

    func nextPlan() -> UInt64 {
        self.lastPlan += 1
        return self.lastPlan
    }

    // MARK: Locks

    func openDescription(of file: Int) -> UInt64 {
        self.lastLock += 1
        self.descriptions[self.lastLock] = Description(file: file, references: 1)
        self.openLocks.append(self.lastLock)
        return self.lastLock
    }

    /// Another process or message has it too; `false` if it is closed already.
    func retain(_ lock: UInt64) -> Bool {
        guard self.descriptions[lock] != nil else { return false }
        self.descriptions[lock]?.references += 1
        return true
    }

    /// One that had it has it no longer: with the last one the lock falls.
    func release(_ lock: UInt64) {
        guard let description = self.descriptions[lock] else { return }
        if description.references == 1 {
            self.descriptions[lock] = nil
            self.openLocks.removeAll { $0 == lock }
        } else {
            self.descriptions[lock]?.references -= 1
        }
    }

    /// Whether somebody can reach a file through this description.
    func isLocked(_ lock: UInt64) -> Bool { self.descriptions[lock] != nil }

    /// Whether somebody can reach a file through a description that is not one of `known`.
    func hasForeignLock(on file: Int, known: Set<UInt64>) -> Bool {
        self.openLocks.contains { self.descriptions[$0]?.file == file && !known.contains($0) }
    }

    // MARK: Power

    func cutPower() {
        self.descriptions = [:]
        self.openLocks = []
        self.runningCalls = 0
        self.boot += 1
        self.store.powerCut()
    }
}

/// A change as the server planned it before its system call.
struct ChangePlan {
    var change: SimulatedFile.Change
    var file: Int
    var before: SimulatedFile.Fingerprint
    var after: SimulatedFile.Fingerprint
}
