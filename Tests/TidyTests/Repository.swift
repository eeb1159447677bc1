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
        /// That, and new files that are not ignored; without those that were deleted and not yet committed.
        case present
    }

    /// The paths of the files, sorted.
    ///
    /// - Throws: ``GitFailure`` if this is no clone, or git is not there.
    static func paths(_ selection: Selection) throws -> [String] {
        let git = Process()
        git.executableURL = URL(filePath: "/usr/bin/env")
        // Root may look at the clone of another user.
        git.arguments = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached"]
        if selection == .present { git.arguments? += ["--others", "--exclude-standard"] }
        git.currentDirectoryURL = Self.root
        let output = Pipe()
        git.standardOutput = output
        try git.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        git.waitUntilExit()
        guard git.terminationStatus == 0 else { throw GitFailure(status: git.terminationStatus) }
        let paths = Set(data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }).sorted()
        guard selection == .present else { return paths }
        return paths.filter { FileManager.default.fileExists(atPath: Self.root.appending(path: $0).path) }
    }

    /// Reads the present files that `isWanted` selects, and that are text.
    static func files(where isWanted: (String) -> Bool) throws -> [TextFile] {
        try Self.paths(.present).filter(isWanted).compactMap { path in
            let data = try Data(contentsOf: Self.root.appending(path: path))
            guard let text = String(data: data, encoding: .utf8) else { return nil }
            return TextFile(path: path, text: text)
        }
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
struct TextFile {
    /// From the root of the repository.
    var path: String
    /// All of it.
    var text: String { didSet { self.lines = Self.lines(of: self.text) } }
    /// Its lines; the first is number 1.
    private(set) var lines: [Substring]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        self.lines = Self.lines(of: text)
    }

    private static func lines(of text: String) -> [Substring] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last == "" { lines.removeLast() }
        return lines
    }

    /// Whether a person writes code in it.
    var isCode: Bool { self.isSwift || self.path.hasSuffix(".c") || self.path.hasSuffix(".h") || self.isScript }

    /// Whether it is Swift.
    var isSwift: Bool { self.path.hasSuffix(".swift") }

    /// Whether it is a script of a shell.
    var isScript: Bool { self.path.hasSuffix(".sh") || self.text.hasPrefix("#!") }

    /// The same file with comments blanked, and with the contents of string literals blanked too.
    var withoutProse: TextFile { TextFile(path: self.path, text: blankProse(in: self.text)) }
}
