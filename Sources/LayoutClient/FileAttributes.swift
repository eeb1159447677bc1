import LayoutXDR

/// What a file is.
public enum FileType: UInt32, Hashable, Sendable {
    /// A regular file: the only kind that can be opened and mapped.
    case regular = 1
    /// A directory.
    case directory = 2
    /// A block device.
    case blockDevice = 3
    /// A character device.
    case characterDevice = 4
    /// A symbolic link.
    case symbolicLink = 5
    /// A socket.
    case socket = 6
    /// A FIFO.
    case fifo = 7
}

/// A point in time as filesystems keep it.
public struct FileTime: Hashable, Sendable {
    /// Seconds since 1970.
    public let seconds: Int64
    /// Nanoseconds since then, below 1,000,000,000.
    public let nanoseconds: UInt32
}

/// The attributes of a file, as of one moment.
public struct FileAttributes: Hashable, Sendable {
    /// What it is.
    public let type: FileType
    /// Permission bits.
    public let mode: UInt32
    /// Names.
    public let linkCount: UInt32
    /// The owner.
    public let uid: UInt32
    /// The group.
    public let gid: UInt32
    /// Bytes in a block: inserts and collapses take whole ones, layouts consist of whole ones.
    public let blockSize: UInt32
    /// Whether loads and stores reach persistent memory without the page cache.
    public let isDAX: Bool
    /// Whether it is compressed or encrypted by its filesystem; then it cannot be mapped for writing.
    public let isEncoded: Bool
    /// The inode number.
    public let fileNumber: UInt64
    /// Bytes.
    public let size: UInt64
    /// Bytes that are allocated.
    public let used: UInt64
    /// Grows with every change that the server knows of.
    public let change: UInt64
    /// Grows with every completed insert and collapse.
    public let epoch: UInt64
    /// When it was last read.
    public let accessTime: FileTime
    /// When its bytes were last changed.
    public let modificationTime: FileTime
    /// When it was last changed in any way.
    public let changeTime: FileTime
}

extension FileAttributes {
    init(_ attributes: LayoutXDR.FileAttributes) {
        self.type = FileType(attributes.type)
        self.mode = attributes.mode
        self.linkCount = attributes.linkCount
        self.uid = attributes.uid
        self.gid = attributes.gid
        self.blockSize = attributes.blockSize
        self.isDAX = attributes.flags.contains(.dax)
        self.isEncoded = attributes.flags.contains(.encoded)
        self.fileNumber = attributes.fileNumber
        self.size = attributes.size
        self.used = attributes.used
        self.change = attributes.change
        self.epoch = attributes.epoch
        self.accessTime = FileTime(attributes.accessTime)
        self.modificationTime = FileTime(attributes.modificationTime)
        self.changeTime = FileTime(attributes.changeTime)
    }
}

extension FileType {
    init(_ type: LayoutXDR.FileType) {
        switch type {
        case .regular: self = .regular
        case .directory: self = .directory
        case .blockDevice: self = .blockDevice
        case .characterDevice: self = .characterDevice
        case .symbolicLink: self = .symbolicLink
        case .socket: self = .socket
        case .fifo: self = .fifo
        }
    }
}

extension FileTime {
    init(_ time: LayoutXDR.FileTime) {
        self.seconds = time.seconds
        self.nanoseconds = time.nanoseconds
    }
}

/// A name in a directory.
public struct DirectoryEntry: Hashable, Sendable {
    /// The name; bytes that are not UTF-8 are replaced.
    public let name: String
    /// What it is.
    public let type: FileType
    /// Bytes.
    public let size: UInt64
    /// The inode number.
    public let fileNumber: UInt64

    init(_ entry: LayoutXDR.DirectoryEntry) {
        self.name = String(decoding: entry.name, as: UTF8.self)
        self.type = FileType(entry.type)
        self.size = entry.size
        self.fileNumber = entry.fileNumber
    }
}
