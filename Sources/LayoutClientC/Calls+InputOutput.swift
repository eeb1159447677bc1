public import CLayoutClientABI
internal import Glibc
internal import LayoutClient

/// Reads at an offset; see `layoutclient.h`.
@c @implementation
public func ll_pread(
    _ file: OpaquePointer?,
    _ buffer: UnsafeMutableRawPointer?,
    _ count: Int,
    _ offset: off_t
) -> Int {
    call("ll_pread", failing: -1) { () throws(CallFailure) in
        let handle = unsafe try Handles.file(file)
        guard handle.isReadable else {
            throw CallFailure(EBADF, "'\(handle.file.path)' was opened for writing: open it with O_RDWR or O_RDONLY")
        }
        let start = try checkBuffer(UInt(bitPattern: buffer), count, offset)
        guard let buffer = unsafe buffer else { return 0 }
        let bytes = unsafe UnsafeMutableRawBufferPointer(start: buffer, count: count)
        guard unsafe Regions.shared.overlap(UnsafeRawBufferPointer(bytes)) else {
            return unsafe try read(handle.file, into: bytes, at: start)
        }
        // Mapped bytes may be away, and must not be waited for under the pin of another window.
        var done = 0
        let staging = Staging()
        while done < count {
            let part = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[done..<min(count, done + staging.count)])
            let staged = unsafe UnsafeMutableRawBufferPointer(rebasing: staging.bytes[..<part.count])
            let read = unsafe try read(handle.file, into: staged, at: start + UInt64(done))
            unsafe part.copyMemory(from: UnsafeRawBufferPointer(rebasing: staged[..<read]))
            done += read
            if read < part.count { break }
        }
        return done
    }
}

/// Writes at an offset; see `layoutclient.h`.
@c @implementation
public func ll_pwrite(
    _ file: OpaquePointer?,
    _ buffer: UnsafeRawPointer?,
    _ count: Int,
    _ offset: off_t
) -> Int {
    call("ll_pwrite", failing: -1) { () throws(CallFailure) in
        let file = unsafe try writableFile(file)
        let start = try checkBuffer(UInt(bitPattern: buffer), count, offset)
        guard let buffer = unsafe buffer else { return 0 }
        let bytes = unsafe UnsafeRawBufferPointer(start: buffer, count: count)
        guard unsafe Regions.shared.overlap(bytes) else {
            unsafe try write(file, bytes, at: start)
            return count
        }
        let staging = Staging()
        var done = 0
        while done < count {
            let part = unsafe UnsafeRawBufferPointer(rebasing: bytes[done..<min(count, done + staging.count)])
            unsafe staging.bytes.copyMemory(from: part)
            let staged = unsafe UnsafeRawBufferPointer(rebasing: staging.bytes[..<part.count])
            unsafe try write(file, staged, at: start + UInt64(done))
            done += part.count
        }
        return done
    }
}

/// A file offset, if the arguments of a read or write make sense.
private func checkBuffer(_ address: UInt, _ count: Int, _ offset: off_t) throws(CallFailure) -> UInt64 {
    guard let start = UInt64(exactly: offset) else {
        throw CallFailure(EINVAL, "the offset \(offset) is negative: pass 0 or more")
    }
    guard count >= 0, !offset.addingReportingOverflow(count).overflow,
        !address.addingReportingOverflow(UInt(count)).overflow
    else {
        throw CallFailure(
            EINVAL,
            "\(UInt(bitPattern: count)) bytes at offset \(offset) end beyond 2^63 - 1, or beyond memory: pass a smaller count"
        )
    }
    guard count == 0 || address != 0 else {
        throw CallFailure(EINVAL, "the buffer is NULL: pass one of \(count) bytes")
    }
    return start
}

private func read(
    _ file: LayoutFile,
    into buffer: UnsafeMutableRawBufferPointer,
    at offset: UInt64
) throws(CallFailure) -> Int {
    let done: Int
    do throws(LayoutError) {
        done = unsafe try file.readAtOnce(into: buffer, at: offset)
    } catch {
        throw CallFailure(error)
    }
    guard done < buffer.count else { return done }
    let rest = Bytes(UInt(bitPattern: buffer.baseAddress) + UInt(done), buffer.count - done)
    return done
        + (try Waiting.result(of: file.client) { () async throws(LayoutError) in
            unsafe try await file.read(into: rest.mutable, at: offset + UInt64(done))
        })
}

private func write(_ file: LayoutFile, _ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(CallFailure) {
    let done: Int
    do throws(LayoutError) {
        done = unsafe try file.writeAtOnce(bytes, at: offset)
    } catch {
        throw CallFailure(error)
    }
    guard done < bytes.count else { return }
    let rest = Bytes(UInt(bitPattern: bytes.baseAddress) + UInt(done), bytes.count - done)
    _ = try Waiting.result(of: file.client) { () async throws(LayoutError) in
        unsafe try await file.write(UnsafeRawBufferPointer(rest.mutable), at: offset + UInt64(done))
    }
}

/// The caller's bytes, for the task that it waits for.
private struct Bytes: Sendable {
    private let address: UInt
    private let count: Int

    init(_ address: UInt, _ count: Int) {
        self.address = address
        self.count = count
    }

    var mutable: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(
            start: UnsafeMutableRawPointer(bitPattern: self.address),
            count: self.count
        )
    }
}

/// Memory of the library's own, for the time of a call.
@safe
private final class Staging {
    let count = 1 << 20
    let bytes: UnsafeMutableRawBufferPointer

    init() { unsafe self.bytes = .allocate(byteCount: self.count, alignment: 4096) }

    deinit { unsafe self.bytes.deallocate() }
}
