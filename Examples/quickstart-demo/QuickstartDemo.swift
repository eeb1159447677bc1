import Foundation

/// The program behind Examples/quickstart: two clients that verify what they have mapped, and who makes the changes.
///
///     quickstart-demo direct SERVER LOG EXPORT FILE ORIGINAL BLOCK ROUNDS
///     quickstart-demo watch SERVER FILE ORIGINAL NAME FROM TO FROM TO       (started by the first)
@main struct QuickstartDemo {
    static func main() async {
        // Whoever reads our lines may end first; that shows as an error of a write.
        signal(SIGPIPE, SIG_IGN)
        do {
            let words = Array(CommandLine.arguments.dropFirst())
            switch (words.first, words.count) {
            case ("direct", 8): try await Self.direct(words)
            case ("watch", 9): try await Self.watch(words)
            default: throw DemoError("run Examples/quickstart; it runs this program")
            }
        } catch {
            FileHandle.standardError.write(Data("quickstart-demo: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func direct(_ words: [String]) async throws {
        guard let block = UInt64(words[6]), let rounds = Int(words[7]) else { throw DemoError("no numbers: \(words)") }
        let places = Director.Places(
            server: words[1],
            log: words[2],
            path: words[4],
            export: words[3],
            original: words[5],
            programs: URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        )
        let director = try Director(places, rounds: rounds, block: block)
        if try await !director.run() { exit(1) }
    }

    private static func watch(_ words: [String]) async throws {
        let numbers = words[5...].compactMap { UInt64($0) }
        guard numbers.count == 4, numbers[0] < numbers[1], numbers[2] < numbers[3] else {
            throw DemoError("no ranges: \(words)")
        }
        let original = try Data(contentsOf: URL(filePath: words[3]), options: .alwaysMapped)
        let plan = Watcher.Plan(
            name: words[4],
            contentRange: numbers[0]..<numbers[1],
            offsetRange: numbers[2]..<numbers[3]
        )
        var watcher = Watcher(plan: plan, model: FileModel(original: original))
        try await watcher.run(server: words[1], path: words[2])
    }
}
