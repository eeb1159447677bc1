import LayoutHolder
import LayoutXDR
import MappedWindows
import NIOCore
import Synchronization

/// Bytes of a file in the address space of this process.
///
/// ``baseAddress`` is an ordinary pointer: loads and stores cost nothing over `mmap(2)`. The bytes can be taken back at any
/// moment, because somebody changes the file's mapping; a thread that touches them then waits inside the touch until they
/// are there again. So:
///
/// - **Do not touch a region through its raw pointer on the cooperative pool** (in a task or an actor's method): a thread of
///   the pool would wait, and the pool has few. Use threads of your own, or ``withPinnedBytes(_:_:_:)``, which suspends the
///   task instead. The library itself does not need the pool to bring the bytes back.
/// - ``withUnsafeBytes(_:_:)`` and ``withUnsafeMutableBytes(_:_:)`` make sure that the bytes stay for the time of a closure.
///   They also wait, on the calling thread, while the bytes are away.
/// - A system call that reads or writes the bytes (`read(2)`, `send(2)`, direct I/O) needs one of the three; else it can fail
///   with EFAULT, or go to blocks that have moved.
/// - Do not hold a lock that another thread could need to finish its own access while you touch a region.
///
/// If the bytes cannot come back (the file was truncated, removed bytes, a server out of reach for too long) a touch raises
/// SIGBUS. It never shows stale bytes.
///
/// A region is made of windows; a recall takes back whole windows. A region shows the file up to the end that it had when the
/// window was granted.
public final class MappedRegion: Sendable {
    /// What a region shows when bytes of the file move.
    public enum Following: Hashable, Sendable {
        /// The same offsets, whatever is there.
        case offset
        /// The same content, wherever it is: a pointer keeps meaning the same record after others insert or collapse before
        /// it. Content that was removed raises SIGBUS.
        case content
    }

    /// The file.
    public let file: LayoutFile
    /// The file bytes that it was made for.
    public let range: Range<UInt64>
    /// Whether bytes can be stored.
    public let access: IOMode
    /// What it shows when bytes move.
    public let following: Following
    /// How many bytes it has.
    public let count: Int

    let windows: [Window]
    /// The windows' gates: values, so that an access counts no references.
    let gates: [WindowGate]
    /// The address of the first byte.
    private let start: UInt
    let ids: [LayoutHolder.WindowID]
    /// Bytes in each window but the last.
    let step: Int
    /// Where the region begins in its first window.
    let lead: Int
    let isUnmapped = Atomic(false)

    init(
        file: LayoutFile,
        range: Range<UInt64>,
        access: IOMode,
        following: Following,
        windows: [Window],
        ids: [LayoutHolder.WindowID],
        lead: Int
    ) {
        self.file = file
        self.range = range
        self.access = access
        self.following = following
        self.count = Int(range.upperBound - range.lowerBound)
        self.windows = windows
        self.gates = windows.map { $0.gate }
        self.start = unsafe UInt(bitPattern: windows[0].base) + UInt(lead)
        self.ids = ids
        self.step = windows[0].size
        self.lead = lead
    }

    deinit { self.end() }

    /// The first byte.
    ///
    /// Valid until ``unmap()`` or the end of the region, whichever is first.
    public var baseAddress: UnsafeMutableRawPointer {
        guard let address = unsafe UnsafeMutableRawPointer(bitPattern: self.start) else {
            preconditionFailure("a region cannot be at address 0")
        }
        return unsafe address
    }

    /// All bytes; as valid as ``baseAddress``.
    public var bytes: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(start: self.baseAddress, count: self.count)
    }

    /// Gets layouts ahead of touches.
    ///
    /// They can be recalled again right after.
    /// - Parameters:
    ///   - part: Offsets into the region; `nil` for all of it.
    ///   - patience: How long to wait.
    /// - Throws: ``LayoutError`` with ``LayoutCore/LayoutStatus/delay`` if they could not be had in time, or with the reason
    ///   why they never will be.
    public func prepare(_ part: Range<Int>? = nil, patience: Duration? = nil) async throws(LayoutError) {
        let attempt = "get layouts of '\(self.file.path)'"
        let indices = try self.windows(of: part ?? 0..<self.count, attempt)
        try await self.prepare(windows: indices, patience ?? self.file.client.configuration.patience, attempt)
    }

    func prepare(windows indices: Range<Int>, _ patience: Duration, _ attempt: String) async throws(LayoutError) {
        let (file, ids) = (self.file.core, self.ids)
        // All at once, so that the server answers them side by side.
        let _: Bool = try await self.file.client.perform(attempt) { _, completion in
            var left = indices.count
            var failure: Failure?
            guard left > 0 else { return completion(.success(true)) }
            for index in indices {
                file.value.prepare(ids[index], timeout: patience) { result in
                    if case .failure(let reason) = result, failure == nil { failure = reason }
                    left -= 1
                    if left == 0 { completion(failure.map { .failure($0) } ?? .success(true)) }
                }
            }
        }
    }

    /// Ends the region.
    ///
    /// Pins are waited for. From then on touching it is a SIGSEGV. Its layouts are kept for other uses of the file, and go
    /// back with the last of them. Calling it again does nothing.
    public func unmap() async {
        self.end()
        let _: Bool? = try? await self.file.client.perform("unmap") { _, completion in completion(.success(true)) }
    }

    private func end() {
        guard !self.isUnmapped.exchange(true, ordering: .acquiringAndReleasing) else { return }
        let (file, ids) = (self.file.core, self.ids)
        self.file.client.post { _ in
            for id in ids { file.value.removeWindow(id) }
        }
    }

    /// The windows that have a part of the region, by their index.
    func windows(of part: Range<Int>, _ attempt: @autoclosure () -> String) throws(LayoutError) -> Range<Int> {
        guard part.lowerBound >= 0, part.upperBound <= self.count else {
            throw LayoutError(
                .invalid,
                "cannot \(attempt()): bytes \(part) are not inside the region's \(self.count)"
            )
        }
        guard !self.isUnmapped.load(ordering: .acquiring) else {
            throw LayoutError(.closed, "cannot \(attempt()): the region was unmapped; map it anew")
        }
        guard !part.isEmpty else { return 0..<0 }
        let first = (self.lead + part.lowerBound) / self.step
        let last = (self.lead + part.upperBound - 1) / self.step
        return first..<last + 1
    }
}
