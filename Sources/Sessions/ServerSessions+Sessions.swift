package import LayoutCore

extension ServerSessions {
    /// What CREATE_SESSION did besides answering.
    package struct Creation: Hashable, Sendable {
        package var result: Result<CreatedSession, SessionError>
        /// The client is confirmed by this call: its lease starts.
        package var confirmed: ClientID?
        /// An earlier start of the same client, which this one replaces: it is lost.
        package var replaced: ClientID?
        /// Dead sessions of the client that had to make room.
        package var dropped: [SessionID] = []
        /// The answer is that of an earlier call.
        package var isReplay = false
    }

    /// CREATE_SESSION (RFC 8881 §18.36).
    ///
    /// `newID` is for the session, if one is made: unique and not to be guessed.
    package mutating func createSession(
        client id: ClientID,
        sequence: UInt32,
        usesBackChannel: Bool,
        fore: ChannelLimits,
        back: ChannelLimits,
        callbackProgram: UInt32,
        principal: Principal,
        connection: ConnectionID,
        newID: SessionID
    ) -> Creation {
        guard let client = self.clients[id] else {
            return Creation(result: .failure(SessionError(.staleClientID, "no such client: send EXCHANGE_ID first")))
        }
        if sequence == client.sequence, let last = client.lastCreation {
            return Creation(result: last, isReplay: true)
        }
        guard sequence == client.sequence &+ 1 else {
            return Creation(
                result: .failure(
                    SessionError(.sequenceMisordered, "CREATE_SESSION has to carry sequence \(client.sequence &+ 1)")
                )
            )
        }
        guard client.principal == principal else {
            return Creation(result: .failure(SessionError(.clientIDInUse, "the client belongs to another user")))
        }
        self.clients[id]?.sequence = sequence
        // From here on the answer is kept, a failure too: a retry gets the same one.
        if let error = self.refusal(of: client, fore, back) {
            self.clients[id]?.lastCreation = .failure(error)
            return Creation(result: .failure(error))
        }
        let replaced = client.isConfirmed ? nil : self.confirm(id)
        let created = CreatedSession(
            session: newID,
            sequence: sequence,
            usesBackChannel: usesBackChannel,
            fore: fore.limited(to: self.configuration.limits),
            back: back.limited(to: self.configuration.limits)
        )
        let dropped = self.makeRoomForSession(of: id)
        self.insert(created, of: id, callbackProgram, connection)
        self.clients[id]?.lastCreation = .success(created)
        return Creation(result: .success(created), confirmed: id, replaced: replaced, dropped: dropped)
    }

    /// The smallest channels that every procedure but READ, WRITE and the lists fits through (specification R4.2-4).
    private static let smallestFore = ChannelLimits(
        maxRequest: 4096,
        maxResponse: 4096,
        maxResponseCached: 512,
        maxSlots: 1
    )
    private static let smallestBack = ChannelLimits(
        maxRequest: 1024,
        maxResponse: 64,
        maxResponseCached: 0,
        maxSlots: 1
    )

    private func refusal(of client: Client, _ fore: ChannelLimits, _ back: ChannelLimits) -> SessionError? {
        guard fore.holds(Self.smallestFore), back.holds(Self.smallestBack) else {
            let (least, leastBack) = (Self.smallestFore.maxRequest, Self.smallestBack.maxRequest)
            let detail = "a session needs messages of \(least) bytes, callbacks of \(leastBack), a slot each way"
            return SessionError(.tooSmall, detail)
        }
        let count = client.sessions.count { self.sessions[$0]?.isDead == false }
        guard count < self.configuration.sessionsPerClientMax else {
            return SessionError(.resource, "the client has \(count) sessions: destroy one first")
        }
        return nil
    }

    /// The first session confirms the client.
    ///
    /// Returns the earlier start that it replaces.
    private mutating func confirm(_ id: ClientID) -> ClientID? {
        guard let owner = self.clients[id]?.owner else { return nil }
        self.clients[id]?.isConfirmed = true
        let replaced = self.confirmedByOwner[owner]
        if let replaced { self.forget(replaced) }
        if self.unconfirmedByOwner[owner] == id { self.unconfirmedByOwner[owner] = nil }
        self.confirmedByOwner[owner] = id
        return replaced
    }

    private mutating func insert(
        _ created: CreatedSession,
        of client: ClientID,
        _ callbackProgram: UInt32,
        _ connection: ConnectionID
    ) {
        self.sessions[created.session] = Session(
            client: client,
            creationSequence: created.sequence,
            usesBackChannel: created.usesBackChannel,
            fore: SlotTable(count: Int(created.fore.maxSlots)),
            back: SlotCaller(count: Int(created.back.maxSlots)),
            foreLimits: created.fore,
            backLimits: created.back,
            callbackProgram: callbackProgram
        )
        self.clients[client]?.sessions.append(created.session)
        self.attach(connection, to: created.session)
        if created.usesBackChannel { self.sessions[created.session]?.backConnections.append(connection) }
    }

    /// BIND_CONN_TO_SESSION (RFC 8881 §18.34).
    ///
    /// Returns whether calls to the client can go over the connection, if that was wanted. To a dead session a connection
    /// can be bound for retries alone.
    package mutating func bind(
        _ connection: ConnectionID,
        to id: SessionID,
        wantsFore: Bool,
        wantsBack: Bool,
        principal: Principal
    ) -> Result<Bool, SessionError> {
        switch self.session(id, for: principal) {
        case .failure(let error): return .failure(error)
        case .success(let session):
            guard session.isDead else { break }
            guard wantsFore else { return .failure(Self.deadSession) }
            self.attach(connection, to: id)
            return .success(false)
        }
        self.attach(connection, to: id)
        if wantsBack, self.sessions[id]?.backConnections.contains(connection) == false {
            self.sessions[id]?.backConnections.append(connection)
        }
        return .success(wantsBack)
    }

    /// DESTROY_SESSION (RFC 8881 §18.37).
    package mutating func destroySession(_ id: SessionID, principal: Principal) -> Result<ClientID, SessionError> {
        switch self.session(id, for: principal) {
        case .failure(let error):
            return .failure(error)
        case .success(let session):
            self.clients[session.client]?.sessions.removeAll { $0 == id }
            self.removeSession(id)
            return .success(session.client)
        }
    }

    /// The connection is gone.
    ///
    /// Returns the clients whose sessions it carried, in order.
    package mutating func connectionClosed(_ connection: ConnectionID) -> [ClientID] {
        var affected: Set<ClientID> = []
        for id in self.sessionsByConnection.removeValue(forKey: connection) ?? [] {
            self.sessions[id]?.connections.remove(connection)
            self.sessions[id]?.backConnections.removeAll { $0 == connection }
            if let client = self.sessions[id]?.client { affected.insert(client) }
        }
        return affected.sorted()
    }

    func session(_ id: SessionID, for principal: Principal) -> Result<Session, SessionError> {
        guard let session = self.sessions[id], let client = self.clients[session.client] else {
            return .failure(SessionError(.badSession, "no such session: create one"))
        }
        guard client.principal == principal else {
            return .failure(SessionError(.access, "the session belongs to another user"))
        }
        return .success(session)
    }

    mutating func attach(_ connection: ConnectionID, to id: SessionID) {
        guard self.sessions[id]?.connections.insert(connection).inserted == true else { return }
        self.sessionsByConnection[connection, default: []].append(id)
    }

    mutating func removeSession(_ id: SessionID) {
        guard let session = self.sessions.removeValue(forKey: id) else { return }
        for connection in session.connections {
            self.sessionsByConnection[connection]?.removeAll { $0 == id }
            if self.sessionsByConnection[connection]?.isEmpty == true { self.sessionsByConnection[connection] = nil }
        }
    }

    /// The number of sessions, dead ones too.
    package var sessionCount: Int { self.sessions.count }

    /// The number of sessions of a client, dead ones too.
    package func sessionCount(of client: ClientID) -> Int { self.clients[client]?.sessions.count ?? 0 }
}
