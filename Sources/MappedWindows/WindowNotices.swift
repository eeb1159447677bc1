package import LayoutCore

/// A window of this process.
package struct WindowID: Hashable, Sendable {
    /// The number; never reused while the process runs.
    package let rawValue: UInt64

    init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Which of a window's grants is meant.
///
/// It goes up by one with each revocation, and wraps after 2^28.
package struct WindowGeneration: Hashable, Sendable {
    /// The number.
    package let rawValue: UInt32

    init(_ rawValue: UInt32) { self.rawValue = rawValue }
}

/// A window that threads wait for.
package struct WindowWant: Hashable, Sendable {
    /// The window.
    package let window: WindowID
    /// The least access that lets all of them go on.
    package let ioMode: IOMode

    /// Makes a want, to compare with.
    package init(window: WindowID, ioMode: IOMode) {
        self.window = window
        self.ioMode = ioMode
    }
}

/// What the owner of the windows should know; see ``WindowRuntime/waitForWants(_:timeout:)``.
package struct WindowNotices: Hashable, Sendable {
    /// Windows that threads wait for, each once.
    package var wants: [WindowWant] = []
    /// Windows with a closed gate and no pin left: they can be revoked now without taking bytes from anybody.
    package var drained: [WindowID] = []

    /// Whether there is nothing to do.
    package var isEmpty: Bool { self.wants.isEmpty && self.drained.isEmpty }
}

/// What one caller of ``WindowRuntime/waitForWants(_:timeout:)`` has seen.
package struct NoticeCursor: Sendable {
    var seen: UInt32?

    /// Has seen nothing.
    package init() {}
}
