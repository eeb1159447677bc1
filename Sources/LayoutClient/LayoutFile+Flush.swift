import LayoutHolder
import LayoutXDR
import LinuxFiles
import MappedWindows
import NIOCore

extension LayoutFile {
    /// Brings bytes to stable storage.
    ///
    /// What was stored through regions or written before the call, by this client, survives a crash of every program and of
    /// the machine when this returns.
    ///
    /// On persistent memory (``LayoutCore/LayoutCapabilities/synchronous``) the bytes are flushed from the CPU's caches by
    /// libpmem, without a system call and without the server: the cost grows with the range, so name the bytes that matter,
    /// or use ``MappedRegion/flush(_:)``. Elsewhere, where part of the range has been recalled since, and for more than
    /// 64 MiB, the kernel brings the whole file to storage; where this client has no descriptor of it, the server does.
    /// - Parameter range: The bytes that matter; `nil` for all.
    /// - Throws: ``LayoutError`` with ``LayoutCore/LayoutStatus/ioError`` if storage failed: bytes may be lost;
    ///   ``LayoutCore/LayoutStatus/outcomeUnknown`` if the session was lost since bytes were written through the server:
    ///   write them again.
    public func flush(_ range: Range<UInt64>? = nil) async throws(LayoutError) {
        let attempt = "flush '\(self.path)'"
        try self.checkWritable(attempt)
        let bytes = range.flatMap { ByteRange($0) } ?? .all
        let file = self.core
        let timeout = self.client.configuration.answerTimeout * 2
        let _: Bool = try await self.client.perform(attempt) { core, completion in
            let file = file.value
            if let failure = file.takeLostWrites() { return completion(.failure(failure)) }
            guard let descriptor = file.descriptors[.readWrite] else {
                return file.commit(bytes, timeout: timeout, completion)
            }
            let stores = file.storesInWindows(of: bytes)
            let endings = file.endings
            let done = NIOLoopBound(completion, eventLoop: core.loop)
            let box = NIOLoopBound(file, eventLoop: core.loop)
            core.mapper.flush {
                if let stores, stores.allSatisfy({ $0.memory.persist($0.part) }) {
                    return box.eventLoop.execute {
                        box.value.client.counters.countFlushToMemory()
                        done.value(.success(true))
                    }
                }
                // Everything is in the page cache of this host, or on its persistent memory, whoever has put it there.
                var failure: Failure?
                do throws(LinuxError) {
                    try MappingCalls.synchronize(descriptor, dataOnly: true)
                } catch {
                    failure = Failure(error.status, error.message)
                }
                box.eventLoop.execute { [failure] in
                    if let failure { return done.value(.failure(failure)) }
                    box.value.client.counters.count(\.flushesByKernel)
                    box.value.unstableWrites = nil
                    box.value.endingsFlushed = max(box.value.endingsFlushed, endings)
                    done.value(.success(true))
                }
            }
        }
    }
}

extension MappedRegion {
    /// Brings bytes of the region to stable storage.
    ///
    /// On persistent memory it does so on the calling thread, in about a microsecond for 4 KiB (libpmem), as long as the
    /// bytes are not being recalled. Otherwise as ``LayoutFile/flush(_:)``.
    /// - Parameter part: Offsets into the region; `nil` for all of it.
    /// - Throws: As of ``LayoutFile/flush(_:)``; ``LayoutCore/LayoutStatus/invalid`` if the bytes are not inside the region.
    public func flush(_ part: Range<Int>? = nil) async throws(LayoutError) {
        let attempt = "flush '\(self.file.path)'"
        try self.file.checkWritable(attempt)
        let part = part ?? 0..<self.count
        let indices = try self.windows(of: part, attempt)
        let isFlushed =
            part.count <= StoresInWindow.bytesMax
            && indices.allSatisfy { index in
                let start = index * self.step - self.lead
                let inside = max(part.lowerBound - start, 0)..<min(part.upperBound - start, self.windows[index].size)
                return self.windows[index].persist(inside)
            }
        if isFlushed { return self.file.client.counters.countFlushToMemory() }
        // What the region shows may be anywhere in the file by now.
        try await self.file.flush(self.following == .offset ? self.range(of: part) : nil)
    }

    /// The file bytes of a part of a region that follows offsets.
    private func range(of part: Range<Int>) -> Range<UInt64> {
        self.range.lowerBound + UInt64(part.lowerBound)..<self.range.lowerBound + UInt64(part.upperBound)
    }
}

/// Bytes of a window on persistent memory that may have been stored to.
struct StoresInWindow: Sendable {
    let memory: Window
    /// Offsets into the window.
    let part: Range<Int>

    /// From so many bytes on the kernel is faster: it knows which pages were stored to.
    static var bytesMax: Int { 64 << 20 }
}

extension FileCore {
    /// Where all stores to `range` are that this client may have made and not flushed; `nil` if only the kernel can still
    /// flush them, because their window is not accessible any more, or not on persistent memory.
    ///
    /// A window that was taken away and has come back shows what was stored before, at the same blocks. What was moved to
    /// elsewhere the kernel has flushed before it moved it.
    func storesInWindows(of range: ByteRange) -> [StoresInWindow]? {
        guard self.capabilities.contains(.synchronous), self.unstableWrites == nil,
            self.lastEndingOfRemoved <= self.endingsFlushed
        else { return nil }
        var stores: [StoresInWindow] = []
        var count = 0
        for window in self.windows.values where window.ioMode == .readWrite {
            guard let memory = window.window else { continue }
            guard window.isOpen else {
                if window.lastEnding <= self.endingsFlushed { continue }
                return nil
            }
            for segment in window.segments {
                guard let bytes = segment.range.intersection(range),
                    let end = ByteRange(bytes.lowerBound, min(bytes.upperBound, max(self.grantedSize, 1)))
                else { continue }
                let start = Int(segment.windowOffset + (end.lowerBound - segment.range.lowerBound))
                stores.append(StoresInWindow(memory: memory, part: start..<start + Int(end.wireLength)))
                count += Int(end.wireLength)
            }
        }
        return count <= StoresInWindow.bytesMax ? stores : nil
    }
}

/// Writes through the server that are not on stable storage yet.
struct UnstableWrites: Hashable {
    /// The life of the server that has them.
    var verifier: UInt64
    /// Whether it has ended since.
    var isLost = false
}

extension FileCore {
    /// The server holds bytes in memory for this client.
    func writtenUnstably(_ verifier: UInt64) {
        if let earlier = self.unstableWrites, earlier.verifier != verifier || earlier.isLost {
            self.unstableWrites?.isLost = true
        } else {
            self.unstableWrites = UnstableWrites(verifier: verifier)
        }
    }

    /// A failure if written bytes may have been lost since the last flush; told once.
    func takeLostWrites() -> Failure? {
        guard let writes = self.unstableWrites else { return nil }
        let isLost = writes.isLost || self.client.life != writes.verifier
        guard isLost else { return nil }
        self.unstableWrites = nil
        return Failure(
            .outcomeUnknown,
            "the server was restarted before bytes that were written through it were on stable storage: write them again"
        )
    }

    /// Asks the server to bring bytes to stable storage.
    func commit(_ range: ByteRange, timeout: Duration, _ completion: @escaping (Result<Bool, Failure>) -> Void) {
        let request = { (handle: FileHandle) in
            Request.commit(CommitArguments(handle: handle, offset: range.lowerBound, length: range.wireLength))
        }
        self.submit(loss: .sessionBound, timeout: timeout, request) { [self] result in
            if case .success = result, range == .all { self.unstableWrites = nil }
            completion(result.map { _ in true })
        }
    }
}
