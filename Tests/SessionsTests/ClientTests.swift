import LayoutCore
import Sessions
import Testing

@Suite struct ClientTests {
    @Test("A1: a new client gets two sessions, and both are usable")
    func twoSessions() throws {
        var table = Table()
        let exchanged = try table.exchange().get()
        #expect(!exchanged.isConfirmed && exchanged.sequence == 1)
        let first = try table.create(exchanged.client, sequence: 1).result.get()
        let second = try table.create(exchanged.client, sequence: 2).result.get()
        #expect(first.session != second.session)
        #expect(table.sessions.sessionCount(of: exchanged.client) == 2)
    }

    @Test("A2: the same owner and verifier again is the same client")
    func idempotent() throws {
        var table = Table()
        let (client, _) = try table.client()
        let again = try table.exchange().get()
        #expect(again.client == client && again.isConfirmed && again.sequence == 2)
    }

    @Test("A3: a new verifier replaces the old client only once it is confirmed")
    func restart() throws {
        var table = Table()
        let (old, session) = try table.client(verifier: 1)
        let new = try table.exchange(verifier: 2).get()
        #expect(new.client != old && !new.isConfirmed)
        #expect(table.sessions.hasBackChannel(old))
        let creation = table.create(new.client, sequence: 1)
        #expect(creation.replaced == old && creation.confirmed == new.client)
        let refused = table.sessions.begin(
            session: session,
            slot: 0,
            sequence: 1,
            highestSlot: 0,
            keepsReply: true,
            size: 10,
            digest: 0,
            principal: user,
            connection: ConnectionID(1)
        )
        guard case .refuse(let error) = refused else { return #expect(Bool(false), "the old session lives") }
        #expect(error.status == .badSession)
    }

    @Test(
        "A4, A5: updates and other users",
        arguments: [
            (true, 1, user, LayoutStatus.ok), (true, 2, user, .notSame), (true, 1, stranger, .notPermitted),
            (false, 1, stranger, .clientIDInUse), (false, 2, stranger, .clientIDInUse),
        ] as [(Bool, UInt64, Principal, LayoutStatus)]
    )
    func updates(isUpdate: Bool, verifier: UInt64, principal: Principal, status: LayoutStatus) throws {
        var table = Table()
        _ = try table.client()
        let result = table.exchange(verifier: verifier, isUpdate: isUpdate, by: principal)
        #expect(SessionError.status(result) == status)
    }

    @Test("A4: an update of a client that is not confirmed creates nothing")
    func updateOfNothing() throws {
        var table = Table()
        #expect(SessionError.status(table.exchange(isUpdate: true)) == .noEntry)
        _ = try table.exchange().get()
        #expect(SessionError.status(table.exchange(isUpdate: true)) == .noEntry)
    }

    @Test("A6: a client that is never confirmed is forgotten after its time")
    func unconfirmed() throws {
        var table = Table()
        let exchanged = try table.exchange().get()
        #expect(table.sessions.expireUnconfirmed(at: start) == start.advanced(by: .seconds(20)))
        #expect(table.sessions.expireUnconfirmed(at: start.advanced(by: .seconds(21))) == nil)
        #expect(SessionError.status(table.create(exchanged.client, sequence: 1).result) == .staleClientID)
    }

    @Test("A7: an unknown client, a wrong sequence, and replays of success and failure")
    func createSession() throws {
        var table = Table()
        #expect(SessionError.status(table.create(ClientID(9), sequence: 1).result) == .staleClientID)
        let client = try table.exchange().get().client
        for sequence in [0, 2, .max] as [UInt32] {
            #expect(SessionError.status(table.create(client, sequence: sequence).result) == .sequenceMisordered)
        }
        var small = limits
        small.maxRequest = 16
        let failed = table.create(client, sequence: 1, fore: small)
        #expect(SessionError.status(failed.result) == .tooSmall)
        #expect(table.create(client, sequence: 1).result == failed.result)
        let made = table.create(client, sequence: 2)
        let replay = table.create(client, sequence: 2)
        #expect(replay.result == made.result && replay.isReplay && table.sessions.sessionCount == 1)
    }

    @Test("A9: limits are negotiated down, never up")
    func negotiation() throws {
        var table = Table { $0.limits.maxSlots = 4 }
        let client = try table.exchange().get().client
        let created = try table.create(client, sequence: 1).result.get()
        #expect(created.fore.maxSlots == 4 && created.fore.maxRequest == limits.maxRequest)
    }

    @Test("A10: ten thousand clients that never go on leave nothing behind, and lock nobody out")
    func flood() throws {
        var table = Table { $0.clientsMax = 100 }
        let (client, _) = try table.client("first")
        for number in 0..<10_000 { _ = try table.exchange("owner \(number)").get() }
        #expect(table.sessions.hasBackChannel(client))
        _ = try table.client("last")
    }

    @Test("A25, A26: destroying sessions and clients")
    func destroy() throws {
        var table = Table()
        let (client, session) = try table.client()
        let status = { (result: Result<Void, SessionError>) in SessionError.status(result) }
        #expect(status(table.sessions.destroyClient(client, principal: user, holdsLayouts: false)) == .clientIDBusy)
        #expect(SessionError.status(table.sessions.destroySession(session, principal: stranger)) == .access)
        #expect(SessionError.status(table.sessions.destroySession(session, principal: user)) == .ok)
        #expect(SessionError.status(table.sessions.destroySession(session, principal: user)) == .badSession)
        #expect(status(table.sessions.destroyClient(client, principal: stranger, holdsLayouts: false)) == .notPermitted)
        #expect(status(table.sessions.destroyClient(client, principal: user, holdsLayouts: true)) == .clientIDBusy)
        #expect(status(table.sessions.destroyClient(client, principal: user, holdsLayouts: false)) == .ok)
        #expect(status(table.sessions.destroyClient(client, principal: user, holdsLayouts: false)) == .staleClientID)
    }
}

@Suite struct CallTests {
    private func begin(
        _ table: inout Table,
        _ session: SessionID,
        slot: UInt32 = 0,
        sequence: UInt32 = 1,
        size: Int = 10,
        by principal: Principal = user,
        connection: UInt64 = 1
    ) -> ServerSessions.CallDecision {
        table.sessions.begin(
            session: session,
            slot: slot,
            sequence: sequence,
            highestSlot: slot,
            keepsReply: true,
            size: size,
            digest: 5,
            principal: principal,
            connection: ConnectionID(connection)
        )
    }

    @Test("A23: a retry over a new connection gets the kept reply")
    func retryOverNewConnection() throws {
        var table = Table()
        let (_, session) = try table.client()
        guard case .execute(let call) = self.begin(&table, session) else { return #expect(Bool(false)) }
        #expect(table.sessions.connectionClosed(ConnectionID(1)).count == 1)
        table.sessions.complete(call, reply: [42])
        #expect(self.begin(&table, session, connection: 2) == .replay([42]))
    }

    @Test("A5, A16: another user's call on a session is refused and leaves the slot alone")
    func otherUser() throws {
        var table = Table()
        let (_, session) = try table.client()
        guard case .refuse(let error) = self.begin(&table, session, by: stranger) else {
            return #expect(Bool(false))
        }
        #expect(error.status == .access)
        guard case .execute = self.begin(&table, session) else { return #expect(Bool(false)) }
    }

    @Test("A12, A13, A17: unknown sessions and oversized calls leave the slot alone")
    func refusals() throws {
        var table = Table()
        let (_, session) = try table.client()
        let unknown = SessionID(Opaque16(low: 99, high: 99))
        guard case .refuse(let error) = self.begin(&table, unknown) else { return #expect(Bool(false)) }
        #expect(error.status == .badSession)
        guard case .refuse(let size) = self.begin(&table, session, size: 1 << 20) else { return #expect(Bool(false)) }
        #expect(size.status == .requestTooBig)
        guard case .execute = self.begin(&table, session) else { return #expect(Bool(false)) }
    }

    @Test("A25: the reply to a call whose session was destroyed meanwhile is dropped")
    func destroyedMeanwhile() throws {
        var table = Table()
        let (_, session) = try table.client()
        guard case .execute(let call) = self.begin(&table, session) else { return #expect(Bool(false)) }
        _ = table.sessions.destroySession(session, principal: user)
        table.sessions.complete(call, reply: [1])
        #expect(table.sessions.sessionCount == 0)
    }

    @Test("Two slots stay free of calls that wait")
    func parking() throws {
        var table = Table()
        let (_, session) = try table.client()
        var parked: [ServerSessions.RunningCall] = []
        for slot in 0..<8 as Range<UInt32> {
            guard case .execute(let call) = self.begin(&table, session, slot: slot) else { return #expect(Bool(false)) }
            if table.sessions.park(call) { parked.append(call) }
        }
        #expect(parked.count == 6)
        table.sessions.unpark(parked[0])
        let isParked = table.sessions.park(parked[0])
        #expect(isParked)
    }

    @Test("C12: calls to the client go over any bound connection, each with a slot of its own")
    func callbacks() throws {
        var table = Table()
        let (client, session) = try table.client()
        let firstCallback = table.sessions.beginCallback(to: client)
        let first = try #require(firstCallback)
        #expect(first.connections == [ConnectionID(1)])
        let bound = table.sessions.bind(
            ConnectionID(2),
            to: session,
            wantsFore: false,
            wantsBack: true,
            principal: user
        )
        #expect(SessionError.status(bound) == .ok)
        let secondCallback = table.sessions.beginCallback(to: client)
        let second = try #require(secondCallback)
        #expect(second.ticket.slot == 1 && second.connections.last == ConnectionID(2))
        _ = table.sessions.connectionClosed(ConnectionID(1))
        #expect(table.sessions.hasBackChannel(client))
        _ = table.sessions.connectionClosed(ConnectionID(2))
        #expect(!table.sessions.hasBackChannel(client))
        #expect(table.sessions.beginCallback(to: client) == nil)
        table.sessions.completeCallback(first, wasSequenced: true)
    }
}
