import ArgumentParser
import LayoutCore
import LayoutServer
import LinuxFiles
import ONCRPC
import Recovery

/// How the program ends when it cannot do what it was asked: the codes of sysexits.h, which systemd knows by name.
extension ExitCode {
    /// `EX_USAGE`: the arguments make no sense; what the argument parser itself finds ends the same way.
    static var usage: ExitCode { ExitCode(64) }
    /// `EX_NOINPUT`: the export cannot be read.
    static var noInput: ExitCode { ExitCode(66) }
    /// `EX_UNAVAILABLE`: an address is in use.
    static var unavailable: ExitCode { ExitCode(69) }
    /// `EX_OSERR`: the system refused something.
    static var osError: ExitCode { ExitCode(71) }
    /// `EX_IOERR`: the recovery store cannot be written any more.
    static var ioError: ExitCode { ExitCode(74) }
    /// `EX_NOPERM`: a permission is missing.
    static var noPermission: ExitCode { ExitCode(77) }
    /// `EX_CONFIG`: the configuration cannot work.
    static var configuration: ExitCode { ExitCode(78) }

    /// The code for an error that ended the program.
    init(ending error: any Error) {
        switch error {
        case let error as LinuxError: self = Self.code(of: error.status)
        case let error as RPCTransportError: self = Self.code(of: error.code)
        case let error as RecoveryStoreError: self = Self.code(of: error.code)
        case is ServerAddress.InvalidURL: self = .usage
        default: self = .osError
        }
    }

    private static func code(of status: LayoutStatus) -> ExitCode {
        switch status {
        case .noEntry, .notDirectory, .badName, .nameTooLong, .invalid, .exists: .configuration
        case .access, .notPermitted: .noPermission
        default: .osError
        }
    }

    private static func code(of code: RecoveryStoreError.Code) -> ExitCode {
        switch code {
        case .inUse: .unavailable
        case .full, .unavailable: .ioError
        case .damaged, .wrongVersion, .foreign: .configuration
        }
    }

    private static func code(of code: RPCTransportError.Code) -> ExitCode {
        switch code {
        case .addressInUse: .unavailable
        case .invalidAddress, .descriptorLimit: .configuration
        case .unreachable, .system: .osError
        }
    }
}

/// What an operator reads about an error.
func explanation(of error: any Error) -> String {
    (error as? LinuxError)?.message ?? (error as? RecoveryStoreError)?.message ?? "\(error)"
}
