import CMappingGuard
import Glibc
import LayoutCore
package import LinuxFiles

/// A program that can write to a file.
package struct OpenWriter: Hashable, Sendable {
    /// Its process.
    package var process: Int32
    /// For people: its command name.
    package var command: String
    /// Its descriptor; `nil` for a mapping.
    package var descriptor: Int32?
}

/// Who can write to files, from `/proc`: what was open before the guard raises no events.
///
/// Descriptors on their way through sockets and those that only an `io_uring` holds are not seen; ``LeaseProbe`` counts
/// them, without a name.
package enum OpenWriters {
    /// The inodes of a filesystem that any process may be able to write to.
    ///
    /// Blocks for milliseconds per hundred processes.
    static func inodes() -> Set<UInt64> {
        var found: Set<UInt64> = []
        for process in Self.numbers(in: "/proc") where process != getpid() {
            Self.forEachWriter(in: process) { inode, _ in found.insert(inode) }
        }
        return found
    }

    /// The programs that can write to an inode, by its number, this one left out.
    package static func find(inode: UInt64) -> [OpenWriter] {
        var found: [OpenWriter] = []
        for process in Self.numbers(in: "/proc") where process != getpid() {
            Self.forEachWriter(in: process) { other, descriptor in
                guard other == inode else { return }
                let command = Host.commandName(of: process) ?? "?"
                found.append(OpenWriter(process: process, command: command, descriptor: descriptor))
            }
        }
        return found
    }

    private static func forEachWriter(in process: Int32, _ body: (UInt64, Int32?) -> Void) {
        for descriptor in Self.numbers(in: "/proc/\(process)/fd") {
            var facts = mg_description()
            guard unsafe mg_description(process, UInt64(descriptor), &facts) == 0 else { continue }
            if facts.flags & UInt32(O_ACCMODE) != UInt32(O_RDONLY) { body(facts.inode, descriptor) }
        }
        for inode in Self.sharedMappings(of: process) { body(inode, nil) }
    }

    /// The inodes of mappings that are shared and writable: the fifth field of `/proc/PID/maps`, where the second has both.
    private static func sharedMappings(of process: Int32) -> [UInt64] {
        guard let file = unsafe fopen("/proc/\(process)/maps", "re") else { return [] }
        defer { unsafe fclose(file) }
        var found: [UInt64] = []
        var line = [CChar](repeating: 0, count: 4352)
        while unsafe fgets(&line, CInt(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            let fields = text.split(separator: " ", maxSplits: 5)
            guard fields.count >= 5, fields[1].contains("w"), fields[1].hasSuffix("s") else { continue }
            if let inode = UInt64(fields[4].filter(\.isNumber)), inode != 0 { found.append(inode) }
        }
        return found
    }

    private static func numbers(in path: String) -> [Int32] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var found: [Int32] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
            if let number = Int32(String(decoding: name, as: UTF8.self)) { found.append(number) }
        }
        return found
    }
}

extension MappingGuard {
    /// The programs that may be able to write to a file without the guard's seeing it: since before the guard began.
    ///
    /// To be called before the first grant, and before this process opens the file for writing. Blocks for milliseconds
    /// per hundred processes, if anybody at all may have had the file open then.
    ///
    /// - Parameter descriptor: Of the file, open for reading only.
    /// - Returns: Nobody, where that is sure; else all that can write now. One of process 0 stands for writers that `/proc`
    ///   does not show.
    /// - Throws: As ``LeaseProbe/hasNoWriter(_:)``.
    package func earlierWriters(of descriptor: borrowing some Descriptor & ~Copyable) throws(LinuxError) -> [OpenWriter]
    {
        let (key, _) = try FileKey.facts(of: descriptor.number)
        // Inode numbers of other filesystems may be among them: then somebody is looked for in vain.
        if let earlier = self.earlierInodes, !earlier.contains(key.inode) { return [] }
        if try LeaseProbe.hasNoWriter(descriptor) { return [] }
        let writers = OpenWriters.find(inode: key.inode)
        return writers.isEmpty ? [OpenWriter(process: 0, command: "?", descriptor: nil)] : writers
    }
}
