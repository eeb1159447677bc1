import Foundation
import LayoutClient

/// One client process: maps a range that follows its content and one that shows its offsets, and verifies both.
///
/// It is told on standard input what is about to be done to the file (`begin OPERATION`) and that it was done (`end`), and
/// answers each line with one: `ready`, then `verified NAME CHECKSUM NAME CHECKSUM`. `stop` ends it with a `summary`.
struct Watcher {
    /// Which bytes it maps, and how.
    struct Plan {
        var name: String
        var contentRange: Range<UInt64>
        var offsetRange: Range<UInt64>
    }

    var plan: Plan
    var model: FileModel

    mutating func run(server: String, path: String) async throws {
        let client = try await LayoutClient.connect(to: server, configuration: self.configuration)
        let file = try await client.open(path, .read)
        // Windows smaller than what is mapped, so that a recall of a part takes a part.
        let content = try await file.map(self.plan.contentRange, following: .content, windowSize: 8 << 20)
        let offset = try await file.map(self.plan.offsetRange, windowSize: 8 << 20)
        let follower = WatchedWindow(
            name: "content",
            region: content,
            expected: self.model.bytes(in: self.plan.contentRange)
        )
        let watcher = WatchedWindow(
            name: "offset",
            region: offset,
            expected: self.model.bytes(in: self.plan.offsetRange)
        )

        let events = client.recallEvents
        let teller = Task.detached {
            for await event in events { Self.say("event \(Clock.now) recalled: \(event)") }
        }
        // Whatever the file does, this one stays as it is.
        let content0 = self.model.bytes(in: self.plan.contentRange)
        try await self.settle(follower, watcher, content0)
        while let line = readLine() {
            if line == "stop" { break }
            if line.hasPrefix("begin "), let operation = Operation(line: line.dropFirst(6)) {
                self.model.apply(operation)
                await watcher.announce(self.model.bytes(in: self.plan.offsetRange))
                Self.say("ready")
            } else if line == "end" {
                try await self.settle(follower, watcher, content0)
            } else {
                throw DemoError("watcher \(self.plan.name) does not understand '\(line)'")
            }
        }
        let (first, second) = await (follower.stop(), watcher.stop())
        let counted = client.statistics
        Self.say(
            "summary recalls=\(counted.recallsReceived) returns=\(counted.returns) grants=\(counted.grants)"
                + " faults=\(counted.faultsParked) lost=\(counted.windowsFailed)"
                + " passes=\(first.passes + second.passes) bytes=\(first.bytes + second.bytes)"
        )
        teller.cancel()
        await client.close()
    }

    private func settle(_ follower: WatchedWindow, _ watcher: WatchedWindow, _ content: [UInt8]) async throws {
        let offset = self.model.bytes(in: self.plan.offsetRange)
        let (first, second) = await (follower.settle(content), watcher.settle(offset))
        Self.say("verified content \(first) offset \(second)")
    }

    private var configuration: ClientConfiguration {
        var configuration = ClientConfiguration()
        configuration.name = "quickstart \(self.plan.name)"
        return configuration
    }

    private static func say(_ line: String) {
        print(line)
        fflush(nil)
    }
}
