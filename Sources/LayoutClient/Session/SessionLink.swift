import LayoutCore
import LayoutXDR
import LinuxFiles
import NIOCore
import ONCRPC
import Sessions

/// What a session that calls can be sent on has to do with what was before.
enum SessionBasis: Hashable, Sendable {
    /// The same session over a new connection; the server may have restarted, which the next call shows.
    case rebound
    /// Another session of the same client, in the same life of the server: what was held is held.
    case sameLife
    /// The server has restarted and knows this client: what was held has to be reclaimed.
    case recovered
    /// The server knows nothing of this client: the first session, or what was held is void.
    case fresh
}

/// What a ``SessionLink`` tells its owner; all on the event loop.
protocol SessionLinkOwner: AnyObject {
    /// Calls can be sent, over a new connection.
    func sessionEstablished(_ basis: SessionBasis)
    /// The server has forgotten this client: what was held is void. A session will follow.
    func recordLost()
    /// The server has not been reached for as long as the configuration allows.
    func serverGivenUp(_ failure: Failure)
    /// A call that was first sent at `sent` was answered.
    func renewed(sent: Instant, flags: SequenceStatusFlags)
    /// The server calls; the answer goes out when this returns.
    func callback(_ request: CallbackRequest) -> LayoutStatus
    /// Something arrived: the time to see whether the deadline has passed while the process was stopped.
    func somethingArrived()
}

/// The session with the server: its connection, its slots, and exactly-once calls over both.
///
/// Connects again when the connection breaks, and sends the calls under way again on their slots. When the server no
/// longer knows the session, or has restarted, it makes a new one and says what that means for what is held
/// (``SessionBasis``). Bound to its event loop; nothing in it blocks.
final class SessionLink {
    /// Where the connection is.
    enum Phase {
        /// Nothing yet, or a pause before the next try.
        case waiting
        /// A transport is being opened.
        case connecting
        /// EXCHANGE_ID, CREATE_SESSION or BIND_CONN_TO_SESSION is under way.
        case establishing(RPCConnection)
        /// Calls can be sent.
        case up(RPCConnection)
        /// Over for good.
        case closed
    }

    /// A session as CREATE_SESSION gave it.
    struct Session {
        var id: SessionID
        var slots: SlotCaller
        var backSlots: SlotTable
        var fore: ChannelAttributes
        /// The server that made it is gone.
        ///
        /// Its successor knows which calls were executed, and executes none on it.
        var isDead = false
    }

    /// This client as EXCHANGE_ID made it known.
    struct Client {
        var id: ClientID
        var sequence: UInt32
        var serverVerifier: UInt64
    }

    let loop: any EventLoop
    let configuration: ClientConfiguration
    let address: RPCServerAddress
    /// Who this client is to the server, over all its sessions.
    let clientOwner: [UInt8]
    let verifier: UInt64
    let credential: RPCCredential
    weak var owner: (any SessionLinkOwner)?
    var connector: RPCClientConnector?

    var phase = Phase.waiting
    var client: Client?
    /// The client as of the latest session; what is held is held by it.
    var holder: Client?
    /// What the session that is being made has to do with that.
    var basis = SessionBasis.fresh
    var session: Session?
    /// Whether the last session died with the server.
    var hasDied = false
    /// The session before, which the server may still keep.
    var abandoned: SessionID?
    /// Calls by slot.
    var sent: [UInt32: SessionCall] = [:]
    /// Calls that wait for a slot.
    var queues: [SessionCall.Kind: [SessionCall]] = [:]
    /// Calls that were refused because the server waits for reclaims; each is sent anew after a pause.
    var postponed: [SessionCall] = []
    var lastCopy: UInt64 = 0
    /// When the lease was last begun, and what the server announced.
    var lease = LeaseClock()

    /// Tries since the last success.
    var failures = 0
    /// When the server was last known to be there.
    var lastUp = Host.now
    /// When a transport was last opened.
    var lastConnected: Instant?
    var hasGivenUp = false
    var isBinding = false
    /// Who waits for the first session.
    var firstSession: ((Result<Void, Failure>) -> Void)?
    var lastFailure = Failure(.unreachable, "the server has not been asked yet")
    private var delegate: SessionLinkDelegate?

    init(
        loop: any EventLoop,
        address: RPCServerAddress,
        configuration: ClientConfiguration,
        clientOwner: [UInt8],
        verifier: UInt64,
        credential: RPCCredential
    ) {
        self.loop = loop
        self.address = address
        self.configuration = configuration
        self.clientOwner = clientOwner
        self.verifier = verifier
        self.credential = credential
        let delegate = SessionLinkDelegate(self)
        self.delegate = delegate
        self.connector = RPCClientConnector(eventLoop: loop, delegate: delegate)
    }

    /// Begins to connect; `completion` hears of the first session, or why there is none in time.
    func start(_ completion: @escaping (Result<Void, Failure>) -> Void) {
        self.firstSession = completion
        self.lastUp = Host.now
        self.after(self.configuration.connectTimeout) { link in
            guard link.firstSession != nil else { return }
            link.endFirst(.failure(link.lastFailure))
        }
        self.connect()
    }

    func endFirst(_ result: Result<Void, Failure>) {
        guard let completion = self.firstSession.take() else { return }
        completion(result)
    }

    /// The connection that calls go over; `nil` while there is none.
    var connection: RPCConnection? {
        if case .up(let connection) = self.phase { return connection }
        return nil
    }

    /// Runs a step later, if the link still exists and is not closed.
    @discardableResult
    func after(_ pause: Duration, _ step: @escaping (SessionLink) -> Void) -> Scheduled<Void> {
        let nanoseconds = Int64(clamping: pause.wholeNanoseconds)
        return self.loop.assumeIsolated().scheduleTask(in: .nanoseconds(nanoseconds)) { [weak self] in
            guard let self, !self.isClosed else { return }
            step(self)
        }
    }

    var isClosed: Bool {
        if case .closed = self.phase { return true }
        return false
    }

    /// Ends everything: calls fail with ``LayoutCore/LayoutStatus/closed``.
    func close() {
        guard !self.isClosed else { return }
        let connection: RPCConnection? =
            switch self.phase {
            case .up(let connection), .establishing(let connection): connection
            case .waiting, .connecting, .closed: nil
            }
        self.phase = .closed
        connection?.close("the client was closed")
        let failure = Failure(.closed, "the client was closed")
        self.endFirst(.failure(failure))
        self.failEverything(failure)
        // The connector, and with it the delegate, refer back to here.
        self.connector = nil
        self.delegate = nil
    }

    /// Ends all calls, whether they were sent or not.
    func failEverything(_ failure: Failure) {
        let calls = self.sent.values.map { $0 } + self.queues.values.flatMap { $0 } + self.postponed
        self.sent = [:]
        self.queues = [:]
        self.postponed = []
        for call in calls { call.complete(.failure(call.failure(failure))) }
    }
}

extension SessionCall {
    /// What the caller is told if the call ends without an answer.
    func failure(_ failure: Failure) -> Failure {
        guard self.loss == .once, self.firstSent != nil else { return failure }
        return Failure(
            .outcomeUnknown,
            "the call was sent, and no answer came (\(failure.detail)), so that it is not known whether it was done"
        )
    }
}

/// Passes on what the connection does.
final class SessionLinkDelegate: RPCConnectionDelegate {
    private weak var link: SessionLink?

    init(_ link: SessionLink) { self.link = link }

    func connectionOpened(_ connection: RPCConnection) {}

    func received(_ call: RPCCall, on connection: RPCConnection) {
        guard let link = self.link else {
            connection.reject(call.id, .programUnavailable)
            return
        }
        link.received(call, on: connection)
    }

    func connectionClosed(_ connection: RPCConnection, reason: RPCCloseReason) {
        self.link?.connectionClosed(connection, reason)
    }
}
