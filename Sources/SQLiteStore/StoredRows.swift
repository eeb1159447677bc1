import GRDB
import LayoutCore
import Recovery

// Each record's columns, in the order of its table, and back.

extension StoredLife {
    var columns: [DatabaseValue] {
        let lease = self.longestLease.components
        return [
            .number(UInt32(1)), .number(self.number), self.hostBoot.databaseValue, lease.seconds.databaseValue,
            lease.attoseconds.databaseValue, .words([self.handleKey.low, self.handleKey.high]),
        ]
    }

    init(_ row: inout RowReader) throws(MalformedRow) {
        guard try row.number32() == 1 else { throw row.malformed }
        self.init(
            number: try row.number32(),
            hostBoot: try row.text(),
            longestLease: Duration(
                secondsComponent: try row.integer(),
                attosecondsComponent: try row.integer()
            ),
            handleKey: try row.opaque()
        )
    }
}

extension StoredClient {
    var columns: [DatabaseValue] {
        [
            .number(self.id.rawValue), .bytes(self.owner), .number(self.verifier), .number(self.principal.uid),
            .flag(self.principal.isVerified), .number(self.creationSequence),
        ]
    }

    init(_ row: inout RowReader) throws(MalformedRow) {
        self.init(
            id: ClientID(try row.number64()),
            owner: try row.bytes(),
            verifier: try row.number64(),
            principal: StoredPrincipal(uid: try row.number32(), isVerified: try row.flag()),
            creationSequence: try row.number32()
        )
    }
}

extension StoredLimits {
    fileprivate var columns: [DatabaseValue] {
        [.number(self.maxRequest), .number(self.maxResponse), .number(self.maxResponseCached), .number(self.maxSlots)]
    }

    fileprivate init(_ row: inout RowReader) throws(MalformedRow) {
        self.init(
            maxRequest: try row.number32(),
            maxResponse: try row.number32(),
            maxResponseCached: try row.number32(),
            maxSlots: try row.number32()
        )
    }
}

extension StoredSession {
    var columns: [DatabaseValue] {
        [
            .session(self.id), .number(self.client.rawValue), .number(self.creationSequence),
            .flag(self.usesBackChannel), .number(self.callbackProgram),
        ] + self.fore.columns + self.back.columns
    }

    init(_ row: inout RowReader) throws(MalformedRow) {
        let id = SessionID(try row.opaque())
        let client = ClientID(try row.number64())
        let creationSequence = try row.number32()
        let usesBackChannel = try row.flag()
        let callbackProgram = try row.number32()
        self.init(
            id: id,
            client: client,
            creationSequence: creationSequence,
            usesBackChannel: usesBackChannel,
            fore: try StoredLimits(&row),
            back: try StoredLimits(&row),
            callbackProgram: callbackProgram
        )
    }
}

extension StoredReply {
    var columns: [DatabaseValue] {
        [
            .session(self.session), .number(self.slot), .number(self.sequence), .number(self.digest),
            self.reply.map(DatabaseValue.bytes) ?? .null,
        ]
    }

    init(_ row: inout RowReader) throws(MalformedRow) {
        self.init(
            session: SessionID(try row.opaque()),
            slot: try row.number32(),
            sequence: try row.number32(),
            digest: try row.number64(),
            reply: try row.optionalBytes()
        )
    }
}

extension StoredFile {
    var columns: [DatabaseValue] {
        let shifts = self.shifts.flatMap { logged -> [UInt64] in
            [logged.epoch, logged.shift.isInsert ? 1 : 0, logged.shift.offset, logged.shift.length]
        }
        return [
            .handle(self.handle), .bytes(self.locator), .number(self.epoch), .number(self.logStart), .words(shifts),
        ]
    }

    init(_ row: inout RowReader) throws(MalformedRow) {
        let (handle, locator) = (try row.handle(), try row.bytes())
        let (epoch, logStart) = (try row.number64(), try row.number64())
        let words = try row.words(inGroupsOf: 4)
        var shifts: [LoggedShift] = []
        for start in stride(from: 0, to: words.count, by: 4) {
            guard words[start + 1] <= 1 else { throw row.malformed }
            let shift = Shift(isInsert: words[start + 1] == 1, offset: words[start + 2], length: words[start + 3])
            shifts.append(LoggedShift(epoch: words[start], shift: shift))
        }
        self.init(handle: handle, locator: locator, epoch: epoch, logStart: logStart, shifts: shifts)
    }
}

extension StoredHolder {
    var columns: [DatabaseValue] {
        let segments = self.segments.flatMap { segment -> [UInt64] in
            [
                segment.range.lowerBound, segment.range.upperBound,
                UInt64(segment.ioMode.rawValue) << 2 | (segment.breaksOnWrite ? 2 : 0) | (segment.isExclusive ? 1 : 0),
            ]
        }
        let peers = self.peers.flatMap { peer in
            [peer.lock, UInt64(UInt32(bitPattern: peer.pid)), peer.startTime, UInt64(peer.uid)]
        }
        return [
            .number(self.number), .number(self.client.rawValue), .handle(self.file), .number(self.seqid),
            .words(segments), .words(self.locks), .words(peers),
        ]
    }

    init(_ row: inout RowReader) throws(MalformedRow) {
        let (number, client) = (try row.number64(), ClientID(try row.number64()))
        let (file, seqid) = (try row.handle(), try row.number32())
        let words = try row.words(inGroupsOf: 3)
        var segments: [StoredSegment] = []
        for start in stride(from: 0, to: words.count, by: 3) {
            guard let range = ByteRange(words[start], words[start + 1]),
                let mode = UInt32(exactly: words[start + 2] >> 2).flatMap(IOMode.init(rawValue:))
            else { throw row.malformed }
            segments.append(
                StoredSegment(
                    range: range,
                    ioMode: mode,
                    breaksOnWrite: words[start + 2] & 2 != 0,
                    isExclusive: words[start + 2] & 1 != 0
                )
            )
        }
        let locks = try row.words(inGroupsOf: 1)
        let peerWords = try row.words(inGroupsOf: 4)
        var peers: [StoredPeer] = []
        for start in stride(from: 0, to: peerWords.count, by: 4) {
            guard let pid = UInt32(exactly: peerWords[start + 1]), let uid = UInt32(exactly: peerWords[start + 3])
            else { throw row.malformed }
            peers.append(
                StoredPeer(
                    lock: peerWords[start],
                    pid: Int32(bitPattern: pid),
                    startTime: peerWords[start + 2],
                    uid: uid
                )
            )
        }
        self.init(
            number: number,
            client: client,
            file: file,
            seqid: seqid,
            segments: segments,
            locks: locks,
            peers: peers
        )
    }
}

extension StoredRevocation {
    var columns: [DatabaseValue] { [.number(self.client.rawValue), .handle(self.file)] }

    init(_ row: inout RowReader) throws(MalformedRow) {
        self.init(client: ClientID(try row.number64()), file: try row.handle())
    }
}

extension StoredIntent {
    var columns: [DatabaseValue] {
        [
            .number(self.number), .session(self.session), .number(self.slot), .number(self.sequence),
            .number(self.digest), .flag(self.keepsReply), .bytes(self.body),
        ]
    }

    init(_ row: inout RowReader) throws(MalformedRow) {
        self.init(
            number: try row.number64(),
            session: SessionID(try row.opaque()),
            slot: try row.number32(),
            sequence: try row.number32(),
            digest: try row.number64(),
            keepsReply: try row.flag(),
            body: try row.bytes()
        )
    }
}

extension Table {
    /// The record that leads to a row of this table.
    func record(_ values: [DatabaseValue]) throws(MalformedRow) -> RecoveryRecord {
        var row = RowReader(values, of: self)
        switch self {
        case .life: return .life(try StoredLife(&row))
        case .client: return .client(try StoredClient(&row))
        case .session: return .session(try StoredSession(&row))
        case .reply: return .reply(try StoredReply(&row))
        case .file: return .file(try StoredFile(&row))
        case .holder: return .holder(try StoredHolder(&row))
        case .revocation: return .revocation(try StoredRevocation(&row))
        case .intent: return .intent(try StoredIntent(&row))
        case .block: return .blocked(try row.handle(), reason: try row.text())
        }
    }
}
