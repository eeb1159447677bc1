import CLinuxFiles

extension Descriptor where Self: ~Copyable {
    /// Makes a place in the tree (`O_PATH`) of what this descriptor refers to, whatever its name is now.
    ///
    /// It keeps the inode, and counts neither as a reader nor as a writer for leases. Needs `/proc`.
    /// - Throws: ``LayoutCore/LayoutStatus/resource`` if this process has too many open files.
    package borrowing func place() throws(LinuxError) -> OwnedDescriptor {
        OwnedDescriptor(
            adopting: try checked(
                uninterrupted { lf_reopen(self.number, OpenFlag.path) },
                "open",
                "keep a place in the tree"
            )
        )
    }
}
