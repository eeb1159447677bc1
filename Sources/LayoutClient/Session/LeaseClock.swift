import LayoutCore

/// When the lease was renewed and when this side has to stop by itself (R4.4-14).
///
/// All times are on the boot-time clock, which goes on while the machine sleeps.
struct LeaseClock: Hashable, Sendable {
    /// The sending of the latest call that renewed the lease; `nil` before the first session.
    private(set) var renewed: Instant?
    /// What the server announced.
    private(set) var lease = Duration.seconds(30)

    /// A new lease begins with a call that was sent at `sent`.
    mutating func begin(lease: Duration, sent: Instant) {
        self.lease = max(lease, .milliseconds(10))
        self.renewed = sent
    }

    /// A call that was sent at `sent` has renewed the lease.
    mutating func renew(sent: Instant) {
        guard let renewed = self.renewed, sent > renewed else { return }
        self.renewed = sent
    }

    /// When access has to have ended: a little before the server's own count can end.
    var deadline: Instant? {
        let margin = min(self.lease / 10, .seconds(2))
        return self.renewed?.advanced(by: self.lease - margin)
    }

    /// When to renew.
    var renewalDue: Instant? { self.renewed?.advanced(by: self.lease / 3) }
}
