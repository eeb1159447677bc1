package import LayoutCore
package import Recovery

extension ServerSessions {
    /// Makes the table of a server that has started again.
    ///
    /// The clients are confirmed. Their sessions are dead: they answer retries of calls that an earlier life answered, and
    /// anything else with DEADSESSION, which says that the call was not executed and never will be (RFC 8881 §2.10.6.5).
    /// Of several clients of one owner the latest is the owner's; the others are ``supersededClients``. What belongs to
    /// none of the clients is left out.
    package init(
        configuration: Configuration,
        firstClientNumber: UInt64,
        recovered clients: [StoredClient],
        sessions: [StoredSession],
        replies: [StoredReply]
    ) {
        self.init(configuration: configuration, firstClientNumber: firstClientNumber)
        for stored in clients.sorted(by: { $0.id < $1.id }) {
            self.lastClientNumber = max(self.lastClientNumber, stored.id.rawValue)
            if let earlier = self.confirmedByOwner[stored.owner] {
                self.clients[earlier] = nil
                self.supersededClients.append(earlier)
            }
            self.confirmedByOwner[stored.owner] = stored.id
            self.clients[stored.id] = Client(
                owner: stored.owner,
                verifier: stored.verifier,
                principal: Principal(uid: stored.principal.uid, isVerified: stored.principal.isVerified),
                isConfirmed: true,
                createdAt: Instant(nanoseconds: 0),
                sequence: stored.creationSequence
            )
        }
        self.supersededClients.sort()
        // The oldest first: it is the first to make room.
        for stored in sessions.sorted(by: { $0.creationSequence < $1.creationSequence }) {
            guard self.clients[stored.client] != nil else { continue }
            self.sessions[stored.id] = Session(
                client: stored.client,
                creationSequence: stored.creationSequence,
                isDead: true,
                usesBackChannel: stored.usesBackChannel,
                fore: SlotTable(count: Int(stored.fore.maxSlots)),
                back: SlotCaller(count: 1),
                foreLimits: ChannelLimits(stored.fore),
                backLimits: ChannelLimits(stored.back),
                callbackProgram: stored.callbackProgram
            )
            self.clients[stored.client]?.sessions.append(stored.id)
        }
        for stored in replies {
            self.sessions[stored.session]?.fore.restore(
                slot: stored.slot,
                sequence: stored.sequence,
                digest: stored.digest,
                reply: stored.reply
            )
        }
    }

    static var deadSession: SessionError {
        SessionError(
            .deadSession,
            "the server has restarted, and the call was not executed: make a new session and send it there"
        )
    }

    /// Decides about a call on a dead session.
    mutating func retry(
        _ session: Session,
        _ id: SessionID,
        _ slot: UInt32,
        _ sequence: UInt32,
        _ digest: UInt64,
        _ connection: ConnectionID
    ) -> CallDecision {
        switch session.fore.retry(slot: slot, sequence: sequence, digest: digest) {
        case .replay(let reply)?:
            self.attach(connection, to: id)
            return .replay(reply)
        case .refuse(let status)?:
            return .refuse(SessionError(status, Self.detail(of: status)))
        case .execute?, nil:
            return .refuse(Self.deadSession)
        }
    }

    /// Forgets the dead sessions of a client that needs them no more: it has sent RECLAIM_COMPLETE.
    ///
    /// Returns them, the oldest first.
    package mutating func dropDeadSessions(of client: ClientID) -> [SessionID] {
        let dead = self.clients[client]?.sessions.filter { self.sessions[$0]?.isDead == true } ?? []
        for session in dead { self.drop(session, of: client) }
        return dead
    }

    /// Keeps the number of a client's sessions below the limit, so that those of many lives do not pile up.
    ///
    /// Returns the dead ones that had to go.
    mutating func makeRoomForSession(of client: ClientID) -> [SessionID] {
        let excess = self.sessionCount(of: client) + 1 - self.configuration.sessionsPerClientMax
        guard excess > 0 else { return [] }
        let dead = self.clients[client]?.sessions.filter { self.sessions[$0]?.isDead == true } ?? []
        let dropped = Array(dead.prefix(excess))
        for session in dropped { self.drop(session, of: client) }
        return dropped
    }

    private mutating func drop(_ session: SessionID, of client: ClientID) {
        self.clients[client]?.sessions.removeAll { $0 == session }
        self.removeSession(session)
    }

    /// Whether a session is of an earlier life; `false` if there is no such session.
    package func isDead(_ session: SessionID) -> Bool { self.sessions[session]?.isDead == true }

    // MARK: What the next life must know

    /// A confirmed client, as it is kept; `nil` if there is no such client.
    package func storedClient(_ id: ClientID) -> StoredClient? {
        guard let client = self.clients[id], client.isConfirmed else { return nil }
        return StoredClient(
            id: id,
            owner: client.owner,
            verifier: client.verifier,
            principal: StoredPrincipal(uid: client.principal.uid, isVerified: client.principal.isVerified),
            creationSequence: client.sequence
        )
    }

    /// A session, as it is kept; `nil` if there is no such session.
    package func storedSession(_ id: SessionID) -> StoredSession? {
        guard let session = self.sessions[id] else { return nil }
        return StoredSession(
            id: id,
            client: session.client,
            creationSequence: session.creationSequence,
            usesBackChannel: session.usesBackChannel,
            fore: StoredLimits(session.foreLimits),
            back: StoredLimits(session.backLimits),
            callbackProgram: session.callbackProgram
        )
    }

    /// The reply of a call that runs, as it is kept: without its bytes if they are not to be kept for a retry; `nil` if
    /// the session is gone meanwhile.
    package func storedReply(of call: RunningCall, reply: [UInt8]) -> StoredReply? {
        guard let session = self.sessions[call.session] else { return nil }
        return StoredReply(
            session: call.session,
            slot: call.slot,
            sequence: call.sequence,
            digest: call.digest,
            reply: Self.keeps(reply, of: call, session.foreLimits) ? reply : nil
        )
    }
}

extension ChannelLimits {
    fileprivate init(_ stored: StoredLimits) {
        self.init(
            maxRequest: stored.maxRequest,
            maxResponse: stored.maxResponse,
            maxResponseCached: stored.maxResponseCached,
            maxSlots: stored.maxSlots
        )
    }
}

extension StoredLimits {
    fileprivate init(_ limits: ChannelLimits) {
        self.init(
            maxRequest: limits.maxRequest,
            maxResponse: limits.maxResponse,
            maxResponseCached: limits.maxResponseCached,
            maxSlots: limits.maxSlots
        )
    }
}
