package import LayoutCore

/// A user as the store knows it: what the transport could establish.
package struct StoredPrincipal: Hashable, Sendable {
    package var uid: UInt32
    /// The user ID comes from the kernel (a Unix socket), not from the caller.
    package var isVerified: Bool

    package init(uid: UInt32, isVerified: Bool) {
        self.uid = uid
        self.isVerified = isVerified
    }
}

/// A confirmed client.
package struct StoredClient: Hashable, Sendable {
    package var id: ClientID
    package var owner: [UInt8]
    package var verifier: UInt64
    package var principal: StoredPrincipal
    /// The sequence of its last CREATE_SESSION.
    package var creationSequence: UInt32

    package init(
        id: ClientID,
        owner: [UInt8],
        verifier: UInt64,
        principal: StoredPrincipal,
        creationSequence: UInt32
    ) {
        self.id = id
        self.owner = owner
        self.verifier = verifier
        self.principal = principal
        self.creationSequence = creationSequence
    }
}

/// Limits of one direction of a session; the first three in bytes.
package struct StoredLimits: Hashable, Sendable {
    package var maxRequest: UInt32
    package var maxResponse: UInt32
    package var maxResponseCached: UInt32
    package var maxSlots: UInt32

    package init(maxRequest: UInt32, maxResponse: UInt32, maxResponseCached: UInt32, maxSlots: UInt32) {
        self.maxRequest = maxRequest
        self.maxResponse = maxResponse
        self.maxResponseCached = maxResponseCached
        self.maxSlots = maxSlots
    }
}

/// A session.
package struct StoredSession: Hashable, Sendable {
    package var id: SessionID
    package var client: ClientID
    /// The sequence of the CREATE_SESSION that made it.
    package var creationSequence: UInt32
    package var usesBackChannel: Bool
    package var fore: StoredLimits
    package var back: StoredLimits
    package var callbackProgram: UInt32

    package init(
        id: SessionID,
        client: ClientID,
        creationSequence: UInt32,
        usesBackChannel: Bool,
        fore: StoredLimits,
        back: StoredLimits,
        callbackProgram: UInt32
    ) {
        self.id = id
        self.client = client
        self.creationSequence = creationSequence
        self.usesBackChannel = usesBackChannel
        self.fore = fore
        self.back = back
        self.callbackProgram = callbackProgram
    }
}

/// What a slot answered: one for each session and slot, of the latest call that changed something.
package struct StoredReply: Hashable, Sendable {
    package var session: SessionID
    package var slot: UInt32
    package var sequence: UInt32
    /// Stands for the call's procedure, arguments and principal.
    package var digest: UInt64
    /// The reply's results, or `nil` if the call was executed and its reply not kept.
    package var reply: [UInt8]?

    package init(session: SessionID, slot: UInt32, sequence: UInt32, digest: UInt64, reply: [UInt8]?) {
        self.session = session
        self.slot = slot
        self.sequence = sequence
        self.digest = digest
        self.reply = reply
    }
}

/// A change whose system call may have begun.
package struct StoredIntent: Hashable, Sendable {
    /// Unique over all lives.
    package var number: UInt64
    package var session: SessionID
    package var slot: UInt32
    package var sequence: UInt32
    /// Stands for the call's procedure, arguments and principal.
    package var digest: UInt64
    /// Whether the reply is to be kept for a retry.
    package var keepsReply: Bool
    /// Made and read by the server: operation, files, arguments, and how to tell whether it was done.
    package var body: [UInt8]

    package init(
        number: UInt64,
        session: SessionID,
        slot: UInt32,
        sequence: UInt32,
        digest: UInt64,
        keepsReply: Bool,
        body: [UInt8]
    ) {
        self.number = number
        self.session = session
        self.slot = slot
        self.sequence = sequence
        self.digest = digest
        self.keepsReply = keepsReply
        self.body = body
    }
}
