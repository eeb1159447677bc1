import LayoutCore

/// A process on the simulated host: it runs, is stopped (SIGSTOP), goes on, and dies; its clock may be wrong.
class SimulatedProcess {
    unowned let world: World
    let clock: SimulatedClock
    private(set) var isAlive = true
    private(set) var isStopped = false
    /// What would have run while it was stopped, in order.
    private var backlog: [() -> Void] = []

    init(_ world: World, _ clock: SimulatedClock) {
        self.world = world
        self.clock = clock
    }

    /// The time as this process reads it.
    final var localNow: Instant { self.clock.reading(at: self.world.now) }

    /// Runs a step some microseconds from now, if the process is alive then.
    final func after(_ microseconds: ClosedRange<UInt64>, _ run: @escaping () -> Void) {
        self.world.schedule(at: self.world.after(microseconds), on: self, run)
    }

    /// Runs a step when this process's own clock shows `time`.
    final func at(_ time: Instant, _ run: @escaping () -> Void) {
        self.world.schedule(at: max(self.world.now, self.clock.time(of: time)), on: self, run)
    }

    /// Runs a step now, or as soon as the process goes on.
    final func deliver(_ run: @escaping () -> Void) {
        guard self.isAlive else { return }
        guard !self.isStopped else { return self.backlog.append(run) }
        run()
    }

    final func stop() { if self.isAlive { self.isStopped = true } }

    /// Goes on where it was stopped: in the middle of whatever it did.
    final func goOn() {
        guard self.isStopped else { return }
        self.isStopped = false
        self.wentOn()
        let missed = self.backlog
        self.backlog = []
        for run in missed { self.deliver(run) }
    }

    /// For subclasses: what threads do first that were stopped in mid-air.
    func wentOn() {}

    final func end() {
        self.isAlive = false
        self.isStopped = false
        self.backlog = []
    }
}

/// A clock that runs too fast or too slow.
struct SimulatedClock {
    /// How far it gets in 10,000 true units of time.
    var rate: UInt64 = 10_000

    func reading(at time: Instant) -> Instant {
        Instant(nanoseconds: time.nanoseconds / 10_000 * self.rate)
    }

    /// The earliest true time at which the clock shows at least `reading`.
    func time(of reading: Instant) -> Instant {
        let units = (reading.nanoseconds + self.rate - 1) / self.rate
        return Instant(nanoseconds: units * 10_000)
    }
}
