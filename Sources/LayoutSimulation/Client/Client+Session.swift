import LayoutCore
import LayoutHolder
import Sessions

/// From no connection to one that calls can be sent on.
extension Client {
    func connect() {
        guard self.phase == .waiting else { return }
        self.phase = .establishing
        self.after(20...1000) { [unowned self] in
            let isReachable = self.heldUp(towards: .server) == nil && self.heldUp(towards: .client) == nil
            guard isReachable, let connection = self.world.server?.accept(self) else { return self.tryAgainLater() }
            self.connection = connection
            self.lastConnected = self.localNow
            connection.closed[Connection.Side.client.rawValue] = { [unowned self] in self.connectionLost(connection) }
            self.giveUpLater(connection)
            if let session { self.bind(session.id, connection) } else { self.exchangeID(connection) }
        }
    }

    /// A connection over which nothing is set up in time is none.
    private func giveUpLater(_ connection: Connection) {
        self.after(3_000_000...4_000_000) { [unowned self] in
            guard self.connection === connection, self.phase == .establishing else { return }
            self.drop(connection)
        }
    }

    func drop(_ connection: Connection) {
        connection.close(at: .client)
        self.connectionLost(connection)
    }

    private func connectionLost(_ connection: Connection) {
        guard self.connection === connection else { return }
        self.connection = nil
        self.backConnection?.close(at: .client)
        self.backConnection = nil
        self.tryAgainLater()
    }

    private func tryAgainLater() {
        self.checkOwnDeadline()
        self.phase = .waiting
        let longest = UInt64(1) << min(UInt64(self.failures), 9) * 2000
        self.failures += 1
        self.after(100...max(200, longest)) { [unowned self] in self.connect() }
    }

    /// Makes a call without a slot; the answer comes unless the connection breaks before.
    private func setUp<Answer>(
        _ connection: Connection,
        _ serve: @escaping (Server, @escaping (Answer) -> Void) -> Void,
        _ then: @escaping (Answer) -> Void
    ) {
        let server = connection.server
        connection.send(to: .server) { [unowned self] in
            serve(server) { answer in
                connection.send(to: .client) { [unowned self] in
                    guard self.connection === connection else { return }
                    self.checkOwnDeadline()
                    then(answer)
                }
            }
        }
    }

    func exchangeID(_ connection: Connection) {
        let sentAt = self.localNow
        self.setUp(connection) { [unowned self] server, answer in
            answer(server.exchangeID(owner: self.owner, verifier: self.verifier, principal: self.principal))
        } _: { [unowned self] (record: ClientRecord?) in
            guard let record else { return self.drop(connection) }
            let basis: SessionBasis =
                switch self.record {
                case .some(let last) where last.client == record.client:
                    last.life == record.life ? .sameLife : .recovered
                default: .fresh
                }
            self.createSession(record, connection, sentAt, basis)
        }
    }

    private func createSession(
        _ record: ClientRecord,
        _ connection: Connection,
        _ sentAt: Instant,
        _ basis: SessionBasis
    ) {
        let usesBackChannel = !self.hasSeparateBackChannel
        self.setUp(connection) { server, answer in
            server.createSession(record, usesBackChannel: usesBackChannel, connection, answer)
        } _: { [unowned self] (created: CreatedSession?) in
            guard let created else { return self.drop(connection) }
            self.session = Session(
                id: created.session,
                slots: SlotCaller(count: Int(created.fore.maxSlots)),
                backSlots: SlotTable(count: Int(created.back.maxSlots))
            )
            // Known only now: until there is a session, what is held is held of the life before.
            self.record = record
            // What the server counts from CREATE_SESSION on, this side counts from before it.
            if basis == .fresh { self.renewedAt = max(self.renewedAt ?? sentAt, sentAt) }
            self.established(connection, basis)
        }
    }

    private func bind(_ session: SessionID, _ connection: Connection) {
        let (id, wantsBack) = (self.id, !self.hasSeparateBackChannel)
        self.setUp(connection) { server, answer in
            answer(server.bind(session, id, connection, wantsBack: wantsBack))
        } _: { [unowned self] (isBound: Bool) in
            if isBound { return self.established(connection, .rebound) }
            self.loseSession()
            self.exchangeID(connection)
        }
    }

    private func established(_ connection: Connection, _ basis: SessionBasis) {
        self.phase = .up
        self.failures = 0
        if self.hasSeparateBackChannel { self.openBackChannel() }
        // First what was under way, on its slots; then the rest.
        for call in self.sent { self.transmit(call) }
        self.sessionEstablished(basis)
        self.sendQueued()
        self.renew()
    }

    /// Recalls may come over a connection of their own: then they overtake replies.
    private func openBackChannel() {
        guard let session, self.backConnection == nil else { return }
        let id = self.id
        self.after(20...2000) { [unowned self] in
            guard self.phase == .up, self.session?.id == session.id, self.backConnection == nil else { return }
            guard let connection = self.world.server?.accept(self) else { return self.openBackChannelLater() }
            self.backConnection = connection
            connection.closed[Connection.Side.client.rawValue] = { [unowned self] in
                guard self.backConnection === connection else { return }
                self.backConnection = nil
                self.openBackChannelLater()
            }
            connection.send(to: .server) { _ = connection.server.bind(session.id, id, connection, wantsBack: true) }
        }
    }

    private func openBackChannelLater() {
        self.after(1000...200_000) { [unowned self] in self.openBackChannel() }
    }

    /// A reply says that the server cannot call: the back channel is bound again.
    func callbackPathIsDown() {
        guard self.phase == .up, let session, let connection, !session.isDead else { return }
        guard self.hasSeparateBackChannel else {
            let id = self.id
            return connection.send(to: .server) {
                _ = connection.server.bind(session.id, id, connection, wantsBack: true)
            }
        }
        // It may be on its way; one that is silent is given up.
        guard let backConnection, self.world.random.oneIn(8) else { return self.openBackChannel() }
        backConnection.close(at: .client)
        self.backConnection = nil
        self.openBackChannel()
    }

    /// The server does not know the session: what was under way may have been done, or not.
    func loseSession() {
        guard self.session != nil else { return }
        self.session = nil
        self.renewalIsOut = false
        let calls = self.sent
        self.sent = []
        for call in calls { self.endWithoutAnswer(call, wasExecuted: nil) }
    }

    // MARK: The lease

    /// When access has to have ended: the lease counted from the sending of what renewed it, less a margin.
    var ownDeadline: Instant? {
        let margin = min(Server.announcedLease / 10, .seconds(2))
        return self.renewedAt?.advanced(by: Server.announcedLease - margin)
    }

    /// Ends access once this side's own deadline has passed, whatever else is going on.
    ///
    /// A server that is there may be waiting for the locks of this client's descriptors to fall: everything is let go of.
    /// One that is down waits for nothing, and its successor lets the client reclaim.
    func checkOwnDeadline() {
        guard let deadline = self.ownDeadline, let renewedAt, self.localNow >= deadline,
            !self.world.has(.ignoresOwnDeadline)
        else { return }
        switch self.standing {
        case .none, .owing:
            return
        case .inForce:
            self.world.mark(.ownDeadlinePassed)
            if self.connection != nil, self.lastConnected.map({ $0 <= renewedAt }) ?? true { return self.loseLease() }
            self.world.trace("client \(self.place) is suspended")
            self.standing = .suspended
            for file in self.files.indices { self.tell(file, .leaseSuspended) }
        case .suspended:
            // Connected all the time, or again: it answers, and a recall that is overdue keeps it from renewing.
            let isThere =
                (self.connection != nil && !self.world.has(.suspendedForEver))
                || self.lastConnected.map { $0 > deadline } ?? false
            if isThere, self.localNow >= deadline.advanced(by: Server.announcedLease) { self.loseLease() }
        case .reclaiming(var reclaim):
            guard reclaim.isUsable else { return }
            self.world.mark(.ownDeadlinePassed)
            reclaim.isUsable = false
            self.standing = .reclaiming(reclaim)
            for file in self.files.indices { self.tell(file, .leaseSuspended) }
        }
    }

    /// Ends all access, because what is held is or may be void.
    func loseLease() {
        switch self.standing {
        case .none, .owing:
            return
        case .reclaiming(var reclaim):
            // The server still has to hear the end of the reclaim; then that nothing is held.
            reclaim.isUsable = false
            reclaim.isRevoked = true
            self.standing = .reclaiming(reclaim)
            for file in self.files.indices { self.loseFile(file) }
        case .inForce, .suspended:
            self.world.trace("client \(self.place) loses its lease")
            self.standing = .owing(.owed)
            for file in self.files.indices { self.loseFile(file) }
            self.payDebt()
        }
    }

    func loseFile(_ file: Int) {
        self.tell(file, .leaseLost)
        self.dropGrants(file)
        self.files[file].reset.end()
        self.files[file].latestStateID = .none
    }

    /// Gives back what the server may believe to be held, so that both begin anew.
    func payDebt() {
        guard self.standing == .owing(.owed), self.phase == .up, self.session?.isDead == false,
            self.files.allSatisfy({ $0.getsInFlight == 0 })
        else { return }
        self.standing = .owing(.sent)
        self.submit(.giveBackAll) { [unowned self] outcome in
            guard self.standing == .owing(.sent) else { return }
            if case .answered(.returned) = outcome {
                self.standing = .owing(.paid)
            } else {
                self.standing = .owing(.owed)
            }
            self.payDebt()
            self.regainLease()
        }
    }

    func regainLease() {
        guard self.standing == .owing(.paid) || self.standing == .suspended, self.session != nil,
            let deadline = self.ownDeadline,
            self.localNow < deadline
        else { return }
        self.world.trace("client \(self.place) has a lease")
        self.standing = .inForce
        for file in self.files.indices { self.fileRegained(file) }
    }

    /// A call that was first sent at `sentAt` was answered.
    func renewed(sentAt: Instant, _ flags: ReplyFlags) {
        if !flags.isRecallOverdue || self.world.has(.recallLost) {
            if case .reclaiming(var reclaim) = self.standing {
                // Not before the server has heard of all that is held: what it has not is as an expired client's.
                reclaim.renewal = max(reclaim.renewal ?? sentAt, sentAt)
                self.standing = .reclaiming(reclaim)
            } else {
                self.renewedAt = max(self.renewedAt ?? sentAt, sentAt)
            }
        }
        if flags.isCallbackPathDown { self.callbackPathIsDown() }
        if flags.hasRevocations { self.loseLease() }
        self.regainLease()
    }

    func scheduleTick() {
        self.after(500_000...1_000_000) { [unowned self] in
            self.checkOwnDeadline()
            self.payDebt()
            self.completeReclaim()
            self.regainLease()
            self.renew()
            self.scheduleTick()
        }
        guard self.hasLease, let deadline = self.ownDeadline else { return }
        self.at(deadline) { [unowned self] in self.checkOwnDeadline() }
    }

    func renew() {
        guard self.phase == .up, !self.renewalIsOut, self.session?.isDead == false else { return }
        let due = self.renewedAt?.advanced(by: Server.announcedLease / 3) ?? self.localNow
        guard self.localNow >= due else { return }
        self.renewalIsOut = true
        self.submit(.renew) { [unowned self] _ in self.renewalIsOut = false }
    }
}
