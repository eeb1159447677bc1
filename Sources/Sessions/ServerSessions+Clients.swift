package import LayoutCore

extension ServerSessions {
    /// What EXCHANGE_ID answers.
    package struct ExchangedID: Hashable, Sendable {
        package var client: ClientID
        /// The sequence for the next CREATE_SESSION.
        package var sequence: UInt32
        package var isConfirmed: Bool
    }

    /// EXCHANGE_ID: makes a client known, or finds it (RFC 8881 §18.35.4, by the table's case numbers).
    package mutating func exchangeID(
        owner: [UInt8],
        verifier: UInt64,
        isUpdate: Bool,
        principal: Principal,
        at now: Instant
    ) -> Result<ExchangedID, SessionError> {
        guard !owner.isEmpty else {
            return .failure(SessionError(.invalid, "an empty client owner: send bytes that are unique to the client"))
        }
        let confirmed = self.confirmedByOwner[owner]
        if isUpdate { return self.updated(confirmed, verifier, principal) }
        if let id = confirmed, let client = self.clients[id] {
            if client.principal != principal {
                // Case 3: another principal may take over only an owner without sessions.
                guard client.sessions.isEmpty else {
                    return .failure(
                        SessionError(.clientIDInUse, "another user's client has this owner: choose another one")
                    )
                }
            } else if client.verifier == verifier {
                // Case 2: the same start of the same client.
                return .success(ExchangedID(client: id, sequence: client.sequence &+ 1, isConfirmed: true))
            }
            // Case 5: the client started again; the old record goes when the new one is confirmed.
        }
        if let old = self.unconfirmedByOwner[owner] { self.forgetUnconfirmed(old) }
        guard self.makeRoom(at: now) else {
            return .failure(SessionError(.resource, "the server knows too many clients: try again later"))
        }
        let id = self.nextClientID()
        self.clients[id] = Client(owner: owner, verifier: verifier, principal: principal, createdAt: now)
        self.unconfirmedByOwner[owner] = id
        return .success(ExchangedID(client: id, sequence: 1, isConfirmed: false))
    }

    private func updated(
        _ confirmed: ClientID?,
        _ verifier: UInt64,
        _ principal: Principal
    ) -> Result<ExchangedID, SessionError> {
        // Cases 6 to 9.
        guard let id = confirmed, let client = self.clients[id] else {
            return .failure(SessionError(.noEntry, "no confirmed client has this owner: leave the update flag out"))
        }
        guard client.verifier == verifier else {
            return .failure(SessionError(.notSame, "the confirmed client has another verifier"))
        }
        guard client.principal == principal else {
            return .failure(SessionError(.notPermitted, "the confirmed client belongs to another user"))
        }
        return .success(ExchangedID(client: id, sequence: client.sequence &+ 1, isConfirmed: true))
    }

    /// DESTROY_CLIENTID (RFC 8881 §18.50).
    ///
    /// `holdsLayouts` is for the owner to say.
    package mutating func destroyClient(
        _ id: ClientID,
        principal: Principal,
        holdsLayouts: Bool
    ) -> Result<Void, SessionError> {
        guard let client = self.clients[id] else {
            return .failure(SessionError(.staleClientID, "no such client"))
        }
        guard client.principal == principal else {
            return .failure(SessionError(.notPermitted, "the client belongs to another user"))
        }
        let isInUse = client.sessions.contains { self.sessions[$0]?.isDead == false }
        guard !isInUse, !holdsLayouts else {
            return .failure(
                SessionError(.clientIDBusy, "the client has sessions or layouts: return and destroy them first")
            )
        }
        self.forget(id)
        return .success(())
    }

    /// Forgets a client and its sessions; returns whether it was known.
    @discardableResult
    package mutating func forget(_ id: ClientID) -> Bool {
        guard let client = self.clients.removeValue(forKey: id) else { return false }
        for session in client.sessions { self.removeSession(session) }
        if self.confirmedByOwner[client.owner] == id { self.confirmedByOwner[client.owner] = nil }
        if self.unconfirmedByOwner[client.owner] == id { self.unconfirmedByOwner[client.owner] = nil }
        return true
    }

    /// Forgets clients that were never confirmed within the time for it.
    ///
    /// Returns when to call again, if ever.
    @discardableResult
    package mutating func expireUnconfirmed(at now: Instant) -> Instant? {
        var next: Instant?
        for id in self.unconfirmedByOwner.values.sorted() {
            guard let client = self.clients[id] else { continue }
            let end = client.createdAt.advanced(by: self.configuration.confirmTime)
            if end <= now {
                self.forgetUnconfirmed(id)
            } else {
                next = min(next ?? end, end)
            }
        }
        return next
    }

    /// The number of clients with a session, now or once.
    package var confirmedCount: Int { self.confirmedByOwner.count }

    /// The confirmed clients in order of their IDs.
    package var confirmedClients: [ClientID] { self.confirmedByOwner.values.sorted() }

    /// The owner bytes and principal of a client.
    package func identity(of id: ClientID) -> (owner: [UInt8], principal: Principal)? {
        self.clients[id].map { ($0.owner, $0.principal) }
    }

    private mutating func forgetUnconfirmed(_ id: ClientID) {
        guard let client = self.clients[id], !client.isConfirmed else { return }
        self.clients[id] = nil
        if self.unconfirmedByOwner[client.owner] == id { self.unconfirmedByOwner[client.owner] = nil }
    }

    private mutating func makeRoom(at now: Instant) -> Bool {
        if self.clients.count < self.configuration.clientsMax { return true }
        self.expireUnconfirmed(at: now)
        if self.clients.count < self.configuration.clientsMax { return true }
        // A flood of EXCHANGE_IDs must not lock anybody out: the oldest that never went on goes.
        let oldest = self.unconfirmedByOwner.values.min()
        guard let oldest else { return false }
        self.forgetUnconfirmed(oldest)
        return true
    }
}
