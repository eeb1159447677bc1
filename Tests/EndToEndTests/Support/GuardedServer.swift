import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles
import TestSupport

/// A server that holds up local programs, and a client of it that gives back what a test says.
final class GuardedServer {
    let process: ServerProcess
    let client: RawClient

    init(on fileSystem: TestFileSystem, _ options: [String] = []) throws {
        self.process = try ServerProcess(on: fileSystem, ["--guard", "required"] + options)
        self.client = try RawClient(self.process, "holder")
    }

    /// The server ends in order if nothing is held, and its keeper with it; else both are ended.
    deinit {
        self.process.stop()
        self.endKeeper()
    }

    /// The keeper that holds the guard for this server or the next one.
    var keeper: pid_t? {
        let socket = Array((self.process.state + "/guard.sock").utf8)
        return Self.processes().first { pid in
            let words = Self.commandLine(of: pid).split(separator: 0)
            return words.count == 2 && words[0].suffix(14).elementsEqual("layoutd-keeper".utf8)
                && words[1].elementsEqual(socket)
        }
    }

    /// Ends the keeper as an operator would.
    func endKeeper() {
        guard let keeper = self.keeper else { return }
        kill(keeper, SIGTERM)
        while kill(keeper, 0) == 0, !Self.commandLine(of: keeper).isEmpty { usleep(1000) }
    }

    private static func processes() -> [pid_t] {
        guard let directory = unsafe opendir("/proc") else { return [] }
        defer { unsafe closedir(directory) }
        var found: [pid_t] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
            if let pid = pid_t(String(decoding: name, as: UTF8.self)) { found.append(pid) }
        }
        return found
    }

    private static func commandLine(of process: pid_t) -> [UInt8] { (try? bytes(of: "/proc/\(process)/cmdline")) ?? [] }

    // MARK: Files

    /// Makes a file and has a process store into a range of it, all the time, under a layout of the client's.
    func hold(
        _ name: String,
        pages: Int = 32,
        _ range: ByteRange = .all,
        _ ioMode: IOMode = .readWrite,
        flags: LayoutGetFlags = [],
        emptyPages: Range<Int>? = nil,
        processes: Int = 1
    ) throws -> HeldByProcess {
        let file = try StampedFile(self.process.directory.file(name), pages: pages)
        if let emptyPages { try Self.clear(emptyPages, of: file) }
        let handle = try self.client.open(name)
        let grant = try self.client.layoutGet(handle, range, ioMode, flags: flags)
        let storing = try StoringProcess(grant, of: self.process, processes: processes)
        return HeldByProcess(file: file, handle: handle, grant: grant, storing: storing)
    }

    private static func clear(_ pages: Range<Int>, of file: StampedFile) throws {
        let descriptor = unsafe open(file.path, O_WRONLY)
        defer { close(descriptor) }
        let zeros = [UInt8](repeating: 0, count: pages.count * Int(StampedFile.pageSize))
        let offset = off_t(pages.lowerBound) * off_t(StampedFile.pageSize)
        guard descriptor >= 0, unsafe pwrite(descriptor, zeros, zeros.count, offset) == zeros.count else {
            throw TestFailure("cannot clear pages of '\(file.path)': errno \(errno)")
        }
    }

    /// The client comes back to the next life of the server, and says what it goes on using.
    func reclaim(_ held: HeldByProcess) throws {
        try self.client.comeBack()
        _ = try self.client.layoutGet(
            held.handle,
            held.grant.range,
            held.grant.ioMode,
            stateID: held.grant.stateID,
            flags: .reclaim
        )
        try self.client.call(.reclaimComplete)
    }
}

/// A file, and the process that stores into it.
struct HeldByProcess {
    let file: StampedFile
    let handle: FileHandle
    let grant: LayoutGetResult
    let storing: StoringProcess
}

/// All of a file's bytes.
func bytes(of path: String) throws -> [UInt8] {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw TestFailure("cannot open '\(path)': errno \(errno)") }
    defer { close(file) }
    let capacity = 4 << 20
    return try unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
        // Files of /proc cannot be read at a place.
        let done = unsafe read(file, buffer.baseAddress, capacity)
        guard done >= 0 else { throw TestFailure("cannot read '\(path)': errno \(errno)") }
        count = done
    }
}

extension ChildProcess {
    /// Whether the program has not ended.
    var isRunning: Bool {
        let stat = String(decoding: (try? bytes(of: "/proc/\(self.pid)/stat")) ?? [], as: UTF8.self)
        return !stat.isEmpty && !stat.contains(") Z")
    }
}
