import ArgumentParser
import LayoutClient
import LayoutXDR

/// The command `layoutctl extents`.
struct Extents: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what a file is on storage, and who holds layouts of it.",
        discussion: "Who holds layouts is told to root and to the server's own user only."
    )

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The file.") var path: String

    @Option(help: ArgumentHelp("Lines of the picture.", valueName: "n"))
    var lines = 4

    func validate() throws {
        guard (1...1000).contains(self.lines) else { throw ValidationError("--lines takes 1 to 1000") }
    }

    func run() async throws {
        try await self.options.withClient { client in
            let file = try await client.open(self.path)
            let size = try await file.size
            let extents = try await file.extents(0..<max(size, 1))
            let handle = try await file.handle()
            await file.close()
            let holders = await self.holders(client, handle)
            if self.options.json {
                return Terminal.print(self.json(size, extents, holders).description)
            }
            Terminal.print("\(self.path): \(size) bytes (\(ByteSize.rounded(size))), \(extents.count) extent(s)")
            guard size > 0 else { return }
            let picture = FilePicture(size: size, extents: extents, holders: holders ?? [], maxLines: self.lines)
            for line in picture.lines(columns: Terminal.columns) { Terminal.print(line) }
            Terminal.print("")
            self.printTable(extents)
            if holders == nil { Terminal.print("\nWho holds layouts is told to root and to the server's user only.") }
        }
    }

    private func printTable(_ extents: [Extent]) {
        var table = Table(["OFFSET", "LENGTH", "STATE", "STORAGE"], alignsRight: [0, 1, 3])
        for extent in extents {
            table.add([
                "\(extent.range.lowerBound)", ByteSize.exact(extent.range.wireLength), extent.state.text,
                extent.storageOffset == 0 ? "-" : "\(extent.storageOffset)",
            ])
        }
        table.print()
    }

    /// Who holds layouts of the file; `nil` if the server does not say.
    private func holders(_ client: LayoutClient, _ handle: FileHandle) async -> [LayoutOwner]? {
        guard let layouts = try? await client.layoutStates(), let clients = try? await client.clientStates() else {
            return nil
        }
        return layouts.filter { $0.handle == handle }.map { layout in
            LayoutOwner(
                layout: layout,
                name: clients.first { $0.client == layout.client }?.text ?? "client \(layout.client.rawValue)"
            )
        }
    }

    private func json(_ size: UInt64, _ extents: [Extent], _ holders: [LayoutOwner]?) -> JSONValue {
        let layouts = holders.map { holders in
            JSONValue.array(
                holders.map { holder in
                    .object([
                        ("client", .number(holder.layout.client.rawValue)), ("holder", .string(holder.name)),
                        ("mode", .string(holder.layout.ioMode.text)),
                        ("offset", .number(holder.layout.range.lowerBound)),
                        ("length", .number(holder.layout.range.wireLength)),
                        ("recalled", .bool(holder.layout.isRecalled)),
                    ])
                }
            )
        }
        return .object([
            ("path", .string(self.path)), ("size", .number(size)),
            (
                "extents",
                .array(
                    extents.map { extent in
                        .object([
                            ("offset", .number(extent.range.lowerBound)), ("length", .number(extent.range.wireLength)),
                            ("state", .string(extent.state.text)), ("storage", .number(extent.storageOffset)),
                        ])
                    }
                )
            ),
            ("layouts", layouts ?? .null),
        ])
    }
}

/// A layout and its holder's name.
struct LayoutOwner {
    var layout: HeldLayoutState
    var name: String
}

extension ExtentState {
    /// One word.
    var text: String {
        switch self {
        case .data: "data"
        case .unwritten: "unwritten"
        case .hole: "hole"
        }
    }
}

extension IOMode {
    /// One word.
    var text: String { self == .readWrite ? "read-write" : "read" }
}
