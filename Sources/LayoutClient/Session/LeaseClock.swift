import LayoutCore

/// When the lease was renewed and when this side has to stop by itself (R4.4-14).
///
/// All times are on the boot-time clock, which goes on while the machine sleeps.
struct LeaseClock: Hashable, Sendable {
    /// The sending of the latest call that renewed the lease; `nil` before the first session.
    private(set) var renewed: Instant?
    /// What the server announced last.
    private(set) var lease = Duration.seconds(30)
    /// What it had announced when the lease was renewed.
    private var granted = Duration.seconds(30)

    /// A new lease begins with a call that was sent at `sent`.
    mutating func begin(lease: Duration, sent: Instant) {
        self.announce(lease)
        self.granted = self.lease
        self.renewed = sent
    }

    /// The server announces how long the lease is from its next renewal on.
    mutating func announce(_ lease: Duration) { self.lease = max(lease, .milliseconds(10)) }

    /// A call that was sent at `sent` has renewed the lease.
    mutating func renew(sent: Instant) {
        guard let renewed = self.renewed, sent > renewed else { return }
        self.renewed = sent
        self.granted = self.lease
    }

    /// When access has to have ended: a little before the server's own count can end.
    var deadline: Instant? {
        let margin = min(self.granted / 10, .seconds(2))
        return self.renewed?.advanced(by: self.granted - margin)
    }

    /// When to renew.
    var renewalDue: Instant? { self.renewed?.advanced(by: self.lease / 3) }
}
