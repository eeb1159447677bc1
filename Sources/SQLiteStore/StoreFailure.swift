import GRDB
import LayoutCore
import LinuxFiles
import Recovery

/// The messages of a store in one directory: what happened to which file, and the remedy.
struct StoreFailure: Sendable {
    let directory: String

    /// The database's path.
    var database: String { "\(self.directory)/\(StoreFile.database.rawValue)" }

    /// Content that makes no sense.
    func damaged(_ what: String) -> RecoveryStoreError { RecoveryStoreError(.damaged, "\(what); \(self.restore)") }

    func wrongVersion(_ found: Int32) -> RecoveryStoreError {
        let age = found > Schema.version ? "newer" : "older"
        return RecoveryStoreError(
            .wrongVersion,
            "'\(self.database)' was made by \(age) software: it has version \(found) of the tables, and this server knows "
                + "version \(Schema.version); start the server that made it, or \(Self.newState)"
        )
    }

    var foreign: RecoveryStoreError {
        RecoveryStoreError(
            .foreign,
            "'\(self.database)' belongs to another filesystem or directory than the one that is to be exported; name the "
                + "export that it was made for, or another state directory, or \(Self.newState)"
        )
    }

    func inUse(by owner: Int32?) -> RecoveryStoreError {
        let process = owner.map { " (process \($0))" } ?? ""
        return RecoveryStoreError(
            .inUse,
            "another server\(process) uses the state directory '\(self.directory)'; stop it first, or name another directory"
        )
    }

    var closed: RecoveryStoreError {
        RecoveryStoreError(
            .unavailable,
            "'\(self.database)' was closed: the server is stopping; send the call again later"
        )
    }

    /// What a system call on a file of the directory failed with.
    func from(_ error: LinuxError) -> RecoveryStoreError {
        let code: RecoveryStoreError.Code =
            switch error.status {
            case .noSpace, .quota: .full
            default: .unavailable
            }
        return RecoveryStoreError(code, "the state directory '\(self.directory)' cannot be used: \(error.message)")
    }

    /// What the database failed with.
    func from(_ error: any Error, _ attempt: String) -> RecoveryStoreError {
        switch error {
        case let error as RecoveryStoreError: return error
        case let error as LinuxError: return self.from(error)
        case let error as MalformedRow:
            return self.damaged("'\(self.database)' has a row in '\(error.table.rawValue)' that makes no sense")
        case let error as DatabaseError: return self.from(error, attempt)
        default: return self.damaged("cannot \(attempt) '\(self.database)': \(error)")
        }
    }

    private func from(_ error: DatabaseError, _ attempt: String) -> RecoveryStoreError {
        let reason =
            "cannot \(attempt) '\(self.database)': \(error.message ?? "no reason given") (SQLite: \(error.extendedResultCode))"
        switch error.resultCode {
        case .SQLITE_FULL:
            return RecoveryStoreError(
                .full,
                "\(reason); nothing of it was kept: free space on the filesystem of '\(self.directory)', or raise its quota"
            )
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            return RecoveryStoreError(.inUse, "\(reason); end the program that has it open")
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH, .SQLITE_CANTOPEN:
            return RecoveryStoreError(
                .unavailable,
                "\(reason); make the directory and its files writable for the server's user, on a filesystem that is mounted "
                    + "read-write"
            )
        case .SQLITE_IOERR where error.extendedResultCode != .SQLITE_IOERR_SHORT_READ:
            return RecoveryStoreError(
                .unavailable,
                "\(reason); look into the kernel's log, check the device and the quota, then start the server again"
            )
        case .SQLITE_NOMEM:
            return RecoveryStoreError(.unavailable, "\(reason); free memory, then start the server again")
        default:
            return self.damaged(reason)
        }
    }

    private var restore: String {
        "put the files of '\(self.directory)' back as they were when the server last ran (an older copy lacks holders), or "
            + Self.newState
    }

    private static var newState: String {
        "start with --new-state: it keeps these files aside under another name and begins with nothing known, so the server "
            + "first waits until no lock of an earlier holder is left, and clients lose what they held"
    }
}
