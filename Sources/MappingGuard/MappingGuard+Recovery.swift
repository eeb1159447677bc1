import CMappingGuard
import Glibc
import LayoutCore
import LinuxFiles
import Synchronization

/// What an earlier life of the server had in hand.
///
/// The kernel knows each question by the number of a descriptor of the dead process, and takes the answer from whoever has
/// the group. So a number stays reserved in this process until its question is answered: a new question could get the
/// same one.
extension MappingGuard {
    /// Reads the journal; before anything is read from the kernel.
    func takeOver() {
        self.state.withLock { state in
            var numbers: Set<Int32> = []
            var taken: Set<Int> = []
            for slot in 0..<GuardJournal.capacity {
                let record = self.journal.record(at: slot)
                switch guard_call_state(record.state) {
                case GUARD_CALL_WAITING:
                    numbers.insert(record.descriptor)
                    if self.takeOverWaiting(record, slot: slot, &state) { taken.insert(slot) }
                case GUARD_CALL_RUNNING:
                    // Perhaps its server died before it said so to the kernel.
                    self.groups.answer(record.descriptor, errno: 0)
                    state.running.append(PendingEvent(record, slot: slot))
                    taken.insert(slot)
                case GUARD_CALL_REFUSED:
                    self.groups.answer(record.descriptor, errno: record.error)
                default:
                    break
                }
                if !taken.contains(slot) { self.journal.set(GUARD_CALL_NONE, at: slot) }
            }
            state.freeSlots.removeAll { taken.contains($0) }
            for event in self.journal.inHand() where !numbers.contains(event.descriptor) {
                self.answerUnwritten(event)
            }
            self.journal.release()
            self.refuseUnknown(except: numbers)
        }
    }

    /// Refuses what the last server was killed over while the kernel was handing it out: it knew no number of it.
    ///
    /// Left alone, such a question would take the answer of a later one with the same number.
    private func refuseUnknown(except known: Set<Int32>) {
        for number in 0..<Self.numbersMax where !known.contains(number) {
            self.groups.answer(number, errno: EBUSY)
        }
    }

    /// The kernel gives out the lowest number that is free, so that none is far beyond what can wait at a time.
    private static var numbersMax: Int32 { Int32(4 * GuardJournal.capacity) }

    /// Whether the call goes on waiting.
    private func takeOverWaiting(_ record: GuardJournal.Record, slot: Int, _ state: inout State) -> Bool {
        let pending = PendingEvent(record, slot: slot)
        let isThere = ThreadView.facts(of: record.thread).map { $0.thread.start == record.thread_start } ?? false
        guard isThere, mg_reserve(self.ending.number, record.descriptor) >= 0 else {
            // The number is one of this process's, and cannot wait until a question gets the same.
            if isThere {
                self.answerBlindly(record.descriptor, pending.event.call, pending.event.access)
            } else {
                self.groups.answer(record.descriptor, errno: 0)
            }
            return false
        }
        state.unplaced?.append(pending)
        return true
    }

    /// A question that was read and not yet written down when the server died: a moment of microseconds.
    private func answerUnwritten(_ event: guard_hand) {
        let isOpen = event.kind & UInt64(MG_EVENT_ACCESS) == 0
        self.answerBlindly(
            event.descriptor,
            BlockedCalls.call(of: event.thread),
            isOpen ? .open : .data(offset: 0, length: 0)
        )
    }

    /// Answers a question that cannot wait: a call that changes nothing goes on, any other is refused.
    private func answerBlindly(_ descriptor: Int32, _ call: BlockedCall?, _ access: GuardedAccess) {
        let verdict = self.classifier.classify(call, access, size: 0, inspector: NoInspector())
        self.groups.answer(descriptor, errno: verdict == .passes ? 0 : EBUSY)
    }

    /// Reports a call that was let through in an earlier life, and sees to it that its end is noticed.
    func resume(_ pending: PendingEvent) {
        let event = pending.event
        let watched = self.state.withLock { state -> WatchedFile? in
            if let watched = state.files[pending.key] { return watched }
            self.journal.set(GUARD_CALL_NONE, at: pending.slot)
            state.freeSlots.append(pending.slot)
            return nil
        }
        guard let watched else { return }
        let size = (try? FileKey.facts(of: watched.place.number).size) ?? 0
        let inspector = EventInspector(thread: event.thread, inode: pending.key.inode, descriptor: -1)
        // Its memory may say anything by now.
        let verdict: CallClassifier.Verdict =
            event.call.map { self.classifier.readsMemory(event.access, number: $0.number) } == true
            ? .change(.unknown)
            : self.classifier.classify(event.call, event.access, size: min(size, pending.size), inspector: inspector)
        guard case .change(let change) = verdict else { return }
        let facts = ThreadView.facts(of: event.thread)
        let start = self.journal.record(at: pending.slot).thread_start
        self.state.withLock { state in
            let call = GuardedCall(
                id: state.makeID(),
                file: watched.file,
                thread: GuardedThread(number: event.thread, start: start),
                process: facts?.process ?? 0,
                command: Host.commandName(of: facts?.process ?? 0) ?? "?",
                call: event.call,
                callName: self.name(of: event.call),
                change: change,
                size: size,
                arrived: Host.now,
                isRecovered: true
            )
            state.slots[call.id] = pending.slot
            self.perform(state.calls.handle(.recovered(call), at: Host.now), &state)
        }
    }

    /// For people: what a call is named.
    func name(of call: BlockedCall?) -> String {
        guard let call else { return "a call that cannot be seen" }
        return self.classifier.table.call(call.number)?.rawValue ?? "system call \(call.number)"
    }
}

extension PendingEvent {
    /// What a record says.
    init(_ record: GuardJournal.Record, slot: Int) {
        let words = record.arguments
        let access: GuardedAccess =
            record.kind == UInt64(MG_EVENT_OPEN) ? .open : .data(offset: record.offset, length: record.length)
        let call = BlockedCall(
            number: record.number,
            arguments: InlineArguments([words.0, words.1, words.2, words.3, words.4, words.5]),
            stack: record.stack,
            instruction: record.instruction
        )
        self.init(
            event: HeldEvent(
                descriptor: record.descriptor,
                thread: record.thread,
                access: access,
                call: record.number == -1 ? nil : call,
                isRecovered: true
            ),
            key: FileKey(device: record.device, inode: record.inode),
            size: record.size,
            slot: slot
        )
    }
}

extension guard_call_record {
    /// A record of a question that is not answered.
    init(_ event: HeldEvent, key: FileKey, size: UInt64, start: UInt64, arrived: Instant) {
        self.init()
        self.state = GUARD_CALL_WAITING.rawValue
        self.descriptor = event.descriptor
        self.thread = event.thread
        self.thread_start = start
        self.device = key.device
        self.inode = key.inode
        self.size = size
        switch event.access {
        case .open:
            self.kind = UInt64(MG_EVENT_OPEN)
        case .data(let offset, let length):
            self.kind = UInt64(MG_EVENT_ACCESS)
            self.offset = offset
            self.length = length
        }
        self.number = event.call?.number ?? -1
        if let call = event.call {
            let words = call.arguments
            self.arguments = (words[0], words[1], words[2], words[3], words[4], words[5])
            self.stack = call.stack
            self.instruction = call.instruction
        }
        self.arrived = arrived.nanoseconds
    }
}
