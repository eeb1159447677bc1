package import LayoutCore

/// `ll_sequence_args`.
package struct SequenceArguments: Hashable, Sendable {
    /// The session.
    package var session: SessionID
    /// One more than the last on this slot (RFC 8881 §2.10.6.1).
    package var sequence: UInt32
    /// The slot.
    package var slot: UInt32
    /// The highest slot in use.
    package var highestSlot: UInt32
    /// Whether the reply has to be kept for a retry.
    package var cacheThis: Bool

    /// Makes the value from its parts.
    package init(session: SessionID, sequence: UInt32, slot: UInt32, highestSlot: UInt32, cacheThis: Bool) {
        self.session = session
        self.sequence = sequence
        self.slot = slot
        self.highestSlot = highestSlot
        self.cacheThis = cacheThis
    }
}

/// Bits of `status_flags` (`LL_STATUS_`).
package struct SequenceStatusFlags: OptionSet, Hashable, Sendable {
    /// The bits on the wire; unknown ones survive.
    package let rawValue: UInt32
    /// Makes a set from its bits.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// There is no back channel: recalls cannot reach the client.
    package static var callbackPathDown: Self { Self(rawValue: 0x1) }
    /// The lease expired; every layout is gone.
    package static var allRevoked: Self { Self(rawValue: 0x8) }
    /// At least one layout was revoked.
    package static var someRevoked: Self { Self(rawValue: 0x40) }
    /// The server restarted and wants reclaims.
    package static var restartReclaim: Self { Self(rawValue: 0x100) }
    /// A recall is past its deadline: this call did not renew the lease.
    package static var recallOverdue: Self { Self(rawValue: 0x10000) }
}

/// `ll_sequence_res`.
package struct SequenceResult: Hashable, Sendable {
    /// OK, or why the call was not executed and the slot is unchanged.
    package var status: LayoutStatus
    /// The call's, repeated.
    package var sequence: UInt32
    /// The call's, repeated.
    package var slot: UInt32
    /// The highest slot that the client may use.
    package var highestSlot: UInt32
    /// The highest slot that the server would like the client to use.
    package var targetHighestSlot: UInt32
    /// What the client should know.
    package var flags: SequenceStatusFlags

    /// Makes the value from its parts.
    package init(
        status: LayoutStatus,
        sequence: UInt32,
        slot: UInt32,
        highestSlot: UInt32,
        targetHighestSlot: UInt32,
        flags: SequenceStatusFlags
    ) {
        self.status = status
        self.sequence = sequence
        self.slot = slot
        self.highestSlot = highestSlot
        self.targetHighestSlot = targetHighestSlot
        self.flags = flags
    }
}

/// `LL_EXCHANGE_IDargs` (RFC 8881 §18.35).
package struct ExchangeIDArguments: Hashable, Sendable {
    /// New with every start of the client.
    package var verifier: UInt64
    /// At most 256 bytes.
    package var owner: [UInt8]
    /// `LL_EXCHGID_` bits.
    package var flags: UInt32

    /// Makes the value from its parts.
    package init(verifier: UInt64, owner: [UInt8], flags: UInt32) {
        self.verifier = verifier
        self.owner = owner
        self.flags = flags
    }
}

/// `ll_exchange_id_resok`.
package struct ExchangeIDResult: Hashable, Sendable {
    /// The ID to create sessions with.
    package var client: ClientID
    /// The sequence of the CREATE_SESSION to come.
    package var sequence: UInt32
    /// Whether the client has a session already.
    package var confirmed: Bool
    /// A client that is silent for longer loses its layouts.
    package var leaseMilliseconds: UInt32
    /// Milliseconds from the sending of a recall to its deadline.
    package var recallMilliseconds: UInt32
    /// New with every start of the server.
    package var serverVerifier: UInt64
    /// At most 256 bytes.
    package var serverOwner: [UInt8]

    /// Makes the value from its parts.
    package init(
        client: ClientID,
        sequence: UInt32,
        confirmed: Bool,
        leaseMilliseconds: UInt32,
        recallMilliseconds: UInt32,
        serverVerifier: UInt64,
        serverOwner: [UInt8]
    ) {
        self.client = client
        self.sequence = sequence
        self.confirmed = confirmed
        self.leaseMilliseconds = leaseMilliseconds
        self.recallMilliseconds = recallMilliseconds
        self.serverVerifier = serverVerifier
        self.serverOwner = serverOwner
    }
}

/// `ll_channel_attrs`: the limits of one direction of a session.
package struct ChannelAttributes: Hashable, Sendable {
    /// Bytes of a call's arguments.
    package var maxRequest: UInt32
    /// Bytes of a reply's results.
    package var maxResponse: UInt32
    /// Bytes of a reply's results that can be kept for a retry.
    package var maxResponseCached: UInt32
    /// Calls that may be under way at a time.
    package var maxSlots: UInt32

    /// Makes the value from its parts.
    package init(maxRequest: UInt32, maxResponse: UInt32, maxResponseCached: UInt32, maxSlots: UInt32) {
        self.maxRequest = maxRequest
        self.maxResponse = maxResponse
        self.maxResponseCached = maxResponseCached
        self.maxSlots = maxSlots
    }
}

/// `LL_CREATE_SESSIONargs` (RFC 8881 §18.36).
package struct CreateSessionArguments: Hashable, Sendable {
    /// In `flags`: calls to the client come over this connection (`LL_SESSION_BACK_CHANNEL`).
    package static var backChannelFlag: UInt32 { 0x2 }

    /// The client.
    package var client: ClientID
    /// From EXCHANGE_ID, then one more for each session; counts per client, not on a slot.
    package var sequence: UInt32
    /// `LL_SESSION_` bits.
    package var flags: UInt32
    /// What the client would like for its calls.
    package var fore: ChannelAttributes
    /// What the client can take in calls to it.
    package var back: ChannelAttributes
    /// Program number of the calls to the client.
    package var callbackProgram: UInt32

    /// Makes the value from its parts.
    package init(
        client: ClientID,
        sequence: UInt32,
        flags: UInt32,
        fore: ChannelAttributes,
        back: ChannelAttributes,
        callbackProgram: UInt32
    ) {
        self.client = client
        self.sequence = sequence
        self.flags = flags
        self.fore = fore
        self.back = back
        self.callbackProgram = callbackProgram
    }
}

/// `ll_create_session_resok`.
package struct CreateSessionResult: Hashable, Sendable {
    /// The new session.
    package var session: SessionID
    /// The call's, repeated.
    package var sequence: UInt32
    /// The `LL_SESSION_` bits that were granted.
    package var flags: UInt32
    /// What holds for the client's calls.
    package var fore: ChannelAttributes
    /// What holds for calls to the client.
    package var back: ChannelAttributes

    /// Makes the value from its parts.
    package init(
        session: SessionID,
        sequence: UInt32,
        flags: UInt32,
        fore: ChannelAttributes,
        back: ChannelAttributes
    ) {
        self.session = session
        self.sequence = sequence
        self.flags = flags
        self.fore = fore
        self.back = back
    }
}

/// `ll_channel_dir`.
package enum ChannelDirection: UInt32, Hashable, Sendable {
    /// Calls to the server.
    case fore = 1
    /// Calls to the client.
    case back = 2
    /// Calls to the server; calls to the client too, if the server likes.
    case foreOrBoth = 3
    /// Calls to the client; calls to the server too, if the server likes.
    case backOrBoth = 7
}

/// `LL_BIND_CONNargs` and `ll_bind_conn_resok` (RFC 8881 §18.34).
package struct BindConnectionArguments: Hashable, Sendable {
    /// The session.
    package var session: SessionID
    /// What the connection is for: asked for in the call, granted in the reply.
    package var direction: ChannelDirection

    /// Makes the value from its parts.
    package init(session: SessionID, direction: ChannelDirection) {
        self.session = session
        self.direction = direction
    }
}
