import Glibc
import LinuxFiles
import Recovery

/// The files of a store, by their names in its directory.
enum StoreFile: String, CaseIterable {
    case database = "recovery.sqlite"
    case log = "recovery.sqlite-wal"
    case journal = "recovery.sqlite-journal"
    case index = "recovery.sqlite-shm"
    /// ``LastWrite``, on its way to its name.
    case lastWriteDraft = "last-write.new"
    /// Last, so that a move that is interrupted leaves a store that is refused, and not one that looks new.
    case lastWrite = "last-write"

    var path: [UInt8] { Array(self.rawValue.utf8) }
}

/// The lock that keeps other servers out; falls with the last reference, or when the process ends.
private final class StoreLock: Sendable {
    private let file: SharedDescriptor

    /// Adopts the lock of a file that was taken.
    init(_ file: SharedDescriptor) { self.file = file }

    // Not left to the closing of the descriptor: a child that is just being started has a copy of it until its exec.
    deinit { OwnerLock.release(self.file) }
}

/// The directory that a store is in, locked for one server.
///
/// Blocks; the descriptors are closed, and the lock falls, with the last copy.
struct StoreDirectory: Sendable {
    /// What the files say before the database is opened.
    enum Condition {
        /// Nothing was ever answered for: make a store.
        case new
        case existing(LastWrite)
    }

    let failure: StoreFailure
    private let root: ExportRoot
    private let lock: StoreLock

    private static var lockName: String { "lock" }
    private static var asidePrefix: String { "set-aside-" }

    /// Makes the directory, for its owner alone, if it is not there, and locks it.
    ///
    /// A server that was killed is waited for, up to ``LinuxFiles/OwnerLock/patience``; one that lives is not.
    init(path: String) throws(RecoveryStoreError) {
        self.failure = StoreFailure(directory: path)
        do {
            if unsafe mkdir(path, 0o700) != 0, errno != EEXIST {
                throw LinuxError(errno: errno, call: "mkdir", attempt: "make '\(path)'")
            }
            self.root = try ExportRoot(path: path)
            let name = Array(Self.lockName.utf8)
            let file = try self.root.create(name, for: .readWrite, mode: 0o600, exclusively: false).descriptor
            switch try OwnerLock.take(file, "lock '\(path)/\(Self.lockName)'") {
            case .taken: self.lock = StoreLock(file)
            case .refused(let owner): throw self.failure.inUse(by: owner)
            }
        } catch {
            throw self.failure.from(error, "lock")
        }
    }

    /// Looks at the files.
    ///
    /// - Throws: ``Recovery/RecoveryStoreError/Code/damaged`` if a part of a store is missing or empty.
    func condition() throws(RecoveryStoreError) -> Condition {
        let sizes = try self.sizes()
        let database = sizes[StoreFile.database.rawValue]
        guard sizes[StoreFile.lastWrite.rawValue] != nil else {
            for file in StoreFile.allCases where file != .lastWriteDraft && sizes[file.rawValue] != nil {
                throw self.failure.damaged("there is '\(self.path(of: file))', but no '\(self.path(of: .lastWrite))'")
            }
            if let stranger = sizes.keys.sorted().first(where: { !Self.isOwn($0) }) {
                throw RecoveryStoreError(
                    .unavailable,
                    "'\(self.failure.directory)' holds no recovery store, but other files ('\(stranger)'); name an empty "
                        + "directory, or one that does not exist yet"
                )
            }
            return .new
        }
        guard let lastWrite = LastWrite(try self.readLastWrite()) else {
            throw self.failure.damaged("'\(self.path(of: .lastWrite))' is not as it was written")
        }
        guard lastWrite.sequence > 0 else { return .new }
        guard let database, database > 0 else {
            throw self.failure.damaged(
                "'\(self.failure.database)' is \(database == nil ? "missing" : "empty"), and \(lastWrite.sequence) "
                    + "transactions were written to it"
            )
        }
        return .existing(lastWrite)
    }

    /// Begins a store: an empty database, and a note that nothing was answered for yet.
    func begin(_ lastWrite: LastWrite) throws(RecoveryStoreError) {
        do throws(LinuxError) {
            let draft = try self.root.create(
                StoreFile.lastWriteDraft.path,
                for: .readWrite,
                mode: 0o600,
                exclusively: false
            )
            _ = try FileInputOutput.write(lastWrite.bytes, at: 0, to: draft.descriptor)
            try MappingCalls.synchronize(draft.descriptor)
            let sizes = try self.listing()
            // What an interrupted beginning left; nobody was answered from it.
            for file in StoreFile.allCases where file != .lastWriteDraft && sizes[file.rawValue] != nil {
                try self.root.remove(file.path)
            }
            try self.root.rename(StoreFile.lastWriteDraft.path, to: StoreFile.lastWrite.path)
            // SQLite would make it readable for others, and it holds the key of the file handles.
            _ = try self.root.create(StoreFile.database.path, for: .readWrite, mode: 0o600, exclusively: true)
            try MappingCalls.synchronize(self.root.directory)
        } catch {
            throw self.failure.from(error)
        }
    }

    /// Opens the file that ``LastWrite`` is kept in.
    func openLastWrite() throws(RecoveryStoreError) -> SharedDescriptor {
        do throws(LinuxError) {
            return try self.root.open(StoreFile.lastWrite.path, for: .readWrite).shared()
        } catch {
            throw self.failure.from(error)
        }
    }

    /// Moves the files of a store, damaged or not, into a directory beside them, and returns its path; `nil` if there are
    /// none.
    func setAside() throws(RecoveryStoreError) -> String? {
        do throws(LinuxError) {
            let sizes = try self.listing()
            let files = StoreFile.allCases.filter { sizes[$0.rawValue] != nil }
            guard !files.isEmpty else { return nil }
            var number = 1
            while sizes["\(Self.asidePrefix)\(number)"] != nil { number += 1 }
            let name = "\(Self.asidePrefix)\(number)"
            try self.root.makeDirectory(Array(name.utf8), mode: 0o700)
            for file in files {
                try self.root.rename(file.path, to: Array("\(name)/\(file.rawValue)".utf8))
                try MappingCalls.synchronize(self.root.directory)
            }
            return "\(self.failure.directory)/\(name)"
        } catch {
            throw self.failure.from(error)
        }
    }

    private func path(of file: StoreFile) -> String { "\(self.failure.directory)/\(file.rawValue)" }

    private static func isOwn(_ name: String) -> Bool {
        name == Self.lockName || name.hasPrefix(Self.asidePrefix) || name == "lost+found"
            || StoreFile(rawValue: name) != nil
    }

    private func readLastWrite() throws(RecoveryStoreError) -> [UInt8] {
        do throws(LinuxError) {
            // One more, so that a longer file is not taken for this one.
            return try FileInputOutput.read(
                LastWrite.length + 1,
                at: 0,
                of: self.root.open(StoreFile.lastWrite.path, for: .read)
            )
        } catch {
            throw self.failure.from(error)
        }
    }

    private func sizes() throws(RecoveryStoreError) -> [String: UInt64] {
        do throws(LinuxError) { return try self.listing() } catch { throw self.failure.from(error) }
    }

    /// Bytes of each file, by name.
    private func listing() throws(LinuxError) -> [String: UInt64] {
        let directory = try self.root.openDirectory([])
        let entries = try ExportRoot.entries(of: directory, limit: .max).entries
        return Dictionary(entries.map { (String(decoding: $0.name, as: UTF8.self), $0.size) }) { $1 }
    }
}
