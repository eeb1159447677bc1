import Glibc
import Testing

/// A place where a file breaks a rule.
struct Violation: Hashable, CustomStringConvertible {
    /// The file, from the root of the repository.
    var path: String
    /// The line, from 1; `nil` if it is about the whole file.
    var line: Int?
    /// What is wrong, and what to do.
    var message: String

    var description: String {
        guard let line = self.line else { return "\(self.path): \(self.message)" }
        return "\(self.path):\(line): \(self.message)"
    }
}

/// Fails the running test once for each violation.
func expectNone(_ violations: [Violation], sourceLocation: SourceLocation = #_sourceLocation) {
    for violation in violations { Issue.record("\(violation)", sourceLocation: sourceLocation) }
}

/// A regular expression, and what stands in every line that it matches.
///
/// Looking for bytes takes a hundredth of the time, and a person waits for it.
struct Pattern: Sendable {
    private let expression: String
    private let hints: [[UInt8]]

    /// Makes a pattern; whatever `expression` matches has one of the hints in it, letter by letter.
    init(_ expression: String, hints: [String]) {
        self.expression = expression
        self.hints = hints.map { Array($0.utf8) }
    }

    /// Any of the words, by themselves.
    static func words(_ words: [String]) -> Pattern {
        Pattern(#"\b(?:\#(words.joined(separator: "|")))\b"#, hints: words)
    }

    /// All matches, with the number of the line, from 1.
    func matches(in lines: [Substring]) throws -> [(line: Int, text: Substring)] {
        var found: [(line: Int, text: Substring)] = []
        var compiled: Regex<AnyRegexOutput>?
        for (index, line) in lines.enumerated() where self.hasHint(line) {
            let regex = try compiled ?? Self.compile(self.expression)
            compiled = regex
            found += line.matches(of: regex).map { (index + 1, line[$0.range]) }
        }
        return found
    }

    private static func compile(_ expression: String) throws -> Regex<AnyRegexOutput> {
        // The default for `\b` is Unicode's, which sees no boundary before the point in `Clock.now`. The default compares
        // characters too, which takes longer than the code points that are enough here; between those, `\b` sees no
        // boundary behind a digit.
        try Regex(expression).wordBoundaryKind(.simple).matchingSemantics(.unicodeScalar)
    }

    private func hasHint(_ line: Substring) -> Bool {
        let isThere = unsafe line.utf8.withContiguousStorageIfAvailable { text in
            self.hints.contains { unsafe Self.contains(text, $0) }
        }
        return isThere ?? true
    }

    private static func contains(_ text: UnsafeBufferPointer<UInt8>, _ hint: [UInt8]) -> Bool {
        guard var place = unsafe text.baseAddress.map({ unsafe UnsafeRawPointer($0) }) else { return false }
        let end = unsafe place + text.count
        while unsafe end - place >= hint.count {
            guard let found = unsafe memchr(place, CInt(hint[0]), end - place - hint.count + 1) else { return false }
            if unsafe memcmp(found, hint, hint.count) == 0 { return true }
            unsafe place = UnsafeRawPointer(found) + 1
        }
        return false
    }
}

extension Pattern {
    /// A violation for each match.
    func violations(
        in file: TextFile,
        code isCode: Bool = false,
        _ message: (Substring) -> String
    ) throws -> [Violation] {
        try self.matches(in: isCode ? file.codeLines : file.lines).map { found in
            Violation(path: file.path, line: found.line, message: message(found.text))
        }
    }
}
