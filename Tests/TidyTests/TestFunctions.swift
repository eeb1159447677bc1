/// A function of a test target with the attribute `@Test`.
struct TestFunction: Hashable {
    /// The suite and the function, such as `GrantTests.merges`.
    var name: String
    /// The ids of Tests/Behaviours.md that its display name begins with: those of "C2, C13: the deadline ...".
    var ids: [String]

    /// The test functions in a file.
    ///
    /// Types stand at the first column, as swift-format puts them; one type's tests may be in several extensions.
    static func all(in file: TextFile) -> [TestFunction] {
        let lines = file.lines
        var found: [TestFunction] = []
        var suite: Substring?
        var attribute: Int?
        for (index, line) in file.withoutProse.lines.enumerated() {
            if let match = line.firstMatch(
                of: /^(?:@\w+(?:\([^)]*\))? )*(?:\w+ )*?(?:struct|enum|class|extension|actor) (\w+)/
            ) {
                suite = match.output.1
            } else if line.hasPrefix("}") {
                suite = nil
            }
            if line.contains("@Test") { attribute = index }
            guard let first = attribute, let match = line.firstMatch(of: /func (?:`([^`]+)`|(\w+))/) else { continue }
            attribute = nil
            let name = match.output.1 ?? match.output.2 ?? ""
            let attributeText = lines[first...index].joined(separator: "\n")
            found.append(
                TestFunction(name: suite.map { "\($0).\(name)" } ?? String(name), ids: Self.ids(in: attributeText))
            )
        }
        return found
    }

    /// The ids in the first string literal, up to its colon; "bad-input 4" is I4.
    private static func ids(in attribute: String) -> [String] {
        guard let claim = attribute.firstMatch(of: /@Test\(\s*"([^":]+):/)?.output.1 else { return [] }
        var isBadInput = false
        return claim.split(separator: ",").compactMap { part in
            let words = part.split(separator: " ")
            if words.first == "bad-input" { isBadInput = true }
            guard let last = words.last else { return nil }
            let id = isBadInput && last.allSatisfy(\.isNumber) ? "I\(last)" : String(last)
            return BehaviourTable.expectedIDs.contains(id) ? id : nil
        }
    }
}
