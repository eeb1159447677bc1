package import LayoutCore

/// Whose calls these are: what the transport could establish.
package struct Principal: Hashable, Sendable {
    /// The user ID; 65534 for AUTH_NONE.
    package var uid: UInt32
    /// The user ID comes from the kernel (a Unix socket), not from the caller.
    package var isVerified: Bool

    package init(uid: UInt32, isVerified: Bool) {
        self.uid = uid
        self.isVerified = isVerified
    }
}

/// A connection, as the owner of the sessions numbers it; never reused.
package struct ConnectionID: Hashable, Comparable, Sendable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (left: ConnectionID, right: ConnectionID) -> Bool { left.rawValue < right.rawValue }
}

/// Limits of one direction of a session (RFC 8881 §18.36, `channel_attrs4`).
package struct ChannelLimits: Hashable, Sendable {
    /// Bytes of a call's arguments.
    package var maxRequest: UInt32
    /// Bytes of a reply's results.
    package var maxResponse: UInt32
    /// Bytes of a reply that is kept for retries.
    package var maxResponseCached: UInt32
    /// Calls at the same time.
    package var maxSlots: UInt32

    package init(maxRequest: UInt32, maxResponse: UInt32, maxResponseCached: UInt32, maxSlots: UInt32) {
        self.maxRequest = maxRequest
        self.maxResponse = maxResponse
        self.maxResponseCached = maxResponseCached
        self.maxSlots = maxSlots
    }

    /// Whether every limit is at least that of `other`.
    func holds(_ other: ChannelLimits) -> Bool {
        self.maxRequest >= other.maxRequest && self.maxResponse >= other.maxResponse
            && self.maxResponseCached >= other.maxResponseCached && self.maxSlots >= other.maxSlots
    }

    /// Negotiated down, never up.
    func limited(to other: ChannelLimits) -> ChannelLimits {
        ChannelLimits(
            maxRequest: min(self.maxRequest, other.maxRequest),
            maxResponse: min(self.maxResponse, other.maxResponse),
            maxResponseCached: min(self.maxResponseCached, other.maxResponseCached),
            maxSlots: min(self.maxSlots, other.maxSlots)
        )
    }
}

/// The server's clients and sessions: who is who, and which call runs once (RFC 8881 §2.10, §18.34-§18.37, §18.50).
///
/// A value without I/O, clock or randomness, like the engine: its owner passes in times, new IDs and verifiers.
package struct ServerSessions: Hashable, Sendable {
    /// Limits.
    ///
    /// Every table has a bound.
    package struct Configuration: Hashable, Sendable {
        /// The most that a session gets in each direction.
        package var limits = ChannelLimits(
            maxRequest: 1 << 20,
            maxResponse: 1 << 20,
            maxResponseCached: 4096,
            maxSlots: 64
        )
        /// Known clients, confirmed or not.
        package var clientsMax = 16384
        package var sessionsPerClientMax = 16
        /// How long a client record waits for its first CREATE_SESSION.
        package var confirmTime: Duration = .seconds(20)

        package init() {}
    }

    struct Client: Hashable, Sendable {
        var owner: [UInt8]
        var verifier: UInt64
        var principal: Principal
        var isConfirmed = false
        var createdAt: Instant
        /// The sequence of the last CREATE_SESSION, and what it answered.
        var sequence: UInt32 = 0
        var lastCreation: Result<CreatedSession, SessionError>?
        var sessions: [SessionID] = []
    }

    struct Session: Hashable, Sendable {
        let client: ClientID
        /// The sequence of the CREATE_SESSION that made it.
        let creationSequence: UInt32
        /// Of an earlier life: it answers retries of what that life answered, and nothing else.
        var isDead = false
        let usesBackChannel: Bool
        var fore: SlotTable
        var back: SlotCaller
        var foreLimits: ChannelLimits
        var backLimits: ChannelLimits
        var callbackProgram: UInt32
        var connections: Set<ConnectionID> = []
        /// Connections that calls to the client can be sent on, the latest last.
        var backConnections: [ConnectionID] = []
        var parkedCalls = 0
    }

    package let configuration: Configuration
    var clients: [ClientID: Client] = [:]
    var confirmedByOwner: [[UInt8]: ClientID] = [:]
    var unconfirmedByOwner: [[UInt8]: ClientID] = [:]
    var sessions: [SessionID: Session] = [:]
    /// Which sessions each connection carries.
    var sessionsByConnection: [ConnectionID: [SessionID]] = [:]
    /// Clients of earlier lives whose owner had started again: they are lost, in order.
    package internal(set) var supersededClients: [ClientID] = []
    var lastClientNumber: UInt64

    /// Makes an empty table.
    ///
    /// Client IDs count up from `firstClientNumber`: pass a number that no earlier start used.
    package init(configuration: Configuration, firstClientNumber: UInt64) {
        self.configuration = configuration
        self.lastClientNumber = firstClientNumber
    }

    mutating func nextClientID() -> ClientID {
        self.lastClientNumber += 1
        return ClientID(self.lastClientNumber)
    }
}

/// Why a call about sessions fails, and what its caller can do about it.
package struct SessionError: Error, Hashable, Sendable {
    package var status: LayoutStatus
    package var detail: String

    package init(_ status: LayoutStatus, _ detail: String) {
        self.status = status
        self.detail = detail
    }
}

/// What CREATE_SESSION answers.
package struct CreatedSession: Hashable, Sendable {
    package var session: SessionID
    package var sequence: UInt32
    package var usesBackChannel: Bool
    package var fore: ChannelLimits
    package var back: ChannelLimits
}
