import Glibc
import LayoutCore

/// The lock of a file or directory that belongs to one process at a time (`flock(2)`).
///
/// It lives as long as something refers to the open file description that took it: also as long as a system call that
/// a killed process is still in, which no signal ends. So the next owner never overlaps with what is left of the last.
package enum OwnerLock {
    /// What came of an attempt.
    package enum Outcome: Hashable, Sendable {
        case taken
        /// Another process has it, the one of this number as far as the kernel tells.
        case refused(owner: Int32?)
    }

    /// How long an owner that is on its way out, or cannot be seen, is waited for.
    package static var patience: Duration { .seconds(15) }
    /// How long an owner has to be seen alive before it is taken for one that stays.
    ///
    /// A process that was killed is, for a moment on its way out, not marked as such in `/proc`.
    private static var doubt: Duration { .milliseconds(500) }
    /// Milliseconds from one attempt to the next.
    private static var pause: CInt { 20 }

    /// Takes the lock, for as long as the description of `descriptor` is open.
    ///
    /// Blocks. An owner that was killed is waited for up to `patience`: whoever starts a server again does so at once,
    /// and the last system call of the old one may still run. One that lives is not waited for.
    /// - Throws: ``LayoutCore/LayoutStatus/notSupported`` and others, as flock(2) says.
    package static func take(
        _ descriptor: borrowing some Descriptor & ~Copyable,
        patience: Duration = Self.patience,
        _ attempt: @autoclosure () -> String
    ) throws(LinuxError) -> Outcome {
        let end = Host.now.advanced(by: patience)
        var aliveSince: Instant?
        while flock(descriptor.number, LOCK_EX | LOCK_NB) != 0 {
            let code = errno
            guard code == EWOULDBLOCK || code == EINTR else {
                throw LinuxError(
                    errno: code,
                    call: "flock",
                    attempt: attempt(),
                    remedy: "use a filesystem that has locks"
                )
            }
            let owner = Self.owner(of: descriptor)
            let now = Host.now
            if let owner, let process = ProcessState(of: owner), !process.isEnding {
                let start = aliveSince ?? now
                guard now.duration(since: start) < Self.doubt else { return .refused(owner: owner) }
                aliveSince = start
            } else {
                aliveSince = nil
            }
            guard now < end else { return .refused(owner: owner) }
            // No event says that a lock has fallen: flock(2) either does not wait, or has no deadline.
            poll(nil, 0, Self.pause)
        }
        return .taken
    }

    /// Gives the lock back, also if a child that is just being started still has a copy of the descriptor.
    package static func release(_ descriptor: borrowing some Descriptor & ~Copyable) {
        _ = flock(descriptor.number, LOCK_UN)
    }

    /// The process that has the lock; `nil` if there is none any more, or none that this process can see.
    ///
    /// Processes of other PID namespaces are not seen, nor are locks on filesystems whose files have other device
    /// numbers than the filesystem itself (Btrfs).
    private static func owner(of descriptor: borrowing some Descriptor & ~Copyable) -> Int32? {
        guard let facts = try? FileFacts(of: descriptor),
            let bytes = try? Host.readSmallFile("/proc/locks", limit: 1 << 22)
        else { return nil }
        return Self.owner(
            ofDevice: facts.device,
            inode: facts.inode,
            in: bytes.split(separator: 0x0a).lazy.map { String(decoding: $0, as: UTF8.self) }
        )
    }

    /// Looks for a lock in the lines of `/proc/locks` (`proc_locks(5)`):
    /// `2: FLOCK  ADVISORY  WRITE 25695 fe:00:16220437 0 EOF`.
    static func owner(ofDevice device: DeviceNumber, inode: UInt64, in lines: some Sequence<String>) -> Int32? {
        for line in lines {
            let words = line.split(separator: " ")
            // One that waits for the lock has "->" before its kind.
            guard words.count == 8, words[1] == "FLOCK" else { continue }
            let place = words[5].split(separator: ":")
            guard place.count == 3, UInt32(place[0], radix: 16) == device.major,
                UInt32(place[1], radix: 16) == device.minor, UInt64(place[2]) == inode
            else { continue }
            return Int32(words[4]).flatMap { $0 > 0 ? $0 : nil }
        }
        return nil
    }
}
