import CLinuxFiles
import Glibc

/// What can be done to a process through a descriptor of it (a pidfd), which never comes to mean another process.
package enum ProcessHandle {
    /// Opens the process that has a number and started at a time (`pidfd_open(2)`).
    ///
    /// - Parameters:
    ///   - pid: Its number.
    ///   - startTime: As ``ProcessState/startTime`` tells it.
    /// - Returns: `nil` if that process is gone, whether or not another one has its number by now.
    /// - Throws: ``LayoutCore/LayoutStatus/resource`` if this process has too many open files.
    package static func open(_ pid: Int32, startTime: UInt64) throws(LinuxError) -> SharedDescriptor? {
        let result = lf_pidfd_open(pid)
        // A number that no process can have, and one that none has.
        guard result != -Int64(ESRCH), result != -Int64(EINVAL) else { return nil }
        let process = OwnedDescriptor(adopting: try checked(result, "pidfd_open", "open process \(pid)")).shared()
        // After it was opened: if the number is this process's now, it was then.
        guard ProcessState(of: pid)?.startTime == startTime else { return nil }
        return process
    }

    /// Kills the process (`pidfd_send_signal(2)`, SIGKILL).
    ///
    /// One that is gone already is no error.
    ///
    /// Returns at once: the process may take a moment to let go of its mappings.
    /// - Throws: ``LayoutCore/LayoutStatus/notPermitted`` if it is another user's, and this process is not root.
    package static func kill(_ process: borrowing some Descriptor & ~Copyable) throws(LinuxError) {
        let result = lf_kill(process.number)
        if result == -Int64(ESRCH) { return }
        try checked(result, "pidfd_send_signal", "kill a process that holds on to a layout")
    }
}
