import Foundation

/// What the server writes about layouts, recalls and changes, from where it was read last.
struct ServerLog {
    private let file: FileHandle
    private var rest = ""
    /// Client numbers by the number of the process that made the session, as the log tells.
    private var clients: [String: String] = [:]

    /// Opens the log; what is in it already is not told again.
    init(_ path: String) throws {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw DemoError("cannot read the server's log \(path)")
        }
        self.file = file
    }

    /// One line about something that happened.
    struct Entry {
        /// When, as ``Clock`` has it.
        var time: String
        /// What.
        var text: String
    }

    /// The new lines, with names for clients; `names` are by process.
    mutating func read(names: [String: String]) throws -> [Entry] {
        self.rest += String(decoding: try self.file.readToEnd() ?? Data(), as: UTF8.self)
        var entries: [Entry] = []
        while let end = self.rest.firstIndex(of: "\n") {
            let line = String(self.rest[..<end])
            self.rest = String(self.rest[self.rest.index(after: end)...])
            if let match = line.firstMatch(of: /session created client=(\d+) peer="process (\d+)/) {
                self.clients[String(match.output.1)] = names[String(match.output.2)] ?? "layoutctl"
            }
            guard let match = line.firstMatch(of: /^([\d:.]+) info ((?:layout|recall|change) .*)/) else { continue }
            let text = String(match.output.2).replacing(/client=(\d+)/) { number in
                "client=" + (self.clients[String(number.output.1)] ?? String(number.output.1))
            }
            entries.append(Entry(time: String(match.output.1), text: text))
        }
        return entries
    }

    /// How many holders the change was held back for that these lines say was done; `nil` if they say nothing of one.
    static func recalled(in entries: [Entry]) -> Int? {
        entries.lazy.compactMap { entry in
            entry.text.firstMatch(of: /^change done .*recalled=(\d+)/).flatMap { Int($0.output.1) }
        }.last
    }
}
