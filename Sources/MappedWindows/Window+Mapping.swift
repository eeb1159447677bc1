import CMappedWindows
import Synchronization

extension Window {
    /// Puts file bytes into the revoked window.
    ///
    /// Nothing can be touched before ``grant(_:generation:)``.
    ///
    /// What was mapped before is gone, also if this fails. May block in `mmap(2)`, as long as a listener of `fanotify(7)`
    /// likes; the window can be revoked (and failed or released after that) at any time, and then the grant is refused.
    /// - Parameters:
    ///   - segments: In the order of the window, without overlaps.
    ///   - gaps: What is shown between and behind them.
    ///   - synchronous: Whether stores have to be durable once flushed by the CPU (`MAP_SYNC`, only on DAX).
    /// - Returns: The generation that the mapping belongs to, for ``grant(_:generation:)``.
    /// - Throws: ``WindowError/Code/invalidSegments``; ``WindowError/Code/wrongState`` if the window is granted;
    ///   ``WindowError/Code/failed`` if it is released; ``WindowError/Code/mapFailed``.
    @discardableResult
    package func map(
        _ segments: [WindowSegment],
        gaps: WindowGap = .failed,
        synchronous: Bool = false
    ) throws(WindowError) -> WindowGeneration {
        let runs = try WindowRun.covering(size: self.size, segments: segments, gaps: gaps)
        Window.checkProcess()
        return try self.mapping.withLock { _ throws(WindowError) in
            let generation = try self.phase.withLock { phase throws(WindowError) in
                try self.beginMapping(&phase)
                return self.generation
            }
            // While nobody can flush: the window is revoked, and whoever began earlier finds another generation.
            self.isSynchronous.store(synchronous, ordering: .relaxed)
            for run in runs {
                try self.map(run, synchronous: synchronous)
            }
            self.phase.withLock { phase in
                // Revoked meanwhile: what is mapped is as old as what an earlier grant had mapped.
                phase = self.generation == generation ? .mapped(runs) : .kept(runs)
            }
            return generation
        }
    }

    private func beginMapping(_ phase: inout Phase) throws(WindowError) {
        switch phase {
        case .unmapped, .mapped, .kept:
            phase = .unmapped
        case .failed:
            // Touches wait again; those that still see the empty file get SIGBUS, find the window revoked, and wait.
            mw_publish_revoked(self.slot)
            phase = .unmapped
        case .granted:
            throw WindowError(.wrongState, "cannot map anything into a window in use: revoke it first")
        case .released:
            throw WindowError(.failed, "cannot map anything into a window that was released")
        }
    }

    private func map(_ run: WindowRun, synchronous: Bool) throws(WindowError) {
        let address = self.address + UInt(run.offset)
        let error: Int32
        let what: String
        switch run.source {
        case .file(let descriptor, let offset):
            error = mw_map_file(address, run.length, descriptor, offset, synchronous, self.isSetApart)
            what = "bytes \(offset) to \(offset + Int64(run.length)) of descriptor \(descriptor)"
        case .gap(.zero):
            error = mw_map_anonymous(address, run.length)
            what = "\(run.length) bytes of zeros"
        case .gap(.failed):
            error = mw_map_failed(address, run.length, false)
            what = "\(run.length) bytes beyond the end of the file"
        }
        guard error != 0 else { return }
        let remedy =
            synchronous
            ? "synchronous mappings need a file on DAX: mount with -o dax=always, or ask for file addressing without it"
            : "if the process has too many mappings, raise vm.max_map_count or use fewer segments"
        // Half a mapping is none. Should this fail too (no mappings left), the rest stays, inaccessible.
        mw_map_anonymous(self.address, self.size)
        throw WindowError(
            .mapFailed,
            "cannot map \(what) to byte \(run.offset) of the window: \(remedy)",
            errno: error
        )
    }

    /// Lets go of the file: a revoked window then keeps nothing of it open, and nothing can read it by `/proc/self/mem`.
    ///
    /// Does nothing if the window is granted or has nothing mapped. May block for as long as it takes to unmap.
    /// - Returns: Whether the window holds no file any more. `false` if it is granted, or if the process has so many
    ///   mappings that one more is refused (`vm.max_map_count`): try again later.
    @discardableResult
    package func detach() -> Bool {
        Window.checkProcess()
        return self.mapping.withLock { _ in
            let before = self.phase.withLock { phase in
                let before = phase
                switch phase {
                case .mapped, .kept: phase = .unmapped
                case .unmapped, .granted, .failed, .released: break
                }
                return before
            }
            switch before {
            // Unmapped, too: a mapping that failed halfway may have left something.
            case .unmapped, .mapped, .kept: return mw_map_anonymous(self.address, self.size) == 0
            case .failed, .released: return true
            case .granted: return false
            }
        }
    }

    /// Gives the window up: threads that wait for it, and all who touch it later, get `SIGBUS`, never old bytes.
    ///
    /// Revokes first if need be. A failed window may be mapped again. Not for the thread that receives recalls:
    /// ``revoke()`` there, and fail later.
    /// - Returns: `false` if the empty file could not be mapped (no mappings or descriptors left): then threads get
    ///   `SIGSEGV` instead.
    @discardableResult
    package func fail() -> Bool {
        Window.checkProcess()
        return self.mapping.withLock { _ in
            let isDone = self.phase.withLock { phase in
                switch phase {
                case .failed, .released:
                    return true
                case .granted:
                    self.takeAccess()
                    phase = .unmapped
                case .unmapped, .mapped, .kept:
                    phase = .unmapped
                }
                return false
            }
            if isDone { return true }
            let error = mw_map_failed(self.address, self.size, true)
            self.phase.withLock { phase in
                phase = .failed
                mw_publish_failed(self.slot)
            }
            return error == 0
        }
    }
}
