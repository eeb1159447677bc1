import Testing

/// The numbered requirements of Protocol/Specification.md, and who cites them.
enum Requirements {
    static let path = "Protocol/Specification.md"

    /// The numbers that the specification defines, in its order: those in bold at the beginning of an item.
    static func defined(in specification: TextFile) -> [String] {
        specification.text.matches(of: /(?m)^- \*\*(R[0-9]+(?:\.[0-9]+)?-[0-9]+)\*\*/).map { String($0.output.1) }
    }

    /// The numbers that a file cites, with the lines; "R6.4-12 to R6.4-16" cites its two ends.
    static func cited(in file: TextFile) -> [(number: String, line: Int)] {
        file.lines.enumerated().flatMap { index, line in
            line.matches(of: /\bR[0-9]+(?:\.[0-9]+)?-[0-9]+\b/.wordBoundaryKind(.simple)).map {
                (number: String($0.output), line: index + 1)
            }
        }
    }

    static func violations(in file: TextFile, defined: Set<String>) -> [Violation] {
        Self.cited(in: file).filter { !defined.contains($0.number) }.map { cited in
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
        expectNone(files.flatMap { Requirements.violations(in: $0, defined: Set(defined)) })
        let tests = files.filter { $0.path.hasPrefix("Tests/") }
        let cited = Set(tests.flatMap { Requirements.cited(in: $0).map(\.number) })
        let count = defined.count { cited.contains($0) }
        print("Requirements: \(defined.count) in all, \(count) cited by tests")
    }

    @Test func aNumberIsGivenOnce() throws {
        let defined = Requirements.defined(in: try Repository.file(Requirements.path))
        let twice = Dictionary(grouping: defined) { $0 }.filter { $0.value.count > 1 }.keys.sorted()
        expectNone(twice.map { Violation(path: Requirements.path, line: nil, message: "defines \($0) more than once") })
    }

    @Test func aCitationOfNothingIsSeen() {
        let file = TextFile(path: "Tests/A/a.swift", text: "// R6.4-5 and R9-1\n// R6.4-99")
        let found = Requirements.violations(in: file, defined: ["R6.4-5", "R9-1"])
        #expect(found.map(\.line) == [2])
    }

    @Test func definitionsAreToldFromCitations() {
        let text = "- **R4.1-1** The server (R9-9)\n- **R4.1-2** **Void.** See R4.1-1.\ntext **R4.1-3**\n"
        let file = TextFile(path: Requirements.path, text: text)
        #expect(Requirements.defined(in: file) == ["R4.1-1", "R4.1-2"])
    }
}
