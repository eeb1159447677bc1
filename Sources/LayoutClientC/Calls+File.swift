public import CLayoutClientABI
internal import Glibc
internal import LayoutClient

/// Opens a file; see `layoutclient.h`.
@c @implementation
public func ll_open(
    _ client: OpaquePointer?,
    _ path: UnsafePointer<CChar>?,
    _ flags: CInt,
    _ mode: mode_t
) -> OpaquePointer? {
    unsafe call("ll_open", failing: nil) { () throws(CallFailure) in
        let handle = unsafe try Handles.client(client)
        guard let path = unsafe path else {
            throw CallFailure(EINVAL, "the path is NULL: pass one below the directory that the server exports")
        }
        let name = unsafe String(cString: path)
        let (access, options) = try openOptions(flags)
        if options.contains(.truncate) { try checkHoldsNoAccess() }
        let client = handle.client
        let file = try Waiting.result(of: client) { () async throws(LayoutError) in
            try await client.open(name, access, options: options, mode: mode & 0o7777)
        }
        let opened = FileHandle(file, of: handle, isReadable: flags & O_ACCMODE != O_WRONLY)
        guard let number = unsafe Handles.files.insert(opened) else { throw .tooManyHandles }
        return unsafe number
    }
}

/// Ends the use of a file; see `layoutclient.h`.
@c @implementation
public func ll_close(_ file: OpaquePointer?) -> CInt {
    call("ll_close", failing: -1) { () throws(CallFailure) in
        guard let handle = unsafe Handles.files.remove(file) else { throw .notAFile }
        let file = handle.file
        // Whatever becomes of the connection, it is closed.
        try Waiting.result(of: file.client) { () async throws(LayoutError) in await file.close() }
        return 0
    }
}

/// Tells a file's attributes; see `layoutclient.h`.
@c @implementation
public func ll_fstat(_ file: OpaquePointer?, _ status: UnsafeMutablePointer<stat>?) -> CInt {
    call("ll_fstat", failing: -1) { () throws(CallFailure) in
        let handle = unsafe try Handles.file(file)
        guard let status = unsafe status else {
            throw CallFailure(EINVAL, "there is no room for the attributes: pass a struct stat")
        }
        let file = handle.file
        let attributes = try Waiting.result(of: file.client) { () async throws(LayoutError) in
            try await file.attributes()
        }
        var values = stat()
        values.st_dev = device(of: file.client.url)
        values.st_ino = ino_t(attributes.fileNumber)
        values.st_mode = attributes.type.bits | mode_t(attributes.mode & 0o7777)
        values.st_nlink = nlink_t(attributes.linkCount)
        values.st_uid = attributes.uid
        values.st_gid = attributes.gid
        values.st_size = off_t(clamping: attributes.size)
        values.st_blksize = blksize_t(attributes.blockSize)
        values.st_blocks = blkcnt_t(clamping: attributes.used / 512)
        values.st_atim = timespec(attributes.accessTime)
        values.st_mtim = timespec(attributes.modificationTime)
        values.st_ctim = timespec(attributes.changeTime)
        unsafe status.initialize(to: values)
        return 0
    }
}

/// Sets the size; see `layoutclient.h`.
@c @implementation
public func ll_ftruncate(_ file: OpaquePointer?, _ length: off_t) -> CInt {
    call("ll_ftruncate", failing: -1) { () throws(CallFailure) in
        let file = unsafe try writableFile(file)
        guard let size = UInt64(exactly: length) else {
            throw CallFailure(EINVAL, "the length \(length) is negative: pass 0 or more")
        }
        try checkHoldsNoAccess()
        try Waiting.result(of: file.client) { () async throws(LayoutError) in try await file.truncate(to: size) }
        return 0
    }
}

/// Changes how a range of a file is mapped; see `layoutclient.h`.
@c @implementation
public func ll_fallocate(_ file: OpaquePointer?, _ mode: CInt, _ offset: off_t, _ length: off_t) -> CInt {
    call("ll_fallocate", failing: -1) { () throws(CallFailure) in
        let file = unsafe try writableFile(file)
        let range = try fileRange(offset, length)
        try checkHoldsNoAccess()
        let operation = mode & ~FALLOC_FL_KEEP_SIZE
        let keepsSize = mode & FALLOC_FL_KEEP_SIZE != 0
        let change: @Sendable () async throws(LayoutError) -> Void
        switch operation {
        case 0:
            change = { () async throws(LayoutError) in try await file.allocate(range, keepingSize: keepsSize) }
        case FALLOC_FL_ZERO_RANGE:
            change = { () async throws(LayoutError) in try await file.zeroRange(range, keepingSize: keepsSize) }
        case FALLOC_FL_PUNCH_HOLE where keepsSize:
            change = { () async throws(LayoutError) in try await file.punchHole(range) }
        case FALLOC_FL_COLLAPSE_RANGE where !keepsSize:
            change = { () async throws(LayoutError) in try await file.collapseRange(range) }
        case FALLOC_FL_INSERT_RANGE where !keepsSize:
            let size = range.upperBound - range.lowerBound
            change = { () async throws(LayoutError) in try await file.insertRange(at: range.lowerBound, length: size) }
        default:
            throw CallFailure(
                EOPNOTSUPP,
                "the mode \(mode) is not served: pass 0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE (with KEEP_SIZE or "
                    + "without), COLLAPSE_RANGE or INSERT_RANGE"
            )
        }
        try Waiting.result(of: file.client, change)
        return 0
    }
}

/// Brings a file to stable storage; see `layoutclient.h`.
@c @implementation
public func ll_fsync(_ file: OpaquePointer?) -> CInt {
    call("ll_fsync", failing: -1) { () throws(CallFailure) in
        let handle = unsafe try Handles.file(file)
        // This client cannot have written what it opened for reading.
        guard handle.isWritable else { return 0 }
        let file = handle.file
        try Waiting.result(of: file.client) { () async throws(LayoutError) in try await file.flush() }
        return 0
    }
}

// MARK: - Arguments

/// What flags of `open(2)` ask for.
private func openOptions(_ flags: CInt) throws(CallFailure) -> (IOMode, OpenOptions) {
    let largeFile: CInt = 0o100000
    let meaningless = O_CLOEXEC | O_NOCTTY | O_NONBLOCK | largeFile
    let known = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | meaningless
    guard flags & ~known == 0, flags & O_ACCMODE != O_ACCMODE else {
        throw CallFailure(
            EINVAL,
            "flags 0x\(String(flags, radix: 16)) have bits that mean nothing here: pass O_RDONLY, O_WRONLY or O_RDWR, with "
                + "O_CREAT, O_EXCL and O_TRUNC; write at the offset that ll_fstat says instead of O_APPEND, and call "
                + "ll_fsync instead of O_SYNC"
        )
    }
    let access: IOMode = flags & O_ACCMODE == O_RDONLY ? .read : .readWrite
    var options: OpenOptions = []
    if flags & O_CREAT != 0 { options.insert(.create) }
    if flags & O_CREAT != 0, flags & O_EXCL != 0 { options.insert(.exclusive) }
    if flags & O_TRUNC != 0 { options.insert(.truncate) }
    return (access, options)
}

/// An open file that was opened for writing.
func writableFile(_ handle: OpaquePointer?) throws(CallFailure) -> LayoutFile {
    let file = unsafe try Handles.file(handle)
    guard file.isWritable else {
        throw CallFailure(EBADF, "'\(file.file.path)' was opened for reading: open it with O_RDWR or O_WRONLY")
    }
    return file.file
}

/// The bytes of a file that C names by an offset and a length.
func fileRange(_ offset: off_t, _ length: off_t) throws(CallFailure) -> Range<UInt64> {
    guard offset >= 0, length > 0 else {
        throw CallFailure(
            EINVAL,
            "\(length) bytes at offset \(offset): pass an offset of 0 or more, and a length above 0"
        )
    }
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard !overflow else {
        throw CallFailure(EFBIG, "\(length) bytes at offset \(offset) end beyond 2^63 - 1, which no file can have")
    }
    return UInt64(offset)..<UInt64(end)
}

// MARK: - Attributes

/// A number that tells servers apart, never that of a device of this host.
private func device(of url: String) -> dev_t {
    // FNV-1a, with a bit that Linux gives no device number.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in url.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return dev_t(hash | 1 << 63)
}

extension FileType {
    fileprivate var bits: mode_t {
        switch self {
        case .regular: S_IFREG
        case .directory: S_IFDIR
        case .blockDevice: S_IFBLK
        case .characterDevice: S_IFCHR
        case .symbolicLink: S_IFLNK
        case .socket: S_IFSOCK
        case .fifo: S_IFIFO
        }
    }
}

extension timespec {
    fileprivate init(_ time: FileTime) {
        self.init(tv_sec: Int(time.seconds), tv_nsec: Int(time.nanoseconds))
    }
}
