package import LayoutCore

/// The calls that wait or run, and what becomes of them.
///
/// A value: events in, actions out, in order. Every call that arrives is answered exactly once, and its end is reported
/// exactly once unless it was refused.
package struct GuardCalls: Sendable {
    /// What has happened.
    package enum Event: Hashable, Sendable {
        /// The kernel holds up a call; the answer goes to `descriptor`.
        case arrived(GuardedCall, descriptor: Int32)
        /// A call of an earlier life runs.
        case recovered(GuardedCall)
        /// The end of the call's system call will be seen, or (`traced` is false) has to be looked for.
        case watched(GuardedCallID, traced: Bool)
        /// The owner lets it go on.
        case allowed(GuardedCallID)
        /// The owner refuses it.
        case denied(GuardedCallID, errno: Int32)
        /// The thread has left its system call.
        case threadLeft(Int32, result: Int64)
        /// The thread is no more.
        case threadEnded(Int32)
        /// The thread has modified a file.
        case modified(Int32)
        /// What looking for the end of a call has shown.
        case looked(GuardedCallID, Look)
        /// Nobody answers any more: what waits is refused.
        case closing(errno: Int32)
    }

    /// What a thread does.
    package enum Look: Hashable, Sendable {
        /// It sleeps in the same call.
        case inCall
        /// It runs, in the call or outside.
        case unclear
        /// It is in another call, or outside.
        case elsewhere
        /// It waits for its ring's next operation.
        case idle
        /// It is no more.
        case gone
    }

    /// What is to be done.
    package enum Action: Hashable, Sendable {
        /// See to it that the end of the thread's system call is seen; answered by `watched`.
        case watch(GuardedCallID, thread: Int32)
        /// Answer the kernel: 0 lets the call go on.
        case answer(GuardedCallID, descriptor: Int32, errno: Int32)
        /// The thread's end of call need not be seen any more.
        case unwatch(thread: Int32)
        /// The call is over for the guard.
        case forget(GuardedCallID)
        /// Tell the owner.
        case report(GuardReport)
    }

    private enum Phase: Hashable, Sendable {
        /// Unanswered; `isAllowed` once the owner has agreed and only the watch is missing.
        case waiting(descriptor: Int32, isAllowed: Bool)
        case running
    }

    private enum Watch: Hashable, Sendable {
        case pending
        case traced
        case none
    }

    private struct Entry: Hashable, Sendable {
        let call: GuardedCall
        var phase: Phase
        var watch = Watch.pending
        /// Whether its thread was seen to modify a file since it was let through.
        var hasModified = false
        /// Whether it ran before this life began, and has not been seen to be in its call since.
        var mayHaveEnded = false
        /// When its end is looked for next, and how long after that again.
        var nextLook: Instant?
        var pause: Duration = .milliseconds(1)
        /// When it is given up on.
        var limit: Instant?
    }

    private var entries: [GuardedCallID: Entry] = [:]
    private var byThread: [Int32: [GuardedCallID]] = [:]
    /// How long after it was let through an end that only can be looked for is waited for.
    private let completionLimit: Duration

    /// Makes an empty table.
    ///
    /// - Parameter completionLimit: After this a call whose end the kernel does not tell is given up on.
    package init(completionLimit: Duration) { self.completionLimit = completionLimit }

    /// How many calls there are.
    package var count: Int { self.entries.count }

    /// Every call, in order of arrival, and whether it runs already.
    package var all: [(call: GuardedCall, isRunning: Bool)] {
        self.entries.values.sorted { $0.call.id < $1.call.id }.map { ($0.call, $0.phase == .running) }
    }

    /// When ``looksDue(at:)`` has something next, or `nil`.
    package var nextDeadline: Instant? { self.entries.values.lazy.compactMap(\.nextLook).min() }

    /// The calls whose threads are to be looked at now.
    package mutating func looksDue(at now: Instant) -> [GuardedCall] {
        self.entries.values.filter { entry in entry.nextLook.map { $0 <= now } ?? false }.map(\.call)
            .sorted { $0.id < $1.id }
    }

    /// Whether the call is in the table.
    package func contains(_ id: GuardedCallID) -> Bool { self.entries[id] != nil }

    /// The file of a call of which only a modification would tell that it is over; `nil` for every other.
    package func fileToWitness(_ id: GuardedCallID) -> FileID? {
        guard let entry = self.entries[id], entry.watch == .none || entry.call.isOfRing else { return nil }
        return entry.call.file
    }

    /// Applies one event and says what to do about it, in order.
    package mutating func handle(_ event: Event, at now: Instant) -> [Action] {
        switch event {
        case .arrived(let call, let descriptor): self.arrive(call, descriptor, at: now)
        case .recovered(let call): self.recover(call)
        case .watched(let id, let traced): self.watched(id, traced: traced, at: now)
        case .allowed(let id): self.allow(id, at: now)
        case .denied(let id, let errno): self.deny(id, errno)
        case .threadLeft(let thread, let result): self.left(thread, result)
        case .threadEnded(let thread): self.endAll(of: thread) { _ in .unknown }
        case .modified(let thread): self.modified(thread)
        case .looked(let id, let look): self.looked(id, look, at: now)
        case .closing(let errno):
            self.entries.keys.sorted().flatMap { self.deny($0, errno) }
        }
    }

    private mutating func arrive(_ call: GuardedCall, _ descriptor: Int32, at now: Instant) -> [Action] {
        var actions: [Action] = []
        for id in self.byThread[call.thread.number] ?? [] {
            guard let earlier = self.entries[id] else { continue }
            guard earlier.phase == .running, earlier.call.thread == call.thread else {
                // A thread waits for one answer at a time: the earlier one died, and this one has its number.
                actions += self.end(id, earlier.phase == .running ? .unknown : .withdrawn)
                continue
            }
            // The kernel asks more than once in one system call.
            guard earlier.call.file == call.file else { continue }
            let isSameCall = earlier.call.call == call.call && call.call != nil
            if isSameCall, earlier.watch == .traced, !call.isOfRing, earlier.call.touched.contains(call.touched),
                earlier.call.change.operation == call.change.operation
            {
                return actions + [.answer(call.id, descriptor: descriptor, errno: 0), .forget(call.id)]
            }
            if isSameCall, call.hasTwoSides, !earlier.call.touched.overlaps(call.touched) { continue }
            // One piece after the other: the earlier one is done, since this one has begun.
            actions += self.end(id, earlier.call.isOfRing && !earlier.hasModified ? .failed(nil) : .succeeded(nil))
        }
        self.insert(Entry(call: call, phase: .waiting(descriptor: descriptor, isAllowed: false)))
        return actions + [.watch(call.id, thread: call.thread.number), .report(.arrived(call))]
    }

    private mutating func recover(_ call: GuardedCall) -> [Action] {
        self.insert(Entry(call: call, phase: .running, mayHaveEnded: true))
        return [.watch(call.id, thread: call.thread.number), .report(.runs(call))]
    }

    private mutating func insert(_ entry: Entry) {
        precondition(self.entries[entry.call.id] == nil, "\(entry.call.id) arrived twice")
        self.entries[entry.call.id] = entry
        self.byThread[entry.call.thread.number, default: []].append(entry.call.id)
    }

    private mutating func watched(_ id: GuardedCallID, traced: Bool, at now: Instant) -> [Action] {
        guard var entry = self.entries[id] else { return [] }
        entry.watch = traced ? .traced : .none
        // What was recovered may have ended before it was traced, and of a ring the end is no event.
        if !traced || entry.mayHaveEnded { entry.nextLook = now }
        if case .running = entry.phase { entry.limit = now.advanced(by: self.completionLimit) }
        self.entries[id] = entry
        if case .waiting(_, isAllowed: true) = entry.phase { return self.letThrough(id, at: now) }
        return []
    }

    private mutating func allow(_ id: GuardedCallID, at now: Instant) -> [Action] {
        guard let entry = self.entries[id], case .waiting(let descriptor, _) = entry.phase else { return [] }
        guard entry.watch != .pending else {
            self.entries[id]?.phase = .waiting(descriptor: descriptor, isAllowed: true)
            return []
        }
        return self.letThrough(id, at: now)
    }

    private mutating func letThrough(_ id: GuardedCallID, at now: Instant) -> [Action] {
        guard var entry = self.entries[id], case .waiting(let descriptor, _) = entry.phase else { return [] }
        entry.phase = .running
        entry.pause = .milliseconds(1)
        if entry.watch == .none || entry.call.isOfRing {
            entry.nextLook = now.advanced(by: entry.pause)
            entry.limit = now.advanced(by: self.completionLimit)
        }
        self.entries[id] = entry
        return [.answer(id, descriptor: descriptor, errno: 0)]
    }

    private mutating func deny(_ id: GuardedCallID, _ errno: Int32) -> [Action] {
        guard let entry = self.entries[id], case .waiting(let descriptor, _) = entry.phase else { return [] }
        return [.answer(id, descriptor: descriptor, errno: errno)] + self.remove(id)
    }

    private mutating func left(_ thread: Int32, _ result: Int64) -> [Action] {
        self.endAll(of: thread) { entry in
            if entry.mayHaveEnded { return .unknown }
            if entry.call.isOfRing { return entry.hasModified ? .succeeded(nil) : .failed(nil) }
            return (-4095..<0).contains(result) ? .failed(Int32(-result)) : .succeeded(result)
        }
    }

    private mutating func modified(_ thread: Int32) -> [Action] {
        for id in self.byThread[thread] ?? [] where self.entries[id]?.phase == .running {
            self.entries[id]?.hasModified = true
            // Of a system call the end is still to come; a ring's operation is done with it.
            if self.entries[id]?.call.isOfRing == true { return self.end(id, .succeeded(nil)) }
        }
        return []
    }

    private mutating func looked(_ id: GuardedCallID, _ look: Look, at now: Instant) -> [Action] {
        guard let entry = self.entries[id] else { return [] }
        guard entry.phase == .running else {
            if look == .gone { return self.end(id, .withdrawn) }
            return self.lookAgain(id, at: now)
        }
        switch look {
        case .gone, .elsewhere, .idle:
            // The witness hears of whatever a call does, from the moment that it is let through.
            if entry.mayHaveEnded { return self.end(id, .unknown) }
            return self.end(id, entry.hasModified ? .succeeded(nil) : .failed(nil))
        case .inCall where !entry.call.isOfRing:
            // Once more of the same call would have been asked about. If it is traced its end will be seen, however
            // long it takes.
            guard entry.watch == .traced else { return self.lookAgain(id, at: now) }
            self.entries[id]?.mayHaveEnded = false
            self.entries[id]?.nextLook = nil
            return []
        case .inCall, .unclear:
            guard let limit = entry.limit, limit <= now else { return self.lookAgain(id, at: now) }
            return [.report(.trouble(.endNotSeen(id)))] + self.end(id, .unknown)
        }
    }

    private mutating func lookAgain(_ id: GuardedCallID, at now: Instant) -> [Action] {
        guard var entry = self.entries[id] else { return [] }
        entry.pause = min(entry.pause * 2, .milliseconds(100))
        entry.nextLook = now.advanced(by: entry.pause)
        self.entries[id] = entry
        return []
    }

    private mutating func endAll(of thread: Int32, _ outcome: (Entry) -> CallOutcome) -> [Action] {
        (self.byThread[thread] ?? []).flatMap { id -> [Action] in
            guard let entry = self.entries[id] else { return [] }
            return self.end(id, entry.phase == .running ? outcome(entry) : .withdrawn)
        }
    }

    /// Ends a call; one that waits is answered, since the kernel keeps what was asked until it is.
    private mutating func end(_ id: GuardedCallID, _ outcome: CallOutcome) -> [Action] {
        guard let entry = self.entries[id] else { return [] }
        var actions: [Action] = []
        if case .waiting(let descriptor, _) = entry.phase {
            actions.append(.answer(id, descriptor: descriptor, errno: 0))
        }
        return actions + self.remove(id) + [.report(.ended(id, outcome))]
    }

    private mutating func remove(_ id: GuardedCallID) -> [Action] {
        guard let entry = self.entries.removeValue(forKey: id) else { return [] }
        let thread = entry.call.thread.number
        self.byThread[thread]?.removeAll { $0 == id }
        guard self.byThread[thread]?.isEmpty ?? true else { return [.forget(id)] }
        self.byThread[thread] = nil
        return [.unwatch(thread: thread), .forget(id)]
    }
}
