/// Why a call was not executed: the error replies of RFC 5531 §9.
package enum RPCRejection: Hashable, Sendable {
    /// PROG_UNAVAIL: the program is not served here.
    case programUnavailable
    /// PROG_MISMATCH: of this program only versions `low` through `high` are served.
    case programMismatch(low: UInt32, high: UInt32)
    /// PROC_UNAVAIL: the program has no such procedure.
    case procedureUnavailable
    /// GARBAGE_ARGS: the arguments cannot be decoded.
    case garbageArguments
    /// SYSTEM_ERR: this side is out of something, for example of places for calls in flight.
    case systemError
    /// RPC_MISMATCH: of the RPC protocol itself only versions `low` through `high` are spoken.
    case rpcMismatch(low: UInt32, high: UInt32)
    /// AUTH_ERROR: the caller is not accepted as who it says it is.
    case authError(RPCAuthStatus)
}

/// Why authentication failed: `auth_stat` of RFC 5531 §9.
///
/// Numbers unknown here survive.
package struct RPCAuthStatus: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number on the wire.
    package var rawValue: UInt32

    /// Makes a status from its number.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// AUTH_BADCRED: the credential is malformed.
    package static let badCredential = RPCAuthStatus(rawValue: 1)
    /// AUTH_REJECTEDCRED: the flavor is not supported, or the client must begin anew.
    package static let rejectedCredential = RPCAuthStatus(rawValue: 2)
    /// AUTH_BADVERF: the verifier is malformed.
    package static let badVerifier = RPCAuthStatus(rawValue: 3)
    /// AUTH_REJECTEDVERF: the verifier has expired or was replayed.
    package static let rejectedVerifier = RPCAuthStatus(rawValue: 4)
    /// AUTH_TOOWEAK: what was asked for needs stronger authentication.
    package static let tooWeak = RPCAuthStatus(rawValue: 5)

    /// The name in RFC 5531, or the number.
    package var description: String {
        switch self {
        case .badCredential: "AUTH_BADCRED"
        case .rejectedCredential: "AUTH_REJECTEDCRED"
        case .badVerifier: "AUTH_BADVERF"
        case .rejectedVerifier: "AUTH_REJECTEDVERF"
        case .tooWeak: "AUTH_TOOWEAK"
        default: "auth_stat \(self.rawValue)"
        }
    }
}

extension RPCRejection: CustomStringConvertible {
    /// The name in RFC 5531, with the versions or the reason.
    package var description: String {
        switch self {
        case .programUnavailable: "PROG_UNAVAIL"
        case .programMismatch(let low, let high): "PROG_MISMATCH (versions \(low) to \(high) are served)"
        case .procedureUnavailable: "PROC_UNAVAIL"
        case .garbageArguments: "GARBAGE_ARGS"
        case .systemError: "SYSTEM_ERR"
        case .rpcMismatch(let low, let high): "RPC_MISMATCH (versions \(low) to \(high) are spoken)"
        case .authError(let status): "AUTH_ERROR (\(status))"
        }
    }
}
