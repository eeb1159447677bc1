import LayoutXDR
import LinuxFiles
import MappedWindows

/// Why a call of the library failed.
///
/// The code is for programs. The message is for people: it says what could not be done, with which file and range, why,
/// and what to do about it.
public struct LayoutError: Error, Sendable {
    /// What kind of failure it is.
    ///
    /// A status of the protocol, or one of those that only the library gives: ``LayoutCore/LayoutStatus/unreachable``,
    /// ``LayoutCore/LayoutStatus/timedOut``, ``LayoutCore/LayoutStatus/closed``.
    public let code: LayoutStatus
    /// What happened, and what to do about it.
    public let message: String
    /// The error behind it, if it is another one.
    public let cause: (any Error)?

    /// Makes an error.
    public init(_ code: LayoutStatus, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}

extension LayoutError: CustomStringConvertible {
    /// The message, and the code for those who look it up.
    public var description: String { "\(self.message) [\(self.code.name)]" }
}

extension LayoutStatus {
    /// The server cannot be reached, or speaks another protocol.
    ///
    /// Given by the library only; it never travels.
    public static var unreachable: LayoutStatus { LayoutStatus(rawValue: 30_001) }
    /// The server has not answered in time; a call that changes nothing can be made again.
    ///
    /// Given by the library only; it never travels.
    public static var timedOut: LayoutStatus { LayoutStatus(rawValue: 30_002) }
    /// The client, file or region was closed, or this is a forked child of the process that made it.
    ///
    /// Given by the library only; it never travels.
    public static var closed: LayoutStatus { LayoutStatus(rawValue: 30_003) }

    /// The name for people: the protocol's, or the library's.
    var name: String {
        switch self {
        case .unreachable: "UNREACHABLE"
        case .timedOut: "TIMED_OUT"
        case .closed: "CLOSED"
        default: self.description
        }
    }

    /// What a person can do about it; empty where nothing general can be said.
    var remedy: String {
        switch self {
        case .delay, .layoutTryLater, .grace: "try again later, or allow it more time"
        case .recallConflict, .returnConflict: "a change of these bytes is under way: try again, or allow it more time"
        case .access, .notPermitted: "ask for less, or change the permissions of the file"
        case .noEntry: "check the path; it is relative to the directory that the server exports"
        case .exists: "open it without `exclusive`, or choose another name"
        case .noSpace, .quota: "free some space"
        case .readOnlyFileSystem: "the export is mounted read-only"
        case .notSupported: "this filesystem cannot do that"
        case .invalid: "check offsets and lengths; inserts and collapses take whole filesystem blocks inside the file"
        case .layoutUnavailable: "use read and write, which go through the server"
        case .outcomeUnknown: "look at the file before you try again: it may or may not have been done"
        case .textBusy: "wait until the holder of the exclusive layout gives it back"
        case .stale, .badHandle: "the file is gone: open it anew"
        case .resource: "the server is at one of its limits: close what is not needed, or try again later"
        case .crossDevice: "copy instead, or name files of one filesystem"
        case .unreachable: "check that the server runs and that the address is right"
        case .closed: "connect, open or map anew"
        default: ""
        }
    }
}

extension LayoutError {
    /// Makes the error for a call that failed.
    ///
    /// - Parameters:
    ///   - failure: What came back.
    ///   - attempt: What was tried, to follow "cannot".
    init(_ failure: Failure, attempt: String) {
        let reason = failure.detail.isEmpty ? failure.status.name : failure.detail
        let remedy = failure.status.remedy
        self.init(failure.status, "cannot \(attempt): \(reason)\(remedy.isEmpty ? "" : "; \(remedy)")", cause: failure)
    }

    init(_ error: LinuxError, attempt: String) {
        self.init(error.status, "cannot \(attempt): \(error.message)", cause: error)
    }

    init(_ error: WindowError, attempt: String) {
        self.init(error.status, "cannot \(attempt): \(error.message)", cause: error)
    }
}

extension WindowError {
    /// The status that says the same.
    var status: LayoutStatus {
        switch self.code {
        case .wouldDeadlock: .deadlock
        case .failed: .noSuchAddress
        case .notWritable: .access
        case .revokedWhilePinned: .expired
        case .invalidSegments: .invalid
        case .noRoom, .tooManyThreads, .mapFailed, .grantFailed: .resource
        case .unsupported: .notSupported
        case .wrongState: .serverFault
        }
    }
}
