import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles
import Synchronization
import TestSupport
import Testing

/// One server after the other on an export, and never two at a time.
@Suite(.serialized) struct SuccessionTests {
    @Test(
        "D1: a server that is killed in a system call is followed by one that is started at once, and waits for the call",
        .enabled(if: TestFileSystems.hasImages, "mounting needs root"),
        arguments: [LoopFileSystem.Kind.xfs, .ext4]
    )
    func killedInSystemCall(on kind: LoopFileSystem.Kind) throws {
        // A filesystem of its own: nobody else shall be frozen.
        let disk = try LoopFileSystem(kind)
        let server = try ServerProcess(on: .plain, directory: TestDirectory(in: disk.path))
        defer { server.kill() }
        let stamped = try StampedFile(server.directory.file("data"), pages: 16)
        let changer = try StubbornClient(server, "changer") { usleep(2000) }
        let file = try changer.open("data")
        // What changes a frozen filesystem waits in the kernel, and no signal ends that.
        try mustRun("fsfreeze", ["--freeze", disk.path])
        let startTime = Mutex(Duration.zero)
        let successor = try KernelThread(name: "successor") {
            try? waitUntil("the server is in the system call") { Self.isChanging(server) }
            let killed = server.killWithoutWaiting()
            let thawing = try? ChildProcess("sh", ["-c", "sleep 1.5; fsfreeze --unfreeze '\(disk.path)'"])
            let elapsed = try? timed { try server.start() }.1
            startTime.withLock { $0 = elapsed ?? .zero }
            _ = thawing?.wait()
            killed?.end()
        }
        let response = try changer.call(RawClient.change(.insertRange, file, 4096, 4096))
        successor.join()
        guard case .change(let result) = response else { throw TestFailure("INSERT_RANGE") }
        #expect(startTime.withLock { $0 } > .seconds(1), "the next server waits")
        #expect(result.size == stamped.size + 4096)
        #expect(try stamped.content().names == [1, 0] + (2...16).map { UInt64($0) }, "once, at its place")
    }

    #if arch(x86_64)
    private static let fallocate = 285
    #else
    /// In the table of system calls that all newer architectures share.
    private static let fallocate = 47
    #endif

    /// Whether a thread of the server is inside fallocate(2) and cannot be woken.
    private static func isChanging(_ server: ServerProcess) -> Bool {
        guard let pid = server.pid, let tasks = try? runProcess("ls", ["/proc/\(pid)/task"]) else { return false }
        return tasks.output.split(separator: "\n").contains { task in
            let files = ["/proc/\(pid)/task/\(task)/syscall", "/proc/\(pid)/task/\(task)/status"]
            let text = (try? runProcess("cat", files))?.output ?? ""
            return text.hasPrefix("\(Self.fallocate) ") && text.contains("State:\tD")
        }
    }

    @Test("D7: a second server on an export is refused soon, with the remedy, as long as the first lives")
    func secondServer() throws {
        let first = try ServerProcess(on: .plain)
        defer { first.kill() }
        let pid = try #require(first.pid)
        let (error, elapsed) = timed {
            #expect(throws: TestFailure.self) { try ServerProcess(on: .plain, directory: first.directory) }
        }
        let text = error?.description ?? ""
        #expect(text.contains("(process \(pid))") && text.contains("stop that one"), "\(text)")
        #expect(elapsed < .seconds(10), "it does not wait as for one that is on its way out")
        // And the first goes on.
        _ = try StampedFile(first.directory.file("data"), pages: 1)
        _ = try RawClient(first, "client").open("data")
    }
}
