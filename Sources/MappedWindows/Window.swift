import CMappedWindows
package import LayoutCore
import Synchronization

/// A region of address space that shows file bytes, and whose access can be taken back at any moment.
///
/// Threads use ``base`` like any pointer. While the window is revoked a touch waits, and goes on as if nothing had
/// happened once the window is granted again; in a failed window it raises `SIGBUS`. What that means for signals,
/// `fork(2)`, system calls and atomicity is in the module's documentation.
///
/// Life of a window: reserved (revoked, nothing mapped), ``map(_:gaps:synchronous:)``, ``grant(_:generation:)``,
/// ``revoke()``, then ``regrant(_:generation:)`` or `map` again, or ``fail()``, and ``release()`` in the end.
///
/// Any thread may call anything. ``revoke()``, ``closeGate()`` and ``hasPins`` never wait for a file, a server or
/// another thread's access, so they may be called where recalls are received; `map`, `detach`, `fail` and `release` may
/// block in `mmap(2)` and belong to another thread.
package final class Window: Sendable {
    /// Names the window in ``WindowNotices``.
    package let id: WindowID
    /// The window's size in bytes, a multiple of the page size.
    package let size: Int
    /// The window's place in the table of the C part.
    package let slot: UInt32

    let address: UInt
    /// Whether the kernel must not merge its mappings with those of the window that follows or precedes it directly.
    let isSetApart: Bool
    /// Whether what is mapped is on persistent memory, with `MAP_SYNC`.
    let isSynchronous = Atomic(false)
    private let reservation: UInt
    private let reserved: Int

    /// Guards the phase and every change of the state word.
    ///
    /// Held over `mprotect(2)`, never over `mmap(2)` of a file.
    let phase = Mutex<Phase>(.unmapped)
    /// Serialises what maps.
    ///
    /// Taken before the phase's lock.
    let mapping = Mutex<Void>(())

    /// What is mapped, and whether it can be used.
    enum Phase: Hashable, Sendable {
        /// Revoked, and nothing of a file is mapped; also while something is being mapped. Then: mapped, failed.
        case unmapped
        /// Revoked; the runs were mapped since and never granted. Then: granted, unmapped, failed.
        case mapped([WindowRun])
        /// In use. Then: kept, failed.
        case granted([WindowRun], IOMode)
        /// Revoked since the runs were mapped. They may be granted again if nothing has moved. Then: granted, unmapped,
        /// failed.
        case kept([WindowRun])
        /// Touches raise SIGBUS. Then: unmapped.
        case failed
        /// The address space is given back. The end.
        case released
    }

    /// Reserves address space for a window, with guard pages on both sides.
    ///
    /// It is revoked, and nothing is mapped.
    ///
    /// - Parameters:
    ///   - size: Bytes; rounded up to pages. The address is a multiple of 2 MiB.
    ///   - isWritableOnDemand: Whether a store waits for an upgrade (``WindowWant``) when the window is granted for
    ///     reading, instead of being an error.
    /// - Throws: ``WindowError/Code/noRoom``, ``WindowError/Code/unsupported``.
    package convenience init(size: Int, isWritableOnDemand: Bool = false) throws(WindowError) {
        let place = try WindowPlace.reserve(size)
        do {
            try self.init(place, isSetApart: false, isWritableOnDemand: isWritableOnDemand)
        } catch {
            mw_unreserve(place.reservation, place.reserved)
            throw error
        }
    }

    /// Takes over a place in reserved address space; if it throws the place is the caller's.
    init(_ place: WindowPlace, isSetApart: Bool, isWritableOnDemand: Bool) throws(WindowError) {
        self.id = try WindowRuntime.shared.nextID()
        self.size = place.size
        var error: Int32 = 0
        self.slot = unsafe mw_window_add(
            self.id.rawValue,
            place.address,
            place.size,
            place.reservation,
            place.reserved,
            &error
        )
        self.address = place.address
        self.reservation = place.reservation
        self.reserved = place.reserved
        self.isSetApart = isSetApart
        guard self.slot != MW_NO_WINDOW else {
            let message = "cannot make a window: \(MW_WINDOWS_MAX) exist already, or there is no memory; release some"
            throw WindowError(.noRoom, message, errno: error)
        }
        mw_set_writable_on_demand(self.slot, isWritableOnDemand)
    }

    deinit {
        // A forked child has its own copy of the tables and none of the file mappings: nothing to undo there. A window
        // that found no slot owns nothing.
        guard mw_is_owner(), self.slot != MW_NO_WINDOW else { return }
        self.release()
        mw_window_free(self.slot)
    }

    /// The window's first byte.
    ///
    /// Valid until ``release()`` or the end of the window, whichever is first, also while the window is revoked.
    package var base: UnsafeMutableRawPointer {
        guard let base = unsafe UnsafeMutableRawPointer(bitPattern: self.address) else {
            preconditionFailure("a window cannot be at address 0")
        }
        return unsafe base
    }

    /// All bytes of the window; as valid as ``base``.
    package var bytes: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(start: self.base, count: self.size)
    }

    /// The generation as it is now.
    ///
    /// The next ``revoke()`` ends it.
    package var generation: WindowGeneration { WindowGeneration(mw_window_word(self.slot) >> MW_GENERATION_SHIFT) }

    /// The access that threads have now; `nil` if they would wait or fail.
    package var access: IOMode? {
        let word = mw_window_word(self.slot)
        guard word & MW_GRANTED != 0 else { return nil }
        return word & MW_WRITABLE != 0 ? .readWrite : .read
    }

    /// How many threads wait for the window now.
    package var waiters: Int { Int(mw_waiters(self.slot)) }

    /// Gives the address space back.
    ///
    /// Threads that wait for the window, and all who touch it later, get `SIGSEGV`.
    ///
    /// Happens by itself at the end of the window's life; calling it again does nothing. When the process has as many
    /// mappings as the kernel allows (`vm.max_map_count`) the address space, inaccessible, may stay in use.
    package func release() {
        Window.checkProcess()
        self.mapping.withLock { _ in
            let isFirst = self.phase.withLock { phase in
                guard phase != .released else { return false }
                phase = .released
                mw_window_retire(self.slot, self.reservation, self.reserved)
                self.protect(.none)
                return true
            }
            if isFirst { mw_unreserve(self.reservation, self.reserved) }
        }
    }

    /// Windows belong to the process that made them: a forked child has nothing mapped there, and its parent's locks.
    static func checkProcess() {
        precondition(mw_is_owner(), "a window was used in a forked child; windows stay with the process that made them")
    }
}
