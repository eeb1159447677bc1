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

/// A regular expression whose `\b` is between letters, digits or underscores and anything else.
///
/// The default of Swift is Unicode's: it sees no boundary before the point in `Clock.now`. It compares characters too,
/// which takes longer than the code points that are enough here.
func expression(_ pattern: String) throws -> Regex<AnyRegexOutput> {
    try Regex(pattern).wordBoundaryKind(.simple).matchingSemantics(.unicodeScalar)
}

extension TextFile {
    /// A violation for each line that matches.
    func violations(of pattern: Regex<AnyRegexOutput>, _ message: (Substring) -> String) -> [Violation] {
        self.lines.enumerated().compactMap { index, line in
            guard let match = line.firstMatch(of: pattern) else { return nil }
            return Violation(path: self.path, line: index + 1, message: message(line[match.range]))
        }
    }
}
