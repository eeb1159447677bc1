import LayoutCore
import LayoutXDR
import LinuxFiles

/// What a change did, or why it did nothing.
struct ChangeEffect: Sendable {
    /// Whether the file's mapping, or its bytes, changed: also if what came behind it failed.
    let didChange: Bool
    let result: Result<ChangeDone, Failure>

    /// Nothing was done.
    static func refused(_ error: LinuxError) -> ChangeEffect {
        ChangeEffect(didChange: false, result: .failure(Failure(error)))
    }
}

/// The file after a change.
struct ChangeDone: Sendable {
    var facts: FileFacts?
    /// Bytes that were written, for a write.
    var written = 0
}

/// A mapping change of one open file: checked when it is asked for, and again right before its system call.
///
/// Runs on threads that may block.
struct ChangeWork: Sendable {
    let id: ChangeID
    /// Open for writing, as the user who asks.
    let file: SharedDescriptor
    let identity: FileIdentity
    let operation: MappingOperation
    let offset: UInt64
    let length: UInt64
    let keepsSize: Bool
    let support: MappingSupport
    let intents: any IntentLog
    /// The bytes of a write, else empty.
    var data: [UInt8] = []
    /// Whether a write is to be on stable storage before it is answered.
    var isStable = true

    /// What the change works on, as the file is now.
    struct Plan: Sendable {
        let argument: ByteRange
        let affected: ByteRange
        let size: UInt64
    }

    /// Checks the change against the file as it is now.
    func plan() throws(LinuxError) -> Plan {
        let mapped = try MappedFile(self.file, on: self.support.fileSystem)
        let argument = try self.support.validate(
            self.operation,
            offset: self.offset,
            length: self.length,
            keepingSize: self.keepsSize,
            on: mapped
        )
        let affected = self.operation.affectedRange(
            argument: argument,
            size: mapped.facts.size,
            blockSize: self.support.fileSystem.blockSize
        )
        return Plan(argument: argument, affected: affected, size: mapped.facts.size)
    }

    /// Makes the change.
    ///
    /// `registered` is the range that is closed to layouts.
    func run(registered: ByteRange) -> ChangeEffect {
        let plan: Plan
        let intent: ChangeIntent
        do throws(LinuxError) {
            plan = try self.plan()
            // The size may have changed since: then more may be affected than what was recalled.
            guard registered.contains(plan.affected) else {
                throw LinuxError(
                    refusing: .delay,
                    "the file has \(plan.size) bytes by now, so that \(plan.affected) would be affected and not only "
                        + "\(registered); nothing was done, try again"
                )
            }
            intent = ChangeIntent(
                change: self.id,
                file: self.identity,
                operation: self.operation,
                argument: plan.argument,
                size: plan.size
            )
            try self.intents.willChange(intent)
        } catch {
            return .refused(error)
        }
        var done = ChangeDone()
        do throws(LinuxError) {
            done.written = try self.call(plan.argument)
        } catch {
            self.intents.didChange(intent, succeeded: false)
            return .refused(error)
        }
        let result = Result<ChangeDone, Failure> { () throws(LinuxError) in
            if self.isStable { try MappingCalls.synchronize(self.file, dataOnly: self.operation == .write) }
            done.facts = try FileFacts(of: self.file)
            return done
        }
        self.intents.didChange(intent, succeeded: true)
        return ChangeEffect(didChange: true, result: result)
    }

    /// The system call itself; returns the bytes that a write stored.
    private func call(_ argument: ByteRange) throws(LinuxError) -> Int {
        switch self.operation {
        case .allocate: try MappingCalls.allocate(argument, of: self.file, keepingSize: self.keepsSize)
        case .punchHole: try MappingCalls.punchHole(argument, of: self.file)
        case .zeroRange: try MappingCalls.zeroRange(argument, of: self.file, keepingSize: self.keepsSize)
        case .collapseRange: try MappingCalls.collapseRange(argument, of: self.file)
        case .insertRange: try MappingCalls.insertRange(argument, of: self.file)
        case .truncate: try MappingCalls.truncate(to: argument.lowerBound, self.file)
        case .write: return try FileInputOutput.write(self.data, at: self.offset, to: self.file)
        case .none, .cloneTo, .cloneFrom, .remove, .attribute, .shutdown, .revoke, .unknown:
            preconditionFailure("\(self.operation) is not a change of one open file")
        }
        return 0
    }
}

/// A clone of blocks of one file into another, or into another place of the same one.
struct CloneWork: Sendable {
    let id: ChangeID
    /// Open for reading.
    let source: SharedDescriptor
    let sourceOffset: UInt64
    /// Open for writing.
    let destination: SharedDescriptor
    let identity: FileIdentity
    let offset: UInt64
    /// 0: to the end of the source.
    let length: UInt64
    let support: MappingSupport
    let intents: any IntentLog

    /// What the clone works on, as the files are now.
    struct Plan: Sendable {
        let source: ByteRange
        let destination: ByteRange
        let affectedSource: ByteRange
        let affectedDestination: ByteRange
        let size: UInt64
    }

    /// Checks the clone against the files as they are now.
    func plan() throws(LinuxError) -> Plan {
        let source = try MappedFile(self.source, on: self.support.fileSystem)
        let destination = try MappedFile(self.destination, on: self.support.fileSystem)
        let ranges = try self.support.validateClone(
            from: source,
            at: self.sourceOffset,
            length: self.length,
            to: destination,
            at: self.offset
        )
        let block = self.support.fileSystem.blockSize
        return Plan(
            source: ranges.source,
            destination: ranges.destination,
            affectedSource: ranges.source.roundedOut(to: block),
            affectedDestination: ranges.destination.roundedOut(to: block),
            size: destination.facts.size
        )
    }

    /// Makes the clone, if it still affects nothing but what is closed to layouts.
    func run(registered: Plan) -> ChangeEffect {
        let intent: ChangeIntent
        let plan: Plan
        do throws(LinuxError) {
            plan = try self.plan()
            guard registered.affectedSource.contains(plan.affectedSource),
                registered.affectedDestination.contains(plan.affectedDestination)
            else {
                throw LinuxError(refusing: .delay, "the source has another size by now; nothing was done, try again")
            }
            intent = ChangeIntent(
                change: self.id,
                file: self.identity,
                operation: .cloneTo,
                argument: plan.destination,
                size: plan.size
            )
            try self.intents.willChange(intent)
        } catch {
            return .refused(error)
        }
        do throws(LinuxError) {
            try MappingCalls.cloneRange(
                from: self.source,
                at: plan.source.lowerBound,
                length: plan.source.wireLength,
                to: self.destination,
                at: plan.destination.lowerBound
            )
        } catch {
            self.intents.didChange(intent, succeeded: false)
            return .refused(error)
        }
        let result = Result<ChangeDone, Failure> { () throws(LinuxError) in
            try MappingCalls.synchronize(self.destination)
            return ChangeDone(facts: try FileFacts(of: self.destination))
        }
        self.intents.didChange(intent, succeeded: true)
        return ChangeEffect(didChange: true, result: result)
    }
}
