import LayoutCore
import LayoutXDR
import LinuxFiles
import NIOCore
import ONCRPC
import Sessions

/// From no connection to one that calls can be sent on.
extension SessionLink {
    /// How long each of the calls that set a session up may take.
    private static var setUpTimeout: Duration { .seconds(10) }

    func connect() {
        guard case .waiting = self.phase, let connector = self.connector else { return }
        self.phase = .connecting
        connector.connect(to: self.address, timeout: self.configuration.connectTimeout) { [weak self] result in
            guard let self, case .connecting = self.phase else {
                if case .success(let connection) = result { connection.close("the client was closed") }
                return
            }
            switch result {
            case .failure(let error):
                self.tryAgainLater(Failure(.unreachable, error.message))
            case .success(let connection):
                self.lastConnected = Host.now
                self.phase = .establishing(connection)
                if self.session != nil {
                    self.bind(connection)
                } else {
                    self.exchangeID(connection)
                }
            }
        }
    }

    func connectionClosed(_ connection: RPCConnection, _ reason: RPCCloseReason) {
        switch self.phase {
        case .up(let current), .establishing(let current):
            guard current.id == connection.id else { return }
        case .waiting, .connecting, .closed:
            return
        }
        self.isBinding = false
        for call in self.sent.values { call.copy = nil }
        self.tryAgainLater(Failure(.unreachable, "the connection to '\(self.address)' broke: \(reason)"))
    }

    /// Pauses, then connects again; gives up if that has been going on for too long.
    func tryAgainLater(_ failure: Failure) {
        guard !self.isClosed else { return }
        self.lastFailure = failure
        self.phase = .waiting
        self.owner?.somethingArrived()
        if !self.hasGivenUp, Host.now.duration(since: self.lastUp) >= self.configuration.giveUpAfter {
            self.hasGivenUp = true
            self.owner?.serverGivenUp(failure)
            self.failEverything(failure)
        }
        let doublings = min(self.failures, 20)
        self.failures += 1
        let pause = min(self.configuration.reconnectPause * (1 << doublings), self.configuration.reconnectPauseMax)
        self.after(pause) { $0.connect() }
    }

    /// Gives a connection up that is being set up.
    private func abandon(_ connection: RPCConnection, _ failure: Failure) {
        guard case .establishing(let current) = self.phase, current.id == connection.id else { return }
        connection.close(failure.detail)
        self.tryAgainLater(failure)
    }

    // MARK: EXCHANGE_ID

    func exchangeID(_ connection: RPCConnection) {
        let arguments = ExchangeIDArguments(verifier: self.verifier, owner: self.clientOwner, flags: 0)
        let sent = Host.now
        self.setUp(.exchangeID(arguments), connection) { link, result in
            switch result {
            case .success(.exchangeID(let answer)):
                link.learn(answer, sent: sent)
                link.createSession(connection)
            case .success:
                link.abandon(connection, Failure(.unreachable, "the server answers EXCHANGE_ID with something else"))
            case .failure(let failure):
                link.refused(failure, connection)
            }
        }
    }

    /// What the server knows of this client, and whether it is the server that it was.
    private func learn(_ answer: ExchangeIDResult, sent: Instant) {
        self.client = Client(id: answer.client, sequence: answer.sequence, serverVerifier: answer.serverVerifier)
        let lease = Duration.milliseconds(Int64(answer.leaseMilliseconds))
        if let holder = self.holder, holder.id == answer.client, answer.confirmed {
            // Not a renewal: the server may be waiting for this client to give something back (R6.6-2).
            self.lease.announce(lease)
            let isSameLife = holder.serverVerifier == answer.serverVerifier && !self.hasDied
            self.basis = isSameLife ? .sameLife : .recovered
        } else {
            self.lease.begin(lease: lease, sent: sent)
            self.basis = .fresh
            if self.holder.take() != nil { self.owner?.recordLost() }
        }
    }

    // MARK: CREATE_SESSION

    private func createSession(_ connection: RPCConnection) {
        guard let client = self.client else { return self.exchangeID(connection) }
        let slots = UInt32(clamping: max(1, min(self.configuration.slots, 256)))
        let fore = ChannelAttributes(
            maxRequest: 300 << 10,
            maxResponse: 512 << 10,
            maxResponseCached: 64 << 10,
            maxSlots: slots
        )
        let back = ChannelAttributes(maxRequest: 8192, maxResponse: 4096, maxResponseCached: 4096, maxSlots: 16)
        let arguments = CreateSessionArguments(
            client: client.id,
            sequence: client.sequence,
            flags: CreateSessionArguments.backChannelFlag,
            fore: fore,
            back: back,
            callbackProgram: CallbackProgram.number
        )
        let sent = Host.now
        self.setUp(.createSession(arguments), connection) { link, result in
            switch result {
            case .success(.createSession(let answer)):
                guard answer.fore.maxSlots > 0, answer.back.maxSlots > 0, answer.fore.maxSlots <= slots,
                    answer.back.maxSlots <= back.maxSlots,
                    answer.flags & CreateSessionArguments.backChannelFlag != 0
                else {
                    link.client = nil
                    let why = "the server's session has no back channel, or other slots than were asked for"
                    return link.abandon(connection, Failure(.unreachable, why))
                }
                link.client?.sequence = client.sequence &+ 1
                link.session = Session(
                    id: answer.session,
                    slots: SlotCaller(count: Int(answer.fore.maxSlots)),
                    backSlots: SlotTable(count: Int(answer.back.maxSlots)),
                    fore: answer.fore
                )
                if link.basis == .fresh { link.lease.begin(lease: link.lease.lease, sent: sent) }
                link.established(connection, link.basis)
            case .success:
                link.abandon(connection, Failure(.unreachable, "the server answers CREATE_SESSION with something else"))
            case .failure(let failure):
                link.refused(failure, connection)
            }
        }
    }

    /// The server refuses this client: begin again with EXCHANGE_ID after a pause, or give up if nothing will help.
    private func refused(_ failure: Failure, _ connection: RPCConnection) {
        self.client = nil
        switch failure.status {
        case .clientIDInUse, .invalid, .notPermitted, .access, .tooSmall:
            self.endFirst(.failure(failure))
        default:
            break
        }
        self.abandon(connection, failure)
    }

    // MARK: BIND_CONN_TO_SESSION

    private func bind(_ connection: RPCConnection) {
        guard let session = self.session else { return self.exchangeID(connection) }
        let arguments = BindConnectionArguments(session: session.id, direction: .backOrBoth)
        self.setUp(.bindConnectionToSession(arguments), connection) { link, result in
            switch result {
            case .success:
                link.established(connection, .rebound)
            case .failure(let failure) where failure.status == .deadSession:
                // Its calls are answered all the same.
                link.established(connection, .rebound)
            case .failure(let failure) where failure.status == .unreachable:
                link.abandon(connection, failure)
            case .failure:
                link.loseSession("the server does not know it any more")
                link.exchangeID(connection)
            }
        }
    }

    /// Binds the back channel of the connection in use again, because the server says that it has none.
    func bindBackChannel() {
        guard !self.isBinding, let connection = self.connection, let session = self.session else { return }
        self.isBinding = true
        let arguments = BindConnectionArguments(session: session.id, direction: .backOrBoth)
        self.setUp(.bindConnectionToSession(arguments), connection) { link, _ in link.isBinding = false }
    }

    private func established(_ connection: RPCConnection, _ basis: SessionBasis) {
        self.phase = .up(connection)
        self.failures = 0
        self.lastUp = Host.now
        self.hasGivenUp = false
        self.isBinding = false
        if basis != .rebound {
            self.holder = self.client
            self.hasDied = false
            self.destroyAbandoned(connection, basis)
        }
        // First what was under way, on its slots; then the rest.
        for slot in self.sent.keys.sorted() {
            if let call = self.sent[slot] { self.transmit(call) }
        }
        self.owner?.sessionEstablished(basis)
        self.endFirst(.success(()))
        self.sendQueued()
        self.leaveDeadSession()
    }

    /// Ends the session before, so that the server need not keep it; with another life of the server it is gone anyway.
    private func destroyAbandoned(_ connection: RPCConnection, _ basis: SessionBasis) {
        guard let session = self.abandoned.take(), basis == .sameLife else { return }
        self.setUp(.destroySession(session), connection) { _, _ in }
    }

    // MARK: The end

    /// Ends the session and the client's record at the server, as far as that goes, then calls `completion`.
    func sayGoodbye(_ completion: @escaping () -> Void) {
        guard let connection = self.connection, let session = self.session, let client = self.client else {
            return completion()
        }
        self.setUp(.destroySession(session.id), connection) { link, _ in
            link.session = nil
            link.setUp(.destroyClientID(client.id), connection) { _, _ in completion() }
        }
    }

    // MARK: Calls without a slot

    private func setUp(
        _ request: Request,
        _ connection: RPCConnection,
        _ completion: @escaping (SessionLink, Result<Response, Failure>) -> Void
    ) {
        let procedure = LayoutCodec.procedure(of: request)
        var body = ByteBuffer()
        LayoutCodec.encode(LayoutCall(sequence: nil, request: request), into: &body)
        connection.call(
            program: LayoutProgram.number,
            version: LayoutProgram.version,
            procedure: procedure.rawValue,
            credential: self.credential,
            body: body,
            deadline: .now() + .nanoseconds(Int64(Self.setUpTimeout.wholeNanoseconds))
        ) { [weak self] result in
            guard let self, !self.isClosed else { return }
            self.owner?.somethingArrived()
            completion(self, Self.outcome(procedure, result))
        }
    }

    private static func outcome(
        _ procedure: Procedure,
        _ result: Result<ByteBuffer, RPCError>
    ) -> Result<Response, Failure> {
        switch result {
        case .failure(let error):
            return .failure(Failure(.unreachable, "\(procedure): \(error)"))
        case .success(let body):
            do {
                return try LayoutCodec.decodeReply(procedure: procedure, body).result
            } catch {
                return .failure(Failure(.unreachable, "\(procedure): the server's reply cannot be decoded: \(error)"))
            }
        }
    }
}

/// The numbers of the program (`Protocol/layout.x`).
enum LayoutProgram {
    static var number: UInt32 { 0x2000_4c4c }
    static var version: UInt32 { 1 }
}

/// The numbers of the server's calls to the client.
enum CallbackProgram {
    static var number: UInt32 { 0x2000_4c43 }
    static var version: UInt32 { 1 }
}
