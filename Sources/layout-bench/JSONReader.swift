extension JSON {
    /// Reads a JSON text (RFC 8259).
    ///
    /// Nested no deeper than reports are.
    /// - Throws: ``BenchError`` if it is none.
    init(text: String) throws {
        var reader = Reader(bytes: Array(text.utf8))
        self = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.isAtEnd else { throw reader.error("something follows the value") }
    }

    /// The member of an object.
    subscript(_ name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.0 == name }?.1
    }

    var text: String? { if case .string(let value) = self { value } else { nil } }
    var number: Double? { if case .number(let value) = self { value } else { nil } }
    var isTrue: Bool? { if case .bool(let value) = self { value } else { nil } }
    var values: [JSON] { if case .array(let values) = self { values } else { [] } }
}

/// Takes a JSON text apart.
private struct Reader {
    private static var depthMax: Int { 32 }

    let bytes: [UInt8]
    private var place = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { self.place == self.bytes.count }

    private var next: UInt8? { self.place < self.bytes.count ? self.bytes[self.place] : nil }

    func error(_ reason: String) -> BenchError {
        BenchError("not JSON at byte \(self.place): \(reason); name a file that 'layout-bench --json' has written")
    }

    mutating func skipSpace() {
        while let byte = self.next, [0x20, 0x09, 0x0a, 0x0d].contains(byte) { self.place += 1 }
    }

    mutating func value(depth: Int) throws -> JSON {
        guard depth < Self.depthMax else { throw self.error("nested too deeply") }
        self.skipSpace()
        switch self.next {
        case UInt8(ascii: "{"): return .object(try self.members(depth: depth))
        case UInt8(ascii: "["):
            var values: [JSON] = []
            try self.list(until: "]") { reader in values.append(try reader.value(depth: depth + 1)) }
            return .array(values)
        case UInt8(ascii: "\""): return .string(try self.string())
        case UInt8(ascii: "t"): return try self.word("true", .bool(true))
        case UInt8(ascii: "f"): return try self.word("false", .bool(false))
        case UInt8(ascii: "n"): return try self.word("null", .null)
        default: return .number(try self.number())
        }
    }

    private mutating func members(depth: Int) throws -> [(String, JSON)] {
        var members: [(String, JSON)] = []
        try self.list(until: "}") { reader in
            reader.skipSpace()
            guard reader.next == UInt8(ascii: "\"") else { throw reader.error("a member has no name") }
            let name = try reader.string()
            reader.skipSpace()
            guard reader.take(":") else { throw reader.error("a member has no value") }
            members.append((name, try reader.value(depth: depth + 1)))
        }
        return members
    }

    /// Reads elements with commas between them, from one bracket to the other.
    private mutating func list(until end: Unicode.Scalar, _ element: (inout Reader) throws -> Void) throws {
        self.place += 1
        self.skipSpace()
        if self.take(end) { return }
        while true {
            try element(&self)
            self.skipSpace()
            if self.take(end) { return }
            guard self.take(",") else { throw self.error("a comma or '\(end)' is missing") }
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard self.next == UInt8(ascii: character) else { return false }
        self.place += 1
        return true
    }

    private mutating func word(_ word: String, _ value: JSON) throws -> JSON {
        guard self.bytes[self.place...].starts(with: word.utf8) else { throw self.error("'\(word)' is meant?") }
        self.place += word.utf8.count
        return value
    }

    private mutating func number() throws -> Double {
        let digits = self.bytes[self.place...].prefix { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "+-.eE".utf8.contains(byte)
        }
        guard let value = Double(String(decoding: digits, as: UTF8.self)) else { throw self.error("no value") }
        self.place += digits.count
        return value
    }

    private mutating func string() throws -> String {
        self.place += 1
        var bytes: [UInt8] = []
        while let byte = self.next {
            self.place += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: bytes, as: UTF8.self)
            case UInt8(ascii: "\\"): bytes += try self.escaped()
            default: bytes.append(byte)
            }
        }
        throw self.error("a string does not end")
    }

    private mutating func escaped() throws -> [UInt8] {
        guard let byte = self.next else { throw self.error("a string does not end") }
        self.place += 1
        switch byte {
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0c]
        case UInt8(ascii: "u"):
            let digits = self.bytes[self.place...].prefix(4)
            guard digits.count == 4, let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16),
                let scalar = Unicode.Scalar(code)
            else { throw self.error("no character, or half of one") }
            self.place += 4
            return Array(String(scalar).utf8)
        default: return [byte]
        }
    }
}
