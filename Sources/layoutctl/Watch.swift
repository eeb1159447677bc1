import ArgumentParser
import LayoutClient

/// The command `layoutctl watch`.
struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Holds a read layout of a file and shows each recall of it.",
        discussion: "Ends with Ctrl-C, or after --count recalls."
    )

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The file.") var path: String
    @Option(help: ArgumentHelp("End after so many recalls.", valueName: "n")) var count: Int?

    func validate() throws {
        if let count = self.count, count < 1 { throw ValidationError("--count takes at least 1") }
    }

    func run() async throws {
        try await self.options.withClient { client in
            let events = client.recallEvents
            let file = try await client.open(self.path)
            let size = try await file.size
            guard size > 0 else {
                throw LayoutError(
                    .invalid,
                    "cannot watch '\(self.path)': it is empty, so there is nothing to hold a layout of"
                )
            }
            let region = try await file.map(0..<size)
            try await region.prepare()
            if !self.options.json {
                Terminal.print("holding a read layout of \(self.path), \(ByteSize.rounded(size)); Ctrl-C ends")
            }
            var seen = 0
            for await event in events {
                Terminal.print(self.options.json ? event.json.description : event.text)
                seen += 1
                if let count = self.count, seen >= count { break }
                // Hold it again, as soon as the change is over; what is beyond a new end stays lost.
                try? await region.prepare(nil, patience: .seconds(20))
            }
            await region.unmap()
            await file.close()
        }
    }
}

extension RecallEvent {
    /// One line: what, which bytes, where they go, who, how long.
    fileprivate var text: String {
        var text = "\(self.operation) of \(self.argument.text): recalls \(self.range.text)"
        if let shift = self.shift {
            text += ", moves what is behind \(shift.isInsert ? "up" : "down") by \(ByteSize.exact(shift.length))"
        }
        var who: [String] = []
        if !self.requesterCommand.isEmpty { who.append(self.requesterCommand) }
        if let pid = self.requesterPID { who.append("process \(pid)") }
        if who.isEmpty, let client = self.requester { who.append("client \(client.rawValue)") }
        if !who.isEmpty { text += "; for \(who.joined(separator: ", "))" }
        return text + "; \(TimeText.milliseconds(UInt64(self.timeLeft.wholeMilliseconds))) left"
    }

    fileprivate var json: JSONValue {
        .object([
            ("path", .string(self.path)), ("operation", .string("\(self.operation)")),
            ("reason", .string(self.reason == .write ? "write" : "unmap")),
            ("offset", .number(self.range.lowerBound)), ("length", .number(self.range.wireLength)),
            ("argumentOffset", .number(self.argument.lowerBound)),
            ("argumentLength", .number(self.argument.wireLength)),
            ("client", .optional(self.requester?.rawValue)), ("pid", .optional(self.requesterPID.map { UInt64($0) })),
            ("command", .string(self.requesterCommand)),
            ("leftMs", .number(UInt64(self.timeLeft.wholeMilliseconds))),
        ])
    }
}
