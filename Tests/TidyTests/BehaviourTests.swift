import Foundation
import Testing

@Suite struct BehaviourTests {
    /// Rewrites the table instead of only comparing it; the difference is for a person to read.
    private static let rewrites = ProcessInfo.processInfo.environment["REWRITE_BEHAVIOURS"] == "1"

    /// The tests of all targets but this one.
    private static func functions() throws -> [TestFunction] {
        let files = try Repository.files {
            $0.hasPrefix("Tests/") && $0.hasSuffix(".swift") && !$0.hasPrefix("Tests/TidyTests/")
        }
        return files.flatMap(TestFunction.all(in:))
    }

    @Test func everyBehaviourHasATestOrAReason() throws {
        let functions = try Self.functions()
        let paths = Set(try Repository.paths(.present))
        var file = try Repository.file(BehaviourTable.path)
        if Self.rewrites {
            file = TextFile(
                path: file.path,
                text: BehaviourTable.rewritten(file, functions: functions, paths: paths)
            )
            try file.text.write(to: Repository.root.appending(path: file.path), atomically: true, encoding: .utf8)
        }
        let table = BehaviourTable(file)
        expectNone(table.violations(functions: functions, paths: paths, gaps: BehaviourTable.gaps))
        let standings = table.rows.compactMap(\.standing)
        let counts = BehaviourTable.Standing.allCases.map { standing in
            "\(standing.rawValue): \(standings.count { $0 == standing })"
        }
        print("Behaviours: \(table.rows.count) in all, \(counts.joined(separator: ", "))")
    }

    private static let rule = TestFunction(name: "SomeTests.rule", ids: [])
    private static let complete = BehaviourTable.expectedIDs.map { "| \($0) | it holds | `SomeTests.rule` |\n" }
        .joined()

    @Test func aCompleteTablePasses() {
        let table = BehaviourTable(TextFile(path: BehaviourTable.path, text: Self.complete))
        #expect(table.rows.count == 113)
        #expect(table.violations(functions: [Self.rule], paths: []).isEmpty)
        #expect(table.violations(functions: [], paths: ["SomeTests.rule"]).isEmpty)
    }

    @Test(arguments: [
        "| A1 | no such test | `other` |", "| A1 | nothing | |", "| A1 | no reason | (planned) |",
        "| A1 | another reason | (later: perhaps) |", "| G1 | unknown | `SomeTests.rule` |",
    ])
    func aBadRowIsSeen(_ row: String) {
        let text = Self.complete.replacing("| A1 | it holds | `SomeTests.rule` |", with: row)
        let table = BehaviourTable(TextFile(path: BehaviourTable.path, text: text))
        #expect(table.violations(functions: [Self.rule], paths: []).isEmpty == false)
    }

    @Test func aMissingRowAndADoubleOneAreSeen() {
        let row = "| C12 | it holds | `SomeTests.rule` |\n"
        let missing = BehaviourTable(TextFile(path: "a", text: Self.complete.replacing(row, with: "")))
        #expect(missing.violations(functions: [Self.rule], paths: []).map(\.message) == ["C12 is missing"])
        let double = BehaviourTable(TextFile(path: "a", text: Self.complete + row))
        #expect(double.violations(functions: [Self.rule], paths: []).count == 2)
    }

    @Test func aTestThatClaimsAnIDIsListed() {
        let claiming = TestFunction(name: "OtherTests.more", ids: ["C12"])
        let file = TextFile(path: "a", text: "# Title\n\n" + Self.complete)
        #expect(BehaviourTable(file).violations(functions: [Self.rule, claiming], paths: []).count == 1)
        let text = BehaviourTable.rewritten(file, functions: [Self.rule, claiming], paths: [])
        #expect(text.contains("| C12 | it holds | `SomeTests.rule`, `OtherTests.more` |\n"))
        #expect(text.hasPrefix("# Title\n\n| A1 "))
        #expect(
            BehaviourTable(TextFile(path: "a", text: text)).violations(functions: [Self.rule, claiming], paths: [])
                .isEmpty
        )
    }

    @Test func aGapFailsUnlessItIsListedAndALongerListFailsToo() {
        func messages(_ column: String, gaps: Set<String>) -> [String] {
            let text = Self.complete.replacing(
                "| A1 | it holds | `SomeTests.rule` |",
                with: "| A1 | it holds | \(column) |"
            )
            return BehaviourTable(TextFile(path: "a", text: text))
                .violations(functions: [Self.rule], paths: [], gaps: gaps).map(\.message)
        }
        #expect(messages("(planned: soon)", gaps: ["A1"]) == [])
        #expect(
            messages("(planned: soon)", gaps: []) == [
                "A1 is only planned: write a test that claims it in its name, \"... [A1]\""
            ]
        )
        #expect(
            messages("`SomeTests.rule`", gaps: ["A1"]) == [
                "A1 has a test, so it is no gap: remove it from BehaviourTable.gaps"
            ]
        )
        #expect(messages("(does not apply: never)", gaps: ["A1"]).count == 1)
        #expect(messages("(does not apply: never)", gaps: []) == [])
    }

    @Test func aClaimOfNoBehaviourIsSeen() {
        let table = BehaviourTable(TextFile(path: "a", text: Self.complete))
        let claiming = TestFunction(name: "SomeTests.rule", ids: ["C99"])
        #expect(
            table.violations(functions: [claiming], paths: []).map(\.message) == [
                "SomeTests.rule claims C99, and there is no such behaviour"
            ]
        )
    }

    @Test func rewritingKeepsReasonsUntilThereIsATest() {
        let file = TextFile(
            path: "a",
            text: "| A1 | b | (planned: soon) |\n| A2 | b | (planned: soon) |\n| A3 | b | `gone` |\n"
        )
        let claiming = TestFunction(name: "SomeTests.more", ids: ["A2"])
        let text = BehaviourTable.rewritten(file, functions: [claiming], paths: [])
        #expect(text == "| A1 | b | (planned: soon) |\n| A2 | b | `SomeTests.more` |\n| A3 | b |  |\n")
    }

    @Test func testFunctionsAreFoundWhateverTheirAttribute() {
        let text = """
            @Suite("Output") struct OneTests {
                @Test func one() {}
                @Test(
                    "bad-input 1, 2, C3: it holds",
                    arguments: [1, 2]
                )
                func two(_ a: Int) async throws {}
                func helper() {}
                // @Test func four() {}
            }

            extension TwoTests {
                @Test("T1, B16: no grant") func `three words here`() {}
            }

            @Test("C99: no such id") func free() {}
            @Test("it holds for [a] too [C2, D9]", arguments: [1]) func brackets(_ a: Int) {}
            @Test("T4, R6.4-5: no id, Ab1: neither [T1]") func others() {}
            """
        let found = TestFunction.all(in: TextFile(path: "Tests/A/a.swift", text: text))
        #expect(
            found == [
                TestFunction(name: "OneTests.one", ids: []),
                TestFunction(name: "OneTests.two", ids: ["I1", "I2", "C3"]),
                TestFunction(name: "TwoTests.three words here", ids: ["B16"]),
                TestFunction(name: "free", ids: ["C99"]),
                TestFunction(name: "brackets", ids: ["C2", "D9"]),
                TestFunction(name: "others", ids: []),
            ]
        )
    }
}
