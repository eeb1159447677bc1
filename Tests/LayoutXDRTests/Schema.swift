import Foundation

/// `Protocol/layout.x`, read by a parser of its own, so that the tests have a second opinion on what the bytes mean.
///
/// Covers what the file uses of RPCL (RFC 5531 §12, RFC 4506 §6): `const`, `typedef`, `enum`, `struct`, `union`,
/// `program`.
struct Schema: Sendable {
    /// How often a declared type occurs.
    enum Repetition: Hashable, Sendable {
        case once
        case fixed(Int)
        case upTo(Int)
    }

    struct Field: Hashable, Sendable {
        var name: String
        var type: String
        var repetition: Repetition
    }

    enum Definition: Hashable, Sendable {
        case alias(Field)
        case enumeration([UInt32: String])
        case structure([Field])
        /// The arms by discriminant; `nil` for void. `fallback` is the default arm, if there is one.
        case union(discriminant: Field, arms: [UInt32: Field?], fallback: Field??)
    }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private(set) var constants: [String: UInt32] = [:]
    private(set) var definitions: [String: Definition] = [:]
    /// By program name, then by number.
    private(set) var programs: [String: [UInt32: (name: String, arguments: String, results: String)]] = [:]

    /// The checked-in file.
    static let layout: Schema = {
        do {
            return try Schema(String(contentsOf: Repository.file("Protocol/layout.x"), encoding: .utf8))
        } catch {
            fatalError("cannot read Protocol/layout.x: \(error)")
        }
    }()

    init(_ text: String) throws {
        var tokens = Tokens(text)
        while let keyword = tokens.next() {
            switch keyword {
            case "const":
                let name = try tokens.word()
                try tokens.expect("=")
                self.constants[name] = try self.number(tokens.word())
                try tokens.expect(";")
            case "typedef":
                let field = try self.field(&tokens)
                self.definitions[field.name] = .alias(field)
                try tokens.expect(";")
            case "enum": try self.enumeration(&tokens)
            case "struct": try self.structure(&tokens)
            case "union": try self.union(&tokens)
            case "program": try self.program(&tokens)
            default: throw Failure(description: "'\(keyword)' begins no definition")
            }
        }
    }

    func procedure(_ program: String, _ number: UInt32) throws -> (arguments: String, results: String) {
        guard let procedure = self.programs[program]?[number] else {
            throw Failure(description: "\(program) has no procedure \(number)")
        }
        return (procedure.arguments, procedure.results)
    }

    private func number(_ word: String) throws -> UInt32 {
        if let constant = self.constants[word] { return constant }
        let value = word.hasPrefix("0x") ? UInt32(word.dropFirst(2), radix: 16) : UInt32(word)
        guard let value else { throw Failure(description: "'\(word)' is not a number") }
        return value
    }

    private func field(_ tokens: inout Tokens) throws -> Field {
        var type = try tokens.word()
        if type == "unsigned" { type += " " + (try tokens.word()) }
        guard type != "void" else { return Field(name: "", type: type, repetition: .once) }
        let name = try tokens.word()
        var repetition = Repetition.once
        if tokens.take("[") {
            repetition = .fixed(Int(try self.number(tokens.word())))
            try tokens.expect("]")
        } else if tokens.take("<") {
            repetition = .upTo(Int(try self.number(tokens.word())))
            try tokens.expect(">")
        }
        return Field(name: name, type: type, repetition: repetition)
    }

    private mutating func enumeration(_ tokens: inout Tokens) throws {
        let name = try tokens.word()
        var names: [UInt32: String] = [:]
        try tokens.expect("{")
        repeat {
            let constant = try tokens.word()
            try tokens.expect("=")
            let value = try self.number(tokens.word())
            guard names.updateValue(constant, forKey: value) == nil else {
                throw Failure(description: "\(name) has \(value) twice")
            }
            self.constants[constant] = value
        } while tokens.take(",")
        try tokens.expect("}")
        try tokens.expect(";")
        self.definitions[name] = .enumeration(names)
    }

    private mutating func structure(_ tokens: inout Tokens) throws {
        let name = try tokens.word()
        var fields: [Field] = []
        try tokens.expect("{")
        while !tokens.take("}") {
            fields.append(try self.field(&tokens))
            try tokens.expect(";")
        }
        try tokens.expect(";")
        self.definitions[name] = .structure(fields)
    }

    private mutating func union(_ tokens: inout Tokens) throws {
        let name = try tokens.word()
        try tokens.expect("switch")
        try tokens.expect("(")
        let discriminant = try self.field(&tokens)
        try tokens.expect(")")
        try tokens.expect("{")
        var arms: [UInt32: Field?] = [:]
        var fallback: Field??
        while !tokens.take("}") {
            let label = try tokens.word()
            let value = label == "case" ? try self.number(tokens.word()) : nil
            try tokens.expect(":")
            let field = try self.field(&tokens)
            let arm: Field? = field.type == "void" ? nil : field
            if let value { arms.updateValue(arm, forKey: value) } else { fallback = .some(arm) }
            try tokens.expect(";")
        }
        try tokens.expect(";")
        self.definitions[name] = .union(discriminant: discriminant, arms: arms, fallback: fallback)
    }

    private mutating func program(_ tokens: inout Tokens) throws {
        let name = try tokens.word()
        var procedures: [UInt32: (name: String, arguments: String, results: String)] = [:]
        try tokens.expect("{")
        try tokens.expect("version")
        _ = try tokens.word()
        try tokens.expect("{")
        while !tokens.take("}") {
            let results = try tokens.word()
            let procedure = try tokens.word()
            try tokens.expect("(")
            let arguments = try tokens.word()
            try tokens.expect(")")
            try tokens.expect("=")
            procedures[try self.number(tokens.word())] = (procedure, arguments, results)
            try tokens.expect(";")
        }
        for token in ["=", "1", ";", "}", "="] { try tokens.expect(token) }
        _ = try self.number(tokens.word())
        try tokens.expect(";")
        self.programs[name] = procedures
    }
}

/// Words, numbers and punctuation, without comments.
private struct Tokens {
    private var tokens: [String] = []
    private var position = 0

    init(_ text: String) {
        var rest = text[...]
        while let first = rest.first {
            if rest.hasPrefix("/*") {
                rest = rest.range(of: "*/").map { rest[$0.upperBound...] } ?? ""
            } else if first.isWhitespace {
                rest.removeFirst()
            } else {
                let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
                let token = word.isEmpty ? rest.prefix(1) : word
                self.tokens.append(String(token))
                rest.removeFirst(token.count)
            }
        }
    }

    mutating func next() -> String? {
        guard self.position < self.tokens.count else { return nil }
        defer { self.position += 1 }
        return self.tokens[self.position]
    }

    mutating func word() throws -> String {
        guard let token = self.next() else { throw Schema.Failure(description: "the file ends too early") }
        return token
    }

    mutating func take(_ token: String) -> Bool {
        guard self.position < self.tokens.count, self.tokens[self.position] == token else { return false }
        self.position += 1
        return true
    }

    mutating func expect(_ token: String) throws {
        let word = try self.word()
        guard word == token else { throw Schema.Failure(description: "'\(word)' where '\(token)' belongs") }
    }
}
