import LayoutCore
import Recovery
import Sessions
import Testing

@Suite struct RestartTests {
    private func status(_ decision: ServerSessions.CallDecision) -> LayoutStatus? {
        switch decision {
        case .refuse(let error): error.status
        case .execute, .replay: nil
        }
    }

    /// A client whose call on slot 0 was answered with 1, 2, 3 and whose call on slot 1 was not answered.
    private func restarted(
        _ change: (inout ServerSessions.Configuration) -> Void = { _ in }
    ) throws -> (table: Table, client: ClientID, session: SessionID) {
        var table = Table(change)
        let (client, session) = try table.client()
        guard case .execute(let call) = table.begin(session, sequence: 1) else { throw Unexpected() }
        let reply = try #require(table.sessions.storedReply(of: call, reply: [1, 2, 3]))
        #expect(reply == StoredReply(session: session, slot: 0, sequence: 1, digest: 1, reply: [1, 2, 3]))
        table.sessions.complete(call, reply: [1, 2, 3])
        guard case .execute = table.begin(session, slot: 1, sequence: 1) else { throw Unexpected() }
        return (table.restarted(clients: [client], sessions: [session], replies: [reply]), client, session)
    }

    private struct Unexpected: Error {}

    @Test("A14, A24: a retry over a restart gets the kept reply; what was not answered was not executed: DEADSESSION")
    func deadSession() throws {
        var (table, _, session) = try self.restarted()
        #expect(table.sessions.isDead(session))
        #expect(table.begin(session, sequence: 1) == .replay([1, 2, 3]))
        #expect(table.begin(session, sequence: 1) == .replay([1, 2, 3]))
        #expect(self.status(table.begin(session, slot: 1, sequence: 1)) == .deadSession)
        #expect(self.status(table.begin(session, sequence: 2)) == .deadSession)
        #expect(self.status(table.begin(session, sequence: 0)) == .deadSession)
        #expect(self.status(table.begin(session, slot: 999, sequence: 1)) == .deadSession)
        // Nothing of that has moved the slot.
        #expect(table.begin(session, sequence: 1) == .replay([1, 2, 3]))
    }

    @Test("A16: over a restart too, another call under the slot's sequence is a false retry, another user's is refused")
    func falseRetry() throws {
        var (table, _, session) = try self.restarted()
        #expect(self.status(table.begin(session, sequence: 1, digest: 2)) == .falseRetry)
        #expect(self.status(table.begin(session, sequence: 1, by: stranger)) == .access)
    }

    @Test("A14: over a restart, a retry of a call whose reply was not kept is told so")
    func uncached() throws {
        var (table, client, session) = try self.restarted()
        let stored = StoredReply(session: session, slot: 1, sequence: 7, digest: 3, reply: nil)
        let beyond = StoredReply(session: session, slot: 99, sequence: 1, digest: 3, reply: nil)
        table = table.restarted(clients: [client], sessions: [session], replies: [stored, beyond])
        #expect(self.status(table.begin(session, slot: 1, sequence: 7, digest: 3)) == .retryUncachedReply)
        #expect(self.status(table.begin(session, slot: 1, sequence: 7, digest: 4)) == .falseRetry)
        #expect(self.status(table.begin(session, sequence: 1)) == .deadSession)
    }

    @Test("A reply that is too large to keep, or not to be kept, is stored as executed")
    func storedReply() throws {
        var table = Table()
        let (_, session) = try table.client()
        guard case .execute(let call) = table.begin(session, sequence: 1) else { throw Unexpected() }
        let large = [UInt8](repeating: 0, count: 5000)
        #expect(try #require(table.sessions.storedReply(of: call, reply: large)).reply == nil)
        _ = table.sessions.destroySession(session, principal: user)
        #expect(table.sessions.storedReply(of: call, reply: [1]) == nil)
        #expect(table.sessions.storedSession(session) == nil)
    }

    @Test("A2, A3: the same start of a client finds its ID over a restart, and another start takes its place")
    func clients() throws {
        var (table, client, _) = try self.restarted()
        let again = try table.exchange().get()
        #expect(again.client == client && again.isConfirmed && again.sequence == 2)
        let created = table.create(client, sequence: again.sequence)
        let session = try created.result.get().session
        #expect(created.confirmed == client && created.replaced == nil)
        guard case .execute = table.begin(session, sequence: 1) else { throw Unexpected() }
        #expect(!table.sessions.isDead(session))
        let other = try table.exchange(verifier: 2).get()
        #expect(other.client > client && !other.isConfirmed)
        #expect(table.create(other.client, sequence: 1).replaced == client)
        #expect(SessionError.status(table.exchange(by: stranger)) == .clientIDInUse)
    }

    @Test("A3: of two starts of one client that a store holds, the later one is the client and the other is lost")
    func superseded() throws {
        var table = Table()
        let (old, oldSession) = try table.client()
        let (new, newSession) = try table.client(verifier: 2)
        // The old one's layouts are not all back when the server restarts: its record is there still.
        let stored = try #require(table.sessions.storedClient(new))
        let early = StoredClient(
            id: old,
            owner: stored.owner,
            verifier: 1,
            principal: stored.principal,
            creationSequence: 1
        )
        let session = try #require(table.sessions.storedSession(newSession))
        var forgotten = session
        (forgotten.id, forgotten.client) = (oldSession, old)
        var sessions = ServerSessions(
            configuration: ServerSessions.Configuration(),
            firstClientNumber: 0,
            recovered: [stored, early],
            sessions: [session, forgotten],
            replies: []
        )
        #expect(sessions.supersededClients == [old] && sessions.confirmedClients == [new])
        #expect(sessions.isDead(newSession) && sessions.storedSession(oldSession) == nil)
        let found = sessions.exchangeID(
            owner: stored.owner,
            verifier: 2,
            isUpdate: false,
            principal: user,
            at: start
        )
        #expect(try found.get().client == new)
    }

    @Test("A connection is bound to a dead session for retries alone: no call goes to the client over it")
    func bind() throws {
        var (table, client, session) = try self.restarted()
        func bind(wantsFore: Bool, by principal: Principal = user) -> Result<Bool, SessionError> {
            table.sessions.bind(
                ConnectionID(5),
                to: session,
                wantsFore: wantsFore,
                wantsBack: true,
                principal: principal
            )
        }
        #expect(SessionError.status(bind(wantsFore: true, by: stranger)) == .access)
        #expect(SessionError.status(bind(wantsFore: false)) == .deadSession)
        #expect(try bind(wantsFore: true).get() == false)
        #expect(!table.sessions.hasBackChannel(client))
        #expect(table.sessions.beginCallback(to: client) == nil)
        #expect(table.sessions.connectionClosed(ConnectionID(5)) == [client])
    }

    @Test("A25, A26: dead sessions can be destroyed, keep no client from being destroyed, and go together")
    func destroy() throws {
        var (table, client, session) = try self.restarted()
        var other = table
        #expect(try other.sessions.destroySession(session, principal: user).get() == client)
        #expect(self.status(other.begin(session, sequence: 1)) == .badSession)
        #expect(other.sessions.dropDeadSessions(of: client).isEmpty)
        let live = try table.create(client, sequence: 2).result.get().session
        #expect(table.sessions.dropDeadSessions(of: client) == [session])
        #expect(self.status(table.begin(session, sequence: 1)) == .badSession)
        guard case .execute = table.begin(live, sequence: 1) else { throw Unexpected() }
        var last = try self.restarted().table
        #expect(
            SessionError.status(last.sessions.destroyClient(client, principal: user, holdsLayouts: true))
                == .clientIDBusy
        )
        #expect(SessionError.status(last.sessions.destroyClient(client, principal: user, holdsLayouts: false)) == .ok)
        #expect(last.sessions.sessionCount == 0)
    }

    @Test("Dead sessions of many lives do not pile up, and take no room from live ones")
    func room() throws {
        var (table, client, session) = try self.restarted { $0.sessionsPerClientMax = 3 }
        var dead = [session]
        for life in 1...4 as ClosedRange<UInt32> {
            let sequence = try table.exchange().get().sequence
            let creation = table.create(client, sequence: sequence)
            let created = try creation.result.get().session
            // The oldest makes room.
            #expect(creation.dropped == (life < 3 ? [] : [dead[0]]))
            if life >= 3 { dead.removeFirst() }
            dead.append(created)
            table = table.restarted(clients: [client], sessions: dead)
        }
        #expect(table.sessions.sessionCount(of: client) == 3)
        for sequence in 6...8 as ClosedRange<UInt32> {
            #expect(SessionError.status(table.create(client, sequence: sequence).result) == .ok)
        }
        #expect(SessionError.status(table.create(client, sequence: 9).result) == .resource)
        #expect(table.sessions.dropDeadSessions(of: client).isEmpty)
    }

    @Test("A10: client IDs are not made again in a later life")
    func numbers() throws {
        var (table, client, _) = try self.restarted()
        #expect(try table.exchange("another").get().client > client)
    }
}
