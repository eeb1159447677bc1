import Foundation
import Testing

/// The numbered requirements of Protocol/Specification.md, and who cites them.
enum Requirements {
    static let path = "Protocol/Specification.md"

    /// The numbers that the specification defines, in its order: those in bold at the beginning of an item.
    static func defined(in specification: TextFile) -> [String] {
        specification.text.matches(of: /(?m)^- \*\*(R[0-9]+(?:\.[0-9]+)?-[0-9]+)\*\*/).map { String($0.output.1) }
    }

    private static let number = Pattern(
        #"\bR[0-9]+(?:\.[0-9]+)?-[0-9]+"#,
        hints: (0...9).map { "R\($0)" }
    )

    /// The numbers that a file cites, with the lines; "R6.4-12 to R6.4-16" cites its two ends.
    static func cited(in file: TextFile) throws -> [(number: String, line: Int)] {
        try Self.number.matches(in: file.lines).map { (number: String($0.text), line: $0.line) }
    }

    static func violations(in file: TextFile, defined: Set<String>) throws -> [Violation] {
        try Self.cited(in: file).filter { !defined.contains($0.number) }.map { cited in
            let message = "cites \(cited.number), which \(Self.path) does not have"
            return Violation(path: file.path, line: cited.line, message: message)
        }
    }
}

@Suite struct RequirementTests {
    @Test func everyCitedRequirementExists() throws {
        let defined = Requirements.defined(in: try Repository.file(Requirements.path))
        #expect(defined.count > 100)
        // This folder's tests cite numbers that do not exist on purpose.
        let files = try Repository.files { !$0.hasPrefix("Tests/TidyTests/") }
        expectNone(try files.flatMap { try Requirements.violations(in: $0, defined: Set(defined)) })
        // Not every requirement can be tested by itself; the list is for a person who wonders what else there is to test.
        let tests = files.filter { $0.path.hasPrefix("Tests/") || $0.path.hasPrefix("Protocol/Model/") }
        let cited = Set(try tests.flatMap { try Requirements.cited(in: $0).map(\.number) })
        let left = defined.filter { !cited.contains($0) }
        print("Requirements: \(defined.count) in all, \(defined.count - left.count) cited by tests; by none:")
        let sections = Dictionary(grouping: left) { String($0.prefix { $0 != "-" }) }
        for (section, numbers) in sections.sorted(by: { $0.key.localizedStandardCompare($1.key) == .orderedAscending })
        {
            print("  \(section)-\(numbers.map { $0.dropFirst(section.count + 1) }.joined(separator: ", "))")
        }
    }

    @Test func aNumberIsGivenOnce() throws {
        let defined = Requirements.defined(in: try Repository.file(Requirements.path))
        let twice = Dictionary(grouping: defined) { $0 }.filter { $0.value.count > 1 }.keys.sorted()
        expectNone(twice.map { Violation(path: Requirements.path, line: nil, message: "defines \($0) more than once") })
    }

    @Test func aCitationOfNothingIsSeen() throws {
        let file = TextFile(path: "Tests/A/a.swift", text: "// R6.4-5 and R9-1\n// R6.4-99")
        let found = try Requirements.violations(in: file, defined: ["R6.4-5", "R9-1"])
        #expect(found.map(\.line) == [2])
    }

    @Test func definitionsAreToldFromCitations() {
        let text = "- **R4.1-1** The server (R9-9)\n- **R4.1-2** **Void.** See R4.1-1.\ntext **R4.1-3**\n"
        let file = TextFile(path: Requirements.path, text: text)
        #expect(Requirements.defined(in: file) == ["R4.1-1", "R4.1-2"])
    }
}
