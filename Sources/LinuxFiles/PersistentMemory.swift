import CLinuxFiles

/// What files on persistent memory (DAX) are asked and told.
package enum PersistentMemory {
    /// The unit that the kernel maps at once, where blocks are aligned to it: 2 MiB on most machines.
    package static var hugePage: UInt64 { 2 << 20 }

    /// Whether stores to mappings of a DAX file are durable once flushed from the CPU's caches, tried with `MAP_SYNC`.
    ///
    /// Not on memory that needs the kernel for that, as virtio-pmem does. Does not block; any thread may call it.
    package static func isSynchronous(_ file: borrowing some Descriptor & ~Copyable) -> Bool {
        lf_probe_synchronous(file.number) >= 0
    }

    /// Has the filesystem allocate a file's blocks so that they can be mapped by huge pages, if it can and nobody has asked
    /// for something else (`FS_XFLAG_EXTSIZE`).
    ///
    /// XFS takes it for files without blocks; ext4 aligns big allocations by itself. It is only about speed, so a filesystem
    /// that refuses it is left in peace. `file` is open for writing.
    package static func preferHugePages(_ file: borrowing some Descriptor & ~Copyable) {
        _ = lf_set_extent_size_hint(file.number, UInt32(Self.hugePage))
    }
}
