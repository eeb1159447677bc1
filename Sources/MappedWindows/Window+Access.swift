import CMappedWindows
package import LayoutCore
import Synchronization

extension Window {
    /// Lets threads touch what ``map(_:gaps:synchronous:)`` has put there, and wakes those that wait.
    ///
    /// - Parameters:
    ///   - ioMode: `read` makes stores errors, or wishes (see ``init(size:isWritableOnDemand:)``).
    ///   - generation: What `map` returned, or an earlier value of ``generation``: from when the layout was asked for.
    /// - Returns: `false`, and nothing happened, if the window was revoked since: the recall overtook the grant. If threads
    ///   wait, the revocation has announced that to ``WindowRuntime/waitForWants(_:timeout:)`` again.
    /// - Throws: ``WindowError/Code/wrongState`` if nothing was mapped since the last revocation;
    ///   ``WindowError/Code/grantFailed`` if the descriptor does not allow the access, or the process has too many
    ///   mappings; ``WindowError/Code/failed``.
    package func grant(_ ioMode: IOMode, generation: WindowGeneration) throws(WindowError) -> Bool {
        Window.checkProcess()
        return try self.phase.withLock { phase throws(WindowError) in
            guard self.generation == generation else { return false }
            guard case .mapped(let runs) = phase else { throw phase.refusal(to: "grant") }
            try self.giveAccess(ioMode, to: runs)
            phase = .granted(runs, ioMode)
            mw_publish_granted(self.slot, ioMode == .readWrite)
            return true
        }
    }

    /// Lets threads touch again what they could touch before the last ``revoke()``: the fast way back.
    ///
    /// Only right if the same bytes are still in the same place: same file, same offsets, no shift since. The pages
    /// that were in use are so again without a fault.
    /// - Returns: As of ``grant(_:generation:)``.
    /// - Throws: ``WindowError/Code/wrongState`` if nothing is mapped, or the mapping is new: then `grant`; otherwise as of ``grant(_:generation:)``.
    package func regrant(_ ioMode: IOMode, generation: WindowGeneration) throws(WindowError) -> Bool {
        Window.checkProcess()
        return try self.phase.withLock { phase throws(WindowError) in
            guard self.generation == generation else { return false }
            guard case .kept(let runs) = phase else { throw phase.refusal(to: "regrant") }
            try self.giveAccess(ioMode, to: runs)
            phase = .granted(runs, ioMode)
            mw_publish_granted(self.slot, ioMode == .readWrite)
            return true
        }
    }

    /// Changes the access of a granted window in place, with the same descriptor, and opens its gate.
    ///
    /// An upgrade wakes the threads that wait to store. A downgrade ends the generation; when it returns no thread can
    /// store. Close the gate and drain first if pins are not to notice.
    /// - Returns: As of ``grant(_:generation:)``.
    /// - Throws: ``WindowError/Code/wrongState`` if the window is not granted; ``WindowError/Code/grantFailed`` if the
    ///   descriptor does not allow the access: the window is as it was.
    package func changeAccess(to ioMode: IOMode, generation: WindowGeneration) throws(WindowError) -> Bool {
        Window.checkProcess()
        return try self.phase.withLock { phase throws(WindowError) in
            guard self.generation == generation else { return false }
            guard case .granted(let runs, let old) = phase else { throw phase.refusal(to: "change the access of") }
            if ioMode == .read {
                // The word first: a store that faults from now on must not find the window writable.
                mw_publish_access(self.slot, false)
                self.protect(.read)
            } else if ioMode != old {
                try self.giveAccess(ioMode, to: runs, else: .read)
                mw_publish_access(self.slot, true)
            } else {
                mw_publish_access(self.slot, true)
            }
            phase = .granted(runs, ioMode)
            return true
        }
    }

    /// Takes the access back.
    ///
    /// When this returns no thread of the process can touch the bytes; touches wait.
    ///
    /// Does not wait for pins: see ``closeGate()``. Does not fail, and does not wait either, but for another thread's
    /// `mprotect(2)` of the same window (some ten milliseconds for a gigabyte in use). What the kernel does on behalf of
    /// the process is not stopped: direct I/O and io_uring in flight have to hold a pin. A window that is not granted
    /// gets a new generation, so that a grant on its way is refused; a failed one stays as it is.
    /// - Returns: The generation that begins here.
    @discardableResult
    package func revoke() -> WindowGeneration {
        Window.checkProcess()
        return self.phase.withLock { phase in
            switch phase {
            case .granted(let runs, _):
                self.takeAccess()
                phase = .kept(runs)
            case .mapped(let runs):
                // The grant that it was mapped for will be refused.
                mw_publish_revoked(self.slot)
                phase = .kept(runs)
            case .unmapped, .kept:
                mw_publish_revoked(self.slot)
            case .failed, .released:
                break
            }
            return self.generation
        }
    }

    /// Makes new guarded accesses wait, while those in progress, and raw pointers, go on.
    ///
    /// The next grant opens it again.
    ///
    /// - Returns: Whether pins are left, never of a window that is not granted. If so the end of the last one is told by
    ///   ``WindowRuntime/waitForWants(_:timeout:)``; the caller decides how long it waits for that before it revokes.
    @discardableResult
    package func closeGate() -> Bool {
        Window.checkProcess()
        return self.phase.withLock { _ in mw_close_gate(self.slot) }
    }

    /// Whether an access is in progress that holds a pin.
    ///
    /// Only behind a closed gate is "no" the last word.
    package var hasPins: Bool { mw_has_pins(self.slot) }

    // MARK: - Pages

    enum Protection {
        case none
        case read
        case readWrite
    }

    /// Sets the access of the whole window.
    ///
    /// The mappings' ends are the window's, so that takes no new mapping.
    func protect(_ protection: Protection) {
        let error = mw_protect(self.address, self.size, protection != .none, protection == .readWrite)
        if error == 0 { return }
        // Only possible if somebody has unmapped a part behind our back. Nothing of the file may stay reachable.
        guard mw_map_anonymous(self.address, self.size) == 0 else {
            fatalError("cannot take the access to a window back: \(systemMessage(error)); ending it with the process")
        }
    }

    /// The generation first, so that a thread that faults because the pages are gone finds the window revoked.
    func takeAccess() {
        mw_publish_revoked(self.slot)
        self.protect(.none)
    }

    private func giveAccess(
        _ ioMode: IOMode,
        to runs: [WindowRun],
        else fallback: Protection = .none
    ) throws(WindowError) {
        // Zeros are never writable, so a window that shows some needs more than one call.
        let parts = runs.contains { $0.source == .gap(.zero) } ? runs : [WindowRun.whole(of: self.size)]
        for part in parts {
            let isWritable = ioMode == .readWrite && part.source != .gap(.zero)
            let error = mw_protect(self.address + UInt(part.offset), part.length, true, isWritable)
            guard error != 0 else { continue }
            self.protect(fallback)
            throw WindowError(
                .grantFailed,
                "cannot make bytes \(part.offset) to \(part.end) of the window accessible for \(ioMode): the descriptor "
                    + "they were mapped with has to allow that (EACCES), and vm.max_map_count has to (ENOMEM)",
                errno: error
            )
        }
    }
}

extension WindowRun {
    /// All of a window, as far as protection goes.
    fileprivate static func whole(of size: Int) -> WindowRun {
        WindowRun(offset: 0, length: size, source: .gap(.failed))
    }
}

extension Window.Phase {
    /// The error for a grant in the wrong phase.
    fileprivate func refusal(to verb: String) -> WindowError {
        switch self {
        case .unmapped: WindowError(.wrongState, "cannot \(verb) the window: nothing is mapped; map segments first")
        case .mapped: WindowError(.wrongState, "cannot \(verb) the window: its mapping is new; grant it first")
        case .granted:
            WindowError(.wrongState, "cannot \(verb) the window: it is granted; revoke it or change its access")
        case .kept: WindowError(.wrongState, "cannot \(verb) the window: it was revoked; map it anew, or regrant it")
        case .failed: WindowError(.failed, "cannot \(verb) the window: it has failed; map it anew")
        case .released: WindowError(.failed, "cannot \(verb) the window: it was released")
        }
    }
}
