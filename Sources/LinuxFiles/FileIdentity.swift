import CLinuxFiles
import LayoutCore

/// Which file this is, whatever its name: stays the same over renames and restarts, and is never another file's.
package struct FileIdentity: Hashable, Sendable {
    /// ``FileSystemFacts/tag`` of the file's filesystem.
    package let fileSystem: UInt64
    /// The inode number.
    package let inode: UInt64
    /// Differs between files that had the same inode number one after the other.
    package let generation: UInt64

    /// Makes an identity from its parts.
    package init(fileSystem: UInt64, inode: UInt64, generation: UInt64) {
        self.fileSystem = fileSystem
        self.inode = inode
        self.generation = generation
    }

    /// Reads the identity of an open file; works with `O_PATH`, and for every type of file.
    ///
    /// The generation is the one of `FS_IOC_GETVERSION` where the kernel's own file handles show it (XFS, ext4, tmpfs):
    /// unlike the ioctl they need no permission, and no opening of FIFOs and devices. Elsewhere it is the time of birth.
    /// - Throws: ``LayoutCore/LayoutStatus/notSupported`` if the filesystem has neither.
    package init(
        of descriptor: borrowing some Descriptor & ~Copyable,
        on fileSystem: FileSystemFacts
    ) throws(LinuxError) {
        let facts = try FileFacts(of: descriptor, "identify a file")
        let generation: UInt64
        if let kernel = try KernelHandle(of: descriptor), let number = kernel.generation(on: fileSystem.kind) {
            generation = UInt64(number)
        } else if let born = facts.born {
            generation = born.wholeNanoseconds
        } else {
            throw LinuxError(
                refusing: .notSupported,
                "cannot identify inode \(facts.inode): \(fileSystem.kind) keeps neither generations nor times of birth; "
                    + "export a filesystem that does"
            )
        }
        self.init(fileSystem: fileSystem.tag, inode: facts.inode, generation: generation)
    }
}

extension FileIdentity: CustomStringConvertible {
    /// `inode 131.4711`: the number and the generation.
    package var description: String { "inode \(self.inode).\(self.generation)" }
}

/// The kernel's own file handle (`name_to_handle_at(2)`), of the filesystems whose layout is known.
struct KernelHandle {
    private var handle: lf_kernel_handle

    /// `FILEID_INO32_GEN` (`include/linux/exportfs.h`): ext4's, XFS's with 32-bit inode numbers, and tmpfs's own.
    private static var inode32: Int32 { 1 }
    /// XFS's with 64-bit inode numbers (`fs/xfs/xfs_export.h`, `XFS_FILEID_TYPE_64FLAG`).
    private static var xfsInode64: Int32 { 0x81 }

    /// Asks the kernel; `nil` where the filesystem cannot be exported.
    init?(of descriptor: borrowing some Descriptor & ~Copyable) throws(LinuxError) {
        var handle = lf_kernel_handle()
        let result = unsafe lf_kernel_handle(descriptor.number, &handle)
        guard LayoutStatus(errno: CInt(clamping: -min(result, 0))) != .notSupported else { return nil }
        try checked(result, "name_to_handle_at", "identify a file")
        self.handle = handle
    }

    /// Builds the handle of a file from what is known of it; `nil` where the layout is not known.
    init?(of identity: FileIdentity, on kind: FileSystemKind) {
        guard let generation = UInt32(exactly: identity.generation) else { return nil }
        var handle = lf_kernel_handle()
        let bytes: [UInt8]
        switch kind {
        case .xfs:
            handle.type = Self.xfsInode64
            bytes = Self.bytes(identity.inode) + Self.bytes(generation)
        case .ext4:
            guard let inode = UInt32(exactly: identity.inode) else { return nil }
            handle.type = Self.inode32
            bytes = Self.bytes(inode) + Self.bytes(generation)
        case .tmpfs:
            handle.type = Self.inode32
            bytes = Self.bytes(generation) + Self.bytes(identity.inode)
        case .btrfs, .other:
            return nil
        }
        handle.length = UInt32(bytes.count)
        unsafe withUnsafeMutableBytes(of: &handle.bytes) { unsafe $0.copyBytes(from: bytes) }
        self.handle = handle
    }

    /// The handle that ``type`` and ``bytes`` were taken of; `nil` for more bytes than a handle can have.
    init?(type: Int32, bytes: [UInt8]) {
        guard bytes.count <= Int(LF_KERNEL_HANDLE_MAX) else { return nil }
        var handle = lf_kernel_handle()
        handle.type = type
        handle.length = UInt32(bytes.count)
        unsafe withUnsafeMutableBytes(of: &handle.bytes) { unsafe $0.copyBytes(from: bytes) }
        self.handle = handle
    }

    /// Which layout the bytes have.
    var type: Int32 { self.handle.type }

    /// What the filesystem finds the file by.
    var bytes: [UInt8] {
        unsafe withUnsafeBytes(of: self.handle.bytes) { unsafe Array($0.prefix(Int(self.handle.length))) }
    }

    /// The inode's generation, where the layout of the handle is known.
    func generation(on kind: FileSystemKind) -> UInt32? {
        switch (kind, self.handle.type, self.handle.length) {
        case (.xfs, Self.xfsInode64, 12): self.word(at: 8)
        case (.xfs, Self.inode32, 8), (.ext4, Self.inode32, 8): self.word(at: 4)
        case (.tmpfs, Self.inode32, 12): self.word(at: 0)
        case (.xfs, _, _), (.ext4, _, _), (.tmpfs, _, _), (.btrfs, _, _), (.other, _, _): nil
        }
    }

    /// Opens the file (`open_by_handle_at(2)`), as a place in the tree only.
    func open(mount: borrowing some Descriptor & ~Copyable, _ attempt: String) throws(LinuxError) -> OwnedDescriptor {
        var handle = self.handle
        let result = unsafe lf_open_kernel_handle(mount.number, &handle, OpenFlag.path)
        return OwnedDescriptor(adopting: try checked(result, "open_by_handle_at", attempt))
    }

    private func word(at offset: Int) -> UInt32 {
        unsafe withUnsafeBytes(of: self.handle.bytes) { bytes in
            unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        }
    }

    /// The bytes in this host's order, as the kernel lays them out in memory.
    private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        unsafe withUnsafeBytes(of: value) { unsafe Array($0) }
    }
}
