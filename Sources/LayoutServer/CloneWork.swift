import LayoutCore
import LayoutXDR
import LinuxFiles

/// A clone of blocks of one file into another, or into another place of the same one.
///
/// Runs on threads that may block.
struct CloneWork: Sendable {
    /// Open for reading.
    let source: SharedDescriptor
    /// By which a later life finds the source again.
    let sourceLocator: [UInt8]
    let sourceOffset: UInt64
    /// Open for writing.
    let destination: SharedDescriptor
    /// By which a later life finds the destination again.
    let locator: [UInt8]
    let offset: UInt64
    /// 0: to the end of the source.
    let length: UInt64
    let support: MappingSupport
    let recorder: ChangeRecorder

    /// What the clone works on, as the files are now.
    struct Plan: Sendable {
        let source: ByteRange
        let destination: ByteRange
        let affectedSource: ByteRange
        let affectedDestination: ByteRange
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
            affectedDestination: ranges.destination.roundedOut(to: block)
        )
    }

    /// Makes the clone, if it still affects nothing but what is closed to layouts.
    func run(registered: Plan) -> ChangeEffect {
        let plan: Plan
        do throws(LinuxError) {
            plan = try self.plan()
            guard registered.affectedSource.contains(plan.affectedSource),
                registered.affectedDestination.contains(plan.affectedDestination)
            else {
                throw LinuxError(refusing: .delay, "the source has another size by now; nothing was done, try again")
            }
        } catch {
            return .refused(error)
        }
        let subject = ChangeIntent.Subject.clone(
            source: self.sourceLocator,
            destination: self.locator,
            from: plan.source,
            to: plan.destination
        )
        let changed = self.recorder.run(subject) { () throws(LinuxError) in
            try MappingCalls.cloneRange(
                from: self.source,
                at: plan.source.lowerBound,
                length: plan.source.wireLength,
                to: self.destination,
                at: plan.destination.lowerBound
            )
        } synchronize: { _ throws(LinuxError) in
            try MappingCalls.synchronize(self.destination)
        }
        guard case .success = changed.made else {
            return ChangeEffect(didChange: false, result: changed.result.map { ChangeDone() }, record: changed.record)
        }
        let result = Result<ChangeDone, Failure> { () throws(LinuxError) in
            if let error = changed.syncError { throw error }
            return ChangeDone(facts: try FileFacts(of: self.destination))
        }
        return ChangeEffect(didChange: true, result: result, record: changed.record)
    }
}
