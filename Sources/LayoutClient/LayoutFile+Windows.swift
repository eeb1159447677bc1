import LayoutHolder
import LayoutXDR
import MappedWindows
import NIOCore

/// What the windows of reads and writes show now, on the calling thread.
extension LayoutFile {
    /// Reads bytes as far as windows are there, without waiting and without a task.
    ///
    /// - Parameters:
    ///   - buffer: Where they go. Must not be in a region of this library that is not pinned.
    ///   - offset: Where they come from.
    /// - Returns: How many bytes were read; for the rest there is ``read(into:at:)``.
    /// - Throws: ``LayoutError`` with ``LayoutCore/LayoutStatus/closed`` or ``LayoutCore/LayoutStatus/invalid``.
    package func readAtOnce(
        into buffer: UnsafeMutableRawBufferPointer,
        at offset: UInt64
    ) throws(LayoutError) -> Int {
        try self.checkOpen("read '\(self.path)'")
        var done = 0
        while done < buffer.count {
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let position = try self.position(offset, done, "read")
            // A read-write window serves as well.
            let count =
                self.accessAtOnce(at: position, .readWrite) { unsafe $0.copy(to: rest, at: position) }
                ?? self.accessAtOnce(at: position, .read) { unsafe $0.copy(to: rest, at: position) }
            guard let count, count > 0 else { break }
            self.client.counters.countDirectRead()
            done += count
        }
        return done
    }

    /// Writes bytes as far as windows are there, without waiting and without a task.
    ///
    /// - Parameters:
    ///   - bytes: What to write. Must not be in a region of this library that is not pinned.
    ///   - offset: Where.
    /// - Returns: How many bytes were written; for the rest there is ``write(_:at:)-(UnsafeRawBufferPointer,_)``.
    /// - Throws: As of ``readAtOnce(into:at:)``; ``LayoutCore/LayoutStatus/access`` if the file was opened for reading.
    package func writeAtOnce(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(LayoutError) -> Int {
        try self.checkWritable("write '\(self.path)'")
        var done = 0
        while done < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
            let position = try self.position(offset, done, "write")
            let count = self.accessAtOnce(at: position, .readWrite) { unsafe $0.copy(from: rest, at: position) }
            guard let count, count > 0 else { break }
            self.client.counters.countDirectWrite()
            done += count
        }
        return done
    }

    private func accessAtOnce(at offset: UInt64, _ ioMode: IOMode, _ body: (CachedWindow) -> Int?) -> Int? {
        let key = self.key(offset, ioMode)
        // Disturbed means that the lease ended meanwhile, so a second try finds the window closed.
        guard let window = self.windows[key], case .done(let count) = Self.access(window, ioMode, body) else {
            return nil
        }
        return count
    }

    // MARK: Windows

    func key(_ offset: UInt64, _ ioMode: IOMode) -> WindowCache.Key {
        WindowCache.Key(index: offset / self.windows.windowSize, ioMode: ioMode)
    }

    func discard(_ window: CachedWindow, _ key: WindowCache.Key) {
        self.windows.remove(window, key)
        let file = self.core
        self.client.post { _ in file.value.removeWindow(window.id) }
    }

    enum Access {
        /// It has been done.
        case done(Int?)
        /// The lease ended meanwhile: what was read may be other bytes.
        case disturbed
        /// The window has to be asked for.
        case closed
        /// The window is of no use any more.
        case failed
    }

    static func access(_ window: CachedWindow, _ ioMode: IOMode, _ body: (CachedWindow) -> Int?) -> Access {
        do throws(WindowError) {
            guard let pin = try window.memory.tryLongPin(ioMode) else { return .closed }
            let count = body(window)
            try pin.end()
            return .done(count)
        } catch {
            return error.code == .revokedWhilePinned ? .disturbed : .failed
        }
    }
}

extension CachedWindow {
    /// Where bytes at a file offset are in the window, as many as it has; `nil` beyond the end of what it shows.
    private func part(_ offset: UInt64, _ count: Int) -> Range<Int>? {
        let limit = self.limit.current
        guard offset < limit else { return nil }
        let start = Int(offset - self.start)
        return start..<start + min(count, Int(limit - self.start) - start)
    }

    /// Copies bytes at a file offset out of the window, under a pin.
    ///
    /// - Returns: How many; `nil` beyond the end of what the window shows.
    func copy(to buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Int? {
        guard let part = self.part(offset, buffer.count) else { return nil }
        unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: self.memory.bytes[part]))
        return part.count
    }

    /// Copies bytes into the window at a file offset, under a pin.
    ///
    /// - Returns: How many; `nil` beyond the end of what the window shows.
    func copy(from bytes: UnsafeRawBufferPointer, at offset: UInt64) -> Int? {
        guard let part = self.part(offset, bytes.count) else { return nil }
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: self.memory.bytes[part])
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<part.count]))
        return part.count
    }
}
