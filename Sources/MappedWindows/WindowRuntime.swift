import CMappedWindows
import LayoutCore
import Synchronization

/// The handlers and tables that all windows of the process share.
///
/// There is one, made at first use and never undone. It installs handlers for `SIGSEGV` and `SIGBUS` that pass on what
/// is not theirs to the handlers installed before, and to those installed later once a window has been revoked since;
/// until then those must do the same.
///
/// Somebody has to serve the windows: a thread of its own that calls ``waitForWants(_:timeout:)`` and grants what is
/// wanted. It must touch no window and take no lock that application code can hold at a touch, also not the one of
/// standard output; and it cannot be a task on the cooperative pool, whose threads may all be parked.
package final class WindowRuntime: Sendable {
    private static let installed = Result<WindowRuntime, WindowError> { () throws(WindowError) in
        let error = mw_install()
        guard error == 0 else {
            throw WindowError(
                .unsupported,
                "cannot install the handlers for windows: membarrier(2) or sigaction(2) is refused; "
                    + "Linux 4.14 or newer is needed, and a seccomp filter that allows membarrier",
                errno: error
            )
        }
        return WindowRuntime()
    }

    private let lastID = Atomic<UInt64>(0)

    private init() {}

    /// The runtime of this process.
    ///
    /// - Throws: ``WindowError/Code/unsupported``, each time again, if the handlers could not be installed.
    package static var shared: WindowRuntime {
        get throws(WindowError) { try self.installed.get() }
    }

    /// Whether both signal handlers are still the runtime's.
    ///
    /// If not, somebody has installed a handler since. It is put behind the runtime's when the next window is made or
    /// revoked; until then it gets the faults of windows that are revoked already, and has to pass on what it does not
    /// know. Any thread may ask; it costs two system calls.
    package var handlersAreInstalled: Bool { mw_handlers_are_installed() }

    /// Everything counted so far.
    package var statistics: WindowStatistics { .current() }

    /// Makes the calling thread fail loudly if it ever would wait for a window.
    ///
    /// Call it once on each thread that windows depend on: those that receive recalls, and those that grant.
    package func markCurrentThreadAsServing() { mw_forbid_waiting_on_this_thread() }

    /// Names a descriptor (an `eventfd(2)`, non-blocking) that is written to whenever ``waitForWants(_:timeout:)``
    /// would return, for owners that live in an event loop; `nil` ends that.
    ///
    /// It is written to from signal handlers on any thread, so take it back before you close it.
    package func setEventDescriptor(_ descriptor: Int32?) { mw_set_event_descriptor(descriptor ?? -1) }

    /// Waits until there may be something new, and says which windows want something now.
    ///
    /// The answer is a state, not a queue of events: a window is in it for as long as a thread waits for it, so nothing
    /// can be missed, and a window that is being dealt with already may show up again. Only the waiting depends on the
    /// cursor: each caller keeps one, and is not woken again by what its last answer contained. Several threads may call
    /// at the same time.
    /// - Parameters:
    ///   - cursor: What this caller has seen; a new one makes the first call return at once.
    ///   - timeout: How long to wait; `nil` for as long as it takes, zero or less for not at all.
    /// - Returns: Nothing in it if the time ran out or ``wake()`` was called.
    package func waitForWants(_ cursor: inout NoticeCursor, timeout: Duration? = nil) -> WindowNotices {
        if let seen = cursor.seen {
            cursor.seen = mw_wait_for_attention(seen, timeout.map { Int64(clamping: $0.wholeNanoseconds) } ?? -1)
        } else {
            cursor.seen = mw_attention()
        }
        var notices = WindowNotices()
        var notice = mw_notice()
        var slot = unsafe mw_next_notice(0, &notice)
        while slot != MW_NO_WINDOW {
            let id = WindowID(notice.id)
            if notice.load_waiters > 0 || notice.store_waiters > 0 {
                notices.wants.append(WindowWant(window: id, ioMode: notice.store_waiters > 0 ? .readWrite : .read))
            }
            if notice.drained { notices.drained.append(id) }
            slot = unsafe mw_next_notice(slot + 1, &notice)
        }
        return notices
    }

    /// Makes every ``waitForWants(_:timeout:)`` return.
    ///
    /// Any thread; async-signal-safe.
    package func wake() { mw_post_attention() }

    func nextID() -> WindowID {
        WindowID(self.lastID.wrappingAdd(1, ordering: .relaxed).newValue)
    }
}
