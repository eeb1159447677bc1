import FoundationEssentials
import GRDB
import LinuxFiles
import Recovery

/// Whose store this is, how many transactions it has seen, and what its rows add up to.
///
/// SQLite notices a broken structure, but not a flipped bit in a value, and not a page that is older than its
/// neighbours. Every transaction writes the seal anew, so rows that do not fit it show.
struct Seal: Equatable {
    let identity: StoreIdentity
    /// 1 for the creation of the store; 1 more with every transaction.
    var sequence: UInt64
    /// Of all tables.
    private(set) var rowCount: UInt64 = 0
    /// The sum of the rows' codes, modulo 2^64: does not depend on their order.
    private(set) var digest: UInt64 = 0

    /// The seal of a new store.
    init(identity: StoreIdentity) {
        self.identity = identity
        self.sequence = 1
    }

    /// Counts a row that comes.
    mutating func add(_ values: [DatabaseValue], to table: Table) {
        self.rowCount &+= 1
        self.digest &+= Self.code(of: values, in: table)
    }

    /// Counts a row that goes.
    mutating func remove(_ values: [DatabaseValue], from table: Table) {
        self.rowCount &-= 1
        self.digest &-= Self.code(of: values, in: table)
    }

    /// Whether the other seal stands for the same rows.
    func hasRows(of other: Seal) -> Bool { self.rowCount == other.rowCount && self.digest == other.digest }

    /// Writes the seal into the database.
    func write(_ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: "INSERT OR REPLACE INTO store (id, filesystem, inode, generation, sequence, row_count, digest, code) "
                + "VALUES (1, ?, ?, ?, ?, ?, ?, ?)"
        )
        try statement.execute(arguments: StatementArguments((self.words + [self.code]).map(DatabaseValue.number)))
    }

    /// Reads the seal; `nil` if there is not exactly one, or it was altered.
    static func read(_ database: Database) throws -> Seal? {
        let rows = try Row.fetchAll(
            database,
            sql: "SELECT filesystem, inode, generation, sequence, row_count, digest, code FROM store"
        )
        guard let row = rows.first, rows.count == 1 else { return nil }
        let words: [UInt64] = row.databaseValues.map { UInt64(bitPattern: Int64.fromDatabaseValue($0) ?? 0) }
        var seal = Seal(
            identity: StoreIdentity(fileSystem: words[0], exportInode: words[1], exportGeneration: words[2])
        )
        (seal.sequence, seal.rowCount, seal.digest) = (words[3], words[4], words[5])
        return seal.code == words[6] ? seal : nil
    }

    private var words: [UInt64] {
        [
            self.identity.fileSystem, self.identity.exportInode, self.identity.exportGeneration, self.sequence,
            self.rowCount, self.digest,
        ]
    }

    private var code: UInt64 {
        var hash = SipHash(key: Self.key)
        for word in self.words { hash.combine(word) }
        return hash.finish()
    }

    /// The code of a row: its table, and the kind and value of each column.
    private static func code(of values: [DatabaseValue], in table: Table) -> UInt64 {
        var hash = SipHash(key: Self.key)
        hash.combine(table.rawValue.utf8)
        for value in values {
            switch value.storage {
            case .null:
                hash.combine(0)
            case .int64(let number):
                hash.combine(1)
                hash.combine(UInt64(bitPattern: number))
            case .double(let number):
                hash.combine(2)
                hash.combine(number.bitPattern)
            case .string(let text):
                hash.combine(3)
                hash.combine(text.utf8)
            case .blob(let data):
                hash.combine(4)
                hash.combine(data)
            }
        }
        return hash.finish()
    }

    /// Public: against accidents, not against those who can write the file.
    private static var key: SipHash.Key { SipHash.Key(0, 0) }
}
