import Glibc
import LayoutCore
import LinuxFiles

/// Deals with a holder that did not give its layouts back, and looks whether it can still reach the file.
///
/// Runs on a thread that may block, for at most about ``limit``.
struct FenceWork: Sendable {
    /// What is done before the look.
    enum Method: Sendable {
        case look
        case kill
        case hook(program: String, arguments: [String])
    }

    let method: Method
    /// The file.
    let place: SharedDescriptor
    /// The lock bytes of the holder's descriptions.
    let locks: [UInt64]
    /// Who fetched them.
    let peers: [PeerCredentials]

    /// What came of it.
    struct Outcome: Sendable {
        /// Whether it is proven that the holder cannot reach the file.
        let isGone: Bool
        /// For the log: what went wrong.
        let trouble: String?
    }

    private static var limit: Duration { .seconds(10) }

    /// Applies the method, then looks.
    func run() -> Outcome {
        var trouble: [String] = []
        switch self.method {
        case .look: break
        case .kill: self.kill(&trouble)
        case .hook(let program, let arguments):
            if let failure = HookProgram.run(program, arguments, within: Self.limit) { trouble.append(failure) }
        }
        do throws(LinuxError) {
            let isGone = try self.isGone(waiting: self.waitsForTheEnd ? .milliseconds(500) : .zero)
            return Outcome(isGone: isGone, trouble: trouble.isEmpty ? nil : trouble.joined(separator: "; "))
        } catch {
            // What cannot be proven does not count.
            trouble.append(error.message)
            return Outcome(isGone: false, trouble: trouble.joined(separator: "; "))
        }
    }

    private var waitsForTheEnd: Bool {
        if case .look = self.method { false } else { true }
    }

    /// Whether all locks have fallen, or fall within `patience`: a killed process takes its time to unmap.
    private func isGone(waiting patience: Duration) throws(LinuxError) -> Bool {
        // A look at a file needs no permission of a user: it is the server's own.
        let probe = try ExportRoot.openRegular(self.place, for: .read, "look for a holder's locks")
        let deadline = Host.now.advanced(by: patience)
        while true {
            var isHeld = false
            for lock in self.locks where try HolderLock.isHeld(by: lock, on: probe) { isHeld = true }
            if !isHeld { return true }
            guard Host.now < deadline else { return false }
            usleep(2000)
        }
    }

    private func kill(_ trouble: inout [String]) {
        if self.peers.isEmpty, !self.locks.isEmpty {
            trouble.append("who has its descriptors was known to an earlier life of the server only: nobody is killed")
        }
        for peer in self.peers {
            guard peer.pid != getpid() else {
                trouble.append("the holder is this process, which is not killed")
                continue
            }
            guard let process = peer.process else {
                trouble.append("process \(peer.pid) cannot be told from a later one of its number: it is not killed")
                continue
            }
            do throws(LinuxError) {
                try ProcessHandle.kill(process)
            } catch {
                trouble.append(error.message)
            }
        }
    }
}
