import LayoutCore
import LayoutSimulation
package import Recovery

/// What a server might write: the same sequence of writes for a seed, in every process.
///
/// Few keys, so that most records meet an earlier one.
package struct RecoveryScript {
    /// One call to the store.
    package struct Write: Hashable, Sendable {
        package var records: [RecoveryRecord]
        package var durability: Durability
    }

    /// The export that stores of these scripts belong to.
    package static var identity: StoreIdentity {
        StoreIdentity(fileSystem: .max, exportInode: 128, exportGeneration: 7)
    }

    private var random: SeededGenerator
    private let syncedOneIn: Int

    /// Starts at the beginning.
    ///
    /// - Parameters:
    ///   - seed: Which sequence.
    ///   - syncedOneIn: One of so many writes is synced.
    package init(seed: UInt64, syncedOneIn: Int = 4) {
        self.random = SeededGenerator(seed: seed)
        self.syncedOneIn = syncedOneIn
    }

    /// The next write: one to five records.
    package mutating func next() -> Write {
        let records = (0..<self.number(1...5)).map { _ in self.record() }
        return Write(records: records, durability: self.number(1...self.syncedOneIn) == 1 ? .synced : .written)
    }

    /// The next `count` writes.
    package mutating func next(_ count: Int) -> [Write] { (0..<count).map { _ in self.next() } }

    private mutating func record() -> RecoveryRecord {
        // Twice as much comes as goes.
        switch self.number(0...22) {
        case 0: .life(self.life())
        case 1, 2: .client(self.client())
        case 3: .clientGone(self.clientID())
        case 4, 5: .session(self.session())
        case 6: .sessionGone(self.sessionID())
        case 7, 8: .reply(self.reply())
        case 9, 10: .file(self.file())
        case 11: .fileGone(self.handle())
        case 12, 13, 14, 15: .holder(self.holder())
        case 16: .holderGone(number: self.holderNumber())
        case 17: .revocation(StoredRevocation(client: self.clientID(), file: self.handle()))
        case 18: .revocationsSeen(self.clientID())
        case 19: .intent(self.intent())
        case 20: .intentEnded(number: self.big(5))
        case 21: .blocked(self.handle(), reason: ["", "neither", "half done: ∅"][self.number(0...2)])
        default: .unblocked(self.handle())
        }
    }

    private mutating func life() -> StoredLife {
        StoredLife(
            number: self.word32(),
            hostBoot: "boot \(self.number(0...9))",
            longestLease: .nanoseconds(self.number(0...1 << 40)),
            handleKey: Opaque16(low: self.random.next(), high: self.random.next())
        )
    }

    private mutating func client() -> StoredClient {
        StoredClient(
            id: self.clientID(),
            owner: self.bytes(40),
            verifier: self.random.next(),
            principal: StoredPrincipal(uid: self.word32(), isVerified: self.flag()),
            creationSequence: self.word32()
        )
    }

    private mutating func session() -> StoredSession {
        StoredSession(
            id: self.sessionID(),
            client: self.clientID(),
            creationSequence: self.word32(),
            usesBackChannel: self.flag(),
            fore: self.limits(),
            back: self.limits(),
            callbackProgram: self.word32()
        )
    }

    private mutating func limits() -> StoredLimits {
        StoredLimits(
            maxRequest: self.word32(),
            maxResponse: self.word32(),
            maxResponseCached: self.word32(),
            maxSlots: self.word32()
        )
    }

    private mutating func reply() -> StoredReply {
        StoredReply(
            session: self.sessionID(),
            slot: UInt32(self.number(0...2)),
            sequence: self.word32(),
            digest: self.random.next(),
            reply: self.flag() ? self.bytes(600) : nil
        )
    }

    private mutating func file() -> StoredFile {
        let shifts = (0..<self.number(0...3)).map { _ in
            LoggedShift(
                epoch: self.random.next(),
                shift: Shift(isInsert: self.flag(), offset: self.random.next(), length: self.random.next())
            )
        }
        return StoredFile(
            handle: self.handle(),
            locator: self.bytes(80),
            epoch: self.random.next(),
            logStart: self.random.next(),
            shifts: shifts
        )
    }

    private mutating func holder() -> StoredHolder {
        let segments = (0..<self.number(0...4)).compactMap { _ -> StoredSegment? in
            let lower = self.random.next() >> 1
            return ByteRange(lower, self.flag() ? .max : lower + 4096).map { range in
                StoredSegment(
                    range: range,
                    ioMode: self.flag() ? .read : .readWrite,
                    breaksOnWrite: self.flag(),
                    isExclusive: self.flag()
                )
            }
        }
        return StoredHolder(
            number: self.holderNumber(),
            client: self.clientID(),
            file: self.handle(),
            seqid: self.word32(),
            segments: segments,
            locks: (0..<self.number(0...2)).map { _ in self.random.next() },
            peers: (0..<self.number(0...2)).map { _ in
                StoredPeer(
                    lock: self.random.next(),
                    pid: Int32(bitPattern: self.word32()),
                    startTime: self.random.next(),
                    uid: self.word32()
                )
            }
        )
    }

    private mutating func intent() -> StoredIntent {
        StoredIntent(
            number: self.big(5),
            session: self.sessionID(),
            slot: self.word32(),
            sequence: self.word32(),
            digest: self.random.next(),
            keepsReply: self.flag(),
            body: self.bytes(300)
        )
    }

    private mutating func number(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &self.random) }
    private mutating func flag() -> Bool { self.number(0...1) == 1 }
    private mutating func word32() -> UInt32 { UInt32(truncatingIfNeeded: self.random.next()) }
    private mutating func bytes(_ most: Int) -> [UInt8] {
        (0..<self.number(0...most)).map { _ in UInt8(truncatingIfNeeded: self.random.next()) }
    }
    /// One of few numbers, some of them with the highest bit.
    private mutating func big(_ count: Int) -> UInt64 {
        let number = UInt64(self.number(1...count))
        return number.isMultiple(of: 2) ? number : .max - number
    }
    private mutating func clientID() -> ClientID { ClientID(self.big(4)) }
    private mutating func holderNumber() -> UInt64 { self.big(12) }
    private mutating func sessionID() -> SessionID {
        SessionID(Opaque16(low: self.big(4), high: UInt64(self.number(0...1))))
    }
    private mutating func handle() -> FileHandle {
        FileHandle(low: Opaque16(low: self.big(3), high: 0), high: Opaque16(low: 0, high: UInt64(self.number(0...1))))
    }
}

extension RecoveredState {
    /// What these writes lead to, one after the other.
    package init(_ writes: some Sequence<RecoveryScript.Write>) { self.init(writes.flatMap(\.records)) }
}
