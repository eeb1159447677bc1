import CLinuxFiles
package import LayoutCore

extension MappingSupport {
    /// Says whether a mapping change can succeed, and on which bytes it works.
    ///
    /// Nothing is done to the file.
    /// - Parameters:
    ///   - operation: Allocate, punch, zero, collapse, insert, truncate or write.
    ///   - offset: The first byte; for truncate, the new size.
    ///   - length: Bytes; `UInt64.max` means to the end of the file, where that makes sense. Ignored for truncate.
    ///   - keepingSize: Whether allocate and zero leave the size alone.
    ///   - file: The file as it is now.
    /// - Returns: The operation's argument as ``MappingCalls`` takes it; for truncate, everything from the new size on.
    /// - Throws: The status that the kernel's refusal would mean (`fallocate(2)`, `ftruncate(2)`), with a message that
    ///   names the remedy.
    package func validate(
        _ operation: MappingOperation,
        offset: UInt64,
        length: UInt64,
        keepingSize: Bool = false,
        on file: MappedFile
    ) throws(LinuxError) -> ByteRange {
        let attempt =
            operation == .truncate
            ? "set the size to \(offset)"
            : "\(operation) \(length == .max ? "everything" : "\(length) bytes") at \(offset)"
        try self.checkFile(file, operation, attempt)
        try self.checkOperation(operation, file, attempt)
        if operation == .truncate {
            try self.checkSize(offset, file, attempt)
            return ByteRange(from: offset)
        }
        let range = try self.range(operation, offset, length, file, attempt)
        switch operation {
        case .insertRange, .collapseRange:
            try self.checkShift(operation, range, file, attempt)
        case .allocate, .zeroRange, .write:
            if operation == .write || !keepingSize { try self.checkSize(range.upperBound, file, attempt) }
        case .punchHole, .none, .truncate, .cloneTo, .cloneFrom, .remove, .attribute, .shutdown, .revoke, .unknown:
            break
        }
        return range
    }

    /// Says whether a clone can succeed (`ioctl_ficlonerange(2)`).
    ///
    /// Nothing is done to the files.
    /// - Parameters:
    ///   - source: The file whose blocks are shared, on this filesystem.
    ///   - sourceOffset: The first byte.
    ///   - length: Bytes; 0 or `UInt64.max` means to the end of the source.
    ///   - destination: The file that gets them.
    ///   - offset: Where.
    /// - Returns: The bytes of the source and of the destination.
    /// - Throws: As ``validate(_:offset:length:keepingSize:on:)``; ``LayoutCore/LayoutStatus/crossDevice`` for files of two
    ///   filesystems.
    package func validateClone(
        from source: MappedFile,
        at sourceOffset: UInt64,
        length: UInt64,
        to destination: MappedFile,
        at offset: UInt64
    ) throws(LinuxError) -> (source: ByteRange, destination: ByteRange) {
        let what = length == 0 || length == .max ? "the rest" : "\(length) bytes"
        let attempt = "clone \(what) from \(sourceOffset) to \(offset)"
        func refuse(_ status: LayoutStatus, _ why: String) -> LinuxError {
            LinuxError(refusing: status, "cannot \(attempt): \(why)")
        }
        try self.checkFile(destination, .cloneTo, attempt)
        try self.checkOperation(.cloneTo, destination, attempt)
        guard source.facts.device == destination.facts.device else {
            throw refuse(.crossDevice, "the files are on two filesystems; copy the bytes instead")
        }
        guard !source.isSwapFile else { throw refuse(.textBusy, "the source is a swap file; swapoff it first") }
        guard source.facts.isDAX == destination.facts.isDAX else {
            throw refuse(.invalid, "one file is DAX and the other is not; make both the same (xfs_io -c 'chattr +x')")
        }
        let size = source.facts.size
        guard sourceOffset < size else {
            throw refuse(.invalid, "the source has only \(size) bytes; clone a part of it")
        }
        let count = length == 0 || length == .max ? size - sourceOffset : length
        guard count <= size - sourceOffset else {
            throw refuse(.invalid, "the source has only \(size) bytes; clone at most \(size - sourceOffset)")
        }
        let block = self.fileSystem.blockSize
        let (end, overflow) = offset.addingReportingOverflow(count)
        guard !overflow, let from = ByteRange(sourceOffset, sourceOffset + count), let to = ByteRange(offset, end)
        else {
            throw refuse(.fileTooBig, "the destination would end beyond the largest file; clone to a lower offset")
        }
        try self.checkSize(end, destination, attempt)
        let reachesEnd = from.upperBound == size && to.upperBound >= destination.facts.size
        guard sourceOffset % block == 0, offset % block == 0, count % block == 0 || reachesEnd else {
            throw refuse(
                .invalid,
                "offsets and length must be multiples of \(block) on this filesystem, but for a length to the end of both "
                    + "files; round them, and copy the edges"
            )
        }
        let isSameFile = source.facts.inode == destination.facts.inode
        guard !isSameFile || !from.roundedOut(to: block).overlaps(to.roundedOut(to: block)) else {
            throw refuse(.invalid, "the ranges overlap in the one file; clone to another place")
        }
        return (from, to)
    }

    /// The largest size that a file may get here.
    ///
    /// The filesystem's limit, or this process's (`RLIMIT_FSIZE`), beyond which the kernel would send it SIGXFSZ.
    private var sizeMaxNow: UInt64 { min(self.sizeMax, lf_file_size_limit()) }

    /// Whether the file can be changed at all.
    private func checkFile(
        _ file: MappedFile,
        _ operation: MappingOperation,
        _ attempt: String
    ) throws(LinuxError) {
        func refuse(_ status: LayoutStatus, _ why: String) -> LinuxError {
            LinuxError(refusing: status, "cannot \(attempt): \(why)")
        }
        guard !file.isReadOnly else {
            throw refuse(.readOnlyFileSystem, "the filesystem is mounted read-only; remount it read-write")
        }
        guard !file.facts.isImmutable else {
            throw refuse(.notPermitted, "the file is immutable; take the flag away (chattr -i)")
        }
        guard !file.facts.isAppendOnly || operation == .allocate else {
            throw refuse(.notPermitted, "the file is append-only; take the flag away (chattr -a)")
        }
        guard !file.isSwapFile else { throw refuse(.textBusy, "the file is a swap file; swapoff it first") }
    }

    /// Whether the filesystem has the operation for this file.
    private func checkOperation(
        _ operation: MappingOperation,
        _ file: MappedFile,
        _ attempt: String
    ) throws(LinuxError) {
        let needed: (bit: Operations, remedy: String)
        switch operation {
        case .write, .truncate: return
        case .allocate: needed = (.allocate, "write zeros instead")
        case .punchHole: needed = (.punchHole, "write zeros instead")
        case .zeroRange: needed = (.zeroRange, "punch a hole, or write zeros instead")
        case .collapseRange, .insertRange:
            let bit: Operations = operation == .insertRange ? .insertRange : .collapseRange
            needed = (bit, "use a file on XFS or ext4, or copy the bytes")
        case .cloneTo, .cloneFrom: needed = (.clone, "use a file on XFS with reflink=1, or copy the bytes")
        case .none, .remove, .attribute, .shutdown, .revoke, .unknown:
            throw LinuxError(refusing: .invalid, "cannot \(attempt): this is no mapping change of its own; name one")
        }
        guard self.operations.contains(needed.bit) else {
            throw LinuxError(
                refusing: .notSupported,
                "cannot \(attempt): \(self.fileSystem.kind) here does not have the operation; \(needed.remedy)"
            )
        }
        guard !file.isIndirect || operation == .punchHole else {
            throw LinuxError(
                refusing: .notSupported,
                "cannot \(attempt): the file is not mapped by extents; convert it (chattr +e), or copy it to a new one"
            )
        }
        guard !file.facts.isEncoded || !(operation == .insertRange || operation == .collapseRange) else {
            throw LinuxError(
                refusing: .notSupported,
                "cannot \(attempt): the file is encrypted or compressed, so its bytes cannot move; use a plain file"
            )
        }
    }

    /// The bytes that the operation works on.
    private func range(
        _ operation: MappingOperation,
        _ offset: UInt64,
        _ length: UInt64,
        _ file: MappedFile,
        _ attempt: String
    ) throws(LinuxError) -> ByteRange {
        func refuse(_ status: LayoutStatus, _ why: String) -> LinuxError {
            LinuxError(refusing: status, "cannot \(attempt): \(why)")
        }
        guard length > 0 else { throw refuse(.invalid, "the length is 0; name at least one byte") }
        guard length == .max else {
            let (end, overflow) = offset.addingReportingOverflow(length)
            // Whatever the operation, the kernel takes no range beyond its largest file.
            guard !overflow, end <= self.sizeMax, let range = ByteRange(offset, end) else {
                throw refuse(.fileTooBig, "it ends beyond the largest file of \(self.sizeMax) bytes; name a lower end")
            }
            return range
        }
        switch operation {
        case .punchHole:
            guard let range = ByteRange(offset, self.sizeMax) else {
                throw refuse(
                    .fileTooBig,
                    "it starts beyond the largest file of \(self.sizeMax) bytes; name a lower offset"
                )
            }
            return range
        case .allocate, .zeroRange, .write:
            guard let range = ByteRange(offset, file.facts.size) else {
                throw refuse(.invalid, "the file ends at \(file.facts.size); name a length")
            }
            return range
        case .collapseRange:
            throw refuse(.invalid, "what reaches the end cannot be collapsed; truncate the file instead")
        case .none, .insertRange, .truncate, .cloneTo, .cloneFrom, .remove, .attribute, .shutdown, .revoke, .unknown:
            throw refuse(.invalid, "the length is missing; name one")
        }
    }

    /// Whether the file may get as large as `size`, if it is not already.
    private func checkSize(_ size: UInt64, _ file: MappedFile, _ attempt: String) throws(LinuxError) {
        guard size <= max(self.sizeMaxNow, file.facts.size) else {
            throw LinuxError(
                refusing: .fileTooBig,
                "cannot \(attempt): a file here may have at most \(self.sizeMaxNow) bytes; stay below that, or raise "
                    + "RLIMIT_FSIZE of the server if that is the limit"
            )
        }
    }

    private func checkShift(
        _ operation: MappingOperation,
        _ range: ByteRange,
        _ file: MappedFile,
        _ attempt: String
    ) throws(LinuxError) {
        func refuse(_ status: LayoutStatus, _ why: String) -> LinuxError {
            LinuxError(refusing: status, "cannot \(attempt): \(why)")
        }
        let unit = file.shiftAlignment ?? self.shiftAlignment
        guard range.lowerBound % unit == 0, range.wireLength % unit == 0 else {
            throw refuse(
                .invalid,
                "offset and length must be multiples of \(unit) on this filesystem; round them, and copy the edges"
            )
        }
        let size = file.facts.size
        if operation == .insertRange {
            guard range.lowerBound < size else {
                throw refuse(.invalid, "the file ends at \(size); to make it longer at its end, truncate it upwards")
            }
            let (newSize, overflow) = size.addingReportingOverflow(range.wireLength)
            try self.checkSize(overflow ? .max : newSize, file, attempt)
        } else {
            guard range.upperBound < size else {
                throw refuse(
                    .invalid,
                    "the file ends at \(size); to cut off its end, truncate it to \(range.lowerBound)"
                )
            }
        }
    }
}
