import GRDB
import LinuxFiles
package import Recovery

extension SQLiteStore {
    /// What to do with a store that is there.
    package enum Mode: Hashable, Sendable {
        /// Use it, if it is sound; where there is none, this is the first start, and one is made.
        case existingOrNew
        /// Keep it aside under another name, sound or not, and make a new one.
        case newState
    }

    /// Opens the store in a directory.
    ///
    /// A directory that is missing or empty is a first start: it is made, for its owner alone. Everything in the store is
    /// read and checked; nothing is repaired.
    /// - Parameters:
    ///   - path: The directory, the operator's; on a local filesystem.
    ///   - identity: What the store must belong to.
    ///   - mode: What to do with a store that is there.
    /// - Returns: The store, locked for this process until ``close()``.
    /// - Throws: Any code of ``Recovery/RecoveryStoreError``; the message names the file and the remedy.
    package static func open(
        directory path: String,
        identity: StoreIdentity,
        mode: Mode
    ) throws(RecoveryStoreError) -> SQLiteStore {
        let directory = try StoreDirectory(path: path)
        let hostBoot: String
        do throws(LinuxError) { hostBoot = try Host.bootID() } catch { throw directory.failure.from(error) }
        let setAside: String? =
            switch mode {
            case .existingOrNew: nil
            case .newState: try directory.setAside()
            }
        var lastWrite = LastWrite(hostBoot: hostBoot)
        var required: UInt64?
        switch try directory.condition() {
        case .new:
            try directory.begin(lastWrite)
        case .existing(let found):
            required = found.required(in: hostBoot)
            lastWrite.synced = found.synced
        }
        let (queue, seal) = try Self.openDatabase(directory.failure, identity, required: required)
        do {
            lastWrite.sequence = seal.sequence
            // A new store is synced as it is made.
            if required == nil { lastWrite.synced = seal.sequence }
            let store = try SQLiteStore(queue, in: directory, seal: seal, lastWrite: lastWrite, setAside: setAside)
            if required == nil { try store.answerForCreation() }
            return store
        } catch {
            try? queue.close()
            throw directory.failure.from(error, "open")
        }
    }

    private static func openDatabase(
        _ failure: StoreFailure,
        _ identity: StoreIdentity,
        required: UInt64?
    ) throws(RecoveryStoreError) -> (DatabaseQueue, Seal) {
        var configuration = Configuration()
        configuration.label = "layoutd.recovery"
        configuration.busyMode = .immediateError
        configuration.foreignKeysEnabled = false
        configuration.prepareDatabase { database in
            // Before the file is read: without an index of the log in shared memory, and with nothing in a damaged schema
            // carried out.
            for pragma in ["locking_mode = EXCLUSIVE", "trusted_schema = OFF", "cell_size_check = ON"] {
                try database.execute(sql: "PRAGMA \(pragma)")
            }
        }
        var opened: DatabaseQueue?
        do {
            let queue = try DatabaseQueue(path: failure.database, configuration: configuration)
            opened = queue
            let seal = try queue.writeWithoutTransaction { database in
                guard let required else {
                    return try Self.create(database, failure, identity)
                }
                return try Self.check(database, failure, identity, required: required)
            }
            return (queue, seal)
        } catch {
            try? opened?.close()
            throw failure.from(error, "open")
        }
    }

    /// Makes the tables, in one transaction that is synced.
    private static func create(
        _ database: Database,
        _ failure: StoreFailure,
        _ identity: StoreIdentity
    ) throws -> Seal {
        try Self.useLog(database, failure)
        try database.setDurability(.synced)
        let seal = Seal(identity: identity)
        try database.inTransaction(.immediate) {
            for statement in Schema.statements { try database.execute(sql: statement) }
            try database.execute(sql: "PRAGMA application_id = \(Schema.applicationID)")
            try database.execute(sql: "PRAGMA user_version = \(Schema.version)")
            try seal.write(database)
            return .commit
        }
        return seal
    }

    /// Checks everything that can be wrong with a database, and returns its seal.
    private static func check(
        _ database: Database,
        _ failure: StoreFailure,
        _ identity: StoreIdentity,
        required: UInt64
    ) throws -> Seal {
        guard try Int32.fetchOne(database, sql: "PRAGMA application_id") == Schema.applicationID else {
            throw failure.damaged("'\(failure.database)' is not the database of a recovery store")
        }
        let version = try Int32.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard version == Schema.version else { throw failure.wrongVersion(version) }
        try Self.useLog(database, failure)
        let statements = try String.fetchSet(database, sql: "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
        guard statements == Set(Schema.statements) else {
            throw failure.damaged("'\(failure.database)' has other tables than this server makes")
        }
        let verdict = try String.fetchOne(database, sql: "PRAGMA integrity_check(1)") ?? "no answer"
        guard verdict == "ok" else { throw failure.damaged("'\(failure.database)' is damaged (\(verdict))") }
        guard let seal = try Seal.read(database), try Rows.read(database, sealed: seal) != nil else {
            throw failure.damaged("'\(failure.database)' has lost rows, or rows were altered")
        }
        guard seal.identity == identity else { throw failure.foreign }
        guard seal.sequence >= required else {
            throw failure.damaged(
                "'\(failure.database)' ends with transaction \(seal.sequence), and \(required) were written to it: the end "
                    + "of its log is lost, or it was replaced by an older copy"
            )
        }
        try database.setDurability(.synced)
        return seal
    }

    private static func useLog(_ database: Database, _ failure: StoreFailure) throws {
        let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL")
        guard mode == "wal" else {
            throw RecoveryStoreError(
                .unavailable,
                "'\(failure.database)' cannot have a write-ahead log (its journal mode is '\(mode ?? "unknown")'); put the "
                    + "state directory on a local filesystem"
            )
        }
    }
}
