import Testing

/// What files look like: how long they are, what they do not say, where they are.
enum Shape {
    /// Lines of a file that a person can still keep in mind.
    static let linesMax = 500
    /// Columns; swift-format looks after Swift.
    static let columnsMax = 120

    /// Longer files, and why.
    ///
    /// They have to be longer, or they do not belong here.
    static let longFiles = [
        "Sources/CLayoutXDR/include/layout.h": "rpcgen's output",
        "Sources/CLayoutXDR/layout_xdr.c": "rpcgen's output",
    ]

    /// What the top level of the repository holds, beside dotfiles.
    static let topLevel: Set = ["Examples", "LICENSE", "Package.swift", "Protocol", "README.md", "Sources", "Tests"]

    /// Banned everywhere; in pieces, so that this file does not say them.
    private static let bannedWords: [(pattern: Pattern, remedy: String)] = [
        (.words(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]), "do it, or file it"),
        (
            Pattern(
                #"(?:^|[\s"'`(=])/(?:home|Users|root|work)/[\w.-]"#,
                hints: ["home", "Users", "root", "work"].map { "/\($0)/" }
            ),
            "a path of one developer's machine"
        ),
    ]

    /// Banned in code, where prose and strings do not count.
    private static let bannedCode: [(pattern: Pattern, remedy: String)] = [
        (Pattern(#"\btry!"#, hints: ["try!"]), "throw, or catch"),
        (Pattern(#"\bas!"#, hints: ["as!"]), "cast with as?, and say what to do otherwise"),
    ]

    /// Banned in the product's code.
    ///
    /// A test may look again and again for what tells nobody when it happens.
    private static let sleeping = Pattern(
        #"\b(?:DispatchSemaphore|Thread\.sleep|usleep|nanosleep)\b"#,
        hints: ["DispatchSemaphore", "Thread.sleep", "usleep", "nanosleep"]
    )

    /// Banned in the texts of traps.
    private static let bannedTraps: [(pattern: Pattern, remedy: String)] = [
        (
            Pattern(#"fatalError\(\s*\"(?i:not|un)[ -]?(?:yet|impl|supported|done)"#, hints: ["fatalError("]),
            "implement it, or do not offer it"
        ),
        (
            Pattern(#"print\(\s*\"(?i:not yet|stub|placeholder)"#, hints: ["print("]),
            "implement it, or do not offer it"
        ),
    ]

    /// Ways past the compiler's checks.
    private static let exemptions = Pattern(
        #"@unchecked\s+Sendable|nonisolated\(unsafe\)"#,
        hints: ["@unchecked", "nonisolated(unsafe)"]
    )

    static func violations(in file: TextFile) throws -> [Violation] {
        try Self.wordViolations(in: file) + Self.lengthViolations(in: file) + Self.exemptionViolations(in: file)
    }

    private static func wordViolations(in file: TextFile) throws -> [Violation] {
        var found = try Self.bannedWords.flatMap { pattern, remedy in
            try pattern.violations(in: file) { "'\($0)': \(remedy)" }
        }
        guard file.isSwift else { return found }
        found += try Self.bannedCode.flatMap { pattern, remedy in
            try pattern.violations(in: file, code: true) { "'\($0)': \(remedy)" }
        }
        if file.path.hasPrefix("Sources/") {
            found += try Self.sleeping.violations(in: file, code: true) {
                "'\($0)': wait for an event, with one deadline"
            }
        }
        found += try Self.bannedTraps.flatMap { pattern, remedy in
            try pattern.violations(in: file) { "'\($0)': \(remedy)" }
        }
        return found
    }

    private static func lengthViolations(in file: TextFile) -> [Violation] {
        guard file.isCode else { return [] }
        let count = file.lines.count
        if Self.longFiles[file.path] != nil {
            guard count <= Self.linesMax else { return [] }
            return [
                Violation(path: file.path, line: nil, message: "has \(count) lines: it needs no exception any more")
            ]
        }
        var found: [Violation] = []
        if count > Self.linesMax {
            let message = "\(count) lines, \(Self.linesMax) are allowed: one concern per file"
            found.append(Violation(path: file.path, line: nil, message: message))
        }
        guard !file.isSwift else { return found }
        for (index, line) in file.lines.enumerated() where line.count > Self.columnsMax {
            let message = "\(line.count) columns, \(Self.columnsMax) are allowed"
            found.append(Violation(path: file.path, line: index + 1, message: message))
        }
        return found
    }

    /// Ways past the compiler's checks give their reason in a comment on the line or right above.
    private static func exemptionViolations(in file: TextFile) throws -> [Violation] {
        guard file.isSwift else { return [] }
        let lines = file.lines
        return try Self.exemptions.violations(in: file, code: true) {
            "\($0) without a comment that gives the reason"
        }.filter {
            found in
            guard let number = found.line else { return true }
            let above = number > 1 ? lines[number - 2].drop(while: \.isWhitespace) : ""
            return !above.hasPrefix("//") && !lines[number - 1].contains("//")
        }
    }
}

@Suite struct ShapeTests {
    @Test func filesKeepTheirShape() throws {
        expectNone(try Repository.files { _ in true }.flatMap(Shape.violations(in:)))
    }

    @Test func exceptionsAreAboutFilesThatExist() throws {
        let paths = Set(try Repository.paths(.present))
        for path in Shape.longFiles.keys {
            #expect(paths.contains(path), "\(path) is gone: it needs no exception")
        }
    }

    @Test func theTopLevelHoldsWhatItShould() throws {
        let names = Set(try Repository.paths(.tracked).map { String($0.prefix { $0 != "/" }) })
        #expect(names.filter { !$0.hasPrefix(".") } == Shape.topLevel)
    }

    @Test func nothingIsAPlaceholder() throws {
        let found = try Repository.paths(.present).filter { $0.hasSuffix("Placeholder.swift") }
        expectNone(found.map { Violation(path: $0, line: nil, message: "is a placeholder: write what belongs there") })
    }

    @Test(arguments: [
        "// TO" + "DO: later", "let a = try" + "! f()", "let b = c as" + "! D", "fatalError(\"not implemented\")",
        "final class A: @unchecked Sendable {}", "nonisolated(unsafe) var a = 1",
        "let path = \"/ho" + "me/somebody/file\"",
        "usleep(1000)", "print(\"not yet\")",
    ])
    func whatIsBannedIsSeen(_ line: String) throws {
        #expect(try Shape.violations(in: TextFile(path: "Sources/Some/Some.swift", text: line)).count == 1)
    }

    @Test(arguments: [
        "// The lock is held by everybody who reads it.\nnonisolated(unsafe) var a = 1",
        "/// Never `try!`.", "fatalError(\"the owner broke its promise\")", "let path = \"/srv/data\"",
        "let hackle = \"roots/of\"",
    ])
    func whatIsAllowedPasses(_ text: String) throws {
        #expect(try Shape.violations(in: TextFile(path: "Sources/Some/Some.swift", text: text)).isEmpty)
    }

    @Test func longFilesAndLongLinesAreSeen() throws {
        let long = String(repeating: "a\n", count: Shape.linesMax + 1)
        #expect(try Shape.violations(in: TextFile(path: "Sources/A/a.swift", text: long)).count == 1)
        let wide = String(repeating: "a", count: Shape.columnsMax + 1)
        #expect(try Shape.violations(in: TextFile(path: "Sources/A/a.c", text: wide)).count == 1)
    }
}
