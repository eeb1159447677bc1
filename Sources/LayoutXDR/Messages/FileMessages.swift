package import LayoutCore

/// LOOKUP, CREATE (`mode`), REMOVE (`waitMilliseconds`): a path below a directory, as the bytes that came.
package struct PathArguments: Hashable, Sendable {
    /// The directory that the path is relative to.
    package var directory: FileHandle
    /// At most 1,023 bytes; may hold anything, NUL too: the receiver checks.
    package var path: [UInt8]
    /// CREATE: permission bits of the new directory; else 0.
    package var mode: UInt32
    /// REMOVE: the caller's patience in milliseconds; else 0.
    package var waitMilliseconds: UInt32

    /// Makes the value from its parts.
    package init(directory: FileHandle, path: [UInt8], mode: UInt32 = 0, waitMilliseconds: UInt32 = 0) {
        self.directory = directory
        self.path = path
        self.mode = mode
        self.waitMilliseconds = waitMilliseconds
    }
}

/// Bits of OPEN (`LL_OPEN_`).
package struct OpenFlags: OptionSet, Hashable, Sendable {
    /// The bits on the wire; unknown ones survive.
    package let rawValue: UInt32
    /// Makes a set from its bits.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The file is opened for reading.
    package static var read: Self { Self(rawValue: 0x1) }
    /// The file is opened for writing.
    package static var write: Self { Self(rawValue: 0x2) }
    /// It is created if it does not exist.
    package static var create: Self { Self(rawValue: 0x4) }
    /// It must not exist yet.
    package static var exclusive: Self { Self(rawValue: 0x8) }
    /// Its size becomes 0.
    package static var truncate: Self { Self(rawValue: 0x10) }
    /// All flags of this version.
    package static var known: Self { Self(rawValue: 0x1f) }
}

/// `LL_OPENargs` without its sequence.
package struct OpenArguments: Hashable, Sendable {
    /// The directory that the path is relative to.
    package var directory: FileHandle
    /// The path below the directory; at most 1,023 bytes, which the receiver checks.
    package var path: [UInt8]
    /// How it is opened.
    package var flags: OpenFlags
    /// Permission bits of a file that is created.
    package var mode: UInt32
    /// Patience in milliseconds, when truncating has to recall layouts.
    package var waitMilliseconds: UInt32

    /// Makes the value from its parts.
    package init(directory: FileHandle, path: [UInt8], flags: OpenFlags, mode: UInt32, waitMilliseconds: UInt32) {
        self.directory = directory
        self.path = path
        self.flags = flags
        self.mode = mode
        self.waitMilliseconds = waitMilliseconds
    }
}

/// `LL_READDIRargs` without its sequence.
package struct ReadDirectoryArguments: Hashable, Sendable {
    /// The directory that the path is relative to.
    package var directory: FileHandle
    /// The path below the directory; at most 1,023 bytes, which the receiver checks.
    package var path: [UInt8]
    /// 0 to begin, else the cookie of the last entry seen.
    package var cookie: UInt64
    /// Entries that the caller wants at most.
    package var maxEntries: UInt32

    /// Makes the value from its parts.
    package init(directory: FileHandle, path: [UInt8], cookie: UInt64, maxEntries: UInt32) {
        self.directory = directory
        self.path = path
        self.cookie = cookie
        self.maxEntries = maxEntries
    }
}

/// `ll_entry`.
package struct DirectoryEntry: Hashable, Sendable {
    /// Where to go on after this entry.
    package var cookie: UInt64
    /// The inode number.
    package var fileNumber: UInt64
    /// What kind of file it is.
    package var type: FileType
    /// Bytes.
    package var size: UInt64
    /// The name, at most 255 bytes.
    package var name: [UInt8]

    /// Makes the value from its parts.
    package init(cookie: UInt64, fileNumber: UInt64, type: FileType, size: UInt64, name: [UInt8]) {
        self.cookie = cookie
        self.fileNumber = fileNumber
        self.type = type
        self.size = size
        self.name = name
    }
}

/// `ll_readdir_resok`.
package struct ReadDirectoryResult: Hashable, Sendable {
    /// At most 256.
    package var entries: [DirectoryEntry]
    /// Whether there are no more entries.
    package var isAtEnd: Bool

    /// Makes the value from its parts.
    package init(entries: [DirectoryEntry], isAtEnd: Bool) {
        self.entries = entries
        self.isAtEnd = isAtEnd
    }
}

/// `LL_RENAMEargs` without its sequence.
package struct RenameArguments: Hashable, Sendable {
    /// The directory that `from` is relative to.
    package var fromDirectory: FileHandle
    /// The old path; at most 1,023 bytes, which the receiver checks.
    package var from: [UInt8]
    /// The directory that `to` is relative to.
    package var toDirectory: FileHandle
    /// The new path; at most 1,023 bytes, which the receiver checks.
    package var to: [UInt8]
    /// The caller's patience in milliseconds; then DELAY, and nothing was done.
    package var waitMilliseconds: UInt32

    /// Makes the value from its parts.
    package init(
        fromDirectory: FileHandle,
        from: [UInt8],
        toDirectory: FileHandle,
        to: [UInt8],
        waitMilliseconds: UInt32
    ) {
        self.fromDirectory = fromDirectory
        self.from = from
        self.toDirectory = toDirectory
        self.to = to
        self.waitMilliseconds = waitMilliseconds
    }
}
