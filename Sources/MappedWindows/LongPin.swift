import CMappedWindows
package import LayoutCore

/// A pin that no thread owns: around I/O in flight into or out of a window, registered memory, DMA.
///
/// While it lasts an owner that closes the gate first does not revoke the window. Every system call that is given window
/// memory should be inside a pin, this or ``Window/withPin(_:_:)``: otherwise it can fail with `EFAULT`, a datagram can
/// be lost, and direct I/O can go to blocks that have moved.
///
/// May end on another thread than it began. Since no thread owns it, a thread that holds one and waits for a window is
/// not found out: recalls then wait until their deadline. Costs some twenty nanoseconds.
package struct LongPin: ~Copyable, Sendable {
    /// `nil` once the pin has ended.
    private var window: Window?
    private let begun: UInt32

    fileprivate init(_ window: Window, _ begun: UInt32) {
        self.window = window
        self.begun = begun
    }

    deinit {
        guard let window = self.window else { return }
        mw_counted_pin_end(window.slot, self.begun)
    }

    /// Ends the pin, as the end of its life does, and says whether it held.
    ///
    /// - Throws: ``WindowError/Code/revokedWhilePinned`` if the lease ended earlier.
    package consuming func end() throws(WindowError) {
        guard let window = self.window.take() else { return }
        guard mw_counted_pin_end(window.slot, self.begun) else { throw WindowError.revokedWhilePinned }
    }
}

extension Window {
    /// Begins a long pin; waits, blocking the thread, while the window is not granted.
    ///
    /// - Parameter ioMode: Whether the window's bytes are stored to.
    /// - Returns: The pin; it lasts until its `end()` or the end of its life.
    /// - Throws: As of ``withPin(_:_:)`` before its body.
    package func longPin(_ ioMode: IOMode) throws(WindowError) -> LongPin {
        let begun = mw_counted_pin_begin(self.slot, ioMode.neededState, true)
        guard begun & MW_GRANTED != 0 else { throw Window.refusal(begun) }
        return LongPin(self, begun)
    }

    /// Begins a long pin, or returns `nil` if the window is not granted now.
    ///
    /// - Parameter ioMode: Whether the window's bytes are stored to.
    /// - Returns: The pin, as of ``longPin(_:)``; `nil` if the caller would have had to wait.
    /// - Throws: As of ``withPin(_:_:)`` before its body, but never ``WindowError/Code/wouldDeadlock``.
    package func tryLongPin(_ ioMode: IOMode) throws(WindowError) -> LongPin? {
        let begun = mw_counted_pin_begin(self.slot, ioMode.neededState, false)
        if begun == MW_PIN_CLOSED { return nil }
        guard begun & MW_GRANTED != 0 else { throw Window.refusal(begun) }
        return LongPin(self, begun)
    }
}
