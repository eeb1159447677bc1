import CLinuxFiles
import CMappingGuard
import Glibc
package import LayoutCore
package import LinuxFiles
import Synchronization

/// Holds up local programs before they change the mapping of files with layouts.
///
/// A program that has never heard of the server waits inside its system call until the owner lets it go on: see
/// ``GuardReport``. Calls that change nothing go on at once, without the owner. All functions may be called from any
/// thread and do not wait for programs; ``start`` and ``stop(_:)`` are called once each.
package final class MappingGuard: Sendable {
    /// What is to be guarded, and how.
    package struct Configuration: Sendable {
        /// A directory on the filesystem; all of the filesystem gets the sentinel.
        package var root: SharedDescriptor
        /// Whether the filesystem shares blocks between files (`FICLONE`).
        package var clones: Bool
        /// The socket of the keeper; `nil` for a guard that dies with its server.
        package var keeperSocket: String?
        /// The keeper's program.
        package var keeperProgram: String
        /// How long the end of a call is waited for that the kernel does not tell: operations of an `io_uring`.
        package var completionLimit: Duration
        /// How many calls may wait at a time; at most ``MappingGuard/waitingCapacity``.
        package var waitingMax: Int

        /// Makes a configuration.
        package init(
            root: SharedDescriptor,
            clones: Bool,
            keeperSocket: String? = nil,
            keeperProgram: String = "layoutd-keeper",
            completionLimit: Duration = .seconds(5),
            waitingMax: Int = MappingGuard.waitingCapacity
        ) {
            self.root = root
            self.clones = clones
            self.keeperSocket = keeperSocket
            self.keeperProgram = keeperProgram
            self.completionLimit = completionLimit
            self.waitingMax = waitingMax
        }
    }

    /// How a guard ends.
    package enum Ending: Sendable {
        /// For good: what waits is refused with `EBUSY`, and the keeper ends.
        case final
        /// For a successor: what waits goes on waiting, and the keeper holds it. Without a keeper this is `final`.
        case handingOver
    }

    /// The most calls that can wait at a time.
    package static var waitingCapacity: Int { GuardJournal.capacity }

    let configuration: Configuration
    let classifier: CallClassifier
    let groups: GuardGroups
    let journal: GuardJournal
    /// Called with the guard's lock held.
    let handler: @Sendable (GuardReport) -> Void
    let state: Mutex<State>
    let counters = GuardCounters()
    /// Wakes the thread that watches calls.
    let wakeUp: SharedDescriptor
    /// Readable once the guard ends; never read.
    let ending: SharedDescriptor
    /// Wakes the thread that reads programs' memory.
    let inspection: SharedDescriptor
    let tracePoint: Int64
    /// The inodes that somebody could write to when the guard began; `nil` if that was an earlier life.
    let earlierInodes: Set<UInt64>?

    /// Begins to guard a filesystem, or goes on where an earlier life of the server ended.
    ///
    /// To be called before the server opens files that may have had layouts: until then even its own calls would wait.
    /// After taking over, the owner watches the files of the earlier life and then calls ``settled()``.
    ///
    /// - Parameters:
    ///   - configuration: What to guard.
    ///   - handler: Gets every report, in order, on threads of the guard. It must hand them on and return, and not call
    ///     the guard.
    /// - Returns: The guard, which runs until ``stop(_:)``.
    /// - Throws: ``LayoutCore/LayoutStatus/notPermitted`` or ``LayoutCore/LayoutStatus/notSupported`` as
    ///   ``GuardAvailability`` tells beforehand; ``LayoutCore/LayoutStatus/delay`` while another server has the guard.
    package static func start(
        _ configuration: Configuration,
        handler: @escaping @Sendable (GuardReport) -> Void
    ) throws(LinuxError) -> MappingGuard {
        guard let table = CallTable.native else {
            throw LinuxError(refusing: .notSupported, "cannot guard: the guard knows x86-64 and arm64 only")
        }
        _ = mg_raise_open_files()
        let kept = try KeeperLink.connect(configuration.keeperSocket)
        let made = try MappingGuard(configuration, table: table, kept: kept, handler: handler)
        if kept != nil { made.takeOver() }
        try made.startThreads()
        return made
    }

    private init(
        _ configuration: Configuration,
        table: CallTable,
        kept: consuming KeeperLink.Kept?,
        handler: @escaping @Sendable (GuardReport) -> Void
    ) throws(LinuxError) {
        self.configuration = configuration
        self.classifier = CallClassifier(table: table, clones: configuration.clones)
        self.handler = handler
        self.wakeUp = try Self.eventDescriptor()
        self.ending = try Self.eventDescriptor()
        self.inspection = try Self.eventDescriptor()
        self.tracePoint = mg_trace_point()
        var state = State(completionLimit: configuration.completionLimit)
        if let kept {
            self.groups = try GuardGroups(guardian: kept.guardian, sentinel: kept.sentinel)
            self.journal = try GuardJournal(recovering: kept.journal)
            state.keeper = kept.link
            state.unplaced = []
            self.earlierInodes = nil
        } else {
            self.groups = try GuardGroups(on: configuration.root)
            self.journal = try GuardJournal()
            // After the sentinel: whoever opens a file from now on is seen.
            self.earlierInodes = OpenWriters.inodes()
            if let socket = configuration.keeperSocket {
                state.keeper = try KeeperLink.spawn(
                    configuration.keeperProgram,
                    socket: socket,
                    groups: self.groups,
                    journal: self.journal
                )
            }
        }
        self.state = Mutex(state)
    }

    private static func eventDescriptor() throws(LinuxError) -> SharedDescriptor {
        let made = try GuardError.check(lf_eventfd(), "eventfd", "make a descriptor for wake-ups")
        return OwnedDescriptor(adopting: CInt(made)).shared()
    }

    private func startThreads() throws(LinuxError) {
        let reader = try KernelThread(name: "guard-reader") { self.readEvents() }
        let watcher = try KernelThread(name: "guard-watcher") { self.watchCalls() }
        // Not waited for at the end: it may be waiting for a program's memory.
        _ = try KernelThread(name: "guard-inspect") { self.inspectCalls() }
        self.state.withLock { $0.threads = [reader, watcher] }
    }

    /// Guards a file from now on.
    ///
    /// To be called before the first grant on it.
    ///
    /// - Parameters:
    ///   - descriptor: Of the file; `O_PATH` is enough.
    ///   - file: What reports call it.
    /// - Throws: ``LayoutCore/LayoutStatus/resource`` if the kernel has no room for a mark or a descriptor.
    package func watch(
        _ descriptor: borrowing some Descriptor & ~Copyable,
        as file: FileID
    ) throws(LinuxError) {
        let place = try GuardError.check(
            lf_reopen(descriptor.number, lf_open_path | O_CLOEXEC),
            "open",
            "guard \(file)"
        )
        let own = OwnedDescriptor(adopting: CInt(place)).shared()
        let (key, _) = try FileKey.facts(of: own.number)
        try self.state.withLock { state throws(LinuxError) in
            try self.groups.mark(own.number, add: true)
            state.files[key] = WatchedFile(file: file, place: own)
            state.keys[file] = key
        }
    }

    /// Guards a file no longer.
    ///
    /// To be called when nobody holds a layout on it; what waits still has to be answered.
    package func unwatch(_ file: FileID) {
        self.state.withLock { state in
            guard let key = state.keys.removeValue(forKey: file) else { return }
            guard let watched = state.files.removeValue(forKey: key) else { return }
            // Fails if the file is gone from the filesystem, and then the mark is gone too.
            try? self.groups.mark(watched.place.number, add: false)
        }
    }

    /// After taking over: all files of the earlier life are watched.
    ///
    /// What ran there and may still run is reported before this returns; calls on other files go on.
    package func settled() {
        let (running, unplaced) = self.state.withLock { state in
            defer {
                state.unplaced = nil
                state.running = []
            }
            return (state.running, state.unplaced ?? [])
        }
        for pending in running { self.resume(pending) }
        for pending in unplaced { self.place(pending) }
    }

    /// Lets a call go on; its end is reported.
    ///
    /// Of a call that is over nothing happens.
    package func allow(_ id: GuardedCallID) { self.handle(.allowed(id)) }

    /// Refuses a call: the program's system call fails and changes nothing; no end is reported.
    ///
    /// - Parameters:
    ///   - id: The call; of one that is over nothing happens.
    ///   - errno: `EBUSY`, `ETXTBSY`, `EAGAIN`, `EPERM`, `EIO`, `ENOSPC` or `EDQUOT`; for others the kernel says `EPERM`.
    package func deny(_ id: GuardedCallID, errno: Int32) { self.handle(.denied(id, errno: errno)) }

    /// The calls that wait or run, in order of arrival.
    package var calls: [(call: GuardedCall, isRunning: Bool)] { self.state.withLock { $0.calls.all } }

    /// Whether a dead server's programs go on waiting for the next one; without it they go on unguarded.
    package var isKept: Bool { self.state.withLock { $0.keeper != nil } }

    /// What happened so far.
    package var statistics: GuardStatistics { self.counters.statistics }

    /// Ends the guard.
    package func stop(_ ending: Ending) {
        let threads = self.state.withLock { state in
            state.isEnding = true
            return state.threads
        }
        _ = lf_eventfd_signal(self.ending.number)
        for thread in threads { thread.join() }
        self.state.withLock { state in
            let isHandedOver = if case .handingOver = ending { state.keeper != nil } else { false }
            if !isHandedOver {
                self.refuseEverything(&state)
                for watched in state.files.values { try? self.groups.mark(watched.place.number, add: false) }
                self.groups.letQueueThrough()
                state.keeper?.end(socket: self.configuration.keeperSocket)
            }
            state.keeper = nil
        }
    }

    private func refuseEverything(_ state: inout State) {
        self.perform(state.calls.handle(.closing(errno: EBUSY), at: Host.now), &state)
        for pending in state.inspecting.values { self.answer(pending.event, slot: pending.slot, errno: EBUSY, &state) }
        for pending in state.unplaced ?? [] { self.answer(pending.event, slot: pending.slot, errno: EBUSY, &state) }
        state.inspecting = [:]
        state.unplaced = nil
    }
}
