import CLinuxFiles
import CMappingGuard
import Glibc
import LayoutCore
import LinuxFiles
import Synchronization

extension MappingGuard {
    /// The thread that reads the kernel's questions, and answers those that change nothing.
    ///
    /// It touches no file and no program's memory: what it waited for could be waiting for it.
    func readEvents() {
        var blocked = BlockedCalls()
        let events = UnsafeMutableBufferPointer<mg_event>.allocate(capacity: GuardJournal.handCapacity)
        defer { unsafe events.deallocate() }
        var sources = [
            pollfd(fd: self.groups.guardian.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: self.ending.number, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            guard unsafe poll(&sources, 2, -1) >= 0 else { continue }
            if sources[1].revents != 0 { return }
            guard let address = events.baseAddress else { return }
            let count = unsafe mg_read_events(self.groups.guardian.number, address, events.count)
            guard count > 0 else {
                // EMFILE and the like: the kernel has refused the call whose descriptor it could not make.
                if count < 0, count != -Int64(EAGAIN), count != -Int64(EINTR) { self.refuseForRoom() }
                continue
            }
            unsafe self.journal.take(UnsafeBufferPointer(rebasing: events[..<Int(count)]))
            for index in 0..<Int(count) { unsafe self.take(events[index], &blocked) }
            self.journal.release()
            self.note(batch: UInt64(count))
        }
    }

    private func note(batch count: UInt64) {
        self.counters.events.add(count, ordering: .relaxed)
        self.counters.batchMax.max(count, ordering: .relaxed)
        guard count == UInt64(GuardJournal.handCapacity) else { return }
        // A full batch: perhaps more wait than programs like.
        var bytes: CInt = 0
        guard unsafe ioctl(self.groups.guardian.number, UInt(FIONREAD), &bytes) == 0 else { return }
        let waiting = Int(bytes) / 48
        guard waiting >= 8 * GuardJournal.handCapacity else { return }
        self.state.withLock { _ in self.handler(.trouble(.behind(events: waiting))) }
    }

    private func refuseForRoom() {
        self.counters.refused.add(1, ordering: .relaxed)
        self.state.withLock { _ in self.handler(.trouble(.noRoom)) }
    }

    private func take(_ event: mg_event, _ blocked: inout BlockedCalls) {
        if event.kind & UInt32(MG_EVENT_OVERFLOW) != 0 {
            self.counters.overflows.add(1, ordering: .relaxed)
            self.state.withLock { _ in self.handler(.trouble(.overflow)) }
        }
        guard event.descriptor >= 0 else { return }
        if mg_is_own_thread(event.thread) != 0 {
            self.counters.own.add(1, ordering: .relaxed)
            self.pass(event.descriptor)
            return
        }
        let access: GuardedAccess =
            event.kind & UInt32(MG_EVENT_ACCESS) == 0 ? .open : .data(offset: event.offset, length: event.length)
        let call = blocked.call(of: event.thread)
        if let call, self.classifier.passesAtOnce(access, number: call.number) {
            self.counters.passed.add(1, ordering: .relaxed)
            self.pass(event.descriptor)
            return
        }
        self.examine(HeldEvent(descriptor: event.descriptor, thread: event.thread, access: access, call: call))
    }

    private func pass(_ descriptor: CInt) {
        self.groups.answer(descriptor, errno: 0)
        close(descriptor)
    }

    /// Classifies a call that the number alone does not let pass, or puts that off.
    func examine(_ event: HeldEvent) {
        guard let (key, size) = try? FileKey.facts(of: event.descriptor) else { return self.pass(event.descriptor) }
        let needsTime = self.needsTime(event)
        let file = self.state.withLock { state -> FileID? in
            let file = state.files[key]?.file
            let isUnplaced = file == nil && state.unplaced != nil
            guard isUnplaced || (needsTime && file != nil) else {
                // Nobody's layouts: the mark is just being removed.
                if file == nil { self.answer(event, slot: nil, errno: 0, &state) }
                return file
            }
            self.putOff(event, key: key, size: size, isUnplaced: isUnplaced, &state)
            return nil
        }
        guard let file else { return }
        let inspector = EventInspector(thread: event.thread, inode: key.inode, descriptor: event.descriptor)
        let verdict = self.classifier.classify(event.call, event.access, size: size, inspector: inspector)
        self.conclude(event, verdict, file: file, key: key, size: size, slot: nil)
    }

    /// Lets a call pass, or tells the owner.
    func conclude(
        _ event: HeldEvent,
        _ verdict: CallClassifier.Verdict,
        file: FileID,
        key: FileKey,
        size: UInt64,
        slot: Int?
    ) {
        guard case .change(let change) = verdict else {
            self.counters.passed.add(1, ordering: .relaxed)
            return self.state.withLock { state in self.answer(event, slot: slot, errno: 0, &state) }
        }
        let facts = ThreadView.facts(of: event.thread)
        let process = facts?.process ?? 0
        let command = Host.commandName(of: process) ?? "?"
        self.state.withLock { state in
            let start = facts?.thread.start ?? 0
            guard let slot = slot ?? self.writeDown(event, key: key, size: size, start: start, &state) else {
                self.counters.refused.add(1, ordering: .relaxed)
                self.answer(event, slot: nil, errno: EBUSY, &state)
                return self.handler(.trouble(.noRoom))
            }
            let now = Host.now
            // The thread may have left its last call, with nobody having been told yet.
            if let result = state.traces.result(of: event.thread) {
                self.perform(state.calls.handle(.threadLeft(event.thread, result: result), at: now), &state)
            }
            let call = GuardedCall(
                id: state.makeID(),
                file: file,
                thread: GuardedThread(number: event.thread, start: start),
                process: process,
                command: command,
                call: event.call,
                callName: self.name(of: event.call),
                change: change,
                size: size,
                arrived: now,
                isRecovered: event.isRecovered
            )
            state.slots[call.id] = slot
            self.perform(state.calls.handle(.arrived(call, descriptor: event.descriptor), at: now), &state)
        }
    }
}
