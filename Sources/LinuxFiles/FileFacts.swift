import CLinuxFiles
import Glibc
import LayoutCore

/// What kind of file a name leads to (`ll_ftype`).
package enum FileType: UInt32, Hashable, Sendable {
    case regular = 1
    case directory = 2
    case blockDevice = 3
    case characterDevice = 4
    case symbolicLink = 5
    case socket = 6
    case fifo = 7

    /// The type in a file mode (`inode(7)`); `nil` for a number that Linux does not have.
    init?(mode: UInt32) {
        switch mode & UInt32(S_IFMT) {
        case UInt32(S_IFREG): self = .regular
        case UInt32(S_IFDIR): self = .directory
        case UInt32(S_IFBLK): self = .blockDevice
        case UInt32(S_IFCHR): self = .characterDevice
        case UInt32(S_IFLNK): self = .symbolicLink
        case UInt32(S_IFSOCK): self = .socket
        case UInt32(S_IFIFO): self = .fifo
        default: return nil
        }
    }
}

extension FileType: CustomStringConvertible {
    /// For people: `regular file`, `FIFO`.
    package var description: String {
        switch self {
        case .regular: "regular file"
        case .directory: "directory"
        case .blockDevice: "block device"
        case .characterDevice: "character device"
        case .symbolicLink: "symbolic link"
        case .socket: "socket"
        case .fifo: "FIFO"
        }
    }
}

/// A point in the wall clock's time, as the filesystem keeps it.
package struct FileTime: Hashable, Sendable {
    /// Seconds since 1970; negative before.
    package var seconds: Int64
    /// 0 to 999,999,999.
    package var nanoseconds: UInt32

    /// Makes a time from its parts.
    package init(seconds: Int64, nanoseconds: UInt32) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    init(_ time: lf_time) { self.init(seconds: time.seconds, nanoseconds: time.nanoseconds) }

    /// Nanoseconds since 1970, modulo 2^64: grows with the clock until the year 2554.
    package var wholeNanoseconds: UInt64 {
        UInt64(bitPattern: self.seconds) &* 1_000_000_000 &+ UInt64(self.nanoseconds)
    }
}

/// The number of a device, as `stat -c %Hd:%Ld` shows it.
package struct DeviceNumber: Hashable, Sendable {
    package var major: UInt32
    package var minor: UInt32

    /// Makes a number from its parts.
    package init(major: UInt32, minor: UInt32) {
        self.major = major
        self.minor = minor
    }
}

/// What the filesystem says about one file, at one moment (`statx(2)`).
package struct FileFacts: Hashable, Sendable {
    package var type: FileType
    /// Permission bits, with set-ID and sticky bits.
    package var mode: UInt32
    package var linkCount: UInt32
    package var uid: UInt32
    package var gid: UInt32
    package var device: DeviceNumber
    package var inode: UInt64
    /// Bytes.
    package var size: UInt64
    /// Bytes of storage in use.
    package var used: UInt64
    package var accessed: FileTime
    package var modified: FileTime
    package var changed: FileTime
    /// `nil` where the filesystem does not keep it.
    package var born: FileTime?
    /// Loads and stores go to persistent memory, not to the page cache (`STATX_ATTR_DAX`).
    package var isDAX: Bool
    /// Compressed or encrypted: what is on storage are not the file's bytes.
    package var isEncoded: Bool
    /// Nobody may change it (`chattr +i`).
    package var isImmutable: Bool
    /// Only its end may be written (`chattr +a`).
    package var isAppendOnly: Bool

    /// Grows with every change of data or attributes.
    ///
    /// The time of the last change in nanoseconds: `STATX_CHANGE_COOKIE` stays inside the kernel. Since Linux 6.13 a
    /// change after a look always shows, as timestamps are then fine-grained; before, two changes within one tick of
    /// the kernel's clock (1 to 10 ms) may look the same.
    package var changeCookie: UInt64 { self.changed.wholeNanoseconds }

    /// Reads the facts of an open file; works with `O_PATH`.
    ///
    /// Never waits for a mapping change in progress.
    /// - Throws: ``LayoutCore/LayoutStatus/ioError`` if the filesystem cannot read the inode.
    package init(
        of descriptor: borrowing some Descriptor & ~Copyable,
        _ attempt: @autoclosure () -> String = "read a file's attributes"
    ) throws(LinuxError) {
        try self.init(directory: descriptor.number, name: [0], attempt())
    }

    /// Reads the facts of the entry `name`, a NUL-terminated component, in `directory`; follows no link.
    init(directory: CInt, name: [UInt8], _ attempt: @autoclosure () -> String) throws(LinuxError) {
        var result = lf_stat()
        try checked(unsafe lf_statx(directory, name, &result), "statx", attempt())
        guard let type = FileType(mode: result.mode) else {
            throw LinuxError(refusing: .badType, "cannot \(attempt()): it is of no known type; name a regular file")
        }
        func has(_ attribute: Int) -> Bool { result.attributes & UInt64(attribute) != 0 }
        self.type = type
        self.mode = result.mode & 0o7777
        self.linkCount = result.nlink
        self.uid = result.uid
        self.gid = result.gid
        self.device = DeviceNumber(major: result.device_major, minor: result.device_minor)
        self.inode = result.inode
        self.size = result.size
        self.used = result.blocks &* 512
        self.accessed = FileTime(result.accessed)
        self.modified = FileTime(result.modified)
        self.changed = FileTime(result.changed)
        self.born = result.has_born != 0 ? FileTime(result.born) : nil
        self.isDAX = has(LF_ATTRIBUTE_DAX)
        self.isEncoded = has(LF_ATTRIBUTE_COMPRESSED) || has(LF_ATTRIBUTE_ENCRYPTED)
        self.isImmutable = has(LF_ATTRIBUTE_IMMUTABLE)
        self.isAppendOnly = has(LF_ATTRIBUTE_APPEND)
    }
}
