import ArgumentParser
import LayoutClient

/// A range of a file.
struct RangeArguments: ParsableArguments {
    @Argument(help: "The file.") var path: String

    @Option(help: ArgumentHelp("The first byte.", valueName: "bytes")) var offset: ByteSize

    @Option(help: ArgumentHelp("How many bytes.", valueName: "bytes")) var length: ByteSize

    func validate() throws {
        guard self.length.bytes > 0 else { throw ValidationError("--length takes at least one byte") }
        let (_, overflow) = self.offset.bytes.addingReportingOverflow(self.length.bytes)
        guard !overflow, self.offset.bytes + self.length.bytes <= UInt64(Int64.max) else {
            throw ValidationError("--offset and --length together go beyond 2^63 - 1")
        }
    }

    var range: Range<UInt64> { self.offset.bytes..<self.offset.bytes + self.length.bytes }
}

/// The command `layoutctl insert`.
struct Insert: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Inserts a hole; what is behind it moves up.")

    @OptionGroup var options: GlobalOptions
    @OptionGroup var arguments: RangeArguments

    func run() async throws {
        try await self.options.change(self.arguments.path) { file, patience in
            try await file.insertRange(
                at: self.arguments.offset.bytes,
                length: self.arguments.length.bytes,
                patience: patience
            )
        }
    }
}

/// The command `layoutctl collapse`.
struct Collapse: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Removes bytes; what is behind them moves down.")

    @OptionGroup var options: GlobalOptions
    @OptionGroup var arguments: RangeArguments

    func run() async throws {
        try await self.options.change(self.arguments.path) { file, patience in
            try await file.collapseRange(self.arguments.range, patience: patience)
        }
    }
}

/// The command `layoutctl punch`.
struct Punch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Frees blocks; the bytes read as zeros.")

    @OptionGroup var options: GlobalOptions
    @OptionGroup var arguments: RangeArguments

    func run() async throws {
        try await self.options.change(self.arguments.path) { file, patience in
            try await file.punchHole(self.arguments.range, patience: patience)
        }
    }
}

/// The command `layoutctl zero`.
struct Zero: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Makes bytes zeros; blocks stay allocated.")

    @OptionGroup var options: GlobalOptions
    @OptionGroup var arguments: RangeArguments
    @Flag(help: "Do not make the file longer.") var keepSize = false

    func run() async throws {
        try await self.options.change(self.arguments.path) { file, patience in
            try await file.zeroRange(self.arguments.range, keepingSize: self.keepSize, patience: patience)
        }
    }
}

/// The command `layoutctl allocate`.
struct Allocate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Allocates blocks; changes no byte.")

    @OptionGroup var options: GlobalOptions
    @OptionGroup var arguments: RangeArguments
    @Flag(help: "Do not make the file longer.") var keepSize = false

    func run() async throws {
        try await self.options.change(self.arguments.path) { file, patience in
            try await file.allocate(self.arguments.range, keepingSize: self.keepSize, patience: patience)
        }
    }
}

/// The command `layoutctl truncate`.
struct Truncate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Sets the size of a file.")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The file.") var path: String
    @Option(help: ArgumentHelp("The new size.", valueName: "bytes")) var size: ByteSize

    func run() async throws {
        try await self.options.change(self.path) { file, patience in
            try await file.truncate(to: self.size.bytes, patience: patience)
        }
    }
}

/// The command `layoutctl rm`.
struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Removes a file or an empty directory."
    )

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The file.") var path: String

    func run() async throws {
        try await self.options.withClient { client in
            try await WaitingProgress.show(client) {
                try await client.remove(self.path, patience: self.options.patience)
            }
        }
    }
}

extension GlobalOptions {
    /// Opens a file, changes it, and shows meanwhile who is waited for.
    func change(_ path: String, _ body: (LayoutFile, Duration) async throws -> Void) async throws {
        try await self.withClient { client in
            let file = try await client.open(path, .readWrite)
            do {
                try await WaitingProgress.show(client) { try await body(file, self.patience) }
            } catch let error as LayoutError where error.code == .delay {
                throw LayoutError(
                    .delay,
                    "\(error.message); see who is in the way with 'layoutctl waiting' and 'layoutctl layouts'"
                )
            }
            let size = try await file.size
            await file.close()
            guard self.json else { return }
            Terminal.print(JSONValue.object([("path", .string(path)), ("size", .number(size))]).description)
        }
    }
}
