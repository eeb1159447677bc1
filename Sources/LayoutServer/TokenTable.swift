import LayoutCore
import LeaseEngine
import LinuxFiles
import Synchronization

/// The descriptors that were granted and not fetched yet, by their tokens (specification §7.1).
///
/// Shared by the event loop, which puts them there, and the thread of the descriptor socket, which hands them out.
final class TokenTable: Sendable {
    /// A descriptor that waits to be fetched.
    struct Waiting: Sendable {
        let descriptor: SharedDescriptor
        let holder: LeaseEngine.HolderID
        /// Names the description among those of its holder.
        let lock: UInt64
        /// Who may fetch it.
        let uid: UInt32
    }

    /// What became of a token that was shown.
    struct Redemption: Sendable {
        let holder: LeaseEngine.HolderID
        let lock: UInt64
        let peer: PeerCredentials
        /// Whether the descriptor is on its way; if not, it is closed by now.
        let wasSent: Bool
    }

    private let limit: Int
    private let waiting = Mutex<[DescriptorToken: Waiting]>([:])

    init(limit: Int) { self.limit = limit }

    var count: Int { self.waiting.withLock { $0.count } }

    /// Puts a descriptor under a token; `false` if too many wait.
    func insert(_ entry: Waiting, under token: DescriptorToken) -> Bool {
        self.waiting.withLock {
            guard $0.count < self.limit else { return false }
            $0[token] = entry
            return true
        }
    }

    /// Drops a token; its descriptor is closed.
    func remove(_ token: DescriptorToken) {
        // The descriptor closes outside the lock: that may take a system call's time.
        let dropped = self.waiting.withLock { $0.removeValue(forKey: token) }
        _ = consume dropped
    }

    /// Takes the descriptor of a token for a peer; `nil` if the token is not good, or another user's.
    func redeem(
        _ token: DescriptorToken,
        _ peer: PeerCredentials,
        finished: @escaping @Sendable (Redemption) -> Void
    ) -> DescriptorSocketServer.Grant? {
        let taken: Waiting? = self.waiting.withLock {
            guard let entry = $0[token], entry.uid == peer.uid else { return nil }
            $0[token] = nil
            return entry
        }
        guard let taken else { return nil }
        let (holder, lock) = (taken.holder, taken.lock)
        return DescriptorSocketServer.Grant(taken.descriptor) { wasSent in
            finished(Redemption(holder: holder, lock: lock, peer: peer, wasSent: wasSent))
        }
    }
}
