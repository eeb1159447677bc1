import ArgumentParser
import LayoutClient

/// The command `layoutctl ls`.
struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "Lists a directory.")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The directory; default: the exported one.") var path = ""

    func run() async throws {
        try await self.options.withClient { client in
            let entries = try await client.list(self.path).sorted { $0.name < $1.name }
            guard !self.options.json else {
                let values = entries.map { entry in
                    JSONValue.object([
                        ("name", .string(entry.name)), ("type", .string(entry.type.text)),
                        ("size", .number(entry.size)),
                        ("inode", .number(entry.fileNumber)),
                    ])
                }
                return Terminal.print(JSONValue.array(values).description)
            }
            var table = Table(["TYPE", "SIZE", "NAME"], alignsRight: [1])
            for entry in entries { table.add([entry.type.text, "\(entry.size)", entry.name]) }
            table.print()
        }
    }
}

/// The command `layoutctl stat`.
struct Stat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Shows the attributes of a file.")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The file.") var path: String

    func run() async throws {
        try await self.options.withClient { client in
            let attributes = try await client.stat(self.path)
            guard !self.options.json else { return Terminal.print(attributes.json(self.path).description) }
            let mode = String(attributes.mode & 0o7777, radix: 8)
            Terminal.print("path:        \(self.path)")
            Terminal.print("type:        \(attributes.type.text)")
            Terminal.print("size:        \(attributes.size) (\(ByteSize.rounded(attributes.size)))")
            Terminal.print("allocated:   \(attributes.used) (\(ByteSize.rounded(attributes.used)))")
            Terminal.print("block size:  \(attributes.blockSize)")
            Terminal.print("mode:        0\(mode), user \(attributes.uid), group \(attributes.gid)")
            Terminal.print("inode:       \(attributes.fileNumber), \(attributes.linkCount) name(s)")
            Terminal.print("change:      \(attributes.change), mapping epoch \(attributes.epoch)")
            Terminal.print("modified:    \(attributes.modificationTime.seconds) s since 1970")
            if attributes.isDAX { Terminal.print("DAX:         loads and stores reach persistent memory") }
            if attributes.isEncoded {
                Terminal.print("encoded:     compressed or encrypted; cannot be mapped for writing")
            }
        }
    }
}

extension FileType {
    /// One word.
    var text: String {
        switch self {
        case .regular: "file"
        case .directory: "directory"
        case .blockDevice: "block-device"
        case .characterDevice: "character-device"
        case .symbolicLink: "link"
        case .socket: "socket"
        case .fifo: "fifo"
        }
    }
}

extension FileAttributes {
    fileprivate func json(_ path: String) -> JSONValue {
        .object([
            ("path", .string(path)), ("type", .string(self.type.text)), ("size", .number(self.size)),
            ("allocated", .number(self.used)), ("blockSize", .number(UInt64(self.blockSize))),
            ("mode", .number(UInt64(self.mode))), ("uid", .number(UInt64(self.uid))),
            ("gid", .number(UInt64(self.gid))),
            ("inode", .number(self.fileNumber)), ("links", .number(UInt64(self.linkCount))),
            ("change", .number(self.change)), ("epoch", .number(self.epoch)),
            ("modifiedSeconds", .signed(self.modificationTime.seconds)), ("dax", .bool(self.isDAX)),
            ("encoded", .bool(self.isEncoded)),
        ])
    }
}
