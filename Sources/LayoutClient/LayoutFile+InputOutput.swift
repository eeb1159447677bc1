import LayoutHolder
import LayoutXDR
import LinuxFiles
import MappedWindows
import NIOCore

/// Reading and writing at an offset, like `pread(2)` and `pwrite(2)`.
///
/// Where a layout can be had the bytes are copied to or from a mapping, under a pin; elsewhere they go through the server.
/// ``ClientStatistics`` counts both.
extension LayoutFile {
    // MARK: Reading

    /// Reads bytes into a buffer; fewer than fit only at the end of the file.
    ///
    /// - Parameters:
    ///   - buffer: Where they go. Must not be in a region of this library that is not pinned.
    ///   - offset: Where they come from.
    /// - Returns: How many bytes were read; 0 at or beyond the end.
    /// - Throws: ``LayoutError``, for example with ``LayoutCore/LayoutStatus/ioError``.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) async throws(LayoutError) -> Int {
        try self.checkOpen("read '\(self.path)'")
        var done = 0
        while done < buffer.count {
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let position = try self.position(offset, done, "read")
            let count: Int
            if let direct = unsafe try await self.readDirect(into: rest, at: position) {
                count = direct
            } else {
                count = unsafe try await self.readThroughServer(into: rest, at: position)
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Reads bytes; fewer than asked for only at the end of the file.
    ///
    /// - Parameters:
    ///   - count: How many.
    ///   - offset: Where they come from.
    /// - Returns: The bytes.
    /// - Throws: As of ``read(into:at:)``.
    public func read(_ count: Int, at offset: UInt64) async throws(LayoutError) -> [UInt8] {
        guard count > 0 else { return [] }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        defer { unsafe buffer.deallocate() }
        let done = unsafe try await self.read(into: buffer, at: offset)
        return unsafe Array(buffer[..<done])
    }

    /// Reads from a mapping; `nil` if that does not go here.
    private func readDirect(
        into buffer: UnsafeMutableRawBufferPointer,
        at offset: UInt64
    ) async throws(LayoutError) -> Int? {
        // A read-write window that is there already serves as well.
        for ioMode in [IOMode.readWrite, .read] {
            guard ioMode == .read || self.windows[self.key(offset, ioMode)] != nil else { continue }
            let result = try await self.withWindow(at: offset, ioMode) { unsafe $0.copy(to: buffer, at: offset) }
            guard let result else { continue }
            self.client.counters.countDirectRead()
            return result
        }
        return nil
    }

    private func readThroughServer(
        into buffer: UnsafeMutableRawBufferPointer,
        at offset: UInt64
    ) async throws(LayoutError) -> Int {
        let attempt = "read \(buffer.count) bytes at \(offset) of '\(self.path)'"
        let count = UInt32(min(buffer.count, ProtocolLimits.io))
        let response = try await self.call(attempt) { .read(ReadArguments(handle: $0, offset: offset, count: count)) }
        guard case .read(let result) = response, result.data.count <= Int(count) else {
            throw Response.unexpected(attempt)
        }
        self.client.counters.count(\.readsThroughServer)
        unsafe buffer.copyBytes(from: result.data)
        // Bytes where a window ends: the file has grown since the window was granted.
        if !result.data.isEmpty { self.dropCutWindows(offset + UInt64(result.data.count)) }
        return result.data.count
    }

    // MARK: Writing

    /// Writes bytes; the file grows if they go beyond its end.
    ///
    /// They are visible to everybody when this returns, and on stable storage after ``flush(_:)``.
    /// - Parameters:
    ///   - bytes: What to write. Must not be in a region of this library that is not pinned.
    ///   - offset: Where.
    /// - Returns: How many bytes were written: all, if it does not throw.
    /// - Throws: ``LayoutError``, for example with ``LayoutCore/LayoutStatus/noSpace`` or
    ///   ``LayoutCore/LayoutStatus/outcomeUnknown``; some of the bytes may have been written then.
    @discardableResult
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) async throws(LayoutError) -> Int {
        try self.checkWritable("write '\(self.path)'")
        var done = 0
        while done < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
            let position = try self.position(offset, done, "write")
            if let direct = unsafe try await self.writeDirect(rest, at: position) {
                done += direct
            } else {
                done += unsafe try await self.writeThroughServer(rest, at: position)
            }
        }
        return done
    }

    /// Writes bytes; the file grows if they go beyond its end.
    ///
    /// - Parameters:
    ///   - bytes: What to write.
    ///   - offset: Where.
    /// - Returns: As of ``write(_:at:)-(UnsafeRawBufferPointer,_)``.
    /// - Throws: As of ``write(_:at:)-(UnsafeRawBufferPointer,_)``.
    @discardableResult
    public func write(_ bytes: [UInt8], at offset: UInt64) async throws(LayoutError) -> Int {
        // A buffer of its own: the array's cannot be borrowed over a suspension.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 16)
        defer { unsafe buffer.deallocate() }
        unsafe buffer.copyBytes(from: bytes)
        return unsafe try await self.write(UnsafeRawBufferPointer(rebasing: buffer[..<bytes.count]), at: offset)
    }

    private func writeDirect(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) async throws(LayoutError) -> Int? {
        let result = try await self.withWindow(at: offset, .readWrite) { unsafe $0.copy(from: bytes, at: offset) }
        if result != nil { self.client.counters.countDirectWrite() }
        return result
    }

    private func writeThroughServer(
        _ bytes: UnsafeRawBufferPointer,
        at offset: UInt64
    ) async throws(LayoutError) -> Int {
        let attempt = "write \(bytes.count) bytes at \(offset) of '\(self.path)'"
        let data = unsafe Array(bytes.prefix(ProtocolLimits.io))
        let wait = self.client.wait(nil)
        let file = self.core
        let timeout = wait + self.client.configuration.answerTimeout * 2
        let result: WriteResult = try await self.client.perform(attempt) { core, completion in
            let file = file.value
            let request = { (handle: FileHandle) in
                Request.write(
                    WriteArguments(
                        handle: handle,
                        offset: offset,
                        isStable: false,
                        waitMilliseconds: wait.wholeMilliseconds,
                        data: Array(data.prefix(core.link.writeSizeMax))
                    )
                )
            }
            file.submit(loss: .once, timeout: timeout, wait: wait, request) { result in
                completion(
                    result.flatMap { response in
                        guard case .write(let result) = response, Int(result.count) <= data.count else {
                            return .failure(Failure(.serverFault, "WRITE was answered with something else"))
                        }
                        file.writtenUnstably(result.verifier)
                        return .success(result)
                    }
                )
            }
        }
        guard result.count > 0 else {
            throw LayoutError(.noSpace, "cannot \(attempt): the server stored nothing; free some space")
        }
        self.client.counters.count(\.writesThroughServer)
        self.dropCutWindows(result.size)
        return Int(result.count)
    }

    /// Windows that end where the file ended are made anew when they are used next.
    private func dropCutWindows(_ size: UInt64) {
        let cut = self.windows.removeCut(before: size)
        let file = self.core
        self.client.post { _ in
            for id in cut { file.value.removeWindow(id) }
            if size > file.value.grantedSize { file.value.fileGrew() }
        }
    }

    // MARK: Windows

    /// Runs `body` under a pin on the window that shows the byte at `offset`.
    ///
    /// Never blocks the thread: where the window has to be waited for the task is suspended.
    /// - Returns: What `body` returns, or `nil` if there is no such window.
    private func withWindow(
        at offset: UInt64,
        _ ioMode: IOMode,
        _ body: (CachedWindow) -> Int?
    ) async throws(LayoutError) -> Int? {
        guard self.client.configuration.readsAndWritesDirectly else { return nil }
        let key = self.key(offset, ioMode)
        // A few tries, since a recall can come between the grant and the pin.
        for _ in 0..<8 {
            if let window = self.windows[key] {
                switch Self.access(window, ioMode, body) {
                case .done(let count): return count
                case .disturbed: continue
                case .failed: self.discard(window, key)
                case .closed: break
                }
            }
            guard try await self.prepareWindow(key) else { return nil }
        }
        return nil
    }

    /// Makes sure that there is a window for a key and that it is granted; `false` if the server has to be used.
    private func prepareWindow(_ key: WindowCache.Key) async throws(LayoutError) -> Bool {
        let attempt = "map '\(self.path)'"
        let size = self.windows.windowSize
        let (start, overflow) = key.index.multipliedReportingOverflow(by: size)
        guard !overflow, start <= UInt64(Int64.max) - size, let range = ByteRange(offset: start, length: size) else {
            return false
        }
        let (file, cached) = (self.core, self.windows[key])
        let patience = self.client.configuration.layoutPatience
        let window: CachedWindow? = try await self.client.perform(attempt) { core, completion in
            let file = file.value
            guard file.mayMap else { return completion(.success(nil)) }
            let window: CachedWindow
            if let cached {
                window = cached
            } else {
                guard start < max(file.grantedSize, 1), core.watcher != nil,
                    let memory = try? Window(size: Int(size))
                else { return completion(.success(nil)) }
                let place = LayoutHolder.Window(range, key.ioMode, followsContent: false)
                let added = file.addWindow(memory, place)
                window = CachedWindow(id: added.id, memory: memory, start: start, limit: added.limit)
            }
            file.prepare(window.id, timeout: patience) { result in
                if case .success = result { return completion(.success(window)) }
                core.counters.count(\.fallbacks)
                // A window that could not be had now may be had later; one that failed never will be.
                if cached == nil || file.windows[window.id]?.failure != nil { file.removeWindow(window.id) }
                completion(.success(nil))
            }
        }
        guard let window else { return false }
        if cached == nil {
            let removed = self.windows.add(window, key)
            if !removed.isEmpty {
                self.client.post { _ in for id in removed { file.value.removeWindow(id) } }
            }
        }
        return true
    }

    func position(_ offset: UInt64, _ done: Int, _ verb: String) throws(LayoutError) -> UInt64 {
        let (position, overflow) = offset.addingReportingOverflow(UInt64(done))
        guard !overflow, position <= UInt64(Int64.max) else {
            throw LayoutError(
                .invalid,
                "cannot \(verb) '\(self.path)' at \(offset): no file has bytes beyond 2^63 - 1"
            )
        }
        return position
    }
}

extension FileCore {
    /// Whether it is worth asking for a layout: not right after the server has said that there are none.
    var mayMap: Bool {
        guard let unavailable = self.unavailable else { return true }
        if Host.now.duration(since: unavailable.since) > .seconds(1) {
            self.unavailable = nil
            return true
        }
        return false
    }
}
