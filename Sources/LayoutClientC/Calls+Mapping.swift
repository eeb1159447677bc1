public import CLayoutClientABI
internal import Glibc
internal import LayoutClient

/// Maps bytes of a file; see `layoutclient.h`.
@c @implementation
public func ll_mmap(
    _ address: UnsafeMutableRawPointer?,
    _ length: Int,
    _ protection: CInt,
    _ flags: CInt,
    _ file: OpaquePointer?,
    _ offset: off_t
) -> UnsafeMutableRawPointer? {
    unsafe call("ll_mmap", failing: unsafe MAP_FAILED) { () throws(CallFailure) in
        let handle = unsafe try Handles.file(file)
        guard unsafe address == nil else {
            throw CallFailure(EINVAL, "a mapping cannot be put at a chosen address: pass NULL")
        }
        // MAP_SHARED_VALIDATE is MAP_SHARED that does not overlook flags, which this never does.
        let kind = flags & ~LL_MAP_FOLLOW_CONTENT
        guard kind == MAP_SHARED || kind == 0x3 else {
            throw CallFailure(
                EINVAL,
                "the flags 0x\(String(flags, radix: 16)) are not served: pass MAP_SHARED, or with it LL_MAP_FOLLOW_CONTENT"
            )
        }
        let access = try ioMode(protection)
        guard length > 0, length <= Int.max - pageSize else {
            throw CallFailure(
                EINVAL,
                "the length \(length) cannot be mapped: pass at least 1, below 2^63 - \(pageSize)"
            )
        }
        let range = try fileRange(offset, length)
        guard offset & (pageSize - 1) == 0 else {
            throw CallFailure(EINVAL, "the offset \(offset) is not a multiple of the page size, which is \(pageSize)")
        }
        guard handle.isReadable, access == .read || handle.isWritable else {
            throw CallFailure(
                EACCES,
                "'\(handle.file.path)' was not opened for that: open it with O_RDWR, or map it with PROT_READ after O_RDONLY"
            )
        }
        let (file, windowSize) = (handle.file, handle.client.windowSize)
        let following: MappedRegion.Following = flags & LL_MAP_FOLLOW_CONTENT != 0 ? .content : .offset
        let region = try Waiting.result(of: file.client) { () async throws(LayoutError) in
            try await file.map(range, access, following: following, windowSize: windowSize)
        }
        return unsafe UnsafeMutableRawPointer(bitPattern: Regions.shared.add(region, of: handle).start)
    }
}

/// Ends a mapping; see `layoutclient.h`.
@c @implementation
public func ll_munmap(_ address: UnsafeMutableRawPointer?, _ length: Int) -> CInt {
    call("ll_munmap", failing: -1) { () throws(CallFailure) in
        try checkHoldsNoAccess()
        guard length > 0, length <= Int.max - pageSize,
            let entry = Regions.shared.remove(UInt(bitPattern: address), length)
        else {
            throw CallFailure(
                EINVAL,
                "\(length) bytes there are not a mapping: pass the address that ll_mmap has returned, and the same length"
            )
        }
        let region = entry.region
        try Waiting.result(of: region.file.client) { () async throws(LayoutError) in await region.unmap() }
        return 0
    }
}

/// Brings mapped bytes to stable storage; see `layoutclient.h`.
@c @implementation
public func ll_msync(_ address: UnsafeMutableRawPointer?, _ length: Int, _ flags: CInt) -> CInt {
    call("ll_msync", failing: -1) { () throws(CallFailure) in
        guard flags & ~(MS_SYNC | MS_ASYNC | MS_INVALIDATE) == 0, flags & (MS_SYNC | MS_ASYNC) != MS_SYNC | MS_ASYNC
        else {
            throw CallFailure(EINVAL, "the flags \(flags) make no sense together: pass MS_SYNC, or MS_ASYNC")
        }
        let entry = try mapping(UInt(bitPattern: address), length)
        guard flags & MS_SYNC != 0, entry.region.access == .readWrite else { return 0 }
        let file = entry.region.file
        let first = entry.region.range.lowerBound + UInt64(UInt(bitPattern: address) - entry.start)
        try Waiting.result(of: file.client) { () async throws(LayoutError) in
            try await file.flush(first..<first + UInt64(length))
        }
        return 0
    }
}

// MARK: - Accesses

/// Mapped bytes that a thread keeps from being taken back.
final class AccessHandle: Sendable {
    let region: MappedRegion
    let thread: Int32
    // Read and ended by the thread that made it, and by no other.
    nonisolated(unsafe) let pins: MappedRegion.Pins

    init(_ region: MappedRegion, _ pins: MappedRegion.Pins, thread: Int32) {
        self.region = region
        unsafe self.pins = pins
        self.thread = thread
    }
}

/// Begins an access; see `layoutclient.h`.
@c @implementation
public func ll_begin_access(
    _ address: UnsafeMutableRawPointer?,
    _ length: Int,
    _ protection: CInt
) -> OpaquePointer? {
    unsafe call("ll_begin_access", failing: nil) { () throws(CallFailure) in
        let access = try ioMode(protection)
        let entry = try mapping(UInt(bitPattern: address), length)
        let first = Int(UInt(bitPattern: address) - entry.start)
        guard length <= entry.length - first else {
            throw CallFailure(
                EINVAL,
                "\(length) bytes at byte \(first) of a mapping of \(entry.length) are not all inside: pass fewer"
            )
        }
        let pins: MappedRegion.Pins
        do throws(LayoutError) {
            pins = try entry.region.beginAccess(first..<first + length, access)
        } catch {
            throw CallFailure(error)
        }
        guard let handle = unsafe Handles.accesses.insert(AccessHandle(entry.region, pins, thread: ll_internal_thread())) else {
            _ = entry.region.endAccess(pins)
            throw .tooManyHandles
        }
        ll_internal_count_access(1)
        return unsafe handle
    }
}

/// Ends an access; see `layoutclient.h`.
@c @implementation
public func ll_end_access(_ access: OpaquePointer?) -> CInt {
    call("ll_end_access", failing: -1) { () throws(CallFailure) in
        guard let held = unsafe Handles.accesses[access] else {
            throw CallFailure(
                EINVAL,
                "the access is NULL, has ended, or is none: pass what ll_begin_access has returned"
            )
        }
        guard held.thread == ll_internal_thread() else {
            throw CallFailure(EPERM, "the access was begun by thread \(held.thread): end it there")
        }
        guard unsafe Handles.accesses.remove(access) != nil else { preconditionFailure("only its thread ends an access") }
        ll_internal_count_access(-1)
        guard unsafe held.region.endAccess(held.pins) else { throw CallFailure(held.region.accessWasDisturbed()) }
        return 0
    }
}

// MARK: - Arguments

private func ioMode(_ protection: CInt) throws(CallFailure) -> IOMode {
    switch protection {
    case PROT_READ: return .read
    case PROT_READ | PROT_WRITE, PROT_WRITE: return .readWrite
    default:
        throw CallFailure(
            EINVAL,
            "the protection \(protection) is not served: pass PROT_READ, or PROT_READ | PROT_WRITE"
        )
    }
}

/// The mapping that has these bytes.
private func mapping(_ address: UInt, _ length: Int) throws(CallFailure) -> Regions.Entry {
    guard length > 0, let entry = Regions.shared.entry(at: address, length) else {
        throw CallFailure(
            EINVAL,
            "\(length) bytes at 0x\(String(address, radix: 16)) are not in a mapping: pass bytes of one that ll_mmap has made"
        )
    }
    return entry
}
