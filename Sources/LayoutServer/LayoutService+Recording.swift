import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import NIOCore
import ONCRPC
import Recovery
import Sessions

/// Names a call in progress: a slot has one at a time.
struct CallSlot: Hashable {
    let session: SessionID
    let slot: UInt32
}

extension ActiveCall {
    var slot: CallSlot { CallSlot(session: self.running.session, slot: self.running.slot) }
}

/// A change that was made and not answered yet: what has to be written with its answer.
struct UnansweredChange {
    let record: ReplyRecord
    /// What the change did to what is known of its files.
    var more: [RecoveryRecord] = []

    var durability: Durability { self.record.durability }
}

/// Changes that are made exactly once, and what the store is told of them (specification §8.4).
extension LayoutService {
    /// Whoever makes the change of a call.
    func recorder(for call: ActiveCall) -> ChangeRecorder {
        ChangeRecorder(
            journal: self.journal,
            call: RecordedCall(
                session: call.running.session,
                slot: call.running.slot,
                sequence: call.running.sequence,
                digest: call.running.digest,
                keepsReply: call.running.keepsReply,
                procedure: call.incoming.procedure,
                // A write leaves no intent that they would be part of.
                arguments: call.incoming.procedure == .write ? [] : Array(call.body.readableBytesView)
            )
        )
    }

    /// A change was begun: its call's answer is written before it is sent.
    func begun(_ record: ReplyRecord?, _ call: ActiveCall) {
        guard let record else { return }
        var change = UnansweredChange(record: record)
        // OPEN may have found a file that it meant to make, and then empties it.
        if let earlier = self.unanswered[call.slot]?.record.intent { change.more.append(.intentEnded(number: earlier)) }
        self.unanswered[call.slot] = change
    }

    /// Makes a change that the engine has no part in, on a thread that may block.
    func runRecorded<Value: Sendable>(
        on file: FileID?,
        _ call: ActiveCall,
        _ body: @escaping @Sendable (ChangeRecorder) -> RecordedChange<Value>,
        then completion: @escaping (Result<Value, Failure>) -> Void
    ) {
        let recorder = self.recorder(for: call)
        self.work.run(
            on: file,
            { body(recorder) },
            then: { change in
                self.begun(change.record, call)
                completion(change.result)
            }
        )
    }

    /// What is written with the answer to a change.
    func records(of change: UnansweredChange, _ call: ActiveCall, _ body: ByteBuffer) -> [RecoveryRecord] {
        var records = change.more
        if let reply = self.sessions.storedReply(of: call.running, reply: Array(body.readableBytesView)) {
            records.append(.reply(reply))
        }
        if let intent = change.record.intent { records.append(.intentEnded(number: intent)) }
        return records
    }

    /// What a later life has to know of a file.
    func stored(_ entry: FileEntry) -> RecoveryRecord {
        entry.isStored = true
        // While a local program may be moving bytes nothing is known of the shifts to whoever does not see the end.
        let log = entry.localShifts > 0 ? self.engine.voidLog() : self.engine.log(of: entry.id)
        return .file(
            StoredFile(
                handle: entry.handle,
                locator: entry.locator,
                epoch: log.epoch,
                logStart: log.start,
                shifts: log.shifts
            )
        )
    }

    // MARK: Holders

    /// What the actions that come first want to be kept: the records, and how many actions they are for.
    func records(of actions: ArraySlice<LeaseEngine.Action>) -> (records: [RecoveryRecord], count: Int) {
        var records: [RecoveryRecord] = []
        var count = 0
        for action in actions {
            switch action {
            case .persist(let holder):
                if case .grant(let call, let grant)? = actions.dropFirst(count + 1).first, grant.holder == holder.holder
                {
                    self.announceDescription(of: call, to: grant.holder)
                }
                records += self.records(of: holder.holder)
            case .persistRevocation(let client, let file):
                guard let handle = self.files.find(file)?.handle else { break }
                records.append(.revocation(StoredRevocation(client: client, file: handle)))
            default:
                return (records, count)
            }
            count += 1
        }
        return (records, count)
    }

    /// What a later life has to know of a holder, with the lock bytes of its descriptions.
    ///
    /// As it is now, which may be later than what asked for it: an older record must not follow a newer one.
    func records(of holder: LeaseEngine.HolderID) -> [RecoveryRecord] {
        guard let record = self.engine.record(of: holder), let entry = self.files.find(record.file) else {
            return [.holderGone(number: holder.rawValue)]
        }
        let stored = StoredHolder(
            number: holder.rawValue,
            client: record.client,
            file: entry.handle,
            seqid: record.seqid,
            segments: record.segments,
            locks: self.descriptions.locks(of: holder),
            peers: self.descriptions.storedPeers(of: holder)
        )
        return (entry.isStored ? [] : [self.stored(entry)]) + [.holder(stored)]
    }

    /// The description that was opened for a LAYOUTGET is going to be its holder's: its lock is kept with the holder,
    /// before anybody can fetch it.
    private func announceDescription(of call: CallID, to holder: LeaseEngine.HolderID) {
        guard let lock = self.gets[call]?.resolved?.description?.lock else { return }
        self.descriptions.announce(lock, to: holder)
        self.gets[call]?.isLockKept = true
    }

    /// Keeps the lock byte of a new description of a holder, then goes on; with `nil` if the holder is there no more.
    func keepLock(
        _ lock: UInt64,
        of holder: LeaseEngine.HolderID,
        then completion: @escaping (Failure?) -> Void
    ) {
        let gone = Failure(.badStateID, "the layout was returned or revoked meanwhile: ask for it again")
        guard self.engine.isHolder(holder) else { return completion(gone) }
        self.descriptions.announce(lock, to: holder)
        let records = self.records(of: holder)
        self.write(records, .written) { result in
            switch result {
            case .success: completion(self.engine.isHolder(holder) ? nil : gone)
            case .failure(let error):
                self.wereNotWritten(records)
                completion(Failure(error.status, error.refusal))
            }
        }
    }

    /// Files that were to be kept are not.
    func wereNotWritten(_ records: [RecoveryRecord]) {
        for record in records {
            if case .file(let file) = record { self.files.find(file.handle)?.isStored = false }
        }
    }

    // MARK: The store

    /// Writes records, and goes on when they are written.
    func write(
        _ records: [RecoveryRecord],
        _ durability: Durability,
        then completion: @escaping (Result<Void, RecoveryStoreError>) -> Void
    ) {
        self.journal.append(records, durability, then: NIOLoopBound(completion, eventLoop: self.eventLoop))
    }

    /// Writes records that nothing depends on: without them the next life is only more careful.
    func writeLater(_ records: [RecoveryRecord]) {
        guard !records.isEmpty else { return }
        self.write(records, .written) { result in
            guard case .failure(let error) = result else { return }
            self.logger.warning("not written down", metadata: ["error": "\(error.message)"])
        }
    }

    /// What was done cannot be written down: nobody may be told of it by this life of the server.
    ///
    /// The next one finds the intent and answers, or knows that it cannot.
    func storeFailed(_ error: RecoveryStoreError) {
        guard !self.hasFailed, !self.hasEnded else { return }
        self.hasFailed = true
        self.logger.critical(
            "the server ends: what it has done cannot be written down; make the store usable and start it again",
            metadata: ["error": "\(error.message)"]
        )
        for connection in Array(self.connections.values) { connection.close("the recovery store has failed") }
        self.configuration.storeFailed(error.message)
    }
}
