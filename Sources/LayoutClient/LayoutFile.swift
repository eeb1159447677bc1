import LayoutHolder
import LayoutXDR
import LinuxFiles
import MappedWindows
import NIOCore
import Synchronization

/// A file as the event loop sees it, for passing around.
typealias BoundFile = NIOLoopBound<FileCore>

/// An open file on a layout server.
///
/// Layouts, the right to map bytes of the file, are asked for when they are needed and given back when the server
/// recalls them. All methods may be called from any task and do not block a thread, apart from page faults of the bytes
/// that ``read(into:at:)`` and ``write(_:at:)`` copy.
///
/// Closed by ``close()``, or when nothing refers to it and its regions any more.
public final class LayoutFile: Sendable {
    /// The client that opened it.
    public let client: LayoutClient
    /// The path that it was opened by.
    public let path: String
    /// What it was opened for.
    public let access: IOMode

    let core: BoundFile
    let windows: WindowCache
    let requiresDAX: Bool
    private let isClosed = Atomic(false)

    init(client: LayoutClient, core: BoundFile, path: String, access: IOMode, requiresDAX: Bool) {
        self.client = client
        self.core = core
        self.path = path
        self.access = access
        self.requiresDAX = requiresDAX
        self.windows = WindowCache(
            windowSize: client.configuration.ioWindowSize.roundedUp(to: 2 << 20),
            capacity: client.configuration.ioWindowsMax
        )
    }

    deinit { self.end() }

    // MARK: Attributes

    /// The attributes now.
    ///
    /// - Throws: ``LayoutError``, with ``LayoutCore/LayoutStatus/stale`` if the file is gone.
    public func attributes() async throws(LayoutError) -> FileAttributes {
        let attempt = "read the attributes of '\(self.path)'"
        let response = try await self.call(attempt) { .getAttributes($0) }
        return FileAttributes(try response.object(attempt).attributes)
    }

    /// The size in bytes now.
    public var size: UInt64 {
        get async throws(LayoutError) { try await self.attributes().size }
    }

    // MARK: Layouts

    /// Gives all layouts of the file back.
    ///
    /// Regions stay as they are: touching one asks for its layout again. Ends when the server has been told, or after the
    /// answer timeout.
    /// - Throws: ``LayoutError`` with ``LayoutCore/LayoutStatus/delay`` if pins did not end in time;
    ///   ``LayoutCore/LayoutStatus/deadlock`` if the calling task holds one of them.
    public func returnLayouts() async throws(LayoutError) {
        let attempt = "return the layouts of '\(self.path)'"
        try self.checkOpen(attempt)
        guard PinScope.windows(of: self.client).isEmpty else {
            throw LayoutError(.deadlock, "cannot \(attempt): the caller holds a pin; end it first")
        }
        let file = self.core
        let timeout = self.client.configuration.answerTimeout
        let _: Bool = try await self.client.perform(attempt) { _, completion in
            file.value.returnAll(timeout: timeout, completion)
        }
    }

    /// What the server promises about layouts of this file, as of the latest grant; empty before the first.
    public func capabilities() async throws(LayoutError) -> LayoutCapabilities {
        let attempt = "ask about '\(self.path)'"
        try self.checkOpen(attempt)
        let file = self.core
        return try await self.client.perform(attempt) { _, completion in
            completion(.success(file.value.capabilities))
        }
    }

    /// Ends the use of the file.
    ///
    /// Its layouts go back as soon as its last region is unmapped. Calling it again does nothing.
    public func close() async {
        self.end()
        // So that whoever looks at the server next sees it: the loop has worked on it.
        let _: Bool? = try? await self.client.perform("close") { _, completion in completion(.success(true)) }
    }

    private func end() {
        guard !self.isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        let file = self.core
        let windows = self.windows.removeAll()
        self.client.post { _ in file.value.closed(windows) }
    }

    // MARK: Helpers

    /// The answer to ``OpenOptions/requiresDAX``.
    static var notOnPersistentMemory: Failure {
        Failure(
            .notSupported,
            "it is not on persistent memory with MAP_SYNC, which was asked for: mount its filesystem with -o dax=always on a "
                + "pmem device, or open it without requiresDAX"
        )
    }

    func checkOpen(_ attempt: @autoclosure () -> String) throws(LayoutError) {
        guard !self.isClosed.load(ordering: .acquiring) else {
            throw LayoutError(.closed, "cannot \(attempt()): the file was closed; open it anew")
        }
        try self.client.checkUsable(attempt())
    }

    func checkWritable(_ attempt: @autoclosure () -> String) throws(LayoutError) {
        try self.checkOpen(attempt())
        guard self.access == .readWrite else {
            throw LayoutError(.access, "cannot \(attempt()): the file was opened for reading; open it with .readWrite")
        }
    }

    /// Makes a call that only reads and that names the file.
    func call(
        _ attempt: @autoclosure () -> String,
        _ request: @escaping @Sendable (FileHandle) -> Request
    ) async throws(LayoutError) -> Response {
        try self.checkOpen(attempt())
        let file = self.core
        let timeout = self.client.configuration.answerTimeout * 2
        return try await self.client.perform(attempt()) { _, completion in
            file.value.submit(loss: .repeatable, timeout: timeout, request, completion: completion)
        }
    }
}

extension FileCore {
    /// A ``LayoutFile`` is done with the file.
    func closed(_ windows: [LayoutHolder.WindowID]) {
        for id in windows { self.removeWindow(id) }
        self.openCount -= 1
        self.returnIfUnused()
        self.client.fileChanged(self)
    }

    /// Gives everything back and tells when the server has answered.
    func returnAll(timeout: Duration, _ completion: @escaping (Result<Bool, Failure>) -> Void) {
        self.handle(.returnAllWanted)
        self.tellWhenReturned(until: Host.now.advanced(by: timeout), completion)
    }

    private func tellWhenReturned(until deadline: Instant, _ completion: @escaping (Result<Bool, Failure>) -> Void) {
        if self.client.link.isClosed { return completion(.failure(Failure(.closed, "the client was closed"))) }
        let isDraining = self.windows.values.contains { $0.isDraining }
        if !isDraining, self.returnsInFlight == 0, !self.reset.isUnderWay { return completion(.success(true)) }
        guard Host.now < deadline else {
            return completion(.failure(Failure(.delay, "pins are still held, or the server has not answered")))
        }
        self.returnWaiters.append { [self] in self.tellWhenReturned(until: deadline, completion) }
        // Whatever happens, it is looked at again at the deadline.
        self.client.link.after(deadline.duration(since: Host.now)) { [self] _ in self.tellReturnWaiters() }
    }

    /// Looks again at what waits for returns.
    func tellReturnWaiters() {
        guard !self.returnWaiters.isEmpty else { return }
        let waiters = self.returnWaiters
        self.returnWaiters = []
        for waiter in waiters { waiter() }
    }
}
