import CLinuxFiles
import Glibc
import LayoutCore

/// One name in a directory.
package struct DirectoryEntry: Hashable, Sendable {
    /// Where a listing goes on behind this entry; never 0.
    package var cookie: UInt64
    package var inode: UInt64
    package var type: FileType
    /// Bytes.
    package var size: UInt64
    /// UTF-8, without `/` and NUL, at most 255 bytes.
    package var name: [UInt8]
}

/// A part of a directory's listing.
package struct DirectoryListing: Hashable, Sendable {
    /// In the filesystem's own order.
    package var entries: [DirectoryEntry]
    /// Whether these are the last ones.
    package var isComplete: Bool
}

extension ExportRoot {
    /// Lists names of a directory, without `.` and `..`.
    ///
    /// Names that are not UTF-8 are left out, as no path can name them. Entries that are made or removed meanwhile may be
    /// in it or not; all others come exactly once.
    /// - Parameters:
    ///   - directory: From ``openDirectory(_:at:)``, used by no other thread meanwhile: its file position moves.
    ///   - cookie: 0 to begin, else the cookie of the last entry seen.
    ///   - limit: At most so many entries; at least 1 is taken.
    /// - Returns: The next names, and whether they are the last.
    /// - Throws: ``LayoutCore/LayoutStatus/invalid`` for a cookie that is not one of this directory;
    ///   ``LayoutCore/LayoutStatus/notDirectory``.
    /// - Complexity: One system call per entry, and one per 32 KiB.
    package static func entries(
        of directory: borrowing some Descriptor & ~Copyable,
        after cookie: UInt64 = 0,
        limit: Int
    ) throws(LinuxError) -> DirectoryListing {
        let attempt = "list a directory"
        guard let start = Int64(exactly: cookie) else {
            throw LinuxError(refusing: .invalid, "cannot \(attempt): the cookie is not one of a listing; begin with 0")
        }
        try checked(lf_seek(directory.number, start, SEEK_SET), "lseek", attempt)
        var entries: [DirectoryEntry] = []
        var buffer = [UInt8](repeating: 0, count: 32768)
        while true {
            let count = Int(
                try checked(unsafe lf_getdents(directory.number, &buffer, buffer.count), "getdents64", attempt)
            )
            guard count > 0 else { return DirectoryListing(entries: entries, isComplete: true) }
            var position = 0
            while let raw = RawEntry(in: buffer[..<count], at: position) {
                position += raw.length
                if let entry = try Self.entry(raw, in: directory.number) {
                    entries.append(entry)
                    if entries.count >= limit { return DirectoryListing(entries: entries, isComplete: false) }
                }
            }
        }
    }

    /// Completes an entry; `nil` for one that is not shown, or is gone by now.
    private static func entry(_ raw: RawEntry, in directory: CInt) throws(LinuxError) -> DirectoryEntry? {
        guard !raw.name.elementsEqual(".".utf8), !raw.name.elementsEqual("..".utf8),
            String(validating: raw.name, as: UTF8.self) != nil
        else { return nil }
        do throws(LinuxError) {
            let facts = try FileFacts(directory: directory, name: raw.name + [0], "list a directory")
            return DirectoryEntry(
                cookie: raw.cookie,
                inode: facts.inode,
                type: facts.type,
                size: facts.size,
                name: Array(raw.name)
            )
        } catch {
            // Removed since getdents64, or of a type that Linux gets only later.
            guard error.errno == ENOENT || error.status == .badType else { throw error }
            return nil
        }
    }
}

/// A `linux_dirent64` (`getdents64(2)`), taken apart.
private struct RawEntry {
    var cookie: UInt64
    var length: Int
    var name: ArraySlice<UInt8>

    /// The entry at `position`, or `nil` where none fits.
    init?(in buffer: ArraySlice<UInt8>, at position: Int) {
        let header = 19
        guard position + header < buffer.endIndex else { return nil }
        let bytes = buffer[position...]
        func number(at offset: Int, size: Int) -> UInt64 {
            let slice = bytes[(position + offset)..<(position + offset + size)]
            #if _endian(little)
            return slice.reversed().reduce(0) { $0 << 8 | UInt64($1) }
            #else
            return slice.reduce(0) { $0 << 8 | UInt64($1) }
            #endif
        }
        self.cookie = number(at: 8, size: 8)
        self.length = Int(number(at: 16, size: 2))
        guard self.length > header, position + self.length <= buffer.endIndex else { return nil }
        self.name = bytes[(position + header)..<(position + self.length)].prefix { $0 != 0 }
    }
}
