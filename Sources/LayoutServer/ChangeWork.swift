import LayoutCore
import LayoutXDR
import LinuxFiles

/// What a change did, or why it did nothing.
struct ChangeEffect: Sendable {
    /// Whether the file's mapping, or its bytes, changed: also if what came behind it failed.
    let didChange: Bool
    let result: Result<ChangeDone, Failure>
    /// What has to be kept with the reply; `nil` if nothing was begun.
    var record: ReplyRecord?
    /// Set if the file is in neither state: why nobody may use it until a person has looked.
    var blockReason: String?

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
    /// Open for writing, as the user who asks.
    let file: SharedDescriptor
    /// By which a later life finds the file again.
    let locator: [UInt8]
    let operation: MappingOperation
    let offset: UInt64
    let length: UInt64
    let keepsSize: Bool
    let support: MappingSupport
    let recorder: ChangeRecorder
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
        let fingerprint: ExtentFingerprint?
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
            fingerprint = try self.fingerprint(plan)
        } catch {
            return .refused(error)
        }
        let changed = self.recorder.run(self.subject(plan, fingerprint)) { () throws(LinuxError) in
            try MappingCall(self.operation, plan.argument, keepsSize: self.keepsSize).make(
                on: self.file,
                writing: self.data
            )
        } synchronize: { _ throws(LinuxError) in
            if self.isStable { try MappingCalls.synchronize(self.file, dataOnly: self.operation == .write) }
        }
        switch changed.made {
        case .failure(let error):
            return self.failed(error, plan, fingerprint, changed.record)
        case .success(let written):
            let result = Result<ChangeDone, Failure> { () throws(LinuxError) in
                if let error = changed.syncError { throw error }
                return ChangeDone(facts: try FileFacts(of: self.file), written: written)
            }
            return ChangeEffect(didChange: true, result: result, record: changed.record)
        }
    }

    /// How a later life can tell whether a shift was made; nothing for what can be made twice.
    private func fingerprint(_ plan: Plan) throws(LinuxError) -> ExtentFingerprint? {
        guard self.operation.isShift else { return nil }
        // What is not settled yet would look different afterwards for no reason.
        try MappingCalls.synchronize(self.file)
        return try ExtentFingerprint(
            of: self.file,
            before: Shift(self.operation, plan.argument),
            blockSize: self.support.fileSystem.blockSize
        )
    }

    private func subject(_ plan: Plan, _ fingerprint: ExtentFingerprint?) -> ChangeIntent.Subject? {
        // The same bytes can be written twice; an intent for each write would cost as much as the write.
        guard self.operation != .write else { return nil }
        return .mapping(
            ChangeIntent.Mapping(
                operation: self.operation,
                file: self.locator,
                argument: plan.argument,
                keepsSize: self.keepsSize,
                size: plan.size,
                fingerprint: fingerprint?.bytes ?? []
            )
        )
    }

    /// A system call failed: of a shift it is to be seen whether it had begun.
    private func failed(
        _ error: LinuxError,
        _ plan: Plan,
        _ fingerprint: ExtentFingerprint?,
        _ record: ReplyRecord?
    ) -> ChangeEffect {
        var effect = ChangeEffect.refused(error)
        effect.record = record
        guard let fingerprint, record != nil else { return effect }
        guard (try? fingerprint.compare(to: self.file)) != .before else { return effect }
        let reason = "the \(self.operation) of \(plan.argument) failed, and the file is not as it was: \(error.message)"
        return ChangeEffect(
            didChange: false,
            result: .failure(BlockedFile(reason: reason).failure),
            record: record,
            blockReason: reason
        )
    }
}

extension Shift {
    /// What an insert or collapse of these bytes does.
    init(_ operation: MappingOperation, _ argument: ByteRange) {
        self.init(
            isInsert: operation == .insertRange,
            offset: argument.lowerBound,
            length: argument.wireLength
        )
    }
}

extension MappingOperation {
    /// Whether bytes move, so that a second time is not the same as the first.
    var isShift: Bool { self == .insertRange || self == .collapseRange }
}

/// The system call of a change of one open file.
struct MappingCall: Sendable {
    let operation: MappingOperation
    let argument: ByteRange
    let keepsSize: Bool

    init(_ operation: MappingOperation, _ argument: ByteRange, keepsSize: Bool) {
        self.operation = operation
        self.argument = argument
        self.keepsSize = keepsSize
    }

    /// Makes it; returns the bytes that a write stored.
    func make(
        on file: borrowing some Descriptor & ~Copyable,
        writing data: [UInt8] = []
    ) throws(LinuxError) -> Int {
        switch self.operation {
        case .allocate: try MappingCalls.allocate(self.argument, of: file, keepingSize: self.keepsSize)
        case .punchHole: try MappingCalls.punchHole(self.argument, of: file)
        case .zeroRange: try MappingCalls.zeroRange(self.argument, of: file, keepingSize: self.keepsSize)
        case .collapseRange: try MappingCalls.collapseRange(self.argument, of: file)
        case .insertRange: try MappingCalls.insertRange(self.argument, of: file)
        case .truncate: try MappingCalls.truncate(to: self.argument.lowerBound, file)
        case .write: return try FileInputOutput.write(data, at: self.argument.lowerBound, to: file)
        case .none, .cloneTo, .cloneFrom, .remove, .attribute, .shutdown, .revoke, .unknown:
            preconditionFailure("\(self.operation) is not a change of one open file")
        }
        return 0
    }
}
