/// A table of records; its name is the raw value.
///
/// In the order in which rows are read back: a session before its replies.
enum Table: String, CaseIterable {
    case life
    case client
    case session
    case reply
    case file
    case holder
    case revocation
    case intent
    case block

    /// Name and type of each column; the key's columns come first.
    private var definitions: [String] {
        switch self {
        case .life:
            [
                "id INTEGER NOT NULL", "number INTEGER NOT NULL", "host_boot TEXT NOT NULL",
                "longest_lease_seconds INTEGER NOT NULL", "longest_lease_attoseconds INTEGER NOT NULL",
                "handle_key BLOB NOT NULL",
            ]
        case .client:
            [
                "id INTEGER NOT NULL", "owner BLOB NOT NULL", "verifier INTEGER NOT NULL", "uid INTEGER NOT NULL",
                "is_verified INTEGER NOT NULL", "creation_sequence INTEGER NOT NULL",
            ]
        case .session:
            [
                "id BLOB NOT NULL", "client INTEGER NOT NULL", "creation_sequence INTEGER NOT NULL",
                "uses_back_channel INTEGER NOT NULL", "callback_program INTEGER NOT NULL",
                "fore_max_request INTEGER NOT NULL", "fore_max_response INTEGER NOT NULL",
                "fore_max_response_cached INTEGER NOT NULL", "fore_max_slots INTEGER NOT NULL",
                "back_max_request INTEGER NOT NULL", "back_max_response INTEGER NOT NULL",
                "back_max_response_cached INTEGER NOT NULL", "back_max_slots INTEGER NOT NULL",
            ]
        case .reply:
            [
                "session BLOB NOT NULL", "slot INTEGER NOT NULL", "sequence INTEGER NOT NULL",
                "digest INTEGER NOT NULL", "reply BLOB",
            ]
        case .file:
            [
                "handle BLOB NOT NULL", "locator BLOB NOT NULL", "epoch INTEGER NOT NULL",
                "log_start INTEGER NOT NULL", "shifts BLOB NOT NULL",
            ]
        case .holder:
            [
                "number INTEGER NOT NULL", "client INTEGER NOT NULL", "file BLOB NOT NULL", "seqid INTEGER NOT NULL",
                "segments BLOB NOT NULL", "locks BLOB NOT NULL", "peers BLOB NOT NULL",
            ]
        case .revocation:
            ["client INTEGER NOT NULL", "file BLOB NOT NULL"]
        case .intent:
            [
                "number INTEGER NOT NULL", "session BLOB NOT NULL", "slot INTEGER NOT NULL",
                "sequence INTEGER NOT NULL", "digest INTEGER NOT NULL", "keeps_reply INTEGER NOT NULL",
                "body BLOB NOT NULL",
            ]
        case .block:
            ["file BLOB NOT NULL", "reason TEXT NOT NULL"]
        }
    }

    /// How many columns make the key.
    var keyCount: Int {
        switch self {
        case .reply, .revocation: 2
        case .life, .client, .session, .file, .holder, .intent, .block: 1
        }
    }

    /// The columns' names, in order.
    var columns: [String] { self.definitions.map { String($0.prefix { $0 != " " }) } }
    /// The key's columns.
    var key: ArraySlice<String> { self.columns.prefix(self.keyCount) }

    fileprivate var creation: String {
        let definitions = self.definitions.joined(separator: ", ")
        return "CREATE TABLE \(self.rawValue) (\(definitions), PRIMARY KEY (\(self.key.joined(separator: ", ")))) "
            + "STRICT, WITHOUT ROWID"
    }
}

/// What is in the database besides rows.
enum Schema {
    /// The number in the file's header by which it is known as a recovery store: "LOrs".
    static let applicationID: Int32 = 0x4c4f_7273
    /// The version of the schema; goes up with every change of it.
    static let version: Int32 = 2

    /// What makes the tables, word for word as SQLite keeps it.
    static let statements: [String] =
        Table.allCases.map(\.creation) + [
            "CREATE INDEX session_client ON session (client)",
            "CREATE INDEX holder_client ON holder (client)",
            // One row: whose store this is, and what the rows of the other tables add up to.
            "CREATE TABLE store (id INTEGER PRIMARY KEY, filesystem INTEGER NOT NULL, inode INTEGER NOT NULL, "
                + "generation INTEGER NOT NULL, sequence INTEGER NOT NULL, row_count INTEGER NOT NULL, "
                + "digest INTEGER NOT NULL, code INTEGER NOT NULL) STRICT",
        ]
}
