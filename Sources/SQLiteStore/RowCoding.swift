import FoundationEssentials
import GRDB
import LayoutCore

extension DatabaseValue {
    /// An unsigned number, by its bits: SQLite's integers are signed.
    static func number(_ value: UInt64) -> DatabaseValue { Int64(bitPattern: value).databaseValue }
    static func number(_ value: UInt32) -> DatabaseValue { Int64(value).databaseValue }
    static func flag(_ value: Bool) -> DatabaseValue { Int64(value ? 1 : 0).databaseValue }
    static func bytes(_ value: [UInt8]) -> DatabaseValue { Data(value).databaseValue }
    static func session(_ id: SessionID) -> DatabaseValue { .words([id.rawValue.low, id.rawValue.high]) }
    static func handle(_ handle: FileHandle) -> DatabaseValue {
        .words([handle.low.low, handle.low.high, handle.high.low, handle.high.high])
    }
    /// Numbers one after the other, the lowest byte of each first.
    static func words(_ words: [UInt64]) -> DatabaseValue {
        var data = Data(capacity: 8 * words.count)
        for word in words { for shift in stride(from: 0, to: 64, by: 8) { data.append(UInt8(word >> shift & 0xff)) } }
        return data.databaseValue
    }
}

/// A row whose columns do not hold what they should.
struct MalformedRow: Error {
    var table: Table
}

/// Takes a row apart, column by column, and trusts none of them.
struct RowReader {
    private let table: Table
    private let values: [DatabaseValue]
    private var position = 0

    init(_ values: [DatabaseValue], of table: Table) {
        self.values = values
        self.table = table
    }

    mutating func number64() throws(MalformedRow) -> UInt64 { UInt64(bitPattern: try self.integer()) }

    mutating func number32() throws(MalformedRow) -> UInt32 {
        guard let number = UInt32(exactly: try self.integer()) else { throw self.malformed }
        return number
    }

    mutating func flag() throws(MalformedRow) -> Bool {
        switch try self.integer() {
        case 0: return false
        case 1: return true
        default: throw self.malformed
        }
    }

    mutating func integer() throws(MalformedRow) -> Int64 {
        guard case .int64(let number) = try self.next() else { throw self.malformed }
        return number
    }

    mutating func text() throws(MalformedRow) -> String {
        guard case .string(let text) = try self.next() else { throw self.malformed }
        return text
    }

    mutating func bytes() throws(MalformedRow) -> [UInt8] {
        guard let bytes = try self.optionalBytes() else { throw self.malformed }
        return bytes
    }

    mutating func optionalBytes() throws(MalformedRow) -> [UInt8]? {
        switch try self.next() {
        case .null: return nil
        case .blob(let data): return [UInt8](data)
        case .int64, .double, .string: throw self.malformed
        }
    }

    /// Numbers one after the other, a multiple of `count` of them.
    mutating func words(inGroupsOf count: Int) throws(MalformedRow) -> [UInt64] {
        let bytes = try self.bytes()
        guard bytes.count % (8 * count) == 0 else { throw self.malformed }
        return stride(from: 0, to: bytes.count, by: 8).map { start in
            bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    mutating func opaque() throws(MalformedRow) -> Opaque16 {
        let words = try self.words(inGroupsOf: 2)
        guard words.count == 2 else { throw self.malformed }
        return Opaque16(low: words[0], high: words[1])
    }

    mutating func handle() throws(MalformedRow) -> FileHandle {
        let words = try self.words(inGroupsOf: 4)
        guard words.count == 4 else { throw self.malformed }
        return FileHandle(low: Opaque16(low: words[0], high: words[1]), high: Opaque16(low: words[2], high: words[3]))
    }

    /// What to throw for a column that makes no sense.
    var malformed: MalformedRow { MalformedRow(table: self.table) }

    private mutating func next() throws(MalformedRow) -> DatabaseValue.Storage {
        guard self.position < self.values.count else { throw self.malformed }
        defer { self.position += 1 }
        return self.values[self.position].storage
    }
}
