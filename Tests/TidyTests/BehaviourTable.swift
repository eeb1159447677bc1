/// Tests/Behaviours.md: the behaviours that others' test suites and bug reports ask for, and the tests of ours for them.
struct BehaviourTable {
    /// One behaviour.
    struct Row {
        /// Such as `C12`.
        var id: String
        /// What it says.
        var behaviour: String
        /// What stands in the last column, in backquotes: names of ``TestFunction``s, or paths of test programs.
        var tests: [String]
        /// What stands there in brackets.
        var note: String?
        /// The line in the file.
        var line: Int

        /// Covered if a test is named, else what the note begins with; `nil` if it begins with neither.
        var standing: Standing? {
            if !self.tests.isEmpty { return .covered }
            return [Standing.planned, .doesNotApply].first { self.note?.hasPrefix("\($0.rawValue): ") ?? false }
        }

        /// The row as it stands in the file.
        var text: String {
            let tests = self.tests.map { "`\($0)`" }.joined(separator: ", ")
            let note = self.note.map { "(\($0))" }
            return
                "| \(self.id) | \(self.behaviour) | \([tests, note ?? ""].filter { !$0.isEmpty }.joined(separator: " ")) |"
        }
    }

    /// What a row says about a behaviour.
    enum Standing: String, CaseIterable {
        case covered = "has a test"
        case planned
        case doesNotApply = "does not apply"
    }

    static let path = "Tests/Behaviours.md"

    private static let counts = [("A", 27), ("B", 17), ("C", 21), ("D", 10), ("E", 8), ("F", 7), ("I", 23)]

    /// The ids that there have to be.
    static let expectedIDs: [String] = Self.counts.flatMap { letter, count in (1...count).map { "\(letter)\($0)" } }

    /// Whether that is meant to be one of the ids: a letter of theirs and a number.
    static func looksLikeID(_ text: String) -> Bool {
        Self.counts.contains { letter, _ in text.hasPrefix(letter) } && text.count > 1
            && text.dropFirst().allSatisfy(\.isNumber)
    }

    /// Behaviours that no test shows yet: this list gets shorter, and never longer.
    ///
    /// One that is planned and not here fails, and so does one that is here and has a test or a reason.
    static let gaps: Set<String> = []

    var rows: [Row]

    /// Reads the rows of all tables in the file: those whose first column is a letter and a number.
    init(_ file: TextFile) {
        self.rows = file.lines.enumerated().compactMap { Self.row($1, line: $0 + 1) }
    }

    private static func row(_ text: Substring, line: Int) -> Row? {
        guard let match = text.wholeMatch(of: /\| ([A-Z][0-9]+) \| (.*) \| ?(.*?) ?\|/) else { return nil }
        return Row(
            id: String(match.output.1),
            behaviour: String(match.output.2),
            tests: match.output.3.matches(of: /`([^`]+)`/).map { String($0.output.1) },
            note: match.output.3.firstMatch(of: /\((.+)\)$/).map { String($0.output.1) },
            line: line
        )
    }

    /// What is wrong with the table, given what tests and files there are.
    func violations(functions: [TestFunction], paths: Set<String>, gaps: Set<String> = []) -> [Violation] {
        var found: [Violation] = []
        func add(_ line: Int?, _ message: String) {
            found.append(Violation(path: Self.path, line: line, message: message))
        }
        let ids = self.rows.map(\.id)
        let names = Set(functions.map(\.name))
        for id in Self.expectedIDs where !ids.contains(id) { add(nil, "\(id) is missing") }
        for id in Set(ids).subtracting(Self.expectedIDs).sorted() { add(nil, "there is no behaviour \(id)") }
        for test in functions {
            for id in test.ids where !Self.expectedIDs.contains(id) {
                add(nil, "\(test.name) claims \(id), and there is no such behaviour")
            }
        }
        for row in self.rows {
            if ids.count(where: { $0 == row.id }) > 1 { add(row.line, "\(row.id) stands here more than once") }
            if row.standing == nil {
                add(row.line, "\(row.id) needs a test in backquotes, or (planned: why) or (does not apply: why)")
            }
            if row.standing == .planned, !gaps.contains(row.id) {
                add(row.line, "\(row.id) is only planned: write a test that claims it in its name, \"... [\(row.id)]\"")
            }
            if gaps.contains(row.id), let standing = row.standing, standing != .planned {
                add(row.line, "\(row.id) \(standing.rawValue), so it is no gap: remove it from BehaviourTable.gaps")
            }
            for test in row.tests where !names.contains(test) && !paths.contains(test) {
                add(row.line, "\(row.id) names \(test), and there is no such test; REWRITE_BEHAVIOURS=1 removes it")
            }
            for test in functions where test.ids.contains(row.id) && !row.tests.contains(test.name) {
                add(
                    row.line,
                    "\(row.id) is the subject of \(test.name), which is not listed; REWRITE_BEHAVIOURS=1 adds it"
                )
            }
        }
        return found
    }

    /// The file with the tests as they are: those that claim an id are added, those that are gone are removed.
    ///
    /// A behaviour that has a test is not planned any more; one that has lost its last is left without an answer, for a
    /// person to give.
    static func rewritten(_ file: TextFile, functions: [TestFunction], paths: Set<String>) -> String {
        let names = Set(functions.map(\.name))
        let lines = file.lines.enumerated().map { index, line -> String in
            guard var row = Self.row(line, line: index + 1) else { return String(line) }
            row.tests.removeAll { !names.contains($0) && !paths.contains($0) }
            for test in functions where test.ids.contains(row.id) && !row.tests.contains(test.name) {
                row.tests.append(test.name)
            }
            if !row.tests.isEmpty, row.note?.hasPrefix("planned:") ?? false { row.note = nil }
            return row.text
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
