import Glibc
import LayoutCore
import LinuxFiles
import NIOCore

/// Deals with holders that did not give their layouts back, and looks whether they can still reach their files.
///
/// Bound to its event loop. Threads make only system calls that end soon; what has to be waited for, a program or the
/// end of a process, is looked at again and again. So however many holders resist, no other one's fence waits for them.
final class Fencing {
    /// What is done before the look.
    enum Method: Sendable {
        case look
        case kill
        case hook(program: String, arguments: [String])
    }

    /// A holder.
    struct Target: Sendable {
        /// The file.
        let place: SharedDescriptor
        /// The lock bytes of the holder's descriptions.
        let locks: [UInt64]
        /// Who fetched them.
        let peers: [HolderProcess]
    }

    /// What came of it.
    struct Outcome: Sendable {
        /// Whether it is proven that the holder cannot reach the file.
        let isGone: Bool
        /// For the log: what went wrong.
        let trouble: String?
    }

    /// How long a process that was just ended may take to let go of its mappings.
    private static var patience: Duration { .milliseconds(500) }

    private let eventLoop: any EventLoop
    private let work: FileWork
    private let hooks: HookPrograms

    /// Makes it for the life of a server; `work` is on a pool of threads that nothing else uses: fences must not wait
    /// behind the very calls that wait for them.
    init(eventLoop: any EventLoop, work: FileWork) {
        self.eventLoop = eventLoop
        self.work = work
        self.hooks = HookPrograms(eventLoop: eventLoop, work: work)
    }

    /// Applies the method, then looks; `completion` is called on the event loop, never before this method returns.
    func run(_ method: Method, on target: Target, then completion: @escaping (Outcome) -> Void) {
        switch method {
        case .look:
            self.look(at: target, until: nil, [], completion)
        case .kill:
            self.work.run(on: nil, target.kill) { trouble in
                self.look(at: target, until: Host.now.advanced(by: Self.patience), trouble, completion)
            }
        case .hook(let program, let arguments):
            self.hooks.run(program, arguments) { trouble in
                let end = Host.now.advanced(by: Self.patience)
                self.look(at: target, until: end, trouble.map { [$0] } ?? [], completion)
            }
        }
    }

    /// Looks until the holder is gone or the time is up; just once if there is none.
    private func look(
        at target: Target,
        until end: Instant?,
        after pause: TimeAmount = .milliseconds(2),
        _ trouble: [String],
        _ completion: @escaping (Outcome) -> Void
    ) {
        self.work.run(on: nil, target.isGone) { result in
            switch result {
            case .failure(let error):
                // What cannot be proven does not count.
                let all = trouble + [error.message]
                completion(Outcome(isGone: false, trouble: all.joined(separator: "; ")))
            case .success(false) where end.map { Host.now < $0 } == true:
                let next = min(pause * 2, .milliseconds(64))
                self.eventLoop.assumeIsolated().scheduleTask(in: pause) {
                    self.look(at: target, until: end, after: next, trouble, completion)
                }
            case .success(let isGone):
                let text = trouble.isEmpty ? nil : trouble.joined(separator: "; ")
                completion(Outcome(isGone: isGone, trouble: text))
            }
        }
    }
}

extension Fencing.Target {
    /// Whether all locks have fallen.
    ///
    /// Called on a thread.
    fileprivate func isGone() -> Result<Bool, LinuxError> {
        Result { () throws(LinuxError) -> Bool in try self.heldLocks().isEmpty }
    }

    /// The locks that have not fallen.
    private func heldLocks() throws(LinuxError) -> [UInt64] {
        // A look at a file needs no permission of a user: it is the server's own.
        let probe = try ExportRoot.openRegular(self.place, for: .read, "look for a holder's locks")
        var held: [UInt64] = []
        for lock in self.locks where try HolderLock.isHeld(by: lock, on: probe) { held.append(lock) }
        return held
    }

    /// Kills who fetched the descriptors that are still in use, and returns what went wrong.
    ///
    /// Called on a thread.
    fileprivate func kill() -> [String] {
        let held: [UInt64]
        do throws(LinuxError) { held = try self.heldLocks() } catch { return [error.message] }
        let unknown = held.filter { lock in !self.peers.contains { $0.lock == lock } }
        var trouble = unknown.isEmpty ? [] : ["it is not known who has fetched a descriptor: nobody is killed for it"]
        for peer in self.peers where held.contains(peer.lock) {
            guard peer.pid != getpid() else {
                trouble.append("the holder is this process, which is not killed")
                continue
            }
            do throws(LinuxError) { try peer.kill() } catch { trouble.append(error.message) }
        }
        return trouble
    }
}
