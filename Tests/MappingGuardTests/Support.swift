import Glibc
import LayoutCore
import LinuxFiles
import MappingGuard
import Synchronization
import TestSupport

/// While one guard has a question open, the kernel closes no other guard of the same filesystem: tests take turns.
final class Turn: Sendable {
    private static let ends: (CInt, CInt) = {
        var ends: [CInt] = [-1, -1]
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        precondition(unsafe socketpair(AF_UNIX, type, 0, &ends) == 0, "socketpair: errno \(errno)")
        _ = unsafe write(ends[1], "t", 1)
        return (ends[0], ends[1])
    }()

    /// Waits for the turn, which lasts until this goes.
    init() {
        var byte: UInt8 = 0
        _ = unsafe read(Self.ends.0, &byte, 1)
    }

    deinit { _ = unsafe write(Self.ends.1, "t", 1) }
}

/// A guard of one file, whose owner is the test: what it does not allow waits.
final class GuardBed: Sendable {
    static var file: FileID { FileID(7) }
    static var size: Int { 1 << 20 }

    let directory: TestDirectory
    let path: String
    let guardian: MappingGuard
    let reports: ReportLog
    private let turn = Turn()

    /// Makes a file of 1 MiB and guards it.
    init(_ fileSystem: TestFileSystem, isWatched: Bool = true, completionLimit: Duration = .seconds(5)) throws {
        self.directory = try fileSystem.makeDirectory()
        self.path = self.directory.file("file")
        try Self.fill(self.path)
        let reports = try ReportLog()
        self.reports = reports
        let root = try ExportRoot(path: self.directory.path)
        self.guardian = try MappingGuard.start(
            .init(root: root.directory, clones: fileSystem == .xfs, completionLimit: completionLimit)
        ) { reports.append($0) }
        if isWatched { try self.watch() }
    }

    deinit { self.guardian.stop(.final) }

    func watch() throws {
        let root = try ExportRoot(path: self.directory.path)
        try self.guardian.watch(try root.resolve(Array("file".utf8)), as: Self.file)
    }

    /// The file's bytes, read by this process, which its own guard lets pass.
    var content: [UInt8] { (try? readFile(self.path)) ?? [] }

    /// What files begin with: no two blocks are the same, save 16 empty ones in the middle.
    static let bytes: [UInt8] = (0..<GuardBed.size).map { offset in
        (524_288..<589_824).contains(offset) ? 0 : UInt8(truncatingIfNeeded: offset / 4096 + offset) | 1
    }

    static func fill(_ path: String) throws {
        let bytes = Self.bytes
        let file = unsafe open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0, unsafe pwrite(file, bytes, bytes.count, 0) == bytes.count, fsync(file) == 0 else {
            throw TestFailure("cannot fill \(path): errno \(errno)")
        }
        close(file)
    }
}

/// All of a file's bytes.
func readFile(_ path: String) throws -> [UInt8] {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw TestFailure("cannot open \(path): errno \(errno)") }
    defer { close(file) }
    let capacity = 4 << 20
    return try unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
        // Files of /proc cannot be read at a place.
        let done = unsafe read(file, buffer.baseAddress, capacity)
        guard done >= 0 else { throw TestFailure("cannot read \(path): errno \(errno)") }
        count = done
    }
}

/// The reports of a guard, in order, and a way to wait for the next.
final class ReportLog: Sendable {
    private let waiting = Mutex<[GuardReport]>([])
    private let ends: (CInt, CInt)

    init() throws {
        var ends: [CInt] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw TestFailure("socketpair: errno \(errno)")
        }
        self.ends = (ends[0], ends[1])
    }

    deinit {
        close(self.ends.0)
        close(self.ends.1)
    }

    func append(_ report: GuardReport) {
        self.waiting.withLock { $0.append(report) }
        _ = unsafe write(self.ends.1, "r", 1)
    }

    /// The next report; `nil` after `seconds` without one.
    func next(within seconds: Int32 = 20) -> GuardReport? {
        var source = pollfd(fd: self.ends.0, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&source, 1, seconds * 1000) == 1 else { return nil }
        var byte: UInt8 = 0
        _ = unsafe read(self.ends.0, &byte, 1)
        return self.waiting.withLock { $0.removeFirst() }
    }

    /// The next report, which must be a call that waits.
    func nextCall() throws -> GuardedCall {
        let report = self.next()
        guard case .arrived(let call) = report else { throw TestFailure("no call arrived, but \(report as Any)") }
        return call
    }

    /// The next report, which must be the end of a call.
    func nextEnd(of call: GuardedCall) throws -> CallOutcome {
        let report = self.next()
        guard case .ended(call.id, let outcome) = report else {
            throw TestFailure("\(call.callName) did not end, but \(report as Any)")
        }
        return outcome
    }

    /// All that nobody has asked for.
    func drain() -> [GuardReport] {
        var all: [GuardReport] = []
        while let report = self.next(within: 0) { all.append(report) }
        return all
    }
}

/// A program of this package, built beside the tests.
func builtProgram(_ name: String) throws -> String {
    var folders: [String] = []
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = unsafe readlink("/proc/self/exe", &buffer, 4096)
    if count > 0 { folders.append(String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)) }
    folders += CommandLine.arguments.filter { $0.contains(".xctest") }
    for folder in folders.map({ "/" + $0.split(separator: "/").dropLast().joined(separator: "/") })
    where unsafe access("\(folder)/\(name)", X_OK) == 0 {
        return "\(folder)/\(name)"
    }
    throw TestFailure("no '\(name)' beside the tests: build the package first")
}
