import CLinuxFiles
import LayoutCore

/// What can be done to files of one exported filesystem, known before anything is done to any.
///
/// A change that cannot succeed must be refused before a layout is recalled for it. The answer of
/// ``validate(_:offset:length:keepingSize:on:)`` holds as long as nobody changes the file's size or flags.
package struct MappingSupport: Hashable, Sendable {
    /// What a filesystem may be able to do.
    package struct Operations: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32

        /// Makes a set from its bits.
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static var allocate: Operations { Operations(rawValue: 1) }
        package static var punchHole: Operations { Operations(rawValue: 2) }
        package static var zeroRange: Operations { Operations(rawValue: 4) }
        package static var collapseRange: Operations { Operations(rawValue: 8) }
        package static var insertRange: Operations { Operations(rawValue: 16) }
        package static var clone: Operations { Operations(rawValue: 32) }
        package static var unshare: Operations { Operations(rawValue: 64) }

        /// What current kernels have, for a filesystem in which nothing can be tried.
        static func known(of kind: FileSystemKind) -> Operations {
            switch kind {
            case .xfs: [.allocate, .punchHole, .zeroRange, .collapseRange, .insertRange]
            case .ext4: [.allocate, .punchHole, .zeroRange, .collapseRange, .insertRange]
            case .btrfs: [.allocate, .punchHole, .zeroRange, .clone]
            case .tmpfs: [.allocate, .punchHole]
            case .other: []
            }
        }
    }

    /// The filesystem.
    package let fileSystem: FileSystemFacts
    /// What its files can do, except those that ``MappedFile`` excludes.
    package let operations: Operations
    /// Bytes that offset and length of insert and collapse must be multiples of; more for files on XFS's realtime device.
    package let shiftAlignment: UInt64
    /// The largest size of a file in bytes.
    package let sizeMax: UInt64
    /// Whether the operations were tried out; if not, they are those that the kind of filesystem is known to have.
    package let isProbed: Bool
    /// Whether new files in the exported directory are on persistent memory (DAX), and take `MAP_SYNC`.
    package let isSynchronous: Bool

    /// Tries out what files of an export can do, on files without a name.
    ///
    /// Blocks; once per export is enough.
    /// - Throws: ``LayoutCore/LayoutStatus/noSpace``, ``LayoutCore/LayoutStatus/resource`` or
    ///   ``LayoutCore/LayoutStatus/ioError`` if no file can be made for a reason that may pass.
    package init(probing root: ExportRoot) throws(LinuxError) {
        let probe: MappingProbe?
        do throws(LinuxError) {
            probe = try MappingProbe(root: root)
        } catch {
            // No file can be made there, now or later: EISDIR is what kernels without O_TMPFILE answer (open(2)).
            let reasons: [LayoutStatus] = [.readOnlyFileSystem, .access, .notPermitted, .notSupported, .isDirectory]
            guard reasons.contains(error.status) else { throw error }
            probe = nil
        }
        self.fileSystem = root.fileSystem
        self.operations = probe?.operations ?? .known(of: root.fileSystem.kind)
        self.shiftAlignment = probe?.shiftAlignment ?? root.fileSystem.blockSize
        self.sizeMax = probe?.sizeMax ?? UInt64(Int64.max)
        self.isProbed = probe != nil
        self.isSynchronous = probe?.isSynchronous ?? false
    }

    /// Makes a value from its parts, for tests of what depends on it.
    init(
        fileSystem: FileSystemFacts,
        operations: Operations,
        shiftAlignment: UInt64,
        sizeMax: UInt64,
        isProbed: Bool,
        isSynchronous: Bool = false
    ) {
        self.fileSystem = fileSystem
        self.operations = operations
        self.shiftAlignment = shiftAlignment
        self.sizeMax = sizeMax
        self.isProbed = isProbed
        self.isSynchronous = isSynchronous
    }
}

/// One file, as far as it decides what can be done to its mapping.
package struct MappedFile: Hashable, Sendable {
    package var facts: FileFacts
    /// The filesystem is mounted for reading only now.
    package var isReadOnly: Bool
    /// In use as swap space.
    package var isSwapFile: Bool
    /// An ext4 file that is still mapped by indirect blocks, as ext3 made them: only punch works.
    package var isIndirect: Bool
    /// Bytes that insert and collapse must be multiples of, where it is more than the filesystem's (XFS realtime).
    package var shiftAlignment: UInt64?

    /// Looks at an open file, not from `O_PATH`.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/badType`` if it is not a regular file.
    package init(
        _ descriptor: borrowing some Descriptor & ~Copyable,
        on fileSystem: FileSystemFacts
    ) throws(LinuxError) {
        self.facts = try FileFacts(of: descriptor)
        guard self.facts.type == .regular else {
            throw LinuxError(
                refusing: self.facts.type == .directory ? .isDirectory : .badType,
                "the mapping of a \(self.facts.type) cannot be changed; name a regular file"
            )
        }
        self.isReadOnly = try FileSystemFacts.isReadOnly(descriptor)
        self.isSwapFile = try SwapFiles.contain(self.facts)
        self.isIndirect = false
        self.shiftAlignment = nil
        switch fileSystem.kind {
        case .ext4:
            let flags = lf_inode_flags(descriptor.number)
            self.isIndirect = flags >= 0 && flags & Int64(LF_INODE_EXTENTS) == 0
        case .xfs:
            let flags = lf_inode_xflags(descriptor.number)
            if flags > 0, flags & Int64(LF_XFLAG_REALTIME) != 0 {
                let unit = lf_xfs_realtime_extent(descriptor.number)
                self.shiftAlignment = unit > 0 ? UInt64(unit) : nil
            }
        case .tmpfs, .btrfs, .other:
            break
        }
    }
}
