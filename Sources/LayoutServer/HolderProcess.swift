import LayoutCore
import LinuxFiles
import Recovery

/// The process that fetched one of a holder's descriptions.
struct HolderProcess: Sendable {
    /// The number of the description's lock byte.
    let lock: UInt64
    let pid: Int32
    let uid: UInt32
    /// When it started; `nil` if that could not be told.
    let startTime: UInt64?
    /// The process itself (a pidfd); `nil` if an earlier life of the server passed the description.
    private let process: SharedDescriptor?

    /// One that has just shown its token.
    init(_ peer: PeerCredentials, lock: UInt64) {
        self.lock = lock
        self.pid = peer.pid
        self.uid = peer.uid
        self.startTime = peer.startTime
        self.process = peer.process
    }

    /// One that an earlier life knew.
    init(_ stored: StoredPeer) {
        self.lock = stored.lock
        self.pid = stored.pid
        self.uid = stored.uid
        self.startTime = stored.startTime
        self.process = nil
    }

    /// What a later life needs to find it again.
    var stored: StoredPeer? {
        self.startTime.map { StoredPeer(lock: self.lock, pid: self.pid, startTime: $0, uid: self.uid) }
    }

    /// Kills the process, and never a later one of its number; one that is gone is no error.
    ///
    /// Called on a thread.
    func kill() throws(LinuxError) {
        if let process = self.process { return try ProcessHandle.kill(process) }
        guard let startTime = self.startTime else {
            throw LinuxError(
                refusing: .notSupported,
                "process \(self.pid) cannot be told from a later one of its number: it is not killed"
            )
        }
        guard let process = try ProcessHandle.open(self.pid, startTime: startTime) else { return }
        try ProcessHandle.kill(process)
    }
}
