import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import Sessions

/// A change between its registration and its end.
struct PendingChange {
    /// The session's slot that it waits on; `nil` once it waits no more, or if nobody waits for it.
    var parked: ServerSessions.RunningCall?
    /// Whose change it is; `nil` for the server's own.
    var call: ActiveCall?
    /// The files whose extents change.
    let files: [FileEntry]
    /// Whether bytes move, so that the files' shifts are to be kept.
    var isShift = false
    /// Makes the system call, on a thread that may block.
    let body: @Sendable () -> ChangeEffect
    /// Answers, with what the system call did and what the engine says, or with why nothing was done.
    let completion: (Result<Finished, Failure>) -> Void
    /// What the system call did, once it is over.
    var effect: ChangeEffect?

    /// A change that ran.
    struct Finished {
        let done: ChangeDone
        let outcome: LeaseEngine.ChangeOutcome
    }
}

/// Mapping changes: registered with the engine, run when it permits them (specification §6.4).
extension LayoutService {
    // MARK: Calls

    func change(_ arguments: ChangeArguments, _ call: ActiveCall) {
        self.withFile(arguments.handle, call) { entry in
            self.changeFile(
                entry,
                arguments.operation,
                offset: arguments.offset,
                length: arguments.length,
                keepsSize: arguments.keepSize,
                waitMilliseconds: arguments.waitMilliseconds,
                call
            ) { result in
                self.finish(call, result.map { .change(self.changeResult($0)) })
            }
        }
    }

    /// Checks a change of one open file, registers it, makes it, and hands its end to `completion`.
    func changeFile(
        _ entry: FileEntry,
        _ operation: MappingOperation,
        offset: UInt64,
        length: UInt64,
        keepsSize: Bool = false,
        data: [UInt8] = [],
        isStable: Bool = true,
        waitMilliseconds: UInt32,
        _ call: ActiveCall,
        then completion: @escaping (Result<PendingChange.Finished, Failure>) -> Void
    ) {
        if let failure = entry.notRegular { return completion(.failure(failure)) }
        let (support, recorder, locator) = (self.support, self.recorder(for: call), entry.locator)
        self.withDescriptor(of: entry, for: call.user, .write) { opened in
            let work: ChangeWork
            switch opened {
            case .failure(let failure):
                return completion(.failure(failure))
            case .success(let descriptor):
                work = ChangeWork(
                    file: descriptor,
                    locator: locator,
                    operation: operation,
                    offset: offset,
                    length: length,
                    keepsSize: keepsSize,
                    support: support,
                    recorder: recorder,
                    data: data,
                    isStable: isStable
                )
            }
            self.check(entry, work.file, work.plan) { planned in
                switch planned {
                case .failure(let failure):
                    completion(.failure(failure))
                case .success(let plan):
                    let part = MappingChange(
                        file: entry.id,
                        operation: operation,
                        argument: plan.argument,
                        affected: plan.affected,
                        breaks: operation.breaks
                    )
                    self.register(
                        [part],
                        files: [entry],
                        waitMilliseconds: waitMilliseconds,
                        call,
                        body: { work.run(registered: plan.affected) },
                        then: completion
                    )
                }
            }
        }
    }

    func cloneRange(_ arguments: CloneArguments, _ call: ActiveCall) {
        self.withFile(arguments.source, call) { source in
            self.withFile(arguments.handle, call) { destination in
                if let failure = source.notRegular ?? destination.notRegular {
                    return self.finish(call, .failure(failure))
                }
                self.withDescriptor(of: source, for: call.user, .read) { readable in
                    self.withDescriptor(of: destination, for: call.user, .write) { writable in
                        switch (readable, writable) {
                        case (.failure(let failure), _), (.success, .failure(let failure)):
                            self.finish(call, .failure(failure))
                        case (.success(let from), .success(let to)):
                            self.cloneRange(arguments, from, source, to, destination, call)
                        }
                    }
                }
            }
        }
    }

    private func cloneRange(
        _ arguments: CloneArguments,
        _ from: SharedDescriptor,
        _ source: FileEntry,
        _ to: SharedDescriptor,
        _ destination: FileEntry,
        _ call: ActiveCall
    ) {
        let work = CloneWork(
            source: from,
            sourceLocator: source.locator,
            sourceOffset: arguments.sourceOffset,
            destination: to,
            locator: destination.locator,
            offset: arguments.offset,
            length: arguments.length,
            support: self.support,
            recorder: self.recorder(for: call)
        )
        self.check(destination, work.destination, work.plan) { planned in
            switch planned {
            case .failure(let failure):
                self.finish(call, .failure(failure))
            case .success(let plan):
                let parts = [
                    MappingChange(
                        file: destination.id,
                        operation: .cloneTo,
                        argument: plan.destination,
                        affected: plan.affectedDestination,
                        breaks: .everyone
                    ),
                    MappingChange(
                        file: source.id,
                        operation: .cloneFrom,
                        argument: plan.source,
                        affected: plan.affectedSource,
                        breaks: .readWriteHolders
                    ),
                ]
                self.register(
                    parts,
                    files: [destination, source],
                    waitMilliseconds: arguments.waitMilliseconds,
                    call,
                    body: { work.run(registered: plan) },
                    then: { result in self.finish(call, result.map { .change(self.changeResult($0)) }) }
                )
            }
        }
    }

    /// Checks a change on a thread that may block: nobody is recalled for one that cannot succeed (R6.4-2).
    private func check<Plan: Sendable>(
        _ entry: FileEntry,
        _ descriptor: SharedDescriptor,
        _ plan: @escaping @Sendable () throws(LinuxError) -> Plan,
        then completion: @escaping (Result<Plan, Failure>) -> Void
    ) {
        let knownLocks = self.knownLocks(of: entry)
        self.work.run(
            on: entry.id,
            {
                Result<Plan, Failure> { () throws(LinuxError) in
                    try OldHolders.check(descriptor, known: knownLocks, doing: "change the file", status: .delay)
                    return try plan()
                }
            },
            then: { result in
                if case .success = result { entry.isFreeOfOldHolders = true }
                completion(result)
            }
        )
    }

    private func changeResult(_ finished: PendingChange.Finished) -> ChangeResult {
        ChangeResult(
            size: finished.done.facts?.size ?? 0,
            change: finished.done.facts?.changeCookie ?? 0,
            epoch: finished.outcome.epoch,
            stateID: finished.outcome.stateID,
            recalled: UInt32(clamping: finished.outcome.recalled)
        )
    }

    // MARK: The engine

    /// Registers a change; `body` runs when nothing is in its way.
    func register(
        _ parts: [MappingChange],
        files: [FileEntry],
        waitMilliseconds: UInt32,
        _ call: ActiveCall,
        body: @escaping @Sendable () -> ChangeEffect,
        then completion: @escaping (Result<PendingChange.Finished, Failure>) -> Void
    ) {
        // Between its first look at a file and here the table may have dropped it, and given it another number since.
        guard files.allSatisfy({ self.files.find($0.id) === $0 }) else {
            return completion(.failure(Failure(.delay, "the server had to close the file meanwhile; try again")))
        }
        for entry in files {
            if let failure = self.blocked[entry.handle] { return completion(.failure(failure.failure)) }
        }
        let id = ChangeID(self.nextNumber())
        let wait = Duration.milliseconds(Int64(waitMilliseconds))
        let isParked = self.sessions.park(call.running)
        self.changes[id] = PendingChange(
            parked: isParked ? call.running : nil,
            call: call,
            files: files,
            isShift: parts.contains { $0.shift != nil },
            body: body,
            completion: completion
        )
        for entry in files {
            // Its own layouts in the range go back with the call.
            if let holder = self.descriptions.holder(call.client, entry.id) {
                self.descriptions.partWasReturned(holder)
            }
        }
        self.request(
            id,
            LeaseEngine.ChangeRequest(
                parts: parts,
                requester: .client(call.client),
                patience: waitMilliseconds == 0 ? self.configuration.patience : min(wait, self.configuration.patience),
                mayWait: isParked
            ),
            path: files.first?.pathText ?? ""
        )
    }

    func request(_ id: ChangeID, _ request: LeaseEngine.ChangeRequest, path: String) {
        if let part = request.parts.first {
            self.note(
                .changeRequested(id, path: path, operation: part.operation, affected: part.affected)
            )
            self.logger.info(
                "change requested",
                metadata: [
                    "change": "\(id.rawValue)", "operation": "\(part.operation)", "file": "\(path)",
                    "range": "\(part.affected)",
                ]
            )
        }
        self.submit(.changeRequested(id, request))
    }

    func permitChange(_ id: ChangeID, recalled: Int) {
        self.note(.changePermitted(id, recalled: recalled))
        guard let change = self.changes[id] else { return self.permitLocalChange(id) }
        self.unpark(id)
        for entry in change.files { self.forgetExtents(of: entry) }
        // An earlier one in the queue may have ended badly.
        if let block = change.files.lazy.compactMap({ self.blocked[$0.handle] }).first {
            return self.changeIsOver(id, ChangeEffect(didChange: false, result: .failure(block.failure)))
        }
        self.work.run(on: change.files.first?.id, change.body) { effect in
            for entry in change.files { self.forgetExtents(of: entry) }
            if let call = change.call { self.begun(effect.record, call) }
            if let reason = effect.blockReason, let entry = change.files.first {
                self.block(entry, reason, change.call)
            }
            self.changeIsOver(id, effect)
        }
    }

    private func changeIsOver(_ id: ChangeID, _ effect: ChangeEffect) {
        self.changes[id]?.effect = effect
        self.submit(.changeFinished(id, didChange: effect.didChange))
    }

    func changeEnded(_ id: ChangeID, _ outcome: LeaseEngine.ChangeOutcome) {
        guard !self.localChangeEnded(id, outcome) else { return }
        guard let change = self.changes.removeValue(forKey: id), let effect = change.effect else {
            preconditionFailure("\(id) ended and had not run")
        }
        self.note(.changeFinished(id, didChange: effect.didChange))
        self.logger.info(
            effect.didChange ? "change done" : "change failed",
            metadata: ["change": "\(id.rawValue)", "recalled": "\(outcome.recalled)", "epoch": "\(outcome.epoch)"]
        )
        if effect.didChange, let call = change.call, let entry = change.files.first, change.isShift {
            let record = self.stored(entry)
            self.unanswered[call.slot]?.more.append(record)
        }
        change.completion(effect.result.map { PendingChange.Finished(done: $0, outcome: outcome) })
        for entry in change.files { self.unwatchIfIdle(entry) }
    }

    func refuseChange(_ id: ChangeID, _ refusal: LeaseEngine.Refusal) {
        guard !self.refuseLocalChange(id, refusal) else { return }
        self.unpark(id)
        guard let change = self.changes.removeValue(forKey: id) else { return }
        self.note(.changeRefused(id, status: refusal.status))
        self.logger.info(
            "change refused",
            metadata: ["change": "\(id.rawValue)", "status": "\(refusal.status)", "reason": "\(refusal.detail)"]
        )
        change.completion(.failure(Failure(refusal.status, refusal.detail)))
        for entry in change.files { self.unwatchIfIdle(entry) }
    }

    private func unpark(_ id: ChangeID) {
        guard let parked = self.changes[id]?.parked else { return }
        self.changes[id]?.parked = nil
        self.sessions.unpark(parked)
    }
}

extension MappingOperation {
    /// Whose layouts stand in the way of a change through the server, in `file` addressing (specification R6.4-1).
    var breaks: BreakRule {
        switch self {
        case .none, .allocate: .nobody
        case .write: .holdersAskingForWrite
        case .cloneFrom: .readWriteHolders
        case .punchHole, .zeroRange, .collapseRange, .insertRange, .truncate, .cloneTo, .remove, .attribute, .shutdown,
            .revoke, .unknown:
            .everyone
        }
    }
}
