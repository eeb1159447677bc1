internal import CLayoutClientABI
internal import Glibc
internal import LayoutClient

/// Why a call failed, as C is told it.
struct CallFailure: Error {
    /// For `errno`.
    let number: CInt
    /// For `ll_error_detail`: what could not be done, and what to do about it.
    let detail: String

    init(_ number: CInt, _ detail: String) {
        self.number = number
        self.detail = detail
    }

    init(_ error: LayoutError) {
        self.init(error.code.errorNumber, error.description)
    }

    /// What a forked child hears.
    static var forkedChild: CallFailure {
        CallFailure(
            ENOTCONN,
            "this is a forked child of a process that has used the library, whose threads and connections are not here: "
                + "call exec, or fork before the first use"
        )
    }
}

extension LayoutStatus {
    /// The nearest value of `errno`, as `layoutclient.h` lists them.
    var errorNumber: CInt {
        switch self {
        case .notPermitted: EPERM
        case .noEntry: ENOENT
        case .access: EACCES
        case .exists: EEXIST
        case .crossDevice: EXDEV
        case .notDirectory: ENOTDIR
        case .isDirectory: EISDIR
        case .invalid, .badName, .badType: EINVAL
        case .fileTooBig: EFBIG
        case .noSpace: ENOSPC
        case .readOnlyFileSystem: EROFS
        case .tooManyLinks: EMLINK
        case .nameTooLong: ENAMETOOLONG
        case .notEmpty: ENOTEMPTY
        case .quota: EDQUOT
        case .stale, .badHandle, .expired: ESTALE
        case .notSupported: EOPNOTSUPP
        case .delay, .grace, .layoutTryLater, .recallConflict, .returnConflict: EAGAIN
        case .textBusy: ETXTBSY
        case .deadlock: EDEADLK
        case .symbolicLink: ELOOP
        case .layoutUnavailable: ENODEV
        case .resource: ENOMEM
        case .noSuchAddress: ENXIO
        case .outcomeUnknown: ECONNABORTED
        case .unreachable: EHOSTUNREACH
        case .timedOut: ETIMEDOUT
        case .closed: ENOTCONN
        default: EIO
        }
    }
}

/// Runs the body of an exported function, and tells C of a failure.
///
/// In a forked child the body does not run. `errno` is set last, when nothing of the body is left that could change it.
func call<Value>(
    _ function: StaticString,
    failing failed: Value,
    _ body: () throws(CallFailure) -> Value
) -> Value {
    let failure: CallFailure
    do throws(CallFailure) {
        guard ll_internal_enter() else { throw .forkedChild }
        return try body()
    } catch {
        failure = error
    }
    unsafe "\(function): \(failure.detail)".withCString { unsafe ll_internal_fail(failure.number, $0) }
    return failed
}
