import LayoutCore
import LayoutXDR
import NIOCore
import Sessions

/// One call with a slot, from its submission to its answer, over all connections that it takes.
///
/// Bound to the client's event loop.
final class SessionCall {
    /// What becomes of a call that was sent on a session that the server does not know any more (R8.1-3).
    ///
    /// A call that the server says was not executed, because the session died with the server, is sent anew on the next
    /// session, whatever it is, unless it means nothing there.
    enum Loss: Hashable, Sendable {
        /// It is sent again on the next session: it only reads, or does the same when done twice.
        case repeatable
        /// Its outcome is unknown, and it must not be sent again.
        case once
        /// It means nothing on another session.
        case sessionBound
    }

    /// Which slots it may take.
    enum Kind: Hashable, Sendable {
        /// All, also those that are kept free for returns and renewals (R6.4-16).
        case urgent
        /// All but two.
        case ordinary
        /// It may wait for other clients: so many of its kind may be under way that others still find a slot.
        case waiting
    }

    let request: Request
    let procedure: Procedure
    let loss: Loss
    let kind: Kind
    /// Until when it is sent anew if the server refuses it because it waits for reclaims.
    let patienceEnd: Instant
    /// How long one copy may go without an answer before the connection is given up.
    let answerTimeout: Duration

    /// The slot and sequence, the same in every copy; `nil` while it waits for a slot.
    var ticket: SlotCaller.Ticket?
    /// When the first copy was sent; `nil` if none was.
    var firstSent: Instant?
    /// The copy that is under way; a later answer to an earlier one means nothing.
    var copy: UInt64?
    /// Copies that were answered with DELAY or refused for now.
    var refusals = 0
    var timer: Scheduled<Void>?
    private var completion: ((Result<Response, Failure>) -> Void)?

    init(
        _ request: Request,
        loss: Loss,
        kind: Kind,
        patienceEnd: Instant,
        answerTimeout: Duration,
        completion: @escaping (Result<Response, Failure>) -> Void
    ) {
        self.request = request
        self.procedure = LayoutCodec.procedure(of: request)
        self.loss = loss
        self.kind = kind
        self.patienceEnd = patienceEnd
        self.answerTimeout = answerTimeout
        self.completion = completion
    }

    /// Whether the caller still waits.
    ///
    /// A call whose caller does not keeps its slot until it is answered.
    var isAwaited: Bool { self.completion != nil }

    /// Tells the caller, the first time that this is called.
    func complete(_ result: Result<Response, Failure>) {
        guard let completion = self.completion.take() else { return }
        self.timer?.cancel()
        self.timer = nil
        completion(result)
    }
}

extension Procedure {
    /// Whether the reply has to be kept for a retry (R4.4-8).
    var changesSomething: Bool {
        switch self {
        case .open, .setAttributes, .createDirectory, .remove, .rename, .layoutGet, .layoutCommit, .layoutReturn,
            .allocate, .punchHole, .zeroRange, .collapseRange, .insertRange, .truncate, .cloneRange, .write, .revoke,
            .unblock:
            true
        case .null, .exchangeID, .createSession, .bindConnectionToSession, .sequence, .reclaimComplete,
            .destroySession, .destroyClientID, .lookup, .close, .getAttributes, .readDirectory, .getDeviceInfo, .read,
            .commit, .state:
            false
        }
    }
}
