import ArgumentParser
import LayoutClient
import LayoutXDR

/// The command `layoutctl clients`.
struct Clients: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the clients of the server.")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await self.options.withClient { client in
            let clients = try await client.clientStates()
            guard !self.options.json else {
                let values = clients.map { client in
                    JSONValue.object([
                        ("client", .number(client.client.rawValue)), ("name", .string(client.name)),
                        ("address", .string(client.address)), ("uid", .number(UInt64(client.uid))),
                        ("pid", .number(UInt64(client.pid))), ("sessions", .number(UInt64(client.sessions))),
                        ("layouts", .number(client.layouts)), ("leaseLeftMs", .signed(client.leaseLeftMilliseconds)),
                        ("backChannel", .bool(client.hasBackChannel)), ("overdue", .bool(client.isOverdue)),
                        ("reclaiming", .bool(client.isReclaiming)),
                    ])
                }
                return Terminal.print(JSONValue.array(values).description)
            }
            var table = Table(
                ["CLIENT", "NAME", "PID", "USER", "LAYOUTS", "LEASE LEFT", "NOTES"],
                alignsRight: [0, 2, 3, 4, 5]
            )
            for client in clients {
                var notes: [String] = []
                if client.isOverdue { notes.append("has not returned in time") }
                if !client.hasBackChannel { notes.append("cannot be recalled from") }
                if client.leaseLeftMilliseconds <= 0 { notes.append("lease ran out") }
                if client.isReclaiming { notes.append("has not reclaimed since the restart") }
                table.add([
                    "\(client.client.rawValue)", client.name, client.pid == 0 ? "-" : "\(client.pid)", "\(client.uid)",
                    "\(client.layouts)", TimeText.milliseconds(UInt64(max(client.leaseLeftMilliseconds, 0))),
                    notes.joined(separator: ", "),
                ])
            }
            table.print()
        }
    }
}

/// The command `layoutctl layouts`.
struct Layouts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the layouts that are held.")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await self.options.withClient { client in
            let layouts = try await client.layoutStates()
            guard !self.options.json else {
                let values = layouts.map { layout in
                    JSONValue.object([
                        ("client", .number(layout.client.rawValue)), ("path", .string(layout.pathText)),
                        ("mode", .string(layout.ioMode.text)), ("offset", .number(layout.range.lowerBound)),
                        ("length", .number(layout.range.wireLength)), ("ageMs", .number(layout.ageMilliseconds)),
                        ("recalled", .bool(layout.isRecalled)),
                    ])
                }
                return Terminal.print(JSONValue.array(values).description)
            }
            let names = try await client.clientNames()
            var table = Table(["FILE", "RANGE", "MODE", "AGE", "HOLDER", "NOTES"], alignsRight: [3])
            for layout in layouts {
                table.add([
                    layout.pathText, layout.range.text, layout.ioMode.text,
                    TimeText.milliseconds(layout.ageMilliseconds),
                    names[layout.client] ?? "client \(layout.client.rawValue)", layout.isRecalled ? "recalled" : "",
                ])
            }
            table.print()
        }
    }
}

/// The command `layoutctl waiting`.
struct Waiting: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists the changes and the requests for layouts that wait or run, and for whom."
    )

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await self.options.withClient { client in
            let waiting = try await client.waitingStates()
            guard !self.options.json else {
                let values = waiting.map { entry in
                    JSONValue.object([
                        ("id", .number(entry.id)), ("path", .string(entry.pathText)),
                        ("operation", .string("\(entry.operation)")), ("offset", .number(entry.range.lowerBound)),
                        ("length", .number(entry.range.wireLength)), ("client", .number(entry.client.rawValue)),
                        ("pid", .number(UInt64(entry.pid))), ("command", .string(entry.command)),
                        ("call", .string(entry.call)), ("ageMs", .number(entry.ageMilliseconds)),
                        ("running", .bool(entry.isRunning)),
                        ("waitsFor", .array(entry.waitsFor.map { .number($0.rawValue) })),
                    ])
                }
                return Terminal.print(JSONValue.array(values).description)
            }
            guard !waiting.isEmpty else { return Terminal.print("nothing waits") }
            let names = try await client.clientNames()
            var table = Table(["FILE", "WANTS", "RANGE", "AGE", "FOR", "WAITS FOR"], alignsRight: [3])
            for entry in waiting {
                table.add([
                    entry.pathText, "\(entry.operation)", entry.range.text,
                    TimeText.milliseconds(entry.ageMilliseconds),
                    entry.requester(names), entry.blocker(names),
                ])
            }
            table.print()
        }
    }
}

/// The command `layoutctl recalls`.
struct Recalls: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the recalls in flight.")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await self.options.withClient { client in
            let recalls = try await client.recallStates()
            guard !self.options.json else {
                let values = recalls.map { recall in
                    JSONValue.object([
                        ("id", .number(recall.id.rawValue)), ("client", .number(recall.client.rawValue)),
                        ("path", .string(recall.pathText)), ("operation", .string("\(recall.operation)")),
                        ("offset", .number(recall.range.lowerBound)), ("length", .number(recall.range.wireLength)),
                        ("ageMs", .number(recall.ageMilliseconds)), ("leftMs", .signed(recall.leftMilliseconds)),
                        ("answered", .bool(recall.isAnswered)), ("fences", .number(UInt64(recall.fenceAttempts))),
                    ])
                }
                return Terminal.print(JSONValue.array(values).description)
            }
            guard !recalls.isEmpty else { return Terminal.print("nothing is being recalled") }
            let names = try await client.clientNames()
            var table = Table(["FILE", "RANGE", "FROM", "FOR", "AGE", "STATE"], alignsRight: [4])
            for recall in recalls {
                let left = recall.leftMilliseconds
                var state = recall.isAnswered ? "answered" : "sent"
                state += left > 0 ? ", \(TimeText.milliseconds(UInt64(left))) left" : ", overdue"
                if recall.fenceAttempts > 0 { state += ", fenced \(recall.fenceAttempts) time(s)" }
                table.add([
                    recall.pathText, recall.range.text, names[recall.client] ?? "client \(recall.client.rawValue)",
                    "\(recall.operation)", TimeText.milliseconds(recall.ageMilliseconds), state,
                ])
            }
            table.print()
        }
    }
}

/// The command `layoutctl counters`.
struct Counters: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Shows what the server has counted since it started.")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await self.options.withClient { client in
            let state = try await client.serverState()
            let values: [(String, UInt64)] = [
                ("uptimeMs", state.uptimeMilliseconds), ("clients", state.clients), ("sessions", state.sessions),
                ("layouts", state.layouts), ("grants", state.grants), ("grantsWaiting", state.grantsWaiting),
                ("recallsSent", state.recallsSent), ("recallsReturned", state.recallsReturned),
                ("recallsRevoked", state.recallsRevoked), ("changesDone", state.changesDone),
                ("changesFailed", state.changesFailed), ("changesDelayed", state.changesDelayed),
                ("changesWaiting", state.changesWaiting), ("reads", state.deviceReads), ("writes", state.deviceWrites),
                ("life", state.life), ("graceLeftMs", state.graceLeftMilliseconds),
                ("clientsMissing", state.clientsMissing), ("blockedFiles", state.blockedFiles),
            ]
            guard !self.options.json else {
                return Terminal.print(JSONValue.object(values.map { ($0.0, .number($0.1)) }).description)
            }
            var table = Table(["COUNTER", "VALUE"], alignsRight: [1])
            for (name, value) in values { table.add([name, "\(value)"]) }
            table.print()
        }
    }
}
