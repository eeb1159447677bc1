import LayoutCore

/// What a restart of the server means for what is held.
extension Client {
    /// The session was of the server's last life, and all its calls have ended.
    func sessionDied() {
        self.loseLease()
        self.debt = .owed
    }

    /// A new session: nothing of an earlier one counts any more.
    func sessionBegins() {
        self.submit(.reclaimComplete) { _ in }
    }
}
