import CLinuxFiles
import CMappingGuard
import Glibc
import LayoutCore
import LinuxFiles
import Synchronization

/// Questions that are not answered by the thread that reads them.
extension MappingGuard {
    /// How long a program's memory is waited for.
    private static var inspectionLimit: Duration { .milliseconds(200) }

    /// Whether a question is not for the thread that reads them: its answer lies in the program's memory, or the program
    /// has not even gone to sleep.
    func needsTime(_ event: HeldEvent) -> Bool {
        guard let call = event.call else { return false }
        return call.isRunning || self.classifier.readsMemory(event.access, number: call.number)
    }

    /// Writes a question down whose answer takes the program's memory, or a name for its file.
    func putOff(_ event: HeldEvent, key: FileKey, size: UInt64, isUnplaced: Bool, _ state: inout State) {
        let start = ThreadView.facts(of: event.thread)?.thread.start ?? 0
        guard let slot = self.writeDown(event, key: key, size: size, start: start, &state) else {
            self.counters.refused.add(1, ordering: .relaxed)
            self.answer(event, slot: nil, errno: EBUSY, &state)
            return self.handler(.trouble(.noRoom))
        }
        let pending = PendingEvent(event: event, key: key, size: size, slot: slot)
        if isUnplaced { state.unplaced?.append(pending) } else { self.inspect(pending, &state) }
    }

    private func inspect(_ pending: PendingEvent, _ state: inout State) {
        var pending = pending
        pending.deadline = Host.now.advanced(by: Self.inspectionLimit)
        let ticket = state.makeID().rawValue
        state.inspecting[ticket] = pending
        state.inspectionQueue.append(ticket)
        _ = lf_eventfd_signal(self.inspection.number)
        self.wakeWatcher()
    }

    /// A question about a file that the owner has had the time to name.
    func place(_ pending: PendingEvent) {
        if self.needsTime(pending.event) {
            return self.state.withLock { state in self.inspect(pending, &state) }
        }
        self.conclude(pending, self.verdict(on: pending))
    }

    private func verdict(on pending: PendingEvent) -> (BlockedCall?, CallClassifier.Verdict) {
        let event = pending.event
        var call = event.call
        let deadline = Host.now.advanced(by: Self.inspectionLimit)
        while call?.isRunning == true, Host.now < deadline {
            // It has been asked about, so it goes to sleep as soon as it gets a processor.
            _ = poll(nil, 0, 1)
            call = BlockedCalls.call(of: event.thread)
        }
        let inspector = EventInspector(
            thread: event.thread,
            inode: pending.key.inode,
            // What was taken over has no descriptor of the file.
            descriptor: event.isRecovered ? -1 : event.descriptor
        )
        return (call, self.classifier.classify(call, event.access, size: pending.size, inspector: inspector))
    }

    private func conclude(_ pending: PendingEvent, _ found: (call: BlockedCall?, verdict: CallClassifier.Verdict)) {
        let file = self.state.withLock { state -> FileID? in
            if let file = state.files[pending.key]?.file { return file }
            // Nobody's layouts any more.
            self.answer(pending.event, slot: pending.slot, errno: 0, &state)
            return nil
        }
        guard let file else { return }
        var event = pending.event
        event.call = found.call
        self.conclude(event, found.verdict, file: file, key: pending.key, size: pending.size, slot: pending.slot)
    }

    /// The thread that reads programs' memory, which may take as long as a program likes.
    func inspectCalls() {
        var sources = [
            pollfd(fd: self.inspection.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: self.ending.number, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            guard unsafe poll(&sources, 2, -1) >= 0 else { continue }
            if sources[1].revents != 0 { return }
            var count: UInt64 = 0
            _ = unsafe read(self.inspection.number, &count, 8)
            while let (ticket, pending) = self.nextInspection() {
                let verdict = self.verdict(on: pending)
                // Whoever takes it out of the table concludes it.
                let isOurs = self.state.withLock { $0.inspecting.removeValue(forKey: ticket) != nil }
                if isOurs { self.conclude(pending, verdict) }
            }
        }
    }

    private func nextInspection() -> (UInt64, PendingEvent)? {
        self.state.withLock { state in
            while !state.inspectionQueue.isEmpty {
                let ticket = state.inspectionQueue.removeFirst()
                if let pending = state.inspecting[ticket] { return (ticket, pending) }
            }
            return nil
        }
    }

    /// Classifies what has waited too long for a program's memory: nothing is known of it.
    func giveUpInspections(at now: Instant) {
        let expired = self.state.withLock { state in
            let tickets = state.inspecting.filter { $0.value.deadline <= now }.keys.sorted()
            return tickets.compactMap { state.inspecting.removeValue(forKey: $0) }
        }
        for pending in expired { self.conclude(pending, (pending.event.call, .change(.unknown))) }
    }
}
