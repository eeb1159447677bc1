import CLinuxFiles
import Glibc
import LayoutCore

/// What a filesystem can do to a file's mapping, found by doing it to a file without a name.
struct MappingProbe {
    var operations: MappingSupport.Operations = []
    /// Bytes that insert and collapse must be multiples of.
    var shiftAlignment: UInt64
    /// The largest size of a file in bytes.
    var sizeMax: UInt64
    /// Whether new files are on persistent memory, and stores to them durable once flushed from the CPU's caches.
    var isSynchronous: Bool

    /// The largest allocation unit that is tried: ext4's bigalloc clusters may have up to 256 MiB (`mkfs.ext4(8)`, `-C`).
    private static var alignmentMax: UInt64 { 256 << 20 }

    /// Tries every operation in `root`, and leaves nothing behind.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/access`` and the like if this process cannot make a file there, or
    ///   ``LayoutCore/LayoutStatus/notSupported`` if the filesystem has no files without a name.
    init(root: ExportRoot) throws(LinuxError) {
        let block = root.fileSystem.blockSize
        self.shiftAlignment = block
        let file = try Self.temporaryFile(in: root)
        let other = try Self.temporaryFile(in: root)
        let number = file.number
        self.sizeMax = Self.sizeMax(of: file)
        self.isSynchronous = try FileFacts(of: file).isDAX && PersistentMemory.isSynchronous(file)
        // Whatever else goes wrong here (no space, a quota) does not say that the operation is missing.
        func works(_ body: () -> Int64) -> Bool {
            let result = uninterrupted(body)
            return result >= 0 || ![EOPNOTSUPP, ENOSYS, ENOTTY, EINVAL].contains(CInt(clamping: -result))
        }
        func fallocates(_ mode: CInt) -> Bool { works { lf_fallocate(number, mode, Int64(block), Int64(block)) } }

        _ = lf_ftruncate(number, Int64(4 * block))
        if fallocates(0) { self.operations.insert(.allocate) }
        if fallocates(FALLOC_FL_ZERO_RANGE) { self.operations.insert(.zeroRange) }
        if fallocates(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) { self.operations.insert(.punchHole) }
        if fallocates(FALLOC_FL_UNSHARE_RANGE) { self.operations.insert(.unshare) }
        if works({ lf_clone_range(number, 0, block, other.number, 0) }) { self.operations.insert(.clone) }

        var unit = block
        while unit <= Self.alignmentMax, 5 * unit <= lf_file_size_limit() {
            let length = Int64(unit)
            _ = lf_ftruncate(number, 4 * length)
            if lf_fallocate(number, FALLOC_FL_INSERT_RANGE, length, length) == 0 {
                self.operations.insert(.insertRange)
            }
            if lf_fallocate(number, FALLOC_FL_COLLAPSE_RANGE, length, length) == 0 {
                self.operations.insert(.collapseRange)
            }
            if self.operations.contains(.insertRange) || self.operations.contains(.collapseRange) {
                self.shiftAlignment = unit
                return
            }
            unit *= 2
        }
    }

    /// The largest size of a file, found by asking where its position may be: no file is touched.
    static func sizeMax(of file: borrowing some Descriptor & ~Copyable) -> UInt64 {
        // lseek(2) answers EINVAL beyond the filesystem's largest file (`generic_file_llseek`, `ext4_llseek`).
        var possible: Int64 = 0
        var impossible = Int64.max
        if lf_seek(file.number, impossible, SEEK_SET) >= 0 { return UInt64(impossible) }
        while impossible - possible > 1 {
            let middle = possible + (impossible - possible) / 2
            if lf_seek(file.number, middle, SEEK_SET) >= 0 { possible = middle } else { impossible = middle }
        }
        return UInt64(possible)
    }

    /// A file without a name in `root`: gone when it is closed, also if this process is killed.
    static func temporaryFile(in root: ExportRoot) throws(LinuxError) -> OwnedDescriptor {
        let flags = OpenFlag.temporary | FileAccess.readWrite.flags
        return try root.openBeneath(
            try ExportPath([]),
            at: nil,
            flags: flags,
            mode: 0o600,
            attempt: "make a file without a name in '\(root.path)'"
        )
    }
}
