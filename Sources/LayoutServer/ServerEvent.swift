package import LayoutCore

/// What happens in a server, for whoever watches: tests, the operator's timeline.
package enum ServerEvent: Hashable, Sendable {
    /// A client has a layout.
    case granted(client: ClientID, path: String, range: ByteRange, ioMode: IOMode)
    /// A client gave layouts back by itself, or after a recall.
    case returned(client: ClientID, path: String, range: ByteRange, isDowngrade: Bool)
    /// A recall left for its client.
    case recallSent(RecallID, client: ClientID, path: String, range: ByteRange, operation: MappingOperation)
    /// A client answered a recall; the layouts come back later.
    case recallAnswered(RecallID, client: ClientID, status: LayoutStatus)
    /// A recall is over; `outcome` is for people: `returned`, `revoked`.
    case recallEnded(RecallID, outcome: String)
    /// A change was asked for.
    case changeRequested(ChangeID, path: String, operation: MappingOperation, affected: ByteRange)
    /// Nothing is in the way of a change any more; its system call comes next.
    case changePermitted(ChangeID, recalled: Int)
    /// A change's system call is over.
    case changeFinished(ChangeID, didChange: Bool)
    /// A change was refused; nothing was done.
    case changeRefused(ChangeID, status: LayoutStatus)
    /// A holder is being dealt with.
    case fencing(client: ClientID, path: String, attempt: Int)
    /// Holders of an earlier life have come back, or had the time for it.
    case graceEnded
    /// A client's layouts of a file were taken.
    case revoked(client: ClientID, path: String)
}
