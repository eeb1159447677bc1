import CLinuxFiles
import Glibc
import LayoutCore

extension ExportRoot {
    /// Brings all of the export's filesystem to stable storage (`syncfs(2)`), which may take minutes.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/ioError``.
    package func synchronizeFileSystem() throws(LinuxError) {
        try checked(
            uninterrupted { lf_syncfs(self.directory.number) },
            "syncfs",
            "bring the filesystem of '\(self.path)' to stable storage"
        )
    }

    /// Brings the names in the directory that holds a path's last component to stable storage (`fsync(2)`).
    ///
    /// As this process, not as a user: who may make a name in a directory need not be able to read it.
    /// - Parameters:
    ///   - path: Of a name that was made, removed or renamed.
    ///   - base: As in ``resolve(_:at:followingLast:)``.
    /// - Throws: ``LayoutCore/LayoutStatus/ioError``; ``LayoutCore/LayoutStatus/noEntry`` if the directory itself has another
    ///   name by now.
    package func synchronizeParent(of path: [UInt8], at base: SharedDescriptor? = nil) throws(LinuxError) {
        let path = try ExportPath(path)
        let attempt = "bring the directory of '\(path)' to stable storage"
        let directory = try self.openBeneath(
            try path.split().parent,
            at: base,
            flags: O_RDONLY | OpenFlag.directory,
            attempt: attempt
        )
        try checked(uninterrupted { lf_fsync(directory.number, 0) }, "fsync", attempt)
    }
}
