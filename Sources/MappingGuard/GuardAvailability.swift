import CMappingGuard
import Glibc
import LayoutCore
package import LinuxFiles

/// Whether this process can guard a filesystem, and if not, why.
package struct GuardAvailability: Hashable, Sendable {
    /// One thing that the guard needs.
    package struct Finding: Hashable, Sendable {
        /// What it is.
        package var name: String
        /// Whether the guard cannot do without.
        package var isRequired: Bool
        /// What is missing and what to do about it; `nil` if nothing is.
        package var problem: String?
    }

    /// All that was looked at, in order.
    package var findings: [Finding]

    /// Whether the guard can run.
    package var isAvailable: Bool { !self.findings.contains { $0.isRequired && $0.problem != nil } }

    /// Tries everything out; leaves nothing behind.
    ///
    /// - Parameters:
    ///   - root: A directory on the filesystem.
    ///   - keeperProgram: The keeper; `nil` for a guard without one.
    package init(
        on root: borrowing some Descriptor & ~Copyable,
        keeperProgram: String?
    ) {
        var findings: [Finding] = []
        func note(_ name: String, isRequired: Bool = true, _ problem: String?) {
            findings.append(Finding(name: name, isRequired: isRequired, problem: problem))
        }
        let group = mg_group(MG_GUARD)
        note("events before access (fanotify)", Self.groupProblem(group))
        if group >= 0 {
            let descriptor = OwnedDescriptor(adopting: CInt(group))
            note(
                "events of this filesystem",
                Self.markProblem(mg_mark(descriptor.number, MG_MARK_INODE, 1, root.number))
            )
        }
        note(
            "system calls of other programs",
            CallTable.native == nil
                ? "the guard knows x86-64 and arm64 only"
                : BlockedCalls.call(of: getpid()) == nil
                    ? "/proc/PID/syscall cannot be read; mount /proc, and use a kernel with CONFIG_HAVE_ARCH_TRACEHOOK"
                    : nil
        )
        let point = mg_trace_point()
        note(
            "the end of system calls (tracefs)",
            isRequired: false,
            point >= 0
                ? nil
                : "\(LinuxError.name(of: CInt(clamping: -point))): results of local programs' calls are not known, and their ends "
                    + "are looked for; use a kernel with CONFIG_FTRACE_SYSCALLS, and give the server CAP_PERFMON"
        )
        note(
            "the keeper",
            isRequired: false,
            keeperProgram.map { unsafe access($0, X_OK) == 0 } ?? false
                ? nil
                : "\(keeperProgram ?? "none is configured"): local programs go unguarded while the server is dead; install "
                    + "layoutd-keeper beside layoutd"
        )
        self.findings = findings
    }

    private static func groupProblem(_ result: Int64) -> String? {
        switch result {
        case 0...: nil
        case -Int64(EPERM): "not permitted: run the server as root, or give it CAP_SYS_ADMIN"
        case -Int64(ENOSYS): "the kernel has no fanotify (CONFIG_FANOTIFY)"
        case -Int64(EINVAL): "the kernel has no permission events (CONFIG_FANOTIFY_ACCESS_PERMISSIONS)"
        case -Int64(EMFILE): "too many groups of events: raise fs.fanotify.max_user_groups"
        default: LinuxError.text(of: CInt(clamping: -result))
        }
    }

    private static func markProblem(_ result: Int64) -> String? {
        switch result {
        case 0...: nil
        case -Int64(EINVAL): "the kernel has no pre-content events: Linux 6.14 or later is needed"
        case -Int64(EOPNOTSUPP): "the filesystem has no pre-content events: export XFS, ext4 or btrfs"
        default: LinuxError.text(of: CInt(clamping: -result))
        }
    }
}
