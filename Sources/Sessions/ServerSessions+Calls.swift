package import LayoutCore

extension ServerSessions {
    /// A call that its slot lets through.
    package struct RunningCall: Hashable, Sendable {
        package let session: SessionID
        package let client: ClientID
        package let slot: UInt32
        package let sequence: UInt32
        /// Stands for the procedure, the arguments and the principal.
        package let digest: UInt64
        /// Whether the reply is to be kept for a retry.
        package let keepsReply: Bool
        /// What the session allows.
        package let limits: ChannelLimits
    }

    /// What to do with a call that carries a sequence.
    package enum CallDecision: Hashable, Sendable {
        /// Execute it, then ``ServerSessions/complete(_:reply:)``. The client's lease is renewed.
        case execute(RunningCall)
        /// Send these bytes again.
        case replay([UInt8])
        /// Answer this; the slot is as it was, and the lease is not renewed.
        case refuse(SessionError)
    }

    /// Decides about a call (RFC 8881 §18.46).
    ///
    /// `size` is the bytes of the call's arguments; `digest` stands for the procedure, the arguments without
    /// `highest_slotid`, and the principal.
    package mutating func begin(
        session id: SessionID,
        slot: UInt32,
        sequence: UInt32,
        highestSlot: UInt32,
        keepsReply: Bool,
        size: Int,
        digest: UInt64,
        principal: Principal,
        connection: ConnectionID
    ) -> CallDecision {
        let (client, limits): (ClientID, ChannelLimits)
        switch self.session(id, for: principal) {
        case .failure(let error): return .refuse(error)
        case .success(let found):
            if found.isDead { return self.retry(found, id, slot, sequence, digest, connection) }
            // No more than that is kept: with a second owner the slots would be copied when they change.
            (client, limits) = (found.client, found.foreLimits)
        }
        guard size <= Int(limits.maxRequest) else {
            return .refuse(
                SessionError(.requestTooBig, "the session takes \(limits.maxRequest) bytes, not \(size)")
            )
        }
        let decision = self.sessions[id]?.fore.begin(
            slot: slot,
            highestSlot: highestSlot,
            sequence: sequence,
            digest: digest
        )
        switch decision {
        case nil: return .refuse(SessionError(.badSession, "no such session: create one"))
        case .refuse(let status)?: return .refuse(SessionError(status, Self.detail(of: status)))
        case .replay(let reply)?:
            self.attach(connection, to: id)
            return .replay(reply)
        case .execute?:
            self.attach(connection, to: id)
            return .execute(
                RunningCall(
                    session: id,
                    client: client,
                    slot: slot,
                    sequence: sequence,
                    digest: digest,
                    keepsReply: keepsReply,
                    limits: limits
                )
            )
        }
    }

    static func detail(of status: LayoutStatus) -> String {
        switch status {
        case .delay: "the first copy of this call is still running: retry it later"
        case .badSlot, .badHighSlot: "no such slot: use those that CREATE_SESSION gave"
        case .sequenceMisordered: "the sequence is neither the slot's last nor its next: make a new session"
        case .falseRetry: "another call was made under this slot and sequence: make a new session"
        case .retryUncachedReply: "the call was executed, and its reply not kept"
        default: ""
        }
    }

    /// The call has been answered.
    ///
    /// Ignored if its session is gone meanwhile.
    package mutating func complete(_ call: RunningCall, reply: [UInt8]) {
        guard let limits = self.sessions[call.session]?.foreLimits else { return }
        let isKept = Self.keeps(reply, of: call, limits)
        self.sessions[call.session]?.fore.complete(slot: call.slot, reply: isKept ? reply : nil)
    }

    static func keeps(_ reply: [UInt8], of call: RunningCall, _ limits: ChannelLimits) -> Bool {
        call.keepsReply && reply.count <= Int(limits.maxResponseCached)
    }

    // MARK: Parked calls

    /// Counts a call that begins to wait for others.
    ///
    /// `false` if it may not: two slots stay free of waiting calls, so that returns, commits and renewals always get
    /// in.
    package mutating func park(_ call: RunningCall) -> Bool {
        guard let session = self.sessions[call.session], session.parkedCalls + 2 < session.fore.count else {
            return false
        }
        self.sessions[call.session]?.parkedCalls += 1
        return true
    }

    /// The call no longer waits.
    package mutating func unpark(_ call: RunningCall) {
        self.sessions[call.session]?.parkedCalls -= 1
    }

    // MARK: Calls to the client

    /// A call to a client: where to send it and under which sequence.
    package struct Callback: Hashable, Sendable {
        package let session: SessionID
        package let ticket: SlotCaller.Ticket
        package let program: UInt32
        /// The connections to send on: try the last one first.
        package let connections: [ConnectionID]
    }

    /// Whether calls to the client can be sent.
    package func hasBackChannel(_ client: ClientID) -> Bool {
        self.clients[client]?.sessions.contains { self.sessions[$0]?.backConnections.isEmpty == false } ?? false
    }

    /// Takes a slot for a call to the client; `nil` without a back channel or a free slot.
    package mutating func beginCallback(to client: ClientID) -> Callback? {
        for id in self.clients[client]?.sessions.reversed() ?? [] {
            guard let session = self.sessions[id], !session.backConnections.isEmpty else { continue }
            guard let ticket = self.sessions[id]?.back.take() else { continue }
            return Callback(
                session: id,
                ticket: ticket,
                program: session.callbackProgram,
                connections: session.backConnections
            )
        }
        return nil
    }

    /// The client answered the callback, or (`wasSequenced` false) refused it before it looked at the sequence.
    package mutating func completeCallback(_ callback: Callback, wasSequenced: Bool) {
        self.sessions[callback.session]?.back.release(callback.ticket, wasSequenced: wasSequenced)
    }

    /// The connections that calls to a session's client can be sent on, the latest last; empty if the session is gone.
    package func backConnections(of session: SessionID) -> [ConnectionID] {
        self.sessions[session]?.backConnections ?? []
    }
}
