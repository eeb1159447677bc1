import Glibc
import LayoutCore
import LinuxFiles
import MappingGuard
import TestSupport
import Testing

/// What becomes of programs when the server dies under them.
@Suite(.serialized, .enabled(if: TestFileSystems.hasImages, "needs root: filesystems are mounted"))
struct KeeperTests {
    @Test(
        "programs wait for the next server, and nobody else does",
        arguments: TestFileSystems.images
    )
    func serverKilled(_ fileSystem: TestFileSystem) throws {
        let bed = try PeerBed(fileSystem)
        let first = try bed.start("hold").server
        let inserting = try ChildProcess("fallocate", ["-i", "-o", "4096", "-l", "4096", bed.path])
        #expect(first.readLine() == "arrived insert [4096, 8192)\n")
        first.signal(SIGKILL)
        _ = first.wait()

        // Comes while there is no server.
        let reading = try ChildProcess("cat", [bed.path])
        let truncating = try ChildProcess("truncate", ["-s", "8192", bed.path])
        // Files without layouts are nobody's business.
        try mustRun("truncate", ["-s", "100", bed.directory.file("other")])
        #expect(try bed.size() == GuardBed.size && inserting.isRunning && truncating.isRunning && reading.isRunning)

        let (second, early) = try bed.start("allow")
        for program in [inserting, reading, truncating] {
            let result = program.wait()
            #expect(result.status == 0, "\(result)")
        }
        // They run in whichever order they wake up.
        #expect(try [8192, 12288].contains(bed.size()))
        let wanted: Set = ["arrived insert [4096, 8192) again\n", "arrived truncate [8192, end)\n"]
        var lines = Set(early)
        while !lines.isSuperset(of: wanted), let line = second.nextLine() { lines.insert(line) }
        #expect(lines.isSuperset(of: wanted), "\(lines)")
        second.signal(SIGKILL)
        _ = second.wait()
        try bed.endKeeper()
    }

    @Test(
        "without the keeper the kernel lets everybody through, however it ended",
        arguments: TestFileSystems.images,
        [SIGTERM, SIGKILL]
    )
    func keeperEnds(_ fileSystem: TestFileSystem, _ signal: CInt) throws {
        let bed = try PeerBed(fileSystem)
        let first = try bed.start("hold").server
        let truncating = try ChildProcess("truncate", ["-s", "4096", bed.path])
        #expect(first.readLine() == "arrived truncate [4096, end)\n")
        first.signal(SIGKILL)
        _ = first.wait()
        #expect(try bed.size() == GuardBed.size)
        try bed.endKeeper(signal)
        #expect(truncating.wait().status == 0)
        #expect(try bed.size() == 4096)
    }

    @Test(
        "a server is killed under a crowd of strangers: none is lost, none is stuck",
        arguments: TestFileSystems.images
    )
    func killedUnderACrowd(_ fileSystem: TestFileSystem) throws {
        let bed = try PeerBed(fileSystem)
        let mutator = try builtProgram("guard-mutator")
        var server = try bed.start("allow").server
        let children = try (0..<100).map { try ChildProcess(mutator, ["storm", bed.path, "60", "\($0)"]) }
        for _ in 0..<4 {
            for _ in 0..<40 { _ = server.readLine() }
            server.signal(SIGKILL)
            _ = server.wait()
            server = try bed.start("allow").server
        }
        let reader = try KernelThread(name: "server-output") { [server] in while server.readLine() != "" {} }
        for child in children {
            let result = child.wait()
            // In the moment between two calls of a server that dies its program may be refused.
            #expect(result.status == 0 || result.output.contains("busy"), "\(result)")
        }
        server.signal(SIGKILL)
        reader.join()
        _ = server.wait()
        try bed.endKeeper()
    }
}

/// A directory with one guarded file, and servers that guard it one after the other.
final class PeerBed {
    let directory: TestDirectory
    let path: String
    private let sockets: TestDirectory
    private let turn = Turn()

    init(_ fileSystem: TestFileSystem) throws {
        self.directory = try fileSystem.makeDirectory()
        self.sockets = try TestDirectory()
        self.path = self.directory.file("file")
        try GuardBed.fill(self.path)
    }

    deinit { try? self.endKeeper() }

    /// Starts a server and waits until it guards the file.
    ///
    /// - Returns: The server, and what it said of those who waited already.
    func start(_ mode: String) throws -> (server: ChildProcess, lines: [String]) {
        let keeper = try builtProgram("layoutd-keeper")
        let server = try ChildProcess(
            try builtProgram("guard-peer"),
            [self.directory.path, "file", self.sockets.file("guard"), keeper, mode]
        )
        var lines: [String] = []
        while let line = server.nextLine() {
            if line == "ready\n" { return (server, lines) }
            lines.append(line)
        }
        throw TestFailure("the server ended before it was ready: \(lines)")
    }

    func size() throws -> Int {
        var found = stat()
        guard unsafe lstat(self.path, &found) == 0 else { throw TestFailure("lstat: errno \(errno)") }
        return Int(found.st_size)
    }

    /// Ends the keeper of these servers, as an operator would.
    func endKeeper(_ signal: CInt = SIGTERM) throws {
        guard let keeper = Self.process(withArgument: self.sockets.file("guard")) else { return }
        kill(keeper, signal)
        while kill(keeper, 0) == 0 { poll(nil, 0, 1) }
    }

    /// The process that was started as `layoutd-keeper ARGUMENT`.
    private static func process(withArgument argument: String) -> pid_t? {
        guard let directory = unsafe opendir("/proc") else { return nil }
        defer { unsafe closedir(directory) }
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
            guard let pid = pid_t(String(decoding: name, as: UTF8.self)) else { continue }
            let words = ((try? readFile("/proc/\(pid)/cmdline")) ?? []).split(separator: 0)
            guard words.count == 2, words[0].suffix(14).elementsEqual("layoutd-keeper".utf8) else { continue }
            if words[1].elementsEqual(argument.utf8) { return pid }
        }
        return nil
    }
}

extension ChildProcess {
    /// The next line of output; `nil` once there is no more.
    func nextLine() -> String? {
        let line = self.readLine()
        return line.isEmpty ? nil : line
    }

    /// Whether the program has not ended.
    var isRunning: Bool {
        let stat = String(decoding: (try? readFile("/proc/\(self.pid)/stat")) ?? [], as: UTF8.self)
        return !stat.isEmpty && !stat.contains(") Z")
    }
}
