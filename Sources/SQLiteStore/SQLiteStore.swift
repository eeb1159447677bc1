import GRDB
import LayoutCore
import LinuxFiles
package import Recovery
import Synchronization

/// A recovery store in an SQLite database.
///
/// Write-ahead log; one connection, which no other process can share. Writes that wait at the same time become one
/// transaction. A `.written` write is in the page cache when it returns, a `.synced` one on stable storage, and with it all
/// before it. ``Seal`` and ``LastWrite`` make sure that what is read is all that was answered for: a store that is torn,
/// flipped, too old or not the right one is refused with an error, and never taken for one with fewer holders.
///
/// Safe to use from several threads; every call blocks.
package final class SQLiteStore: RecoveryStore {
    /// A call to ``write(_:_:)`` on its way into a transaction.
    private final class Waiting: Sendable {
        let records: [RecoveryRecord]
        let durability: Durability
        /// How it went; `nil` while nothing was tried.
        let outcome = Mutex<Result<Void, RecoveryStoreError>?>(nil)

        init(_ records: [RecoveryRecord], _ durability: Durability) {
            self.records = records
            self.durability = durability
        }
    }

    /// What a transaction needs and changes.
    private struct Log {
        var seal: Seal
        var lastWrite: LastWrite
        /// Where that is kept.
        let lastWriteFile: SharedDescriptor
        /// Holds the lock.
        let directory: StoreDirectory
        /// What the connection is set to.
        var durability: Durability
        /// After this nothing that is written can be relied on.
        var failure: RecoveryStoreError?
    }

    /// Where an earlier store was moved by ``Mode/newState``; `nil` if there was none, or it was not asked for.
    package let setAside: String?

    private let failure: StoreFailure
    private let queue: DatabaseQueue
    private let waiting = Mutex<[Waiting]>([])
    /// `nil` once the store is closed.
    private let log: Mutex<Log?>

    /// Takes over what ``open(directory:identity:mode:)`` has checked.
    init(
        _ queue: DatabaseQueue,
        in directory: StoreDirectory,
        seal: Seal,
        lastWrite: LastWrite,
        setAside: String?
    ) throws(RecoveryStoreError) {
        self.failure = directory.failure
        self.queue = queue
        self.log = Mutex(
            Log(
                seal: seal,
                lastWrite: lastWrite,
                lastWriteFile: try directory.openLastWrite(),
                directory: directory,
                durability: .synced
            )
        )
        self.setAside = setAside
    }

    /// Reads everything, and checks that it is what was written.
    ///
    /// - Throws: ``Recovery/RecoveryStoreError/Code/damaged`` or ``Recovery/RecoveryStoreError/Code/unavailable``.
    package func load() throws(RecoveryStoreError) -> RecoveredState {
        do {
            return try self.queue.writeWithoutTransaction { database in
                let seal = try self.log.withLock { log in
                    guard let log else { throw self.failure.closed }
                    if let failure = log.failure { throw failure }
                    return log.seal
                }
                guard let state = try Rows.read(database, sealed: seal) else {
                    throw self.failure.damaged("'\(self.failure.database)' has lost rows, or rows were altered")
                }
                return state
            }
        } catch {
            throw self.failure.from(error, "read")
        }
    }

    /// Keeps the records: all of them, or, if it throws, none.
    ///
    /// After ``Recovery/RecoveryStoreError/Code/full`` a later write can succeed. After any other error none does until the
    /// store is opened again: once the device has failed to take what was written, its later answers mean nothing.
    package func write(_ records: [RecoveryRecord], _ durability: Durability) throws(RecoveryStoreError) {
        let mine = Waiting(records, durability)
        self.waiting.withLock { $0.append(mine) }
        self.queue.writeWithoutTransaction { database in
            // An earlier caller may have taken these records along. What others have brought since is theirs to commit: so it
            // gathers, and does not go one by one.
            guard mine.outcome.withLock({ $0 == nil }) else { return }
            let group = self.waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            self.commit(group, to: database)
        }
        try mine.outcome.withLock { $0 }?.get()
    }

    /// Ends the use of the store, and lets another server have it.
    package func close() {
        let log = self.log.withLock { log in
            defer { log = nil }
            return log
        }
        // A database that cannot be closed in order is recovered from its log when it is opened again.
        try? self.queue.close()
        // Only now may another server come.
        withExtendedLifetime(log) {}
    }

    /// Says that the store is made: from now on its files are missed if they are not there.
    func answerForCreation() throws(LinuxError) {
        try self.log.withLock { log throws(LinuxError) in
            guard let log else { return }
            try log.lastWrite.write(to: log.lastWriteFile)
            try MappingCalls.synchronize(log.lastWriteFile)
        }
    }

    /// Writes what the callers wait for as one transaction, and tells each of them how it went.
    private func commit(_ group: [Waiting], to database: Database) {
        let durability: Durability = group.contains { $0.durability == .synced } ? .synced : .written
        let outcome = self.log.withLock { log -> Result<Void, RecoveryStoreError> in
            guard var open = log.take() else { return .failure(self.failure.closed) }
            defer { log = open }
            if let failure = open.failure { return .failure(failure) }
            do {
                try self.commit(group.flatMap(\.records), durability, to: database, &open)
                return .success(())
            } catch {
                let failure = self.failure.from(error, "write to")
                if failure.code != .full || !(error is DatabaseError) { open.failure = failure }
                return .failure(failure)
            }
        }
        for caller in group { caller.outcome.withLock { $0 = outcome } }
    }

    private func commit(
        _ records: [RecoveryRecord],
        _ durability: Durability,
        to database: Database,
        _ log: inout Log
    ) throws {
        if log.durability != durability {
            try database.setDurability(durability)
            log.durability = durability
        }
        var rows = Rows(database, seal: log.seal)
        var seal = log.seal
        try database.inTransaction(.immediate) {
            for record in records { try rows.apply(record) }
            seal = rows.seal
            seal.sequence += 1
            try seal.write(database)
            return .commit
        }
        log.seal = seal
        log.lastWrite.sequence = seal.sequence
        switch durability {
        case .written: break
        case .synced: log.lastWrite.synced = seal.sequence
        }
        try log.lastWrite.write(to: log.lastWriteFile)
    }
}

extension Database {
    /// Sets what the next commits wait for: the device (`FULL`), or nothing but what keeps the file sound (`NORMAL`).
    func setDurability(_ durability: Durability) throws {
        switch durability {
        case .written: try self.execute(sql: "PRAGMA synchronous = NORMAL")
        case .synced: try self.execute(sql: "PRAGMA synchronous = FULL")
        }
    }
}

extension LastWrite {
    /// Replaces what the file says.
    func write(to file: SharedDescriptor) throws(LinuxError) {
        let bytes = self.bytes
        guard try FileInputOutput.write(bytes, at: 0, to: file) == bytes.count else {
            throw LinuxError(refusing: .noSpace, "cannot write \(bytes.count) bytes to 'last-write'; free space")
        }
    }
}
