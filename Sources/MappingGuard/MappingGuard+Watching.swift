import CLinuxFiles
import CMappingGuard
import Glibc
import LayoutCore
import LinuxFiles
import Synchronization

/// Seeing calls end.
extension MappingGuard {
    /// How long the tracepoint stays switched on after the last call.
    private static var anchorTime: Duration { .seconds(2) }

    /// The thread that sees calls end, and what else happens to the guard.
    func watchCalls() {
        let created = lf_epoll_create()
        guard created >= 0 else { preconditionFailure("epoll_create1: \(LinuxError.name(of: CInt(-created)))") }
        let epoll = OwnedDescriptor(adopting: CInt(created))
        var watch = Watch(epoll: epoll.number)
        for descriptor in [self.wakeUp, self.ending, self.groups.witness] {
            _ = lf_epoll_add(epoll.number, descriptor.number)
        }
        var link = self.state.withLock { $0.keeper?.link }
        if let link { _ = lf_epoll_add(epoll.number, link.number) }
        var ready = [CInt](repeating: -1, count: 64)
        while true {
            let timeout = self.milliseconds(to: self.nextDeadline(watch))
            let count = unsafe lf_epoll_wait(epoll.number, &ready, CInt(ready.count), timeout)
            for descriptor in ready.prefix(max(0, Int(count))) {
                switch descriptor {
                case self.ending.number:
                    watch.release()
                    return
                case self.wakeUp.number:
                    var ignored: UInt64 = 0
                    _ = unsafe read(descriptor, &ignored, 8)
                case self.groups.witness.number:
                    self.state.withLock { state in self.hearModifications(&state) }
                case link?.number:
                    _ = lf_epoll_remove(epoll.number, descriptor)
                    link = self.replaceKeeper()
                    if let link { _ = lf_epoll_add(epoll.number, link.number) }
                default:
                    self.traceSpoke(descriptor)
                }
            }
            self.attachTraces(&watch)
            self.look(at: Host.now)
            self.giveUpInspections(at: Host.now)
            self.keepAnchor(&watch)
        }
    }

    /// The watching thread's own.
    private struct Watch {
        let epoll: CInt
        /// Keeps the tracepoint switched on; negative while it is off.
        var anchor: CInt = -1
        /// Since when no call is traced.
        var idleSince: Instant?
        /// Whether the owner was told that calls cannot be traced.
        var hasComplained = false

        mutating func release() {
            if self.anchor >= 0 { mg_trace_close(self.anchor, nil) }
            self.anchor = -1
        }
    }

    private func nextDeadline(_ watch: Watch) -> Instant? {
        let anchor = watch.anchor < 0 ? nil : watch.idleSince?.advanced(by: Self.anchorTime)
        return self.state.withLock { state in
            [state.calls.nextDeadline, state.inspecting.values.lazy.map(\.deadline).min(), anchor]
                .compactMap { $0 }.min()
        }
    }

    private func milliseconds(to deadline: Instant?) -> CInt {
        guard let deadline else { return -1 }
        let now = Host.now
        guard deadline > now else { return 0 }
        return CInt(clamping: deadline.duration(since: now).wholeMilliseconds)
    }

    /// Traces the threads of calls that have arrived.
    private func attachTraces(_ watch: inout Watch) {
        let wanted = self.state.withLock { state in
            defer { state.untraced = [] }
            return state.untraced
        }
        for (id, thread) in wanted {
            let isSettled = self.state.withLock { state -> Bool in
                guard state.calls.contains(id) else { return true }
                guard state.traces.contains(thread) else { return false }
                self.perform(state.calls.handle(.watched(id, traced: true), at: Host.now), &state)
                return true
            }
            guard !isSettled else { continue }
            if self.tracePoint < 0 || ThreadView.facts(of: thread)?.isRingWorker == true {
                // A ring's worker never leaves a system call.
                if self.tracePoint < 0 { self.complain(Int32(clamping: -self.tracePoint), &watch) }
                self.handle(.watched(id, traced: false))
                continue
            }
            self.attach(id, thread, &watch)
        }
    }

    private func attach(_ id: GuardedCallID, _ thread: Int32, _ watch: inout Watch) {
        if watch.anchor < 0 {
            // Of this thread; any would do.
            watch.anchor = CInt(clamping: mg_trace_open(self.tracePoint, 0, nil))
            watch.idleSince = nil
        }
        do throws(ThreadTrace.Failure) {
            let trace = try ThreadTrace(point: self.tracePoint, thread: thread)
            self.state.withLock { state in
                guard state.calls.contains(id) else { return }
                _ = lf_epoll_add(watch.epoll, trace.descriptor)
                state.traces.insert(trace, thread: thread)
                self.perform(state.calls.handle(.watched(id, traced: true), at: Host.now), &state)
            }
        } catch {
            // ESRCH: it died meanwhile, which looking for its end shows.
            if error.errno != ESRCH { self.complain(error.errno, &watch) }
            self.handle(.watched(id, traced: false))
        }
    }

    private func complain(_ errno: Int32, _ watch: inout Watch) {
        guard !watch.hasComplained else { return }
        watch.hasComplained = true
        self.state.withLock { _ in self.handler(.trouble(.noTrace(errno: errno))) }
    }

    /// A traced thread has left its system call, or is gone.
    private func traceSpoke(_ descriptor: CInt) {
        self.state.withLock { state in
            guard let thread = state.traces.thread(of: descriptor) else { return }
            // A modification is older than the end of the call that made it.
            self.hearModifications(&state)
            if let result = state.traces.result(of: thread) {
                self.perform(state.calls.handle(.threadLeft(thread, result: result), at: Host.now), &state)
            } else if ThreadView.facts(of: thread) == nil {
                self.perform(state.calls.handle(.threadEnded(thread), at: Host.now), &state)
            }
        }
    }

    /// Reads what the witness has heard.
    func hearModifications(_ state: inout State) {
        while true {
            let (count, threads) = unsafe withUnsafeTemporaryAllocation(of: mg_event.self, capacity: 32) { events in
                guard let address = events.baseAddress else { return (Int64(0), [Int32]()) }
                let count = unsafe mg_read_events(self.groups.witness.number, address, 32)
                return unsafe (count, events.prefix(max(0, Int(count))).map(\.thread))
            }
            guard count > 0 else { return }
            for thread in threads {
                self.perform(state.calls.handle(.modified(thread), at: Host.now), &state)
            }
        }
    }

    /// Looks for the ends that nothing tells.
    private func look(at now: Instant) {
        let due = self.state.withLock { $0.calls.looksDue(at: now) }
        for call in due {
            let look = ThreadView.look(at: call)
            self.state.withLock { state in
                // Before the thread was seen idle it has modified what it was to modify.
                self.hearModifications(&state)
                self.perform(state.calls.handle(.looked(call.id, look), at: Host.now), &state)
            }
        }
    }

    /// Switches the tracepoint off some time after the last call.
    private func keepAnchor(_ watch: inout Watch) {
        guard watch.anchor >= 0 else { return }
        let isIdle = self.state.withLock { $0.traces.isEmpty && $0.untraced.isEmpty }
        guard isIdle else {
            watch.idleSince = nil
            return
        }
        let now = Host.now
        guard let since = watch.idleSince else {
            watch.idleSince = now
            return
        }
        if since.advanced(by: Self.anchorTime) <= now { watch.release() }
    }

    /// The keeper is gone: starts another one.
    private func replaceKeeper() -> SharedDescriptor? {
        self.state.withLock { state in
            guard !state.isEnding, let lost = state.keeper else { return nil }
            state.keeper = nil
            lost.reap()
            // One that does not live long is not tried again and again.
            if let socket = self.configuration.keeperSocket, lost.isOld {
                state.keeper = try? KeeperLink.spawn(
                    self.configuration.keeperProgram,
                    socket: socket,
                    groups: self.groups,
                    journal: self.journal
                )
            }
            if state.keeper == nil { self.handler(.trouble(.keeperLost)) }
            return state.keeper?.link
        }
    }
}
