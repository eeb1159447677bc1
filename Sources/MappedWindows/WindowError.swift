/// Why an operation on a window failed.
package struct WindowError: Error, Hashable, Sendable {
    /// What kind of failure it is, for programs.
    package enum Code: Hashable, Sendable {
        /// This system lacks what the runtime needs (`membarrier(2)` with `PRIVATE_EXPEDITED`, Linux 4.14).
        case unsupported
        /// No address space, or all slots for windows are in use.
        case noRoom
        /// The segments are not in order, overlap, leave the window, or are not multiples of the page size.
        case invalidSegments
        /// The window is not in the state that the operation needs.
        case wrongState
        /// `mmap(2)` refused a segment.
        case mapFailed
        /// `mprotect(2)` refused the access.
        case grantFailed
        /// The lease is lost, the bytes are gone, or the window was released.
        case failed
        /// A store was announced, the window is granted for reading, and is not writable on demand.
        case notWritable
        /// Waiting for the window could last for ever: this thread holds a pin that others may wait for, or serves the
        /// windows.
        case wouldDeadlock
        /// The lease ended before the pin did, so the bytes seen or stored may be another mapping's.
        case revokedWhilePinned
        /// More threads than the runtime can tell apart use pins.
        case tooManyThreads
    }

    /// What kind of failure it is.
    package let code: Code
    /// What happened, to which window or file range, and what can be done.
    package let message: String
    /// The error of the system call behind it (`errno(3)`), if there is one.
    package let errno: Int32?

    init(_ code: Code, _ message: String, errno: Int32? = nil) {
        self.code = code
        self.message = message
        self.errno = errno
    }
}

extension WindowError: CustomStringConvertible {
    /// The message, with the error of the system call.
    package var description: String {
        guard let errno = self.errno else { return self.message }
        return "\(self.message) (errno \(errno): \(systemMessage(errno)))"
    }
}
