/// Reads bytes as a type of a ``Schema`` and says what each of them means.
///
/// Strict: bools are 0 or 1, padding is zero.
struct SchemaWalker {
    /// A run of bytes and its meaning.
    struct Item: Hashable, Sendable {
        var bytes: ArraySlice<UInt8>
        var meaning: String
    }

    private let schema: Schema
    private let bytes: [UInt8]
    private var position = 0
    private var items: [Item] = []
    /// Enums whose number has no name; unions without an arm for a number are refused.
    private var unknownEnums: [String] = []

    /// The meaning of every byte; throws if the bytes are not exactly one `type`.
    static func walk(
        _ bytes: [UInt8],
        as type: String,
        in schema: Schema
    ) throws -> (items: [Item], unknownEnums: [String]) {
        var walker = SchemaWalker(schema: schema, bytes: bytes)
        if type != "void" { try walker.type(type, "") }
        guard walker.position == bytes.count else {
            throw Schema.Failure(description: "\(bytes.count - walker.position) bytes follow the end")
        }
        return (walker.items, walker.unknownEnums)
    }

    private init(schema: Schema, bytes: [UInt8]) {
        self.schema = schema
        self.bytes = bytes
    }

    private mutating func field(_ field: Schema.Field, _ path: String) throws {
        let path = path.isEmpty ? field.name : "\(path).\(field.name)"
        switch (field.type, field.repetition) {
        case ("opaque", .fixed(let count)):
            // Of the opaques of fixed size only the boot ID is text.
            try self.opaque(count, path, isText: count == self.schema.constants["LL_BOOTID_SIZE"].map(Int.init))
        case ("opaque", .upTo(let limit)):
            try self.opaque(self.count(limit, path), path, isText: true)
        case (_, .once):
            try self.type(field.type, path)
        case (_, .fixed(let count)):
            for index in 0..<count { try self.type(field.type, "\(path)[\(index)]") }
        case (_, .upTo(let limit)):
            for index in 0..<(try self.count(limit, path)) { try self.type(field.type, "\(path)[\(index)]") }
        }
    }

    private mutating func type(_ name: String, _ path: String) throws {
        switch name {
        case "int", "unsigned int":
            _ = try self.word(path)
        case "bool":
            let value = try self.word(path) { $0 == 0 ? "FALSE" : "TRUE" }
            guard value < 2 else { throw Schema.Failure(description: "\(path) is a bool of \(value)") }
        case "unsigned hyper":
            _ = try self.take(8, path) { $0 == .max ? "all ones" : "\($0)" }
        case "hyper":
            _ = try self.take(8, path) { "\(Int64(bitPattern: $0))" }
        default:
            try self.defined(name, path)
        }
    }

    private mutating func defined(_ name: String, _ path: String) throws {
        switch self.schema.definitions[name] {
        case .alias(let field):
            var renamed = field
            renamed.name = path
            try self.field(renamed, "")
        case .enumeration(let names):
            let value = try self.word(path) { names[$0] ?? "\($0), unknown" }
            if names[value] == nil { self.unknownEnums.append(name) }
        case .structure(let fields):
            for field in fields { try self.field(field, path) }
        case .union(let discriminant, let arms, let fallback):
            let start = self.position
            try self.field(discriminant, path)
            let value = self.bytes[start..<self.position].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            guard let arm = arms[value] ?? fallback else {
                throw Schema.Failure(description: "\(path) has no arm for \(value)")
            }
            if let arm { try self.field(arm, path) }
        case nil:
            throw Schema.Failure(description: "\(name) is not defined")
        }
    }

    private mutating func opaque(_ count: Int, _ path: String, isText: Bool) throws {
        let padded = (count + 3) & ~3
        guard self.bytes.count - self.position >= padded else {
            throw Schema.Failure(description: "\(path) is cut short")
        }
        let run = self.bytes[self.position..<(self.position + padded)]
        guard run.dropFirst(count).allSatisfy({ $0 == 0 }) else {
            throw Schema.Failure(description: "\(path) has padding that is not zero")
        }
        // Sixteen bytes a line; the text beside them, as far as it is text.
        for (line, start) in stride(from: run.startIndex, to: run.endIndex, by: 16).enumerated() {
            let part = run[start..<min(start + 16, run.endIndex)]
            let isPrintable = part.allSatisfy { (0x20..<0x7f).contains($0) || $0 == 0 } && part.contains { $0 != 0 }
            let text = isText && isPrintable ? " '\(String(decoding: part.filter { $0 != 0 }, as: UTF8.self))'" : ""
            self.items.append(Item(bytes: part, meaning: (line == 0 ? path : "...") + text))
        }
        self.position += padded
    }

    private mutating func count(_ limit: Int, _ path: String) throws -> Int {
        let count = try self.word("count of \(path)")
        guard count <= limit else { throw Schema.Failure(description: "\(path) has \(count) elements") }
        return Int(count)
    }

    private mutating func word(_ path: String, _ text: (UInt32) -> String = { "\($0)" }) throws -> UInt32 {
        UInt32(try self.take(4, path) { text(UInt32($0)) })
    }

    private mutating func take(_ count: Int, _ path: String, _ text: (UInt64) -> String) throws -> UInt64 {
        guard self.bytes.count - self.position >= count else {
            throw Schema.Failure(description: "\(path) is cut short")
        }
        let run = self.bytes[self.position..<(self.position + count)]
        let value = run.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        self.items.append(Item(bytes: run, meaning: "\(path) = \(text(value))"))
        self.position += count
        return value
    }
}
