import ArgumentParser

/// The operator's and the shell's way to a layout server.
@main
struct Layoutctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layoutctl",
        abstract: "Looks at the files of a layout server, and changes them.",
        discussion: """
            The server is named by --server or by the environment variable LAYOUTD_SERVER, for example \
            layout+unix:///run/layoutd.sock or layout://host:7400. Paths are relative to the directory that it exports. \
            Sizes and offsets take the suffixes K, M, G and T (powers of 1024).

            Exit codes: 0 done; 64 wrong usage; 69 the server cannot be reached; 75 not now, try again later; 77 no \
            permission; 1 anything else.
            """,
        subcommands: [],
        groupedSubcommands: [
            CommandGroup(
                name: "Files",
                subcommands: [List.self, Stat.self, Extents.self, Get.self, Put.self, Watch.self]
            ),
            CommandGroup(
                name: "Changes",
                subcommands: [
                    Insert.self, Collapse.self, Punch.self, Zero.self, Allocate.self, Truncate.self, Remove.self,
                ]
            ),
            CommandGroup(
                name: "The server",
                subcommands: [
                    Clients.self, Layouts.self, Waiting.self, Recalls.self, Counters.self, Blocked.self, Unblock.self,
                ]
            ),
        ]
    )
}
