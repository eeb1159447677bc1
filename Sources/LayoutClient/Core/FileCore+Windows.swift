import Glibc
import LayoutCore
import LayoutHolder
import LayoutXDR
import LinuxFiles
import MappedWindows
import NIOCore

/// Windows: from a layout to pages that threads can touch, and back.
extension FileCore {
    // MARK: Making and removing

    /// Adds a window; `memory` is `nil` for a claim.
    func addWindow(_ memory: Window?, _ place: LayoutHolder.Window) -> WindowCore {
        let id = LayoutHolder.WindowID(self.nextID())
        let window = WindowCore(id: id, place: place, window: memory)
        self.windows[id] = window
        if let memory {
            let box = NIOLoopBound(self, eventLoop: self.client.loop)
            self.client.watcher?.add(memory) { notice in
                box.eventLoop.execute { box.value.noticed(id, notice) }
            }
        }
        self.handle(.windowAdded(id, place))
        return window
    }

    /// Ends a window: waits for its pins, then gives its address space back.
    func removeWindow(_ id: LayoutHolder.WindowID) {
        guard let window = self.windows[id], !window.isRemoved else { return }
        window.isRemoved = true
        window.tellWaiters(.failure(Failure(.closed, "the window was unmapped")))
        self.handle(.windowRemoved(id))
        self.releaseIfUnused(window)
        self.client.fileChanged(self)
    }

    private func releaseIfUnused(_ window: WindowCore) {
        guard window.isRemoved, !window.isOpen, !window.isDraining, self.windows.removeValue(forKey: window.id) != nil
        else { return }
        if let memory = window.window {
            self.lastEndingOfRemoved = max(self.lastEndingOfRemoved, window.lastEnding)
            self.client.watcher?.remove(memory)
            self.client.mapper.map { memory.release() }
        }
        self.returnIfUnused()
    }

    /// Gives everything back when neither a ``LayoutFile`` nor a window is left.
    func returnIfUnused() {
        guard self.openCount == 0, self.windows.isEmpty else { return }
        self.handle(.returnAllWanted)
    }

    // MARK: Giving access

    func map(
        _ id: LayoutHolder.WindowID,
        _ generation: UInt64,
        _ segments: [LayoutHolder.Segment],
        isCurrent: Bool
    ) {
        guard let window = self.windows[id], !window.isRemoved else { return }
        guard let memory = window.window else { return self.opened(window, generation) }
        guard let source = self.source(for: segments, window.ioMode) else { return self.startReset() }
        window.limit.current = min(segments.last?.range.upperBound ?? 0, self.grantedSize)
        // From now on: a revocation that comes before the pages are there makes the grant fail.
        let begun = memory.generation
        if isCurrent, window.source === source, window.segments == segments,
            (try? memory.regrant(window.ioMode, generation: begun)) == true
        {
            return self.opened(window, generation)
        }
        window.source = source
        window.segments = segments
        let parts = segments.map { segment in
            WindowSegment(
                windowOffset: Int(segment.windowOffset),
                length: Int(segment.range.wireLength).roundedUp(to: systemPageSize),
                descriptor: source.number,
                fileOffset: Int64(clamping: segment.range.lowerBound)
            )
        }
        let isSynchronous = self.capabilities.contains(.synchronous)
        let box = NIOLoopBound(self, eventLoop: self.client.loop)
        self.client.mapper.map {
            var failure: WindowError?
            do throws(WindowError) {
                try memory.map(parts, synchronous: isSynchronous)
            } catch {
                failure = error
            }
            withExtendedLifetime(source) {}
            box.eventLoop.execute { [failure] in box.value.mapped(id, generation, begun, failure) }
        }
    }

    /// The descriptor to map: the read-write one where a read-write layout is the reason that the bytes may be touched.
    private func source(for segments: [LayoutHolder.Segment], _ ioMode: IOMode) -> SharedDescriptor? {
        if ioMode == .readWrite { return self.descriptors[.readWrite] }
        let isWritable = self.holder.heldRanges.contains { held in
            held.ioMode == .readWrite && segments.contains { $0.range.overlaps(held.range) }
        }
        return self.descriptors[isWritable ? .readWrite : .read]
    }

    private func mapped(
        _ id: LayoutHolder.WindowID,
        _ generation: UInt64,
        _ begun: WindowGeneration,
        _ failure: WindowError?
    ) {
        guard let window = self.windows[id], let memory = window.window else { return }
        do throws(WindowError) {
            if let failure { throw failure }
            // Not granted: it was revoked meanwhile, and the holder knows.
            if try memory.grant(window.ioMode, generation: begun) { self.opened(window, generation) }
        } catch {
            guard memory.generation == begun else { return }
            window.mapError = error
            self.handle(.mapFinished(id, generation: generation, isMapped: false))
        }
    }

    private func opened(_ window: WindowCore, _ generation: UInt64) {
        window.isOpen = true
        if window.window != nil { self.client.counters.count(\.windowsGranted) }
        self.handle(.mapFinished(window.id, generation: generation, isMapped: true))
        window.tellWaiters(.success(()))
    }

    // MARK: Taking access

    func revoke(_ id: LayoutHolder.WindowID, isForced: Bool) {
        guard let window = self.windows[id] else { return self.handle(.drained(id)) }
        if window.failure != nil, let memory = window.window { return self.revive(window, memory) }
        // New guarded accesses wait from here on; those under way may end first.
        if !isForced, let memory = window.window, memory.closeGate() {
            window.isDraining = true
            return
        }
        self.endAccess(window)
    }

    /// Takes access away, now.
    func endAccess(_ window: WindowCore) {
        window.window?.revoke()
        if window.window != nil { self.client.counters.count(\.windowsRevoked) }
        self.countEnding(of: window)
        window.isOpen = false
        window.isDraining = false
        window.revocations += 1
        self.detachIfOutdated(window)
        self.handle(.drained(window.id))
        self.wantIfAwaited(window)
        self.releaseIfUnused(window)
    }

    private func countEnding(of window: WindowCore) {
        guard window.ioMode == .readWrite else { return }
        self.endings += 1
        window.lastEnding = self.endings
    }

    /// A failed window parks those who touch it again.
    private func revive(_ window: WindowCore, _ memory: Window) {
        window.failure = nil
        window.source = nil
        let id = window.id
        let box = NIOLoopBound(self, eventLoop: self.client.loop)
        self.client.mapper.map {
            // Should there be no room for it, it stays failed.
            _ = try? memory.map([], gaps: .zero)
            box.eventLoop.execute { box.value.handle(.drained(id)) }
        }
    }

    func fail(_ id: LayoutHolder.WindowID, _ status: LayoutStatus) {
        guard let window = self.windows[id] else { return }
        window.failure = status
        window.isOpen = false
        window.isDraining = false
        window.source = nil
        window.tellWaiters(.failure(self.failure(of: window)))
        guard let memory = window.window else { return self.handle(.drained(id)) }
        self.client.counters.count(\.windowsFailed)
        self.countEnding(of: window)
        let box = NIOLoopBound(self, eventLoop: self.client.loop)
        self.client.mapper.map {
            memory.fail()
            // A recall may have waited for its pins.
            box.eventLoop.execute { box.value.handle(.drained(id)) }
        }
        self.releaseIfUnused(window)
    }

    /// Why a window was given up.
    func failure(of window: WindowCore) -> Failure {
        if let error = window.mapError { return Failure(error.status, error.message) }
        if let unavailable = self.unavailable { return unavailable.failure }
        let status = window.failure ?? .noSuchAddress
        switch status {
        case .layoutUnavailable, .noSuchAddress, .badLayout:
            return Failure(status, "the bytes are past the end of the file, or were removed")
        case .outcomeUnknown:
            return Failure(status, "too much was moved to follow the content; map it anew")
        default:
            return Failure(status)
        }
    }

    // MARK: Waiting for access

    private func noticed(_ id: LayoutHolder.WindowID, _ notice: WindowWatcher.Notice) {
        guard let window = self.windows[id] else { return }
        switch notice {
        case .wanted:
            self.lastUsed = Host.now
            self.handle(.windowWanted(id))
        case .drained:
            if window.isDraining, window.window?.hasPins == false { self.endAccess(window) }
        }
    }

    /// A window that was taken away while somebody waited for it is still wanted.
    func wantIfAwaited(_ window: WindowCore) {
        guard !window.isRemoved, window.failure == nil else { return }
        if !window.waiters.isEmpty || (window.window?.waiters ?? 0) > 0 { self.handle(.windowWanted(window.id)) }
    }

    /// Asks for a window and tells when it is accessible, has failed, or `timeout` has passed.
    func prepare(
        _ id: LayoutHolder.WindowID,
        timeout: Duration,
        _ completion: @escaping (Result<Void, Failure>) -> Void
    ) {
        guard let window = self.windows[id], !window.isRemoved else {
            return completion(.failure(Failure(.closed, "the window was unmapped")))
        }
        self.lastUsed = Host.now
        if window.failure != nil { return completion(.failure(self.failure(of: window))) }
        if window.isOpen, !window.isDraining { return completion(.success(())) }
        let waiter = self.nextID()
        let timer = self.client.link.after(timeout) { _ in
            guard let index = window.waiters.firstIndex(where: { $0.id == waiter }) else { return }
            let failure = Failure(.delay, "no layout of these bytes could be had in time")
            window.waiters.remove(at: index).completion(.failure(failure))
        }
        window.waiters.append(WindowCore.Waiter(id: waiter, timer: timer, completion: completion))
        self.handle(.windowWanted(id))
    }
}

/// Bytes in a page of this machine.
let systemPageSize = Int(sysconf(Int32(_SC_PAGESIZE)))

extension Int {
    /// The next multiple of `alignment`, a power of two.
    func roundedUp(to alignment: Int) -> Int { (self + alignment - 1) & ~(alignment - 1) }
}
