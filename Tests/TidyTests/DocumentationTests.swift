import Foundation
import Testing

/// What is said about declarations, and where documents point.
enum Documentation {
    private static let declaration = Pattern(
        #"^\s*(?:@\w+(?:\([^)]*\))?\s+)*package\s+(?:[\w()]+\s+)*?"#
            + #"(?:func|struct|enum|class|actor|protocol|typealias|subscript)\b"#,
        hints: ["package"]
    )
    /// What implements a protocol's requirement is documented there.
    private static let witness = Pattern(
        #"\b(?:func (?:hash\(into|next\(\)|makeIterator\()|static func (?:==|<)|typealias \w+ = )"#,
        hints: ["func ", "typealias "]
    )
    private static let link = Pattern(#"\]\([^)\s]+\)"#, hints: ["]("])

    /// Files whose types are documented elsewhere, and where.
    static let exceptions = ["Sources/LayoutXDR/Messages.swift": "Protocol/layout.x, whose types these are, one by one"]

    /// `package` types and functions without a documentation comment; swift-format sees to all that is `public`.
    ///
    /// Properties and initializers of a type may be clear from its comment and from their names.
    static func violations(in file: TextFile) throws -> [Violation] {
        guard file.path.hasPrefix("Sources/"), file.isSwift, Self.exceptions[file.path] == nil else { return [] }
        let witnesses = Set(try Self.witness.matches(in: file.codeLines).map(\.line))
        return try Self.declaration.matches(in: file.codeLines).compactMap { number, _ in
            if witnesses.contains(number) { return nil }
            // Attributes may stand on lines of their own between the comment and the declaration.
            let above = file.lines[..<(number - 1)].reversed().lazy.map { $0.drop(while: \.isWhitespace) }
            guard let comment = above.first(where: { !$0.hasPrefix("@") }), !comment.hasPrefix("///") else {
                return nil
            }
            let name = file.lines[number - 1].drop(while: \.isWhitespace).prefix(60)
            return Violation(path: file.path, line: number, message: "no documentation: \(name)")
        }
    }

    /// Links of a Markdown file to files that are not there.
    static func brokenLinks(in file: TextFile, existing: Set<String>) throws -> [Violation] {
        guard file.path.hasSuffix(".md") else { return [] }
        let directory = URL(filePath: "/" + file.path).deletingLastPathComponent()
        return try Self.link.matches(in: file.lines).compactMap { line, text in
            let target = text.dropFirst(2).dropLast()
            guard !target.contains(":"), !target.hasPrefix("#") else { return nil }
            let path = String(target.prefix { $0 != "#" })
            let resolved = String(directory.appending(path: path).standardized.path.dropFirst())
            let isThere = existing.contains(resolved) || existing.contains { $0.hasPrefix(resolved + "/") }
            return isThere
                ? nil : Violation(path: file.path, line: line, message: "links to \(target), which is not there")
        }
    }
}

@Suite struct DocumentationTests {
    @Test func whatModulesShareIsDocumented() throws {
        expectNone(try Repository.files { $0.hasSuffix(".swift") }.flatMap(Documentation.violations(in:)))
    }

    @Test func linksLeadToFiles() throws {
        let existing = Set(try Repository.paths(.present))
        let documents = try Repository.files { $0.hasSuffix(".md") }
        expectNone(try documents.flatMap { try Documentation.brokenLinks(in: $0, existing: existing) })
    }

    @Test(arguments: [
        "\npackage func f() {}", "\n    package static func g() {}", "\n@inlinable package mutating func h() {}",
        "// Not enough.\npackage struct A {}",
        "\npackage final class B {}",
    ])
    func aDeclarationWithoutWordsIsSeen(_ text: String) throws {
        #expect(try Documentation.violations(in: TextFile(path: "Sources/A/a.swift", text: text)).count == 1)
    }

    @Test(arguments: [
        "/// Does it.\npackage func f() {}", "/// Does it.\n@inlinable\npackage func f() {}", "\npackage import A",
        "\npackage static func == (a: A, b: A) -> Bool { true }", "\nlet package = 1", "\n    package var b = 1",
    ])
    func aDocumentedDeclarationPasses(_ text: String) throws {
        #expect(try Documentation.violations(in: TextFile(path: "Sources/A/a.swift", text: text)).isEmpty)
    }

    @Test func aBrokenLinkIsSeen() throws {
        let file = TextFile(
            path: "Sources/A.md",
            text: "[a](../README.md) [b](gone.md) [c](https://example.org) [d](#here)"
        )
        #expect(try Documentation.brokenLinks(in: file, existing: ["README.md"]).count == 1)
    }
}
