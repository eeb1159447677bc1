import LayoutHolder
import LayoutXDR
import MappedWindows
import NIOCore

extension LayoutFile {
    /// The size of the windows of a region, unless ``map(_:_:following:windowSize:)`` is told another.
    public static var defaultWindowSize: Int { 64 << 20 }

    /// Maps bytes of the file.
    ///
    /// Gets the layout of the first window, to find out whether the file can be mapped at all; others come when they are
    /// touched, or with ``MappedRegion/prepare(_:patience:)``.
    /// - Parameters:
    ///   - range: Which bytes: not empty, and beginning before the end of the file. What lies beyond the end raises SIGBUS.
    ///   - access: Whether bytes are to be stored. Then the server allocates the blocks of each window that is granted, so
    ///     that a store cannot run out of space.
    ///   - following: What the region shows when bytes of the file move.
    ///   - windowSize: The unit in which bytes are recalled; rounded up to 2 MiB. Smaller ones cost less per recall, larger
    ///     ones need fewer requests.
    /// - Returns: The region, with the layout of its first window.
    /// - Throws: ``LayoutError`` with ``LayoutCore/LayoutStatus/layoutUnavailable`` if the file cannot be mapped from here
    ///   (a server on another host, a range beyond the end): read and write still work;
    ///   ``LayoutCore/LayoutStatus/access``; ``LayoutCore/LayoutStatus/notSupported`` for content on a filesystem with
    ///   blocks smaller than a page, and for ``OpenOptions/requiresDAX`` without persistent memory; ``LayoutCore/LayoutStatus/resource`` if address space or windows run out;
    ///   ``LayoutCore/LayoutStatus/delay`` if a change by others is in the way for too long.
    public func map(
        _ range: Range<UInt64>,
        _ access: IOMode = .read,
        following: MappedRegion.Following = .offset,
        windowSize: Int = LayoutFile.defaultWindowSize
    ) async throws(LayoutError) -> MappedRegion {
        let attempt = "map \(range) of '\(self.path)'"
        if access == .readWrite { try self.checkWritable(attempt) } else { try self.checkOpen(attempt) }
        let page = UInt64(systemPageSize)
        let lower = range.lowerBound & ~(page - 1)
        guard !range.isEmpty, range.upperBound <= UInt64(Int64.max) - page else {
            throw LayoutError(.invalid, "cannot \(attempt): name at least one byte, below 2^63 - \(page)")
        }
        _ = try WindowWatcher.shared
        let size = Int((range.upperBound + page - 1) & ~(page - 1) - lower)
        // A process has room for some tens of thousands of windows, so a huge region has larger ones.
        let part = max(windowSize, size / 4096)
        let windows: [Window]
        do {
            windows = try Window.row(size: size, part: part)
        } catch {
            throw LayoutError(error, attempt: attempt)
        }
        let file = self.core
        let ids: [LayoutHolder.WindowID] = try await self.client.perform(attempt) { _, completion in
            let file = file.value
            guard following == .offset || file.blockSize >= page else {
                let detail = "blocks of \(file.blockSize) bytes, smaller than a page of \(page), cannot be followed"
                return completion(.failure(Failure(.notSupported, detail)))
            }
            var offset = lower
            let ids = windows.compactMap { memory -> LayoutHolder.WindowID? in
                defer { offset += UInt64(memory.size) }
                guard let bytes = ByteRange(offset: offset, length: UInt64(memory.size)) else { return nil }
                let place = LayoutHolder.Window(bytes, access, followsContent: following == .content)
                return file.addWindow(memory, place).id
            }
            completion(.success(ids))
        }
        let region = MappedRegion(
            file: self,
            range: range,
            access: access,
            following: following,
            windows: windows,
            ids: ids,
            lead: Int(range.lowerBound - lower)
        )
        // Should it fail the region goes away, and its windows with it.
        try await region.prepare(windows: 0..<1, self.client.configuration.patience, attempt)
        if self.requiresDAX, try await !self.capabilities().contains(.synchronous) {
            throw LayoutError(LayoutFile.notOnPersistentMemory, attempt: attempt)
        }
        return region
    }
}
