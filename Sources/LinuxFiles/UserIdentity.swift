import CLinuxFiles
import Glibc
import LayoutCore

/// A user as the filesystem sees one: what permissions are checked against, and who owns new files.
package struct UserIdentity: Hashable, Sendable {
    package let uid: UInt32
    package let gid: UInt32
    /// Supplementary groups, at most ``groupsMax``.
    package let groups: [UInt32]

    /// Supplementary groups that are taken; AUTH_SYS carries 16 (RFC 5531, appendix A).
    package static var groupsMax: Int { 1024 }

    /// Makes an identity from numbers that a peer may have sent; they are checked when it is used.
    package init(uid: UInt32, gid: UInt32, groups: [UInt32] = []) {
        self.uid = uid
        self.gid = gid
        self.groups = groups
    }

    /// The identity that the calling thread has now.
    package static func current() throws(LinuxError) -> UserIdentity {
        UserIdentity(uid: lf_set_fsuid(.max), gid: lf_set_fsgid(.max), groups: try Self.currentGroups())
    }

    /// Runs `body` with this identity for the filesystem, on this thread only, and restores the thread's own behind it.
    ///
    /// Sets `fsuid`, `fsgid` and the groups through raw system calls (`setfsuid(2)`): glibc's would change every thread.
    /// For a user other than root the kernel takes the capabilities that bypass permissions away from the thread meanwhile.
    /// `body` must stay on this thread: it cannot suspend. The process stops being dumpable (`prctl(2)`), so it writes no
    /// core file.
    ///
    /// A process that is not root can only act as itself: then `body` runs as it is.
    /// - Throws: What `body` throws; ``LayoutCore/LayoutStatus/notPermitted`` for another user where this process is not
    ///   root, or for 2^32 - 1, which is nobody; ``LayoutCore/LayoutStatus/invalid`` for too many groups.
    package func run<Value: ~Copyable>(_ body: () throws(LinuxError) -> Value) throws(LinuxError) -> Value {
        guard self.uid != .max, self.gid != .max, !self.groups.contains(.max) else {
            throw LinuxError(
                refusing: .notPermitted,
                "4294967295 is no user and no group; send credentials with others"
            )
        }
        guard self.groups.count <= Self.groupsMax else {
            throw LinuxError(
                refusing: .invalid,
                "\(self.groups.count) groups are too many; send credentials with at most \(Self.groupsMax)"
            )
        }
        guard geteuid() == 0 else {
            guard self.uid == geteuid() else {
                throw LinuxError(
                    refusing: .notPermitted,
                    "cannot act as user \(self.uid): this process is not root but user \(geteuid()); connect as that user, "
                        + "or run the server as root"
                )
            }
            return try body()
        }
        let own = try Self.current()
        do throws(LinuxError) {
            try self.assume()
        } catch {
            own.restore()
            throw error
        }
        defer { own.restore() }
        return try body()
    }

    /// Makes this the thread's identity: groups first, as changing them needs the privilege that goes with the user.
    private func assume() throws(LinuxError) {
        let attempt = "act as user \(self.uid) with group \(self.gid)"
        try checked(unsafe lf_set_groups(self.groups, self.groups.count), "setgroups", attempt)
        // These two report no error: the kernel is asked what became of them (setfsuid(2), BUGS).
        _ = lf_set_fsgid(self.gid)
        _ = lf_set_fsuid(self.uid)
        guard lf_set_fsgid(.max) == self.gid, lf_set_fsuid(.max) == self.uid else {
            throw LinuxError(
                refusing: .notPermitted,
                "cannot \(attempt): the kernel refuses; give this process CAP_SETUID and CAP_SETGID in its user namespace"
            )
        }
    }

    /// Goes back to an identity that the thread had before.
    private func restore() {
        do throws(LinuxError) {
            try self.assume()
        } catch {
            // To go on with somebody else's rights, or lack of them, would be worse than to stop.
            fatalError("a thread cannot get its identity back: \(error)")
        }
    }

    private static func currentGroups() throws(LinuxError) -> [UInt32] {
        let attempt = "read this thread's groups"
        var groups: [UInt32] = []
        // Without room the kernel only counts; no other thread can change what this one has.
        let count = Int(try checked(unsafe lf_get_groups(&groups, 0), "getgroups", attempt))
        guard count > 0 else { return [] }
        groups = [UInt32](repeating: 0, count: count)
        try checked(unsafe lf_get_groups(&groups, count), "getgroups", attempt)
        return groups
    }
}
