import LayoutCore
import Recovery
import Testing

@Suite struct RecoveredStateTests {
    private let alice = ClientID(1)
    private let bob = ClientID(2)

    @Test("a record replaces the one with its key, and the lists are in the order of their keys")
    func replaces() {
        var state = RecoveredState()
        for number: UInt64 in [3, 1, 2] { state.apply(.holder(holder(number, self.alice))) }
        var changed = holder(2, self.bob)
        changed.seqid = 9
        state.apply(.holder(changed))
        #expect(state.holders.map(\.number) == [1, 2, 3])
        #expect(state.holders[1] == changed)
        state.apply(.holderGone(number: 1))
        state.apply(.holderGone(number: 7))
        #expect(state.holders.map(\.number) == [2, 3])
    }

    @Test("bytes are ordered as they are on the wire: the first byte counts most")
    func wireOrder() {
        var state = RecoveredState()
        // The first byte is in the lowest bits.
        let (first, second, third) = (
            session(0x01_00, self.alice), session(0x02_00, self.alice), session(1, self.alice)
        )
        for session in [third, second, first] { state.apply(.session(session)) }
        #expect(state.sessions == [first, second, third])
    }

    @Test("with a client go its sessions, their replies, its holders and its revocations, and nobody else's")
    func clientGone() {
        var state = RecoveredState()
        for (number, client) in [(UInt64(1), self.alice), (2, self.bob)] {
            state.apply(
                .client(
                    StoredClient(
                        id: client,
                        owner: [UInt8(number)],
                        verifier: number,
                        principal: StoredPrincipal(uid: 0, isVerified: true),
                        creationSequence: 1
                    )
                )
            )
            state.apply(.session(session(number, client)))
            state.apply(.reply(reply(session(number, client), slot: 0, sequence: 1)))
            state.apply(.holder(holder(number, client)))
            state.apply(.revocation(StoredRevocation(client: client, file: .root)))
        }
        var onlyBob = state
        onlyBob.apply(.clientGone(self.alice))
        #expect(onlyBob.clients.map(\.id) == [self.bob])
        #expect(onlyBob.sessions.map(\.client) == [self.bob])
        #expect(onlyBob.replies.map(\.session) == onlyBob.sessions.map(\.id))
        #expect(onlyBob.holders.map(\.client) == [self.bob])
        #expect(onlyBob.revocations.map(\.client) == [self.bob])
    }

    @Test("a slot has one reply; a reply of a session that is gone leaves nothing")
    func replies() {
        var state = RecoveredState()
        let session = session(1, self.alice)
        state.apply(.session(session))
        state.apply(.reply(reply(session, slot: 1, sequence: 1)))
        state.apply(.reply(reply(session, slot: 0, sequence: 4)))
        state.apply(.reply(reply(session, slot: 1, sequence: 2)))
        #expect(state.replies.map(\.sequence) == [4, 2])
        state.apply(.sessionGone(session.id))
        #expect(state.replies.isEmpty)
        state.apply(.reply(reply(session, slot: 1, sequence: 3)))
        #expect(state == RecoveredState())
    }

    @Test("intents, blocks and revocations come and go by their keys")
    func others() {
        var state = RecoveredState()
        let revocation = StoredRevocation(client: self.alice, file: .root)
        let intent = StoredIntent(
            number: 5,
            session: session(1, self.alice).id,
            slot: 0,
            sequence: 1,
            digest: 2,
            keepsReply: true,
            body: [1]
        )
        for _ in 0..<2 { state.apply(.revocation(revocation)) }
        state.apply(.intent(intent))
        state.apply(.blocked(.root, reason: "first"))
        state.apply(.blocked(.root, reason: "second"))
        #expect(state.revocations == [revocation])
        #expect(state.intents == [intent])
        #expect(state.blocked == [StoredBlock(file: .root, reason: "second")])
        for record: RecoveryRecord in [.revocationsSeen(self.alice), .intentEnded(number: 5), .unblocked(.root)] {
            state.apply(record)
        }
        #expect(state == RecoveredState())
    }
}

@Suite struct MemoryStoreTests {
    private let first = RecoveryRecord.holder(holder(1, ClientID(1)))
    private let second = RecoveryRecord.holder(holder(2, ClientID(1)))
    private let third = RecoveryRecord.holder(holder(3, ClientID(1)))

    @Test("a power cut takes what was written after the last sync, and nothing before it")
    func powerCut() throws {
        let store = MemoryStore()
        try store.write([self.first], .written)
        try store.write([self.second], .synced)
        try store.write([self.third], .written)
        #expect(try store.load().holders.count == 3)
        store.powerCut()
        #expect(try store.load() == RecoveredState([self.first, self.second]))
    }

    @Test("a closed store takes nothing until it is loaded again")
    func close() throws {
        let store = MemoryStore()
        store.close()
        #expect(throws: RecoveryStoreError.self) { try store.write([self.first], .written) }
        #expect(try store.load() == RecoveredState())
        try store.write([self.first], .written)
        #expect(store.written.holders.count == 1 && store.synced.holders.isEmpty)
    }

    @Test("a store that fails keeps none of the records")
    func failure() throws {
        let store = MemoryStore()
        let full = RecoveryStoreError(.full, "the disk is full: make room")
        store.fail(with: full)
        #expect(throws: full) { try store.write([self.first], .synced) }
        #expect(throws: full) { try store.load() }
        store.fail(with: nil)
        #expect(try store.load() == RecoveredState())
    }
}

private func holder(_ number: UInt64, _ client: ClientID) -> StoredHolder {
    let segment = StoredSegment(range: .all, ioMode: .readWrite, breaksOnWrite: false, isExclusive: false)
    return StoredHolder(number: number, client: client, file: .root, seqid: 1, segments: [segment], locks: [number])
}

private func session(_ number: UInt64, _ client: ClientID) -> StoredSession {
    let limits = StoredLimits(maxRequest: 4096, maxResponse: 4096, maxResponseCached: 512, maxSlots: 4)
    return StoredSession(
        id: SessionID(Opaque16(low: number, high: 0)),
        client: client,
        creationSequence: 1,
        usesBackChannel: true,
        fore: limits,
        back: limits,
        callbackProgram: 7
    )
}

private func reply(_ session: StoredSession, slot: UInt32, sequence: UInt32) -> StoredReply {
    StoredReply(session: session.id, slot: slot, sequence: sequence, digest: 1, reply: [1, 2, 3])
}
