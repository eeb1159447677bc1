import Glibc
import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import MappingGuard
import Recovery

/// A local program's call, from its arrival to its end.
struct LocalChange {
    let call: GuardedCall
    let entry: FileEntry
    let part: MappingChange
    /// Whether the engine has permitted it: only its end is waited for.
    var isPermitted = false
    /// Whether the program was gone before that.
    var isWithdrawn = false

    /// For people: the system call.
    var callName: String { self.call.callName }
}

/// Changes by local programs that do not speak the protocol (specification R6.4-24).
///
/// The program sleeps in its system call; the engine decides when it goes on, as it does for every change. Only the
/// system call is not the server's, so that its end is something to be told.
extension LayoutService {
    func guardHasReported(_ report: GuardReport) {
        switch report {
        case .arrived(let call): self.localCallArrived(call)
        case .runs(let call): self.localCallRuns(call)
        case .ended(let call, let outcome): self.localCallEnded(call, outcome)
        case .trouble(let trouble): self.guardIsInTrouble(trouble)
        }
    }

    // MARK: From the guard

    private func localCallArrived(_ call: GuardedCall) {
        // Nobody holds anything of a file that is not in the table.
        guard let entry = self.files.find(call.file) else { return self.allow(call) }
        let part = self.part(of: call, size: call.size)
        let id = self.enter(call, entry, part)
        self.logger.info(
            "a local program waits",
            metadata: [
                "change": "\(id.rawValue)", "pid": "\(call.process)", "command": "\(call.command)",
                "call": "\(call.callName)",
            ]
        )
        self.request(id, self.changeRequest(call, part), path: entry.pathText)
    }

    /// A dead server has let it through, and nobody has seen its end.
    private func localCallRuns(_ call: GuardedCall) {
        guard let entry = self.files.find(call.file) else { return }
        let part = self.part(of: call, size: call.size)
        let id = self.enter(call, entry, part)
        self.localChanges[id]?.isPermitted = true
        if part.mayMoveBytes { entry.localShifts += 1 }
        self.logger.notice(
            "a local program's call of an earlier life runs",
            metadata: ["change": "\(id.rawValue)", "pid": "\(call.process)", "call": "\(call.callName)"]
        )
        self.submit(.changeRuns(id, self.changeRequest(call, part)))
    }

    private func localCallEnded(_ call: GuardedCallID, _ outcome: CallOutcome) {
        guard let id = self.changeOfLocalCall.removeValue(forKey: call), let change = self.localChanges[id] else {
            return
        }
        guard change.isPermitted else {
            // The program died, or was interrupted, before its turn.
            self.localChanges[id]?.isWithdrawn = true
            return self.submit(.changeAbandoned(id))
        }
        switch outcome {
        case .succeeded:
            self.submit(.changeFinished(id, didChange: true))
        case .withdrawn:
            self.submit(.changeFinished(id, didChange: false))
        case .failed(let errno):
            let isPartial = change.part.mayMoveBytes && !Self.provesNothingMoved(errno)
            self.submit(isPartial ? .changeOutcomeUnknown(id) : .changeFinished(id, didChange: false))
        case .unknown:
            self.submit(.changeOutcomeUnknown(id))
        }
    }

    /// Whether a shift that fails with this error was refused before a byte has moved; others can come from its middle.
    private static func provesNothingMoved(_ errno: Int32?) -> Bool {
        guard let errno else { return false }
        return [EINVAL, EOPNOTSUPP, EPERM, EBADF, EBUSY, ETXTBSY, EFBIG, ENODEV, ESPIPE, EAGAIN].contains(errno)
    }

    private func enter(_ call: GuardedCall, _ entry: FileEntry, _ part: MappingChange) -> ChangeID {
        let id = ChangeID(self.nextNumber())
        self.localChanges[id] = LocalChange(call: call, entry: entry, part: part)
        self.changeOfLocalCall[call.id] = id
        return id
    }

    // MARK: What is asked for

    private func part(of call: GuardedCall, size: UInt64) -> MappingChange {
        let change = call.change
        return MappingChange(
            file: call.file,
            operation: change.operation,
            argument: change.argument,
            affected: Self.affected(change, size: size, blockSize: self.support.fileSystem.blockSize),
            breaks: change.operation.breaks
        )
    }

    /// The bytes that a call may touch in a file of `size` bytes, in blocks.
    private static func affected(_ change: GuardedChange, size: UInt64, blockSize: UInt64) -> ByteRange {
        switch change.operation {
        case .truncate, .insertRange, .collapseRange:
            return change.operation.affectedRange(argument: change.argument, size: size, blockSize: blockSize)
        default:
            // What has no end goes to wherever the file ends when it runs.
            let argument = change.argument
            let isAppending = argument.isToEnd && argument.lowerBound > size
            return (isAppending ? ByteRange(from: size) : argument).roundedOut(to: blockSize)
        }
    }

    private func changeRequest(_ call: GuardedCall, _ part: MappingChange) -> LeaseEngine.ChangeRequest {
        LeaseEngine.ChangeRequest(
            parts: [part],
            requester: .local(pid: UInt32(clamping: call.process), command: call.command),
            patience: self.configuration.guarding.patience,
            waitsForGrace: true
        )
    }

    // MARK: What the engine says

    /// Nothing is in the way of a local program's change any more.
    func permitLocalChange(_ id: ChangeID) {
        guard let change = self.localChanges[id] else { preconditionFailure("\(id) is permitted and not there") }
        // The permission may have been on its way when the program ended.
        guard !change.isWithdrawn else { return self.submit(.changeFinished(id, didChange: false)) }
        self.localChanges[id]?.isPermitted = true
        let entry = change.entry
        self.forgetExtents(of: entry)
        var records: [RecoveryRecord] = []
        if change.part.mayMoveBytes {
            // A next life that did not see the end must not follow a log without this shift (R8.4-8).
            entry.localShifts += 1
            records = [self.stored(entry)]
        }
        // Behind the replies to earlier changes, too: from bytes that somebody has changed since, a next life could not tell
        // whether those changes were made, or would make them once more.
        self.write(records, .written) { result in
            if case .failure(let error) = result {
                self.logger.error("a local program was refused", metadata: ["error": "\(error.message)"])
                return self.refuseLocalCall(id, errno: EIO)
            }
            let isMovable = change.part.operation == .truncate || change.part.argument.isToEnd
            if isMovable, !change.part.mayMoveBytes { return self.allowUnlessShrunk(id, change) }
            self.allow(change.call)
        }
    }

    /// Where a change begins can depend on the file's size, which others have changed meanwhile.
    private func allowUnlessShrunk(_ id: ChangeID, _ change: LocalChange) {
        let place = change.entry.place
        self.work.run(
            on: nil,
            { (try? FileFacts(of: place))?.size ?? 0 },
            then: { size in
                let part = self.part(of: change.call, size: min(size, change.call.size))
                guard !change.part.affected.contains(part.affected), self.localChanges[id] != nil else {
                    return self.allow(change.call)
                }
                // It takes its place again, with all the bytes that it touches now.
                let again = self.enter(change.call, change.entry, part)
                self.submit(.changeFinished(id, didChange: false))
                self.request(again, self.changeRequest(change.call, part), path: change.entry.pathText)
            }
        )
    }

    private func allow(_ call: GuardedCall) { self.guardian?.allow(call.id) }

    /// Ends a change that was permitted and cannot be let through.
    private func refuseLocalCall(_ id: ChangeID, errno: Int32) {
        guard let call = self.localChanges[id]?.call, self.changeOfLocalCall.removeValue(forKey: call.id) != nil else {
            return
        }
        self.guardian?.deny(call.id, errno: errno)
        self.submit(.changeFinished(id, didChange: false))
    }

    /// The system call is over, and the range is open again; `false` if the change is not a local program's.
    func localChangeEnded(_ id: ChangeID, _ outcome: LeaseEngine.ChangeOutcome) -> Bool {
        guard let change = self.localChanges.removeValue(forKey: id) else { return false }
        let entry = change.entry
        self.forgetExtents(of: entry)
        if change.part.mayMoveBytes, change.isPermitted {
            entry.localShifts -= 1
            self.writeLater([self.stored(entry)])
        }
        self.logger.info(
            "a local program's change is over",
            metadata: ["change": "\(id.rawValue)", "recalled": "\(outcome.recalled)", "epoch": "\(outcome.epoch)"]
        )
        self.unwatchIfIdle(entry)
        return true
    }

    /// A local program's change is refused; `false` if it is not one.
    func refuseLocalChange(_ id: ChangeID, _ refusal: LeaseEngine.Refusal) -> Bool {
        guard let change = self.localChanges.removeValue(forKey: id) else { return false }
        self.changeOfLocalCall[change.call.id] = nil
        let errno = refusal.status == .textBusy ? ETXTBSY : EBUSY
        self.guardian?.deny(change.call.id, errno: errno)
        self.note(.changeRefused(id, status: refusal.status))
        self.logger.notice(
            "a local program was refused",
            metadata: [
                "change": "\(id.rawValue)", "pid": "\(change.call.process)", "command": "\(change.call.command)",
                "errno": "\(LinuxError.name(of: errno))", "reason": "\(refusal.detail)",
            ]
        )
        self.unwatchIfIdle(change.entry)
        return true
    }
}
