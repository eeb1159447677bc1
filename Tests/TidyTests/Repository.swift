import Foundation

/// The files of the repository that this test was built from.
enum Repository {
    /// The directory of Package.swift.
    static let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// What git knows, by paths from ``root``.
    enum Selection {
        /// What is in the index.
        case tracked
        /// That, and new files where files belong; without those that were deleted and not yet committed.
        ///
        /// What lies about elsewhere, such as the output of a run, is nobody's contribution.
        case present
    }

    /// Where new files belong.
    private static let directories = ["Sources", "Tests", "Examples", "Protocol", ".github"]

    /// The paths of the files, sorted.
    ///
    /// - Throws: ``GitFailure`` if this is no clone, or git is not there.
    static func paths(_ selection: Selection) throws -> [String] {
        let tracked = try Self.list(["--cached"])
        guard selection == .present else { return tracked.sorted() }
        let new = try Self.list(["--others", "--exclude-standard", "--"] + Self.directories)
        return tracked.union(new).sorted().filter {
            FileManager.default.fileExists(atPath: Self.root.appending(path: $0).path)
        }
    }

    private static func list(_ arguments: [String]) throws -> Set<String> {
        let git = Process()
        git.executableURL = URL(filePath: "/usr/bin/env")
        // Root may look at the clone of another user.
        git.arguments = ["git", "-c", "safe.directory=*", "ls-files", "-z"] + arguments
        git.currentDirectoryURL = Self.root
        let output = Pipe()
        git.standardOutput = output
        try git.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        git.waitUntilExit()
        guard git.terminationStatus == 0 else { throw GitFailure(status: git.terminationStatus) }
        return Set(data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
    }

    /// All present files that are text: read once, since every test looks at them.
    private static let present = Result {
        try Self.paths(.present).compactMap { path -> TextFile? in
            let data = try Data(contentsOf: Self.root.appending(path: path))
            return String(data: data, encoding: .utf8).map { TextFile(path: path, text: $0) }
        }
    }

    /// The present files that `isWanted` selects, and that are text.
    static func files(where isWanted: (String) -> Bool) throws -> [TextFile] {
        try Self.present.get().filter { isWanted($0.path) }
    }

    /// Reads one file.
    static func file(_ path: String) throws -> TextFile {
        TextFile(path: path, text: try String(contentsOf: Self.root.appending(path: path), encoding: .utf8))
    }
}

/// `git ls-files` failed.
struct GitFailure: Error, CustomStringConvertible {
    /// Its exit code.
    var status: Int32

    var description: String {
        "git ls-files in \(Repository.root.path) ended with \(self.status); the tidy tests need a clone, not an archive"
    }
}

/// A file and what it says.
struct TextFile: Sendable {
    /// From the root of the repository.
    let path: String
    /// All of it.
    let text: String
    /// Its lines; the first is number 1.
    let lines: [Substring]
    /// The same lines with comments blanked, and with the contents of string literals blanked too; empty if it is not Swift.
    let codeLines: [Substring]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        self.lines = Self.lines(of: text)
        self.codeLines = path.hasSuffix(".swift") ? Self.lines(of: blankProse(in: text)) : []
    }

    private static func lines(of text: String) -> [Substring] {
        // Bytes: it is about every line of the repository.
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
            Substring($0)
        }
        if lines.last == "" { lines.removeLast() }
        return lines
    }

    /// Whether a person writes code in it.
    var isCode: Bool { self.isSwift || self.path.hasSuffix(".c") || self.path.hasSuffix(".h") || self.isScript }

    /// Whether it is Swift.
    var isSwift: Bool { self.path.hasSuffix(".swift") }

    /// Whether it is a script of a shell.
    var isScript: Bool { self.path.hasSuffix(".sh") || self.text.hasPrefix("#!") }
}
