import Glibc
import TestSupport

/// A file whose pages carry their names, so that a store that lands in the wrong place can be told: see
/// Tests/Holder/holder.c.
struct StampedFile {
    static var pageSize: UInt64 { 4096 }
    private static var wordsPerPage: Int { 512 }

    let path: String
    let pages: Int

    /// Makes the file below a directory that is exported; anybody may use it.
    init(_ path: String, pages: Int) throws {
        self.path = path
        self.pages = pages
        var words = [UInt64](repeating: 0, count: pages * Self.wordsPerPage)
        for page in 0..<pages { words[page * Self.wordsPerPage] = UInt64(page + 1) }
        let file = unsafe open(path, O_CREAT | O_EXCL | O_WRONLY, 0o666)
        guard file >= 0 else { throw TestFailure("cannot make '\(path)': errno \(errno)") }
        defer { close(file) }
        let count = unsafe words.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, 0) }
        guard count == words.count * 8, fchmod(file, 0o666) == 0, fsync(file) == 0 else {
            throw TestFailure("cannot write '\(path)': errno \(errno)")
        }
    }

    var size: UInt64 { UInt64(self.pages) * Self.pageSize }

    /// Whether its path names a file.
    var exists: Bool { unsafe access(self.path, F_OK) == 0 }

    /// What is in the file now.
    struct Content {
        /// The pages' names in order; 0 for one that has none.
        var names: [UInt64] = []
        /// Stamps in a page of another name, and anything in a page without a name.
        var misplaced = 0
        /// Stamps in the page of their name.
        var stamps = 0
        /// The highest count of each process's stamps.
        var counts: [UInt32] = [0, 0, 0, 0]
    }

    /// Reads the file as everybody sees it.
    func content() throws -> Content {
        let file = unsafe open(self.path, O_RDONLY)
        guard file >= 0 else { throw TestFailure("cannot open '\(self.path)': errno \(errno)") }
        defer { close(file) }
        var content = Content()
        var words = [UInt64](repeating: 0, count: Self.wordsPerPage)
        while true {
            let offset = off_t(content.names.count) * off_t(Self.pageSize)
            let count = unsafe words.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, offset) }
            guard count == Int(Self.pageSize) else { return content }
            let name = words[0]
            content.names.append(name)
            for (index, stamp) in words.enumerated().dropFirst() where stamp != 0 {
                if name != 0, stamp >> 32 == name, index <= content.counts.count {
                    content.stamps += 1
                    content.counts[index - 1] = max(content.counts[index - 1], UInt32(truncatingIfNeeded: stamp))
                } else {
                    content.misplaced += 1
                }
            }
        }
    }
}
