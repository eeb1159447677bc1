import LayoutXDR
import LinuxFiles

extension LayoutXDR.FileType {
    /// The type on the wire; both number it as `ll_ftype` does.
    init(_ type: LinuxFiles.FileType) {
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

extension LayoutXDR.FileAttributes {
    /// The attributes of a file, with its mapping epoch.
    init(_ facts: FileFacts, epoch: UInt64, support: MappingSupport) {
        var flags: FileFlags = []
        if facts.isDAX { flags.insert(.dax) }
        if facts.isEncoded { flags.insert(.encoded) }
        self.init(
            type: LayoutXDR.FileType(facts.type),
            mode: facts.mode,
            linkCount: facts.linkCount,
            uid: facts.uid,
            gid: facts.gid,
            blockSize: UInt32(clamping: max(support.fileSystem.blockSize, support.shiftAlignment)),
            flags: flags,
            fileNumber: facts.inode,
            size: facts.size,
            used: facts.used,
            change: facts.changeCookie,
            epoch: epoch,
            accessTime: LayoutXDR.FileTime(facts.accessed),
            modificationTime: LayoutXDR.FileTime(facts.modified),
            changeTime: LayoutXDR.FileTime(facts.changed)
        )
    }
}

extension LayoutXDR.FileTime {
    init(_ time: LinuxFiles.FileTime) { self.init(seconds: time.seconds, nanoseconds: time.nanoseconds) }
}

extension LinuxFiles.FileTime {
    init(_ time: LayoutXDR.FileTime) { self.init(seconds: time.seconds, nanoseconds: time.nanoseconds) }
}

extension ReadDirectoryResult {
    init(_ listing: DirectoryListing) {
        self.init(
            entries: listing.entries.map {
                LayoutXDR.DirectoryEntry(
                    cookie: $0.cookie,
                    fileNumber: $0.inode,
                    type: LayoutXDR.FileType($0.type),
                    size: $0.size,
                    name: $0.name
                )
            },
            isAtEnd: listing.isComplete
        )
    }
}
