import LayoutCore
import LinuxFiles
import NIOCore

/// One timer on the event loop, set to the nearest deadline.
///
/// Deadlines are on the boot-time clock, the loop's timers on one that stands still while the machine sleeps: so it
/// never sleeps longer than ``sleepMax`` before it looks again.
final class DeadlineTimer {
    private static var sleepMax: Duration { .seconds(1) }

    private let eventLoop: any EventLoop
    private var scheduled: Scheduled<Void>?
    private var wakesAt: Instant?
    private var deadline: Instant?
    /// Called when a deadline has passed.
    var fire: (() -> Void)?

    init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// Sets the deadline.
    ///
    /// An earlier wake-up than needed is kept: it looks, and sleeps on.
    func set(_ deadline: Instant?, now: @autoclosure () -> Instant) {
        self.deadline = deadline
        guard let deadline else { return }
        if let wakesAt = self.wakesAt, wakesAt <= deadline { return }
        self.sleep(until: deadline, now: now())
    }

    func cancel() {
        self.scheduled?.cancel()
        self.scheduled = nil
        self.wakesAt = nil
        self.deadline = nil
    }

    private func sleep(until deadline: Instant, now: Instant) {
        self.scheduled?.cancel()
        let wakesAt = min(deadline, now.advanced(by: Self.sleepMax))
        self.wakesAt = wakesAt
        // Rounded up, so that it is past the deadline when it fires.
        let pause = max(0, Int64(clamping: wakesAt.duration(since: now).wholeNanoseconds)) + 1
        self.scheduled = self.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(pause)) { [weak self] in
            self?.wake()
        }
    }

    private func wake() {
        self.scheduled = nil
        self.wakesAt = nil
        guard let deadline = self.deadline else { return }
        let now = Host.now
        if deadline <= now {
            self.deadline = nil
            self.fire?()
        } else {
            self.sleep(until: deadline, now: now)
        }
    }
}
