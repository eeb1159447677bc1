import Testing

/// The core decides, and nothing else: no clock, no randomness, no I/O, no concurrency.
enum Purity {
    /// The modules that it holds for.
    static let modules: Set = ["LayoutCore", "Sessions", "LeaseEngine", "LayoutHolder", "LayoutSimulation"]

    /// What the simulation may all the same: it draws from its seed, and prints a trace of one seed on demand.
    private static let allowedInSimulation: Set = ["random", "shuffled", "print"]

    /// What may not appear, and what to do instead.
    private static let banned: [(words: Pattern, remedy: String)] = [
        (
            .words(["Date", "ContinuousClock", "SuspendingClock", "DispatchTime", "clock_gettime"]),
            "time is an argument: `at now: Instant`"
        ),
        (
            .words(["SystemRandomNumberGenerator", "random", "randomElement", "shuffle", "shuffled", "UUID"]),
            "random values are arguments"
        ),
        (
            .words([
                "Task", "TaskGroup", "actor", "async", "await", "Mutex", "Atomic", "DispatchQueue", "Thread",
            ]),
            "the owner serialises calls"
        ),
        (
            .words(["print", "debugPrint", "dump", "readLine", "Logger", "FileManager"]),
            "events and actions are the log"
        ),
        (
            .words(["nonisolated", "unsafe", "UnsafePointer", "UnsafeRawPointer", "UnsafeMutablePointer"]),
            "the core is values"
        ),
    ]

    /// What a file of a pure module uses and may not.
    static func violations(in file: TextFile) throws -> [Violation] {
        let components = file.path.split(separator: "/")
        guard components.count > 2, components[0] == "Sources", Self.modules.contains(String(components[1])) else {
            return []
        }
        let allowed = components[1] == "LayoutSimulation" ? Self.allowedInSimulation : []
        return try Self.banned.flatMap { words, remedy in
            try words.violations(in: file, code: true) { "\($0) in the pure core: \(remedy)" }
        }.filter { found in !allowed.contains { found.message.hasPrefix("\($0) in") } }
    }
}

@Suite struct PurityTests {
    @Test func theCoreIsPure() throws {
        let files = try Repository.files { $0.hasSuffix(".swift") }
        expectNone(try files.flatMap(Purity.violations(in:)))
        for module in Purity.modules { #expect(files.contains { $0.path.hasPrefix("Sources/\(module)/") }) }
    }

    @Test(arguments: [
        "let now = ContinuousClock.now", "let x = Int.random(in: 0..<2)", "Task { run() }", "print(state)",
        "var g = SystemRandomNumberGenerator()", "let d = Date()", "func f() async {}", "let m = Mutex(0)",
        "let p = unsafe f()",
    ])
    func anImpurityIsSeen(_ line: String) throws {
        let file = TextFile(path: "Sources/LeaseEngine/Some.swift", text: line)
        #expect(try Purity.violations(in: file).isEmpty == false)
    }

    @Test(arguments: [
        "/// Prints nothing, and has no Task.", "let text = \"random\"", "var updatedAt: Instant",
        "let candidates = [1]",
        "/* async */ let a = 1", "let raw = #\"a \" Task\"#", "let lines = \"\"\"\nawait\n\"\"\"",
    ])
    func proseAndLongerWordsArePure(_ line: String) throws {
        let file = TextFile(path: "Sources/LeaseEngine/Some.swift", text: line)
        #expect(try Purity.violations(in: file).isEmpty)
    }
}
