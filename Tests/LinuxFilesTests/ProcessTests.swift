import Glibc
import LayoutCore
import TestSupport
import Testing

@testable import LinuxFiles

@Suite struct ProcessTests {
    @Test("a process is known by its number and start; a later one of its number is never taken for it")
    func identity() throws {
        let child = try ChildProcess("sleep", ["60"])
        let state = try #require(ProcessState(of: child.pid))
        #expect(!state.isEnding)
        #expect(try ProcessHandle.open(child.pid, startTime: state.startTime &+ 1) == nil)
        let process = try #require(try ProcessHandle.open(child.pid, startTime: state.startTime))
        try ProcessHandle.kill(process)
        #expect(child.wait().status == 128 + SIGKILL)
        #expect(ProcessState(of: child.pid) == nil)
        #expect(try ProcessHandle.open(child.pid, startTime: state.startTime) == nil)
        // It is gone, which is no error.
        try ProcessHandle.kill(process)
    }

    @Test("a process that was killed is known to be ending, also if it is stopped and before it is waited for")
    func ending() throws {
        let child = try ChildProcess("sleep", ["60"])
        child.signal(SIGSTOP)
        #expect(ProcessState(of: child.pid)?.isEnding == false)
        child.signal(SIGKILL)
        try waitUntil("it is seen to end") { ProcessState(of: child.pid)?.isEnding == true }
        _ = child.wait()
    }

    @Test("numbers that no process has are no process's", arguments: [Int32(0), -1, .max])
    func noProcess(_ pid: Int32) throws {
        #expect(ProcessState(of: pid) == nil)
        #expect(try ProcessHandle.open(pid, startTime: 0) == nil)
    }

    @Test("a name cannot pretend to be other fields")
    func name() {
        func line(_ state: String, flags: UInt64 = 0, pending: UInt64 = 0) -> [UInt8] {
            var words = [String](repeating: "0", count: 50)
            words[0] = state
            words[6] = "\(flags)"
            words[19] = "4711"
            words[28] = "\(pending)"
            return Array("12 (a) Z 1 (b)) \(words.joined(separator: " "))\n".utf8)
        }
        #expect(ProcessState(parsing: line("S"))?.startTime == 4711)
        #expect(ProcessState(parsing: line("S"))?.isEnding == false)
        #expect(ProcessState(parsing: line("D", pending: 1 << 8))?.isEnding == true)
        #expect(ProcessState(parsing: line("R", flags: 4))?.isEnding == true)
        #expect(ProcessState(parsing: line("Z"))?.isEnding == true)
        #expect(ProcessState(parsing: Array("12 (a) S 1".utf8)) == nil)
        #expect(ProcessState(parsing: []) == nil)
    }

    @Test("an owner's lock is refused soon while it lives, and names the owner; it is taken when the owner was killed")
    func ownerLock() throws {
        let directory = try TestDirectory()
        let path = directory.file("lock")
        try mustRun("touch", [path])
        let child = try ChildProcess("flock", ["--no-fork", path, "sh", "-c", "echo ready; exec sleep 60"])
        #expect(child.readLine() == "ready\n")
        let file = try ExportRoot(path: directory.path).open(Array("lock".utf8), for: .read).shared()
        let start = Host.now
        #expect(try OwnerLock.take(file, "lock it") == .refused(owner: child.pid))
        #expect(Host.now.duration(since: start) < .seconds(10))
        child.signal(SIGKILL)
        #expect(try OwnerLock.take(file, "lock it") == .taken)
        _ = child.wait()
        OwnerLock.release(file)
    }

    @Test("an owner that is gone, while its lock is kept by another, is waited for just so long")
    func orphanedLock() throws {
        let directory = try TestDirectory()
        let path = directory.file("lock")
        try mustRun("touch", [path])
        // The child inherits the lock, and who took it ends.
        let child = try ChildProcess("sh", ["-c", "exec 9<'\(path)'; flock 9; echo ready; exec sleep 60"])
        #expect(child.readLine() == "ready\n")
        defer { child.end() }
        let file = try ExportRoot(path: directory.path).open(Array("lock".utf8), for: .read).shared()
        let start = Host.now
        let outcome = try OwnerLock.take(file, patience: .seconds(1), "lock it")
        guard case .refused = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(Host.now.duration(since: start) >= .seconds(1))
    }

    @Test("the owner of a lock is found among the kernel's lines, and who waits for it is not taken for it")
    func owner() {
        let lines = [
            "1: POSIX  ADVISORY  WRITE 5 fe:00:77 0 EOF", "2: OFDLCK ADVISORY  READ  -1 fe:00:77 0 EOF",
            "3: FLOCK  ADVISORY  WRITE 6 fe:01:77 0 EOF", "4: FLOCK  ADVISORY  WRITE 7 fe:00:78 0 EOF",
            "5: FLOCK  ADVISORY  WRITE 8 fe:00:77 0 EOF", "5: -> FLOCK  ADVISORY  WRITE 9 fe:00:77 0 EOF",
        ]
        func owner(_ minor: UInt32, _ inode: UInt64) -> Int32? {
            OwnerLock.owner(ofDevice: DeviceNumber(major: 0xfe, minor: minor), inode: inode, in: lines)
        }
        #expect(owner(0, 77) == 8)
        #expect(owner(1, 77) == 6)
        #expect(owner(0, 79) == nil)
    }
}
