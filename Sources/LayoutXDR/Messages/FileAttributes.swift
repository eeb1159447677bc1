package import LayoutCore

/// `ll_ftype`.
package enum FileType: UInt32, Hashable, Sendable {
    /// A regular file: the only kind that has layouts.
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

/// `ll_timespec`.
package struct FileTime: Hashable, Sendable {
    /// Seconds since 1970 UTC; negative before.
    package var seconds: Int64
    /// Nanoseconds after them, below 1,000,000,000, which the receiver checks.
    package var nanoseconds: UInt32

    /// Makes the value from its parts.
    package init(seconds: Int64, nanoseconds: UInt32) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
}

/// Bits of `file_flags` (`LL_FILE_`).
package struct FileFlags: OptionSet, Hashable, Sendable {
    /// The bits on the wire; unknown ones survive.
    package let rawValue: UInt32
    /// Makes a set from its bits.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Loads and stores go to persistent memory (`STATX_ATTR_DAX`).
    package static var dax: Self { Self(rawValue: 0x1) }
    /// Compressed or encrypted: no layouts.
    package static var encoded: Self { Self(rawValue: 0x2) }
}

/// `ll_attributes`.
package struct FileAttributes: Hashable, Sendable {
    /// What kind of file it is.
    package var type: FileType
    /// Type and permission bits (`st_mode`).
    package var mode: UInt32
    /// Names of the file.
    package var linkCount: UInt32
    /// The owner.
    package var uid: UInt32
    /// The group.
    package var gid: UInt32
    /// Bytes; the alignment of insert and collapse, and of what a recall names.
    package var blockSize: UInt32
    /// What is special about it.
    package var flags: FileFlags
    /// The inode number.
    package var fileNumber: UInt64
    /// Bytes.
    package var size: UInt64
    /// Bytes on storage.
    package var used: UInt64
    /// Grows with every change that the server knows of.
    package var change: UInt64
    /// The mapping epoch: 1, and one more for each completed shift.
    package var epoch: UInt64
    /// When it was last read.
    package var accessTime: FileTime
    /// When its bytes last changed.
    package var modificationTime: FileTime
    /// When its attributes last changed.
    package var changeTime: FileTime

    /// Makes the value from its parts.
    package init(
        type: FileType,
        mode: UInt32,
        linkCount: UInt32,
        uid: UInt32,
        gid: UInt32,
        blockSize: UInt32,
        flags: FileFlags,
        fileNumber: UInt64,
        size: UInt64,
        used: UInt64,
        change: UInt64,
        epoch: UInt64,
        accessTime: FileTime,
        modificationTime: FileTime,
        changeTime: FileTime
    ) {
        self.type = type
        self.mode = mode
        self.linkCount = linkCount
        self.uid = uid
        self.gid = gid
        self.blockSize = blockSize
        self.flags = flags
        self.fileNumber = fileNumber
        self.size = size
        self.used = used
        self.change = change
        self.epoch = epoch
        self.accessTime = accessTime
        self.modificationTime = modificationTime
        self.changeTime = changeTime
    }
}

/// `ll_object_resok`.
package struct ObjectResult: Hashable, Sendable {
    /// The file.
    package var handle: FileHandle
    /// Its attributes.
    package var attributes: FileAttributes

    /// Makes the value from its parts.
    package init(handle: FileHandle, attributes: FileAttributes) {
        self.handle = handle
        self.attributes = attributes
    }
}

/// `LL_SETATTRargs` without its sequence.
package struct SetAttributesArguments: Hashable, Sendable {
    /// Bits of `which` (`LL_SET_`).
    package struct Which: OptionSet, Hashable, Sendable {
        /// The bits on the wire; unknown ones survive.
        package let rawValue: UInt32
        /// Makes a set from its bits.
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        /// `mode` counts.
        package static var mode: Self { Self(rawValue: 0x1) }
        /// `uid` and `gid` count.
        package static var owner: Self { Self(rawValue: 0x2) }
        /// `accessTime` counts.
        package static var accessTime: Self { Self(rawValue: 0x4) }
        /// `modificationTime` counts.
        package static var modificationTime: Self { Self(rawValue: 0x8) }
        /// All bits of this version.
        package static var known: Self { Self(rawValue: 0xf) }
    }
    /// The file.
    package var handle: FileHandle
    /// Which of the others count; the size is changed by TRUNCATE.
    package var which: Which
    /// Permission bits (`chmod(2)`).
    package var mode: UInt32
    /// The owner.
    package var uid: UInt32
    /// The group.
    package var gid: UInt32
    /// When it was last read.
    package var accessTime: FileTime
    /// When its bytes last changed.
    package var modificationTime: FileTime

    /// Makes the value from its parts.
    package init(
        handle: FileHandle,
        which: Which,
        mode: UInt32,
        uid: UInt32,
        gid: UInt32,
        accessTime: FileTime,
        modificationTime: FileTime
    ) {
        self.handle = handle
        self.which = which
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.accessTime = accessTime
        self.modificationTime = modificationTime
    }
}
