/// Who a call says that it comes from (RFC 5531 §8.2).
///
/// Nothing in it is proven; see ``RPCPeer`` for what is.
package enum RPCCredential: Hashable, Sendable {
    /// AUTH_NONE: nothing is claimed.
    case none
    /// AUTH_SYS: a user and groups.
    case sys(RPCSystemCredential)
}

/// The body of an AUTH_SYS credential (RFC 5531 appendix A).
package struct RPCSystemCredential: Hashable, Sendable {
    /// The most groups besides ``gid``.
    package static let groupsMax = 16
    /// The most bytes of a machine name.
    package static let machineNameLengthMax = 255

    /// An arbitrary number that the caller's machine chose.
    package var stamp: UInt32
    /// The caller's machine; at most 255 bytes, no NUL.
    ///
    /// Bytes that are not UTF-8 are replaced by U+FFFD on decoding.
    package var machineName: String
    /// The effective user.
    package var uid: UInt32
    /// The effective group.
    package var gid: UInt32
    /// Further groups, at most 16.
    package var gids: [UInt32]

    /// Makes a credential.
    ///
    /// Bounds are checked when it is encoded: ``RPCError/invalidCredential``.
    package init(uid: UInt32, gid: UInt32, gids: [UInt32] = [], machineName: String = "", stamp: UInt32 = 0) {
        self.stamp = stamp
        self.machineName = machineName
        self.uid = uid
        self.gid = gid
        self.gids = gids
    }
}

/// A flavor of authentication by its number (RFC 5531 §8.2, RFC 9289 §4.1).
struct RPCAuthFlavor: RawRepresentable, Hashable, Sendable {
    var rawValue: UInt32

    static let none = RPCAuthFlavor(rawValue: 0)
    static let sys = RPCAuthFlavor(rawValue: 1)
    /// The probe for RPC with TLS.
    static let tls = RPCAuthFlavor(rawValue: 7)
}
