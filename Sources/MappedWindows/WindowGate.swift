public import CMappedWindows
public import LayoutCore

/// The hot path of guarded access to one window: a few instructions at each end, inlined into the caller.
///
/// It is public, unlike all else in this module, because the compiler inlines only public functions into other modules;
/// a call of ``Window/withPin(_:_:)`` costs five times as much. The price is that the caller has to pair the ends, on
/// the same thread, and to keep the ``Window`` alive between them. What a pin is, and what must not be done inside, is
/// said there.
public struct WindowGate: Hashable, Sendable {
    /// The window's place in the table.
    @usableFromInline let slot: UInt32

    init(slot: UInt32) { self.slot = slot }

    /// What the beginning of an access has returned.
    public struct Admission: Hashable, Sendable {
        /// The window's state word, or the reason for a refusal.
        @usableFromInline let word: UInt32

        @inlinable init(word: UInt32) { self.word = word }

        /// Whether the access has begun, and has to be ended; otherwise `WindowError(refused:)` says why not.
        @inlinable public var isGranted: Bool { self.word & MW_GRANTED != 0 }
    }

    /// Begins a guarded access; waits if the window is not granted.
    ///
    /// - Parameter ioMode: Whether the access stores.
    /// - Returns: The admission, to be handed to ``end(_:)`` if it is granted.
    @inlinable
    @inline(__always)
    public func begin(_ ioMode: IOMode) -> Admission {
        Admission(word: mw_pin_begin(self.slot, ioMode == .readWrite ? MW_GRANTED | MW_WRITABLE : MW_GRANTED))
    }

    /// Ends the access that `admission` began.
    ///
    /// - Parameter admission: A granted one, of this gate and thread, not ended before.
    /// - Returns: Whether the window was granted throughout. If not, the lease ended first, and what was read or stored
    ///   may be other bytes.
    @inlinable
    @inline(__always)
    public func end(_ admission: Admission) -> Bool { mw_pin_end(self.slot, admission.word) }
}

extension Window {
    /// The window's gate; to be used only while the window lives.
    package var gate: WindowGate { WindowGate(slot: self.slot) }
}

extension WindowError {
    /// Why an access was refused.
    package init(refused admission: WindowGate.Admission) {
        self = Window.refusal(admission.word)
    }

    /// What to tell whoever ended an access that was not whole.
    package static var revokedWhilePinned: WindowError {
        WindowError(
            .revokedWhilePinned,
            "the lease ended during a guarded access: what it read or stored may be other bytes; check, and do it again"
        )
    }
}
