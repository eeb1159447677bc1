import LayoutCore
import LinuxFiles

extension ExportRoot {
    /// Claims the directory for this server, for as long as the root is open.
    ///
    /// Two servers on one directory would not know of each other's layouts. Blocks: a server that was killed is waited
    /// for, its last system call included, up to ``LinuxFiles/OwnerLock/patience``; one that lives is not.
    /// - Throws: ``LinuxError`` with `.exists` if another server has it; whatever flock(2) says otherwise.
    func claim() throws(LinuxError) {
        switch try OwnerLock.take(self.directory, "claim the export '\(self.path)'") {
        case .taken:
            return
        case .refused(let owner):
            let process = owner.map { " (process \($0))" } ?? ""
            throw LinuxError(
                refusing: .exists,
                "cannot export '\(self.path)': another layoutd\(process) serves it; stop that one, or export another "
                    + "directory"
            )
        }
    }

    /// Gives the directory back: the last system call of this server on it is over.
    func disclaim() { OwnerLock.release(self.directory) }
}
