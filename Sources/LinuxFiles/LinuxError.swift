import CLinuxFiles
import Glibc
package import LayoutCore

/// A file operation that failed, or that was refused before anything was done.
///
/// The message says what could not be done, to which file and range, why, and what to do about it.
package struct LinuxError: Error, Hashable, Sendable {
    /// The kernel's error number; 0 where no system call failed.
    package let errno: CInt
    /// The system call that failed; empty where none did.
    package let call: String
    /// What the protocol answers.
    package let status: LayoutStatus
    /// For a person: what happened and the remedy.
    package let message: String

    /// Makes an error from a failed system call.
    ///
    /// - Parameters:
    ///   - errno: The error number, positive.
    ///   - call: The system call.
    ///   - attempt: What was tried, to follow "cannot": `open 'a/b'`, `insert [4096, 8192) into file 12`.
    ///   - status: What the protocol answers, where the error number alone does not say it.
    ///   - remedy: What to do about it, where the error number alone does not say it.
    package init(
        errno: CInt,
        call: String,
        attempt: String,
        status: LayoutStatus? = nil,
        remedy: String? = nil
    ) {
        self.errno = errno
        self.call = call
        self.status = status ?? LayoutStatus(errno: errno)
        let reason = "\(Self.text(of: errno)) (\(call): \(Self.name(of: errno)))"
        self.message = "cannot \(attempt): \(reason); \(remedy ?? Self.remedy(for: errno))"
    }

    /// Makes an error for something that is refused before anything was done.
    package init(refusing status: LayoutStatus, _ message: String) {
        self.errno = 0
        self.call = ""
        self.status = status
        self.message = message
    }

    /// The C name of an error number, for example `ENOENT`.
    package static func name(of errno: CInt) -> String { unsafe String(cString: lf_error_name(errno)) }

    /// The C library's words for an error number, not translated.
    package static func text(of errno: CInt) -> String { unsafe String(cString: lf_error_text(errno)) }
}

extension LinuxError: CustomStringConvertible {
    /// The status and the message.
    package var description: String { "\(self.status): \(self.message)" }
}

/// Turns a result of `CLinuxFiles` into a value or an error.
///
/// - Parameters:
///   - result: The result, or the negative error number.
///   - call: The system call.
///   - attempt: What was tried, to follow "cannot"; only made when the call failed.
/// - Returns: The result, 0 or positive.
/// - Throws: The error, if it is one.
@discardableResult
func checked(_ result: Int64, _ call: String, _ attempt: @autoclosure () -> String) throws(LinuxError) -> Int64 {
    guard result < 0 else { return result }
    throw LinuxError(errno: CInt(clamping: -result), call: call, attempt: attempt())
}

/// Runs a system call again as long as a signal interrupts it before it has done anything.
func uninterrupted(_ body: () -> Int64) -> Int64 {
    while true {
        let result = body()
        if result != -Int64(EINTR) { return result }
    }
}
