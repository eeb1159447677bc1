package import LayoutCore
package import LinuxFiles

/// A change that is about to be made.
package struct ChangeIntent: Hashable, Sendable {
    /// Names the change while the server runs.
    package let change: ChangeID
    /// The file whose mapping changes.
    package let file: FileIdentity
    /// What is done.
    package let operation: MappingOperation
    /// The operation's own arguments.
    package let argument: ByteRange
    /// The size of the file before, in bytes.
    package let size: UInt64
}

/// Writes down which changes are under way, so that a crash leaves no doubt whether one happened.
///
/// Called on the threads that make the system calls, possibly several at once; may block.
package protocol IntentLog: Sendable {
    /// The change's system call comes next; returns once that is on stable storage.
    ///
    /// - Throws: Then the change is not made, and its caller gets the error.
    func willChange(_ intent: ChangeIntent) throws(LinuxError)

    /// The system call is over.
    func didChange(_ intent: ChangeIntent, succeeded: Bool)
}

/// Remembers nothing: after a crash, whoever retries an insert or collapse must look whether it happened.
package struct NoIntentLog: IntentLog {
    /// Makes the log.
    package init() {}

    /// Remembers nothing.
    package func willChange(_ intent: ChangeIntent) throws(LinuxError) {}

    /// Remembers nothing.
    package func didChange(_ intent: ChangeIntent, succeeded: Bool) {}
}
