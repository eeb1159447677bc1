import CMappedWindows
package import LayoutCore

extension IOMode {
    /// The bits of the state word that an access needs.
    var neededState: UInt32 { self == .readWrite ? MW_GRANTED | MW_WRITABLE : MW_GRANTED }
}

extension Window {
    /// Runs `body` with the window's bytes, and keeps an owner that closes the gate first from revoking them meanwhile.
    ///
    /// Costs some ten nanoseconds, and two through the ``gate``. Waits if the window is not granted, as a touch would. Pins nest: a window that the
    /// thread has pinned already can be pinned again at any time. Inside, touch no window that is not pinned: a thread
    /// that holds a pin and touches a revoked window ends the process, because it would wait for itself.
    ///
    /// The pin belongs to the thread, so `body` is synchronous; ``LongPin`` is for I/O. Not for signal handlers.
    /// - Parameters:
    ///   - ioMode: Whether `body` stores. In a window granted for reading a store waits for an upgrade if the window is
    ///     writable on demand.
    ///   - body: What to do with the bytes; they must not leave it.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``WindowError`` with ``WindowError/Code/failed``,
    ///   ``WindowError/Code/notWritable``, ``WindowError/Code/tooManyThreads``; ``WindowError/Code/wouldDeadlock`` if
    ///   the window is not granted and the thread pins another one already; ``WindowError/Code/revokedWhilePinned`` after
    ///   `body`, if the lease ended before it did.
    package func withPin<R>(_ ioMode: IOMode, _ body: (UnsafeMutableRawBufferPointer) throws -> R) throws -> R {
        let gate = self.gate
        let admission = gate.begin(ioMode)
        guard admission.isGranted else { throw WindowError(refused: admission) }
        let result: R
        do {
            result = try unsafe body(self.bytes)
        } catch {
            _ = gate.end(admission)
            throw error
        }
        guard gate.end(admission) else { throw WindowError.revokedWhilePinned }
        return result
    }

    /// Runs `body` with pins on several windows, which are taken without ever waiting for one while holding another.
    ///
    /// - Parameters:
    ///   - windows: The windows; their number is not limited, more than eight cost some twenty nanoseconds each.
    ///   - ioMode: Whether `body` stores into any of them.
    ///   - body: What to do with the windows' bytes.
    /// - Returns: What `body` returns.
    /// - Throws: As of ``withPin(_:_:)``.
    package static func withPins<R>(
        _ windows: [Window],
        _ ioMode: IOMode,
        _ body: () throws -> R
    ) throws -> R {
        let begun = try Window.beginPins(windows, ioMode)
        let result: R
        do {
            result = try body()
        } catch {
            Window.endPins(windows, begun)
            throw error
        }
        guard Window.endPins(windows, begun) else { throw WindowError.revokedWhilePinned }
        return result
    }

    /// Takes all pins or none, as of ``withPins(_:_:_:)``; ``endPins(_:_:)`` has to follow on the same thread.
    ///
    /// - Parameters:
    ///   - windows: The windows.
    ///   - ioMode: Whether any of them is stored to.
    /// - Returns: The state words at the pins' beginnings, in the order of the windows.
    /// - Throws: As of ``withPin(_:_:)`` before its body.
    package static func beginPins(_ windows: [Window], _ ioMode: IOMode) throws(WindowError) -> [UInt32] {
        let need = ioMode.neededState
        var begun = [UInt32](repeating: 0, count: windows.count)
        // The window to wait for: it comes first, when this call holds no other.
        var first = 0
        while true {
            var held = 0
            var refused: UInt32?
            for step in windows.indices {
                let index = Window.index(first, step, of: windows.count)
                let slot = windows[index].slot
                let word = step == 0 ? mw_pin_begin(slot, need) : mw_pin_try(slot, need)
                guard word & MW_GRANTED != 0 else {
                    refused = word
                    break
                }
                begun[index] = word
                held += 1
            }
            guard let refused else { return begun }
            for step in 0..<held {
                let index = Window.index(first, step, of: windows.count)
                mw_pin_end(windows[index].slot, begun[index])
            }
            guard refused == MW_PIN_CLOSED else { throw Window.refusal(refused) }
            first = Window.index(first, held, of: windows.count)
        }
    }

    /// Counts round the windows, beginning at `first`.
    private static func index(_ first: Int, _ step: Int, of count: Int) -> Int { (first + step) % count }

    /// Ends the pins.
    ///
    /// - Parameters:
    ///   - windows: The windows.
    ///   - begun: What ``beginPins(_:_:)`` returned.
    /// - Returns: Whether all of them held.
    @discardableResult
    package static func endPins(_ windows: [Window], _ begun: [UInt32]) -> Bool {
        var isIntact = true
        for (window, word) in zip(windows, begun) where !mw_pin_end(window.slot, word) {
            isIntact = false
        }
        return isIntact
    }

    /// The error for a pin that was refused.
    static func refusal(_ reason: UInt32) -> WindowError {
        switch reason {
        case MW_PIN_FAILED:
            WindowError(.failed, "the window has failed or was released: its bytes are out of reach; map it anew")
        case MW_PIN_NOT_WRITABLE:
            WindowError(.notWritable, "the window is granted for reading only; ask for a read-write layout")
        case MW_PIN_DEADLOCK:
            WindowError(
                .wouldDeadlock,
                "the window is being recalled, and this thread holds a pin on another one that the recall may wait for: "
                    + "pin all windows in one call"
            )
        case MW_PIN_FORBIDDEN:
            WindowError(.wouldDeadlock, "the window is revoked, and this is the thread that would have to grant it")
        case MW_PIN_NO_THREADS:
            WindowError(.tooManyThreads, "more than \(MW_THREADS_MAX) threads use windows; end some")
        default:
            WindowError(.wrongState, "the window is not granted")
        }
    }
}
