import Glibc

/// What was begun and what was done, line by line, where a power cut of the machine does not reach: each line is with the
/// host when ``add(_:)`` returns.
final class Journal: Sendable {
    private let file: CInt

    /// Starts an empty one, in place of what was there.
    init(path: String) throws {
        self.file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o644)
        guard self.file >= 0 else { throw Trouble("cannot write '\(path)': errno \(errno)") }
    }

    deinit { close(self.file) }

    func add(_ line: String) throws {
        let bytes = Array((line + "\n").utf8)
        let count = unsafe write(self.file, bytes, bytes.count)
        guard count == bytes.count else { throw Trouble("cannot write the journal: errno \(errno)") }
    }

    /// The whole lines of a journal as words; `nil` if there is none.
    static func lines(of path: String) throws -> [[Substring]]? {
        guard let text = try contents(of: path) else { return nil }
        // The last line has no end if the power went while it was written: then it was not said.
        let whole = text.lastIndex(of: UInt8(ascii: "\n")).map { text[...$0] } ?? []
        let string = String(decoding: whole, as: UTF8.self)
        return string.split(separator: "\n").map { $0.split(separator: " ") }
    }
}

/// What is in a file; `nil` if it is not there.
func contents(of path: String) throws -> [UInt8]? {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else {
        if errno == ENOENT { return nil }
        throw Trouble("cannot open '\(path)': errno \(errno)")
    }
    defer { close(file) }
    var facts = stat()
    guard unsafe fstat(file, &facts) == 0 else { throw Trouble("cannot look at '\(path)': errno \(errno)") }
    var bytes = [UInt8](repeating: 0, count: Int(facts.st_size))
    var done = 0
    while done < bytes.count {
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe pread(file, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done, off_t(done))
        }
        guard count > 0 else { throw Trouble("cannot read '\(path)' at \(done): errno \(errno)") }
        done += count
    }
    return bytes
}

/// Why the test cannot go on, or what it has found.
struct Trouble: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
