import CLinuxFiles
import Glibc

/// What can be done to a process through a descriptor of it (a pidfd), which never comes to mean another process.
package enum ProcessHandle {
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
