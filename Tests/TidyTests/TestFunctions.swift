/// A function of a test target with the attribute `@Test`.
struct TestFunction: Hashable {
    /// The suite and the function, such as `GrantTests.merges`.
    var name: String
    /// The ids of Tests/Behaviours.md that its display name claims.
    ///
    /// They stand before its colon, as in "C2, C13: the deadline ...", or in brackets at its end.
    var ids: [String]

    /// The test functions in a file.
    ///
    /// Types stand at the first column, as swift-format puts them; one type's tests may be in several extensions.
    static func all(in file: TextFile) -> [TestFunction] {
        let type = /(?:@\w+(?:\([^)]*\))? )*(?:\w+ )*?(?:struct|enum|class|extension|actor) (\w+)/
        var found: [TestFunction] = []
        var suite: Substring?
        var attribute: Int?
        for (index, line) in file.codeLines.enumerated() {
            // Most lines are inside something, and there are many.
            if let first = line.utf8.first, first != UInt8(ascii: " ") {
                if let match = line.prefixMatch(of: type) {
                    suite = match.output.1
                } else if first == UInt8(ascii: "}") {
                    suite = nil
                }
            }
            if line.utf8.first(where: { $0 != UInt8(ascii: " ") }) == UInt8(ascii: "@"), line.contains("@Test") {
                attribute = index
            }
            guard let first = attribute, let match = line.firstMatch(of: /func (?:`([^`]+)`|(\w+))/) else { continue }
            attribute = nil
            let name = match.output.1 ?? match.output.2 ?? ""
            let attributeText = file.lines[first...index].joined(separator: "\n")
            found.append(
                TestFunction(name: suite.map { "\($0).\(name)" } ?? String(name), ids: Self.ids(in: attributeText))
            )
        }
        return found
    }

    /// The ids in the first string literal: up to its colon, or in brackets at its end; "bad-input 4" is I4.
    private static func ids(in attribute: String) -> [String] {
        guard let name = attribute.firstMatch(of: /@Test\(\s*"([^"]+)"/)?.output.1 else { return [] }
        let claims = [name.prefixMatch(of: /([^:]+):/)?.output.1, name.firstMatch(of: /\[([^\[\]]+)\]$/)?.output.1]
        return claims.compactMap { $0 }.flatMap(Self.ids(inClaim:))
    }

    private static func ids(inClaim claim: Substring) -> [String] {
        var isBadInput = false
        return claim.split(separator: ",").compactMap { part in
            let words = part.split(separator: " ")
            if words.first == "bad-input" { isBadInput = true }
            guard let last = words.last else { return nil }
            let id = isBadInput && last.allSatisfy(\.isNumber) ? "I\(last)" : String(last)
            return BehaviourTable.looksLikeID(id) ? id : nil
        }
    }
}
