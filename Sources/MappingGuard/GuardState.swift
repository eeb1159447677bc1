import CLinuxFiles
import CMappingGuard
import Glibc
import LayoutCore
import LinuxFiles
import Synchronization

/// A file of the host, for as long as it is guarded: the mark keeps its inode number from becoming another file's.
struct FileKey: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64

    /// The file behind a descriptor, and its size in bytes.
    static func facts(of descriptor: CInt) throws(LinuxError) -> (key: FileKey, size: UInt64) {
        var device: UInt64 = 0
        var inode: UInt64 = 0
        var size: UInt64 = 0
        try GuardError.check(unsafe mg_file(descriptor, &device, &inode, &size), "fstat", "look at a guarded file")
        return (FileKey(device: device, inode: inode), size)
    }
}

/// A file with layouts.
struct WatchedFile: Sendable {
    let file: FileID
    /// The file as a place in the tree, for marks.
    let place: SharedDescriptor
    /// How many calls run whose modification of it has to be heard.
    var witnesses = 0
}

/// A question of the kernel that is not answered yet.
struct HeldEvent: Sendable {
    /// The kernel's number of it, and a descriptor of this process.
    let descriptor: Int32
    let thread: Int32
    let access: GuardedAccess
    var call: BlockedCall?
    var isRecovered = false
}

/// A question whose answer takes other things first.
struct PendingEvent: Sendable {
    let event: HeldEvent
    let key: FileKey
    /// The file's size in bytes when the question came.
    let size: UInt64
    /// Where it is written down.
    let slot: Int
    /// When it is classified without what is waited for.
    var deadline = Instant(nanoseconds: .max)
}

extension MappingGuard {
    /// All that the guard's threads share.
    struct State: Sendable {
        var calls: GuardCalls
        var traces = CallTraces()
        var files: [FileKey: WatchedFile] = [:]
        var keys: [FileID: FileKey] = [:]
        /// Where each call is written down, and which places are free.
        var slots: [GuardedCallID: Int] = [:]
        var freeSlots = Array((0..<GuardJournal.capacity).reversed())
        var witnessed: [GuardedCallID: FileKey] = [:]
        var nextID: UInt64 = 0
        /// Calls whose threads are to be traced.
        var untraced: [(id: GuardedCallID, thread: Int32)] = []
        /// Questions that wait for the memory of a program, by the order in which they are looked at.
        var inspecting: [UInt64: PendingEvent] = [:]
        var inspectionQueue: [UInt64] = []
        /// After taking over: questions about files that the owner has not named yet.
        var unplaced: [PendingEvent]?
        /// After taking over: calls that were let through and have not been seen to end.
        var running: [PendingEvent] = []
        var keeper: KeeperLink?
        var threads: [KernelThread] = []
        var isEnding = false

        init(completionLimit: Duration) { self.calls = GuardCalls(completionLimit: completionLimit) }

        mutating func makeID() -> GuardedCallID {
            self.nextID += 1
            return GuardedCallID(self.nextID)
        }
    }

    /// Wakes the thread that watches calls.
    func wakeWatcher() { _ = lf_eventfd_signal(self.wakeUp.number) }

    /// Applies an event to the table of calls.
    func handle(_ event: GuardCalls.Event) {
        self.state.withLock { state in self.perform(state.calls.handle(event, at: Host.now), &state) }
    }

    /// Carries out what the table of calls has decided, in order.
    func perform(_ actions: [GuardCalls.Action], _ state: inout State) {
        for action in actions {
            switch action {
            case .watch(let id, let thread):
                state.untraced.append((id, thread))
                self.wakeWatcher()
            case .answer(let id, let descriptor, let errno):
                if let slot = state.slots[id] {
                    // Before the answer: a successor that finds it answers once more, and is told if it was.
                    self.journal.set(errno == 0 ? GUARD_CALL_RUNNING : GUARD_CALL_REFUSED, error: errno, at: slot)
                }
                if errno == 0 { self.beginWitness(of: id, &state) }
                self.groups.answer(descriptor, errno: errno)
                close(descriptor)
            case .unwatch(let thread):
                state.traces.remove(thread)
            case .forget(let id):
                self.endWitness(of: id, &state)
                if let slot = state.slots.removeValue(forKey: id) { self.free(slot, &state) }
            case .report(let report):
                self.count(report)
                self.handler(report)
            }
        }
    }

    /// Answers a question that is no call of the table.
    func answer(_ event: HeldEvent, slot: Int?, errno: Int32, _ state: inout State) {
        self.groups.answer(event.descriptor, errno: errno)
        close(event.descriptor)
        if let slot { self.free(slot, &state) }
    }

    /// Writes a question down; `nil` if there is no room.
    func writeDown(
        _ event: HeldEvent,
        key: FileKey,
        size: UInt64,
        start: UInt64,
        _ state: inout State
    ) -> Int? {
        guard GuardJournal.capacity - state.freeSlots.count < self.configuration.waitingMax,
            let slot = state.freeSlots.popLast()
        else { return nil }
        self.journal.put(.init(event, key: key, size: size, start: start, arrived: Host.now), at: slot)
        return slot
    }

    private func free(_ slot: Int, _ state: inout State) {
        self.journal.set(GUARD_CALL_NONE, at: slot)
        state.freeSlots.append(slot)
    }

    /// Of a ring's operations the kernel tells only success, as a modification.
    private func beginWitness(of id: GuardedCallID, _ state: inout State) {
        guard let file = state.calls.fileToWitness(id), let key = state.keys[file] else { return }
        guard let watched = state.files[key] else { return }
        state.files[key]?.witnesses += 1
        state.witnessed[id] = key
        if watched.witnesses == 0 { self.groups.witness(watched.place.number, add: true) }
    }

    private func endWitness(of id: GuardedCallID, _ state: inout State) {
        guard let key = state.witnessed.removeValue(forKey: id), let watched = state.files[key] else { return }
        state.files[key]?.witnesses -= 1
        if watched.witnesses == 1 { self.groups.witness(watched.place.number, add: false) }
    }

    private func count(_ report: GuardReport) {
        switch report {
        case .arrived: self.counters.changes.add(1, ordering: .relaxed)
        case .ended(_, .withdrawn): self.counters.withdrawn.add(1, ordering: .relaxed)
        case .ended(_, .unknown): self.counters.unknownEnds.add(1, ordering: .relaxed)
        case .runs, .ended, .trouble: break
        }
    }
}

/// What a guard has done since it began.
package struct GuardStatistics: Hashable, Sendable {
    /// Questions of the kernel that were read.
    package var events: UInt64 = 0
    /// Answered at once, since the call changes nothing.
    package var passed: UInt64 = 0
    /// Answered at once, since the call is the server's own.
    package var own: UInt64 = 0
    /// Calls that went to the owner.
    package var changes: UInt64 = 0
    /// Whose callers died or were interrupted first.
    package var withdrawn: UInt64 = 0
    /// Whose end was not seen.
    package var unknownEnds: UInt64 = 0
    /// Refused for want of room.
    package var refused: UInt64 = 0
    /// Times that the kernel let calls through unseen.
    package var overflows: UInt64 = 0
    /// The most events that were found in one read.
    package var batchMax: UInt64 = 0
}

/// Counts without a lock.
final class GuardCounters: Sendable {
    let events = Atomic<UInt64>(0)
    let passed = Atomic<UInt64>(0)
    let own = Atomic<UInt64>(0)
    let changes = Atomic<UInt64>(0)
    let withdrawn = Atomic<UInt64>(0)
    let unknownEnds = Atomic<UInt64>(0)
    let refused = Atomic<UInt64>(0)
    let overflows = Atomic<UInt64>(0)
    let batchMax = Atomic<UInt64>(0)

    var statistics: GuardStatistics {
        GuardStatistics(
            events: self.events.load(ordering: .relaxed),
            passed: self.passed.load(ordering: .relaxed),
            own: self.own.load(ordering: .relaxed),
            changes: self.changes.load(ordering: .relaxed),
            withdrawn: self.withdrawn.load(ordering: .relaxed),
            unknownEnds: self.unknownEnds.load(ordering: .relaxed),
            refused: self.refused.load(ordering: .relaxed),
            overflows: self.overflows.load(ordering: .relaxed),
            batchMax: self.batchMax.load(ordering: .relaxed)
        )
    }
}
