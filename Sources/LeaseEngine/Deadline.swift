import LayoutCore

extension LeaseEngine {
    /// What there is to do at a point in time.
    ///
    /// What it was for may be over when it comes due, and whoever handles it looks.
    enum Deadline: Hashable, Sendable {
        /// The recall's deadline.
        case recall(RecallID)
        /// A recall that the client answered with DELAY is to be sent again.
        case resend(RecallID)
        /// The change's patience ends.
        case change(ChangeID)
        /// The LAYOUTGET's patience ends.
        case get(CallID)
        /// The holder's fence is to be tried again.
        case fence(HolderID)
        /// Under the cooperative policy: the lease of a client with an overdue recall ends.
        case lease(ClientID)
        /// The grace term is over.
        case grace
    }
}
