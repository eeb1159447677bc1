import Glibc
import LayoutCore
import LinuxFiles

extension ExportRoot {
    /// Claims the directory for this server, for as long as the root is open.
    ///
    /// Two servers on one directory would not know of each other's layouts. The lock lives as long as the process that
    /// took it, its last system call included, so that a new server never overlaps with what is left of an old one.
    /// - Throws: ``LinuxError`` with `.exists` if another server has it; whatever flock(2) says otherwise.
    func claim() throws(LinuxError) {
        guard flock(self.directory.number, LOCK_EX | LOCK_NB) != 0 else { return }
        guard errno != EWOULDBLOCK else {
            throw LinuxError(
                refusing: .exists,
                "cannot export '\(self.path)': another layoutd serves it; stop that one, or export another directory"
            )
        }
        throw LinuxError(
            errno: errno,
            call: "flock",
            attempt: "claim the export '\(self.path)'",
            remedy: "export a directory of a filesystem that has locks"
        )
    }

    /// Gives the directory back: the last system call of this server on it is over.
    func disclaim() {
        flock(self.directory.number, LOCK_UN)
    }
}
