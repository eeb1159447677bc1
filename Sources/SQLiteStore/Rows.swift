import GRDB
import LayoutCore
import Recovery

/// Carries records out on the rows, inside a transaction, and keeps the seal of what is there.
struct Rows {
    private let database: Database
    private(set) var seal: Seal

    init(_ database: Database, seal: Seal) {
        self.database = database
        self.seal = seal
    }

    /// Does what ``Recovery/RecoveredState/apply(_:)`` says.
    mutating func apply(_ record: RecoveryRecord) throws {
        switch record {
        case .life(let life): try self.put(life.columns, in: .life)
        case .client(let client): try self.put(client.columns, in: .client)
        case .clientGone(let client):
            let client = DatabaseValue.number(client.rawValue)
            try self.drop([client], from: .client)
            for session in try self.drop(where: "client", is: client, from: .session) {
                try self.drop(where: "session", is: session[0], from: .reply)
            }
            try self.drop(where: "client", is: client, from: .holder)
            try self.drop(where: "client", is: client, from: .revocation)
        case .session(let session): try self.put(session.columns, in: .session)
        case .sessionGone(let session):
            try self.drop([.session(session)], from: .session)
            try self.drop(where: "session", is: .session(session), from: .reply)
        case .reply(let reply):
            if try self.contains([.session(reply.session)], in: .session) { try self.put(reply.columns, in: .reply) }
        case .file(let file): try self.put(file.columns, in: .file)
        case .fileGone(let file): try self.drop([.handle(file)], from: .file)
        case .holder(let holder): try self.put(holder.columns, in: .holder)
        case .holderGone(let number): try self.drop([.number(number)], from: .holder)
        case .revocation(let revocation): try self.put(revocation.columns, in: .revocation)
        case .revocationsSeen(let client):
            try self.drop(where: "client", is: .number(client.rawValue), from: .revocation)
        case .intent(let intent): try self.put(intent.columns, in: .intent)
        case .intentEnded(let number): try self.drop([.number(number)], from: .intent)
        case .blocked(let file, let reason): try self.put([.handle(file), reason.databaseValue], in: .block)
        case .unblocked(let file): try self.drop([.handle(file)], from: .block)
        }
    }

    /// Reads what the rows say.
    ///
    /// - Returns: The state, or `nil` if the rows do not add up to the seal.
    /// - Throws: ``MalformedRow``, or the database's error.
    static func read(_ database: Database, sealed: Seal) throws -> RecoveredState? {
        var state = RecoveredState()
        var found = Seal(identity: sealed.identity)
        for table in Table.allCases {
            let columns = table.columns.joined(separator: ", ")
            let order = table.key.joined(separator: ", ")
            let rows = try Row.fetchCursor(
                database,
                sql: "SELECT \(columns) FROM \(table.rawValue) ORDER BY \(order)"
            )
            while let row = try rows.next() {
                let values = Array(row.databaseValues)
                found.add(values, to: table)
                state.apply(try table.record(values))
            }
        }
        return found.hasRows(of: sealed) ? state : nil
    }

    /// Inserts a row, or replaces the one with its key.
    private mutating func put(_ values: [DatabaseValue], in table: Table) throws {
        try self.drop(Array(values.prefix(table.keyCount)), from: table)
        let marks = repeatElement("?", count: values.count).joined(separator: ", ")
        let statement = try self.database.cachedStatement(sql: "INSERT INTO \(table.rawValue) VALUES (\(marks))")
        try statement.execute(arguments: StatementArguments(values))
        self.seal.add(values, to: table)
    }

    /// Removes the row with this key, if there is one.
    private mutating func drop(_ key: [DatabaseValue], from table: Table) throws {
        let condition = table.key.map { "\($0) = ?" }.joined(separator: " AND ")
        try self.drop(condition, key, from: table)
    }

    /// Removes the rows that have `value` in a column, and returns what they held.
    @discardableResult
    private mutating func drop(
        where column: String,
        is value: DatabaseValue,
        from table: Table
    ) throws -> [[DatabaseValue]] {
        try self.drop("\(column) = ?", [value], from: table)
    }

    @discardableResult
    private mutating func drop(
        _ condition: String,
        _ arguments: [DatabaseValue],
        from table: Table
    ) throws -> [[DatabaseValue]] {
        let columns = table.columns.joined(separator: ", ")
        let statement = try self.database.cachedStatement(
            sql: "DELETE FROM \(table.rawValue) WHERE \(condition) RETURNING \(columns)"
        )
        // All of them before anything else runs: SQLite asks for it.
        let rows = try Row.fetchAll(statement, arguments: StatementArguments(arguments)).map {
            Array($0.databaseValues)
        }
        for row in rows { self.seal.remove(row, from: table) }
        return rows
    }

    private func contains(_ key: [DatabaseValue], in table: Table) throws -> Bool {
        let condition = table.key.map { "\($0) = ?" }.joined(separator: " AND ")
        let statement = try self.database.cachedStatement(sql: "SELECT 1 FROM \(table.rawValue) WHERE \(condition)")
        return try !Row.fetchAll(statement, arguments: StatementArguments(key)).isEmpty
    }
}
