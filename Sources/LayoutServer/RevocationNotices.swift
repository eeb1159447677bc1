import LayoutCore
import LayoutXDR

/// Which clients still have to learn that layouts of theirs were revoked (specification R6.6-9).
///
/// Every reply says so until the client gives everything back, or starts anew under another ID.
struct RevocationNotices {
    /// Whether everything was revoked, for each client that has not acknowledged it.
    private var pending: [ClientID: Bool] = [:]

    /// Layouts of a client were revoked; `isAll`: it holds nothing any more.
    mutating func layoutsWereRevoked(of client: ClientID, isAll: Bool) { self.pending[client] = isAll }

    /// The client knows, or is gone.
    ///
    /// Returns whether there was anything to know.
    @discardableResult
    mutating func forget(_ client: ClientID) -> Bool { self.pending.removeValue(forKey: client) != nil }

    /// The flag for a reply to the client.
    func flags(for client: ClientID) -> SequenceStatusFlags {
        guard !self.pending.isEmpty, let isAll = self.pending[client] else { return [] }
        return isAll ? .allRevoked : .someRevoked
    }
}
