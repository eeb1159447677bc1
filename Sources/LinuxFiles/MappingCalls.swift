import CLinuxFiles
import Glibc
package import LayoutCore

/// The system calls that change where a file's bytes are.
///
/// Each does what its caller has decided, at once: whether it is possible is for ``MappingSupport`` to say before, and
/// whether it is allowed, for the engine. All block, up to seconds on files of many extents (XFS moves about 250,000
/// extents a second for an insert), and may be called from any thread. `file` is open for writing.
///
/// Every one throws ``LayoutCore/LayoutStatus/noSpace`` or ``LayoutCore/LayoutStatus/quota`` if blocks run out,
/// ``LayoutCore/LayoutStatus/ioError`` if the device fails, ``LayoutCore/LayoutStatus/notSupported`` or
/// ``LayoutCore/LayoutStatus/invalid`` if ``MappingSupport`` was not asked, and ``LayoutCore/LayoutStatus/fileTooBig`` for
/// offsets from 2^63 on.
package enum MappingCalls {
    /// Turns holes into unwritten blocks (`fallocate(2)`, mode 0); the file grows to the end of `range` unless
    /// `keepingSize`.
    package static func allocate(
        _ range: ByteRange,
        of file: borrowing some Descriptor & ~Copyable,
        keepingSize: Bool
    ) throws(LinuxError) {
        try Self.fallocate(file.number, keepingSize ? FALLOC_FL_KEEP_SIZE : 0, range, "allocate")
    }

    /// Frees blocks and writes zeros to the rest of `range` (`FALLOC_FL_PUNCH_HOLE`); the size stays.
    package static func punchHole(
        _ range: ByteRange,
        of file: borrowing some Descriptor & ~Copyable
    ) throws(LinuxError) {
        try Self.fallocate(file.number, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, range, "punch a hole at")
    }

    /// Makes `range` read as zeros, with blocks (`FALLOC_FL_ZERO_RANGE`); the file grows to its end unless `keepingSize`.
    package static func zeroRange(
        _ range: ByteRange,
        of file: borrowing some Descriptor & ~Copyable,
        keepingSize: Bool
    ) throws(LinuxError) {
        let mode = keepingSize ? FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE : FALLOC_FL_ZERO_RANGE
        try Self.fallocate(file.number, mode, range, "zero")
    }

    /// Gives shared blocks of `range` copies of their own (`FALLOC_FL_UNSHARE_RANGE`; XFS): a store then needs no space.
    package static func unshareRange(
        _ range: ByteRange,
        of file: borrowing some Descriptor & ~Copyable
    ) throws(LinuxError) {
        try Self.fallocate(file.number, FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE, range, "unshare")
    }

    /// Removes `range`; what follows moves down (`FALLOC_FL_COLLAPSE_RANGE`).
    ///
    /// Not idempotent: never repeated here, not even after a signal, which is ``LayoutCore/LayoutStatus/delay``.
    package static func collapseRange(
        _ range: ByteRange,
        of file: borrowing some Descriptor & ~Copyable
    ) throws(LinuxError) {
        try Self.fallocate(file.number, FALLOC_FL_COLLAPSE_RANGE, range, "collapse", isIdempotent: false)
    }

    /// Inserts a hole; what was from its start on moves up (`FALLOC_FL_INSERT_RANGE`).
    ///
    /// Not idempotent: never repeated here, not even after a signal, which is ``LayoutCore/LayoutStatus/delay``.
    package static func insertRange(
        _ range: ByteRange,
        of file: borrowing some Descriptor & ~Copyable
    ) throws(LinuxError) {
        try Self.fallocate(file.number, FALLOC_FL_INSERT_RANGE, range, "insert", isIdempotent: false)
    }

    /// Sets the size in bytes (`ftruncate(2)`): blocks beyond it go; new bytes are a hole.
    package static func truncate(
        to size: UInt64,
        _ file: borrowing some Descriptor & ~Copyable
    ) throws(LinuxError) {
        let attempt = "set the size to \(size)"
        let bytes = try Self.offset(size, attempt)
        try checked(uninterrupted { lf_ftruncate(file.number, bytes) }, "ftruncate", attempt)
    }

    /// Shares blocks of `source` into `destination` (`FICLONERANGE`, `ioctl_ficlonerange(2)`).
    ///
    /// - Parameters:
    ///   - source: Open for reading.
    ///   - sourceOffset: The first byte to share.
    ///   - length: Bytes; 0 means to the end of the source.
    ///   - destination: Open for writing, on the same filesystem.
    ///   - offset: Where in the destination.
    /// - Throws: As all of these; ``LayoutCore/LayoutStatus/crossDevice`` for files of two filesystems.
    package static func cloneRange(
        from source: borrowing some Descriptor & ~Copyable,
        at sourceOffset: UInt64,
        length: UInt64,
        to destination: borrowing some Descriptor & ~Copyable,
        at offset: UInt64
    ) throws(LinuxError) {
        try checked(
            uninterrupted {
                lf_clone_range(source.number, sourceOffset, length, destination.number, offset)
            },
            "FICLONERANGE",
            "clone \(length == 0 ? "the rest" : "\(length) bytes") from \(sourceOffset) to \(offset)"
        )
    }

    /// Waits until everything that was written to the file is on stable storage (`fsync(2)`); with `dataOnly`, only what
    /// is needed to read it back (`fdatasync(2)`).
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/ioError``: pages may be lost, and another call will not report it again.
    package static func synchronize(
        _ file: borrowing some Descriptor & ~Copyable,
        dataOnly: Bool = false
    ) throws(LinuxError) {
        try checked(
            uninterrupted { lf_fsync(file.number, dataOnly ? 1 : 0) },
            dataOnly ? "fdatasync" : "fsync",
            "bring a file to stable storage"
        )
    }

    private static func fallocate(
        _ file: CInt,
        _ mode: CInt,
        _ range: ByteRange,
        _ verb: String,
        isIdempotent: Bool = true
    ) throws(LinuxError) {
        let attempt = "\(verb) \(range)"
        let start = try Self.offset(range.lowerBound, attempt)
        let end = try Self.offset(range.upperBound, attempt)
        let call = { lf_fallocate(file, mode, start, end - start) }
        try checked(isIdempotent ? uninterrupted(call) : call(), "fallocate", attempt)
    }

    /// A file offset as the kernel takes it (`loff_t`).
    static func offset(_ value: UInt64, _ attempt: @autoclosure () -> String) throws(LinuxError) -> Int64 {
        guard let offset = Int64(exactly: value) else {
            throw LinuxError(
                refusing: .fileTooBig,
                "cannot \(attempt()): no file has bytes from 2^63 on; name offsets and lengths below that"
            )
        }
        return offset
    }
}
