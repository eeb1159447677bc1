import ArgumentParser

/// The server's program.
struct Layoutd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layoutd",
        abstract: "Hands out layout leases on the files of a directory, and recalls them before their mapping changes.",
        discussion: """
            A client that holds a layout maps the file and loads and stores without asking. Whoever wants to insert, \
            collapse, punch, truncate or remove through the server waits until the layouts in the way are given back.
            """,
        subcommands: [Serve.self, Doctor.self],
        defaultSubcommand: Serve.self
    )
}

/// The entry point.
@main
enum Program {
    static func main() async {
        await Layoutd.main(Environment.complete(Array(CommandLine.arguments.dropFirst())))
    }
}
