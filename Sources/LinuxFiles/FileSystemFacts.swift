import CLinuxFiles
import LayoutCore

/// The kind of a filesystem, as far as it makes a difference here.
package enum FileSystemKind: Hashable, Sendable {
    case xfs
    case ext4
    case tmpfs
    case btrfs
    /// Another one: the number from `statfs(2)`.
    case other(UInt64)

    init(type: UInt64) {
        switch type {
        case 0x5846_5342: self = .xfs
        case 0xef53: self = .ext4
        case 0x0102_1994: self = .tmpfs
        case 0x9123_683e: self = .btrfs
        default: self = .other(type)
        }
    }
}

extension FileSystemKind: CustomStringConvertible {
    /// The name that `mount(8)` uses, where it is known.
    package var description: String {
        switch self {
        case .xfs: "xfs"
        case .ext4: "ext4"
        case .tmpfs: "tmpfs"
        case .btrfs: "btrfs"
        case .other(let type): "filesystem 0x\(String(type, radix: 16))"
        }
    }
}

/// What is true of a whole filesystem, as one mount shows it.
package struct FileSystemFacts: Hashable, Sendable {
    package var kind: FileSystemKind
    /// Bytes in a block, a power of two: what punch and zero round out to.
    package var blockSize: UInt64
    /// The mount or the filesystem is read-only.
    package var isReadOnly: Bool
    /// Tells filesystems of this host apart, and stays the same over restarts where the filesystem has a UUID.
    package var tag: UInt64

    /// Reads the facts of the filesystem that `descriptor` is on; with `O_PATH` the tag is that of the kernel's `fsid`.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/serverFault`` if the block size is not a power of two.
    package init(of descriptor: borrowing some Descriptor & ~Copyable) throws(LinuxError) {
        var result = lf_filesystem()
        let attempt = "read the facts of a filesystem"
        try checked(unsafe lf_statfs(descriptor.number, &result), "fstatfs", attempt)
        guard result.block_size > 0, result.block_size & (result.block_size - 1) == 0 else {
            throw LinuxError(
                refusing: .serverFault,
                "cannot \(attempt): its block size of \(result.block_size) bytes is not a power of two; export another one"
            )
        }
        self.kind = FileSystemKind(type: result.type)
        self.blockSize = result.block_size
        self.isReadOnly = result.read_only != 0
        self.tag = Self.tag(descriptor.number, id: result.id)
    }

    /// Whether the filesystem is mounted for reading only now; an operator may remount it.
    package static func isReadOnly(_ descriptor: borrowing some Descriptor & ~Copyable) throws(LinuxError) -> Bool {
        var result = lf_filesystem()
        try checked(unsafe lf_statfs(descriptor.number, &result), "fstatfs", "read the facts of a filesystem")
        return result.read_only != 0
    }

    /// Folds the filesystem's UUID, or the kernel's `fsid` where there is none (tmpfs, Linux before 6.9).
    private static func tag(_ descriptor: CInt, id: UInt64) -> UInt64 {
        var uuid = [UInt8](repeating: 0, count: 16)
        guard unsafe lf_filesystem_uuid(descriptor, &uuid) == 16 else { return id }
        // A public key: this only spreads the bits, the handle's own code is what is secret.
        var hash = SipHash(key: SipHash.Key(0, 0))
        for start in [0, 8] {
            hash.combine(uuid[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) })
        }
        return hash.finish()
    }
}
