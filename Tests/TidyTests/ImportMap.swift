/// Which module may import what: the dependencies as Sources/ARCHITECTURE.md draws them.
///
/// The package manager checks that what is imported is declared; this checks that what is declared is what was meant.
enum ImportMap {
    private static let system: Set = ["Glibc", "Synchronization"]
    private static let transport: Set = ["NIOCore", "NIOPosix"]

    /// By module, which is the name of its directory.
    static let allowed: [String: Set<String>] = [
        // The pure core: not even the C library.
        "LayoutCore": [],
        "Sessions": ["LayoutCore", "Recovery"],
        "LeaseEngine": ["LayoutCore", "Recovery"],
        "LayoutHolder": ["LayoutCore"],
        "LayoutSimulation": ["LayoutCore", "Recovery", "Sessions", "LeaseEngine", "LayoutHolder"],
        // What outlives the server; a lock for its store in memory.
        "Recovery": ["LayoutCore", "Synchronization"],
        // The protocol and the system, each without the other.
        "LayoutXDR": ["LayoutCore", "CLayoutXDR", "CTIRPC", "NIOCore"],
        "ONCRPC": Self.transport.union(Self.system).union(["CTIRPC", "CLinuxFiles"]),
        "LinuxFiles": Self.system.union(["LayoutCore", "CLinuxFiles"]),
        "SQLiteStore": Self.system.union(["LayoutCore", "Recovery", "LinuxFiles", "GRDB", "FoundationEssentials"]),
        "MappedWindows": Self.system.union(["LayoutCore", "CMappedWindows"]),
        "MappingGuard": Self.system.union(["LayoutCore", "LinuxFiles", "CLinuxFiles", "CMappingGuard"]),
        // The shells.
        "LayoutServer": Self.transport.union(Self.system).union([
            "LayoutCore", "Recovery", "Sessions", "LeaseEngine", "LayoutXDR", "ONCRPC", "LinuxFiles", "MappingGuard",
            "Logging",
        ]),
        "LayoutClient": Self.transport.union(Self.system).union([
            "LayoutCore", "Sessions", "LayoutHolder", "LayoutXDR", "ONCRPC", "LinuxFiles", "MappedWindows", "Logging",
        ]),
        "LayoutClientC": Self.system.union(["CLayoutClientABI", "LayoutClient", "LinuxFiles"]),
        "layoutd": Self.system.union([
            "LayoutServer", "LayoutCore", "LinuxFiles", "MappingGuard", "ONCRPC", "Recovery", "SQLiteStore",
            "ArgumentParser", "Logging", "ServiceLifecycle", "UnixSignals",
        ]),
        "layoutctl": Self.system.union(["LayoutClient", "LayoutCore", "LayoutXDR", "ArgumentParser", "Logging"]),
        "layout-bench": Self.system.union([
            "ArgumentParser", "CBenchPeer", "LayoutClient", "LayoutCore", "LayoutXDR", "LeaseEngine", "LinuxFiles",
            "MappedWindows", "NIOCore", "Sessions",
        ]),
        "layout-sim": Self.system.union(["LayoutSimulation", "ArgumentParser"]),
        // Examples see what everybody sees.
        "quickstart-demo": ["LayoutClient", "Foundation", "Synchronization"],
        "swift-client": ["LayoutClient"],
    ]

    /// What a file of Sources or Examples imports and may not.
    static func violations(in file: TextFile) -> [Violation] {
        let components = file.path.split(separator: "/").map(String.init)
        guard components.count > 2, components[0] == "Sources" || components[0] == "Examples" else { return [] }
        let module = components[1]
        guard let allowed = Self.allowed[module] else {
            return [Violation(path: file.path, line: nil, message: "module \(module) is not in the import map; add it")]
        }
        return Self.imports(of: file).filter { !allowed.contains($0.module) }.map { found in
            let list = allowed.isEmpty ? "nothing" : allowed.sorted().joined(separator: ", ")
            let message = "\(module) imports \(found.module); it may import \(list)"
            return Violation(path: file.path, line: found.line, message: message)
        }
    }

    /// The modules that a file imports, with any access level and attributes; of `import struct A.B` it is A.
    static func imports(of file: TextFile) -> [(module: String, line: Int)] {
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var"]
        var found: [(module: String, line: Int)] = []
        for (index, line) in file.codeLines.enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let position = words.firstIndex(of: "import") else { continue }
            // Only attributes and access levels come before it.
            let modifiers: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
            guard words[..<position].allSatisfy({ $0.hasPrefix("@") || modifiers.contains($0) }) else { continue }
            guard let name = words[(position + 1)...].first(where: { !kinds.contains($0) }) else { continue }
            found.append((String(name.prefix { $0 != "." && $0 != ";" }), index + 1))
        }
        return found
    }
}
