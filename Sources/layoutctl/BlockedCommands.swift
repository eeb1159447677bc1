import ArgumentParser
import LayoutClient
import LayoutXDR

/// The command `layoutctl blocked`.
struct Blocked: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists the files that nobody may use until somebody has looked at them.",
        discussion: "A crash has left a change of theirs neither undone nor done: see 'layoutctl unblock'."
    )

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await self.options.withClient { client in
            let blocked = try await client.blockedStates()
            guard !self.options.json else {
                let values = blocked.map { file in
                    JSONValue.object([("path", .string(file.pathText)), ("reason", .string(file.reason))])
                }
                return Terminal.print(JSONValue.array(values).description)
            }
            guard !blocked.isEmpty else { return Terminal.print("no file is blocked") }
            var table = Table(["FILE", "WHY"])
            for file in blocked { table.add([file.pathText, file.reason]) }
            table.print()
        }
    }
}

/// The command `layoutctl unblock`.
struct Unblock: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lets everybody use a file again that a crash has left in an unknown state.",
        discussion: """
            Look at the file first: an insert or collapse of it may have moved some of its bytes and not others. Put it \
            right, or replace its content, then run this.
            """
    )

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The file.") var path: String

    func run() async throws {
        try await self.options.withClient { client in
            try await client.unblock(self.path)
            Terminal.print("unblocked '\(self.path)'")
        }
    }
}
