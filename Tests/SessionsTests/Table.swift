import LayoutCore
import Recovery
import Sessions

let user = Principal(uid: 1000, isVerified: true)
let stranger = Principal(uid: 1001, isVerified: true)
let start = Instant(nanoseconds: 1)
let limits = ChannelLimits(maxRequest: 65536, maxResponse: 65536, maxResponseCached: 4096, maxSlots: 8)

/// A table and the numbers that its owner would pass in.
struct Table {
    var sessions: ServerSessions
    private var lastSession: UInt64 = 0

    init(_ change: (inout ServerSessions.Configuration) -> Void = { _ in }) {
        var configuration = ServerSessions.Configuration()
        change(&configuration)
        self.sessions = ServerSessions(configuration: configuration, firstClientNumber: 100)
    }

    /// The table of the next life, of what the accessors say is to be kept.
    func restarted(clients: [ClientID], sessions: [SessionID], replies: [StoredReply] = []) -> Table {
        var next = self
        next.sessions = ServerSessions(
            configuration: self.sessions.configuration,
            firstClientNumber: 0,
            recovered: clients.compactMap { self.sessions.storedClient($0) },
            sessions: sessions.compactMap { self.sessions.storedSession($0) },
            replies: replies
        )
        return next
    }

    mutating func begin(
        _ session: SessionID,
        slot: UInt32 = 0,
        sequence: UInt32,
        digest: UInt64 = 1,
        by principal: Principal = user,
        connection: UInt64 = 1
    ) -> ServerSessions.CallDecision {
        self.sessions.begin(
            session: session,
            slot: slot,
            sequence: sequence,
            highestSlot: slot,
            keepsReply: true,
            size: 100,
            digest: digest,
            principal: principal,
            connection: ConnectionID(connection)
        )
    }

    mutating func exchange(
        _ owner: String = "owner",
        verifier: UInt64 = 1,
        isUpdate: Bool = false,
        by principal: Principal = user,
        at now: Instant = start
    ) -> Result<ServerSessions.ExchangedID, SessionError> {
        self.sessions.exchangeID(
            owner: Array(owner.utf8),
            verifier: verifier,
            isUpdate: isUpdate,
            principal: principal,
            at: now
        )
    }

    mutating func create(
        _ client: ClientID,
        sequence: UInt32,
        fore: ChannelLimits = limits,
        by principal: Principal = user,
        connection: UInt64 = 1
    ) -> ServerSessions.Creation {
        self.lastSession += 1
        return self.sessions.createSession(
            client: client,
            sequence: sequence,
            usesBackChannel: true,
            fore: fore,
            back: limits,
            callbackProgram: 1,
            principal: principal,
            connection: ConnectionID(connection),
            newID: SessionID(Opaque16(low: self.lastSession, high: 7))
        )
    }

    mutating func client(_ owner: String = "owner", verifier: UInt64 = 1) throws -> (ClientID, SessionID) {
        let exchanged = try self.exchange(owner, verifier: verifier).get()
        let created = try self.create(exchanged.client, sequence: exchanged.sequence).result.get()
        return (exchanged.client, created.session)
    }
}

extension SessionError {
    static func status<Value>(_ result: Result<Value, SessionError>) -> LayoutStatus {
        switch result {
        case .success: .ok
        case .failure(let error): error.status
        }
    }
}
