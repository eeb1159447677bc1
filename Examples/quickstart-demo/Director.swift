import Foundation

/// Starts the clients, has the changes made, and says how it went.
final class Director {
    /// Where things are.
    struct Places {
        /// The server, as `layout+unix:///...`.
        var server: String
        /// Its log.
        var log: String
        /// The file, below the export; and the directory of the export.
        var path: String
        var export: String
        /// What was copied in.
        var original: String
        /// Has `layoutctl`, and this program.
        var programs: URL
    }

    private let places: Places
    private let story: Story
    private var model: FileModel
    private var log: ServerLog
    private var clients: [(name: String, process: LineProcess)] = []
    private var events: [ServerLog.Entry] = []
    private var faults: [String] = []
    private var recalls = 0
    private var firstContent: String?
    private var checksums: [Int: String] = [:]

    init(_ places: Places, rounds: Int, block: UInt64) throws {
        self.places = places
        let original = try Data(contentsOf: URL(filePath: places.original), options: .alwaysMapped)
        self.model = FileModel(original: original)
        self.story = try Story(size: UInt64(original.count), block: block, rounds: rounds)
        self.log = try ServerLog(places.log)
    }

    /// Goes through the story; `false` if anything was wrong.
    func run() async throws -> Bool {
        try await self.startClients()
        try self.showTimeline(inFull: true)
        let stepsPerRound = 8
        for (index, step) in self.story.steps.enumerated() {
            if index == stepsPerRound { print("\nOnce more at other places, without the details:\n") }
            try await self.carryOut(step, inFull: index < stepsPerRound)
        }
        let summaries = try await self.stopClients()
        try self.compareFile()
        print("\nlayoutctl counters:")
        try self.layoutctl(["counters"])
        return self.judge(summaries)
    }

    // MARK: The clients

    private func startClients() async throws {
        let program = self.places.programs.appending(path: "quickstart-demo")
        for plan in self.story.plans {
            let numbers = [
                plan.contentRange.lowerBound, plan.contentRange.upperBound, plan.offsetRange.lowerBound,
                plan.offsetRange.upperBound,
            ].map(String.init)
            let arguments = ["watch", self.places.server, self.places.path, self.places.original, plan.name] + numbers
            let process = try LineProcess(program, arguments)
            self.clients.append((plan.name, process))
        }
        for index in self.clients.indices { try self.note(verified: await self.answer(of: index), by: index) }
    }

    private func answer(of index: Int) async throws -> String {
        let client = self.clients[index]
        while let line = await client.process.nextLine() {
            if line.hasPrefix("event ") {
                let words = line.split(separator: " ", maxSplits: 2)
                self.events.append(ServerLog.Entry(time: String(words[1]), text: "client \(client.name) \(words[2])"))
            } else if line.hasPrefix("wrong ") {
                throw DemoError("client \(client.name) saw wrong bytes: \(line.dropFirst(6))")
            } else {
                return line
            }
        }
        throw DemoError("client \(client.name) ended with \(client.process.wait())")
    }

    /// The content that a window follows has to be the same, at all times and in both processes.
    private func note(verified line: String, by index: Int) throws {
        guard let match = line.wholeMatch(of: /verified content (\w+) offset (\w+)/) else {
            throw DemoError("client \(self.clients[index].name) says '\(line)' and should have verified")
        }
        let content = String(match.output.1)
        if self.firstContent == nil { self.firstContent = content }
        if content != self.firstContent {
            self.faults.append("client \(self.clients[index].name) has other content: \(content)")
        }
        self.checksums[index] = String(match.output.2)
    }

    private func stopClients() async throws -> [String] {
        var summaries: [String] = []
        for index in self.clients.indices {
            try self.clients[index].process.send("stop")
            summaries.append(try await self.answer(of: index))
        }
        for client in self.clients where client.process.wait() != 0 {
            self.faults.append("client \(client.name) ended with \(client.process.wait())")
        }
        return summaries
    }

    // MARK: The changes

    private func carryOut(_ step: Story.Step, inFull: Bool) async throws {
        self.model.apply(step.operation)
        for index in self.clients.indices {
            try self.clients[index].process.send("begin \(step.operation.line)")
            guard try await self.answer(of: index) == "ready" else { throw DemoError("a client was not ready") }
        }
        let begin = ContinuousClock.now
        try self.change(step.operation)
        let duration = ContinuousClock.now - begin
        for index in self.clients.indices {
            try self.clients[index].process.send("end")
            try self.note(verified: await self.answer(of: index), by: index)
        }
        let recalled = try self.showTimeline(inFull: inFull)
        self.recalls += recalled ?? 0
        if recalled != step.recalls.count {
            let found = recalled.map(String.init) ?? "an unknown number"
            self.faults.append("'\(step.what)' recalled \(found) instead of \(step.recalls.count) (\(step.recalls))")
        }
        let sums = self.clients.indices.map { self.checksums[$0] ?? "?" }
        print(
            "  \(step.what) (\(step.operation.line)): \(recalled ?? 0) recalled,"
                + " \(duration.formatted(.units(allowed: [.milliseconds], width: .narrow)));"
                + " content \(self.firstContent ?? "?"), offsets \(sums.joined(separator: " "))"
        )
        if inFull { print("") }
        fflush(nil)
    }

    private func change(_ operation: Operation) throws {
        let file = self.places.path
        func arguments(_ offset: UInt64, _ length: UInt64) -> [String] {
            [file, "--offset", "\(offset)", "--length", "\(length)"]
        }
        let words: [String] =
            switch operation {
            case .insert(let offset, let length): ["insert"] + arguments(offset, length)
            case .collapse(let offset, let length): ["collapse"] + arguments(offset, length)
            case .punch(let offset, let length): ["punch"] + arguments(offset, length)
            case .zero(let offset, let length): ["zero"] + arguments(offset, length)
            case .truncate(let size): ["truncate", file, "--size", "\(size)"]
            }
        try self.layoutctl(words)
    }

    /// Runs the shell's tool, as a person would.
    private func layoutctl(_ words: [String]) throws {
        fflush(nil)
        let tool = Process()
        tool.executableURL = self.places.programs.appending(path: "layoutctl")
        tool.arguments = [words[0], "--server", self.places.server] + words.dropFirst()
        try tool.run()
        tool.waitUntilExit()
        guard tool.terminationStatus == 0 else {
            throw DemoError("layoutctl \(words.joined(separator: " ")) ended with \(tool.terminationStatus)")
        }
    }

    // MARK: What is told

    /// Tells what server and clients did since the last time, in order; returns what the server counted.
    @discardableResult private func showTimeline(inFull: Bool) throws -> Int? {
        var names: [String: String] = [:]
        for client in self.clients { names[String(client.process.processID)] = client.name }
        let entries = try self.log.read(names: names)
        if inFull {
            let all = (entries + self.events).sorted { $0.time < $1.time }
            for entry in all { print("\(entry.time)  \(entry.text)") }
        }
        self.events = []
        return ServerLog.recalled(in: entries)
    }

    /// The file itself, read by nobody's layout, has to be what the model says.
    private func compareFile() throws {
        let file = try FileHandle(forReadingFrom: URL(filePath: self.places.export + "/" + self.places.path))
        var offset: UInt64 = 0
        while let data = try file.read(upToCount: 4 << 20), !data.isEmpty {
            let end = offset + UInt64(data.count)
            if [UInt8](data) != self.model.bytes(in: offset..<end) {
                self.faults.append("the file is wrong between \(offset) and \(end)")
            }
            offset = end
        }
        if offset != self.model.size {
            self.faults.append("the file has \(offset) bytes instead of \(self.model.size)")
        }
    }

    private func judge(_ summaries: [String]) -> Bool {
        print("\n\(self.story.steps.count) changes; the server recalled from \(self.recalls) holders for them.")
        for (client, summary) in zip(self.clients, summaries) {
            print("client \(client.name): \(summary.dropFirst(8))")
        }
        for summary in summaries {
            let counts = summary.matches(of: /(\w+)=(\d+)/).map { (String($0.output.1), Int($0.output.2)) }
            let numbers = Dictionary(counts) { first, _ in first }
            if numbers["faults"] == 0 { self.faults.append("no thread ever waited for bytes: none were taken away") }
            if numbers["lost"] != 0 { self.faults.append("windows were lost") }
        }
        for fault in self.faults { print("WRONG: \(fault)") }
        if self.faults.isEmpty {
            print("Every byte was right, at every moment, and every change waited for its holders.")
        }
        return self.faults.isEmpty
    }
}
