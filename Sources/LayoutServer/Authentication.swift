import LayoutCore
package import LinuxFiles
package import ONCRPC
package import Sessions

/// Who makes a call, as far as it could be established.
package struct Caller: Hashable, Sendable {
    /// Who owns the client and its sessions.
    package let principal: Principal
    /// Against whom the filesystem checks permissions.
    package let user: UserIdentity
    /// Whether the caller may look at the server's state (specification R3.4-4).
    package let isPrivileged: Bool
    /// Whether descriptors can be passed to the caller (R3.4-5).
    package let isLocal: Bool
}

/// Decides who a caller is (specification §3.4).
///
/// On a Unix socket the kernel says it, and what the call claims is ignored. Over TCP there is only the claim.
package struct AuthenticationPolicy: Hashable, Sendable {
    /// The user that the server runs as; only root can act as others.
    package let serverUser: UserIdentity
    /// Whether root over TCP is taken at its word.
    package let trustsRemoteRoot: Bool

    /// The user and group that stand for nobody.
    package static var nobody: UInt32 { 65534 }

    /// Makes a policy.
    package init(serverUser: UserIdentity, trustsRemoteRoot: Bool) {
        self.serverUser = serverUser
        self.trustsRemoteRoot = trustsRemoteRoot
    }

    /// Who a call comes from, or why it is not accepted.
    package func caller(of credential: RPCCredential, from peer: RPCPeer) -> Result<Caller, RPCAuthStatus> {
        switch peer {
        case .unix(_, let uid, let gid): self.unixCaller(uid: uid, gid: gid)
        case .tcp: self.tcpCaller(credential, isLocal: peer.isSameHost)
        }
    }

    private var isRoot: Bool { self.serverUser.uid == 0 }

    private func unixCaller(uid: UInt32, gid: UInt32) -> Result<Caller, RPCAuthStatus> {
        // Who is not root cannot act as another user: it serves itself, and root, who may do what it may.
        guard self.isRoot || uid == 0 || uid == self.serverUser.uid else { return .failure(.tooWeak) }
        return .success(
            Caller(
                principal: Principal(uid: uid, isVerified: true),
                user: self.isRoot ? UserIdentity(uid: uid, gid: gid) : self.serverUser,
                isPrivileged: uid == 0 || uid == self.serverUser.uid,
                isLocal: true
            )
        )
    }

    private func tcpCaller(_ credential: RPCCredential, isLocal: Bool) -> Result<Caller, RPCAuthStatus> {
        let claimed: UserIdentity
        switch credential {
        case .none: claimed = UserIdentity(uid: Self.nobody, gid: Self.nobody)
        case .sys(let sys): claimed = self.squashed(UserIdentity(uid: sys.uid, gid: sys.gid, groups: sys.gids))
        }
        guard claimed.uid != .max, claimed.gid != .max else { return .failure(.badCredential) }
        guard self.isRoot || (isLocal && claimed.uid == self.serverUser.uid) else { return .failure(.tooWeak) }
        return .success(
            Caller(
                principal: Principal(uid: claimed.uid, isVerified: false),
                user: self.isRoot ? claimed : self.serverUser,
                isPrivileged: false,
                isLocal: isLocal
            )
        )
    }

    /// Takes root's rights from a claim, its group's too.
    private func squashed(_ user: UserIdentity) -> UserIdentity {
        guard !self.trustsRemoteRoot else { return user }
        guard user.uid != 0 else { return UserIdentity(uid: Self.nobody, gid: Self.nobody) }
        return UserIdentity(
            uid: user.uid,
            gid: user.gid == 0 ? Self.nobody : user.gid,
            groups: user.groups.filter { $0 != 0 }
        )
    }
}
