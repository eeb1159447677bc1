import Glibc
import LayoutCore
import LinuxFiles
import MappingGuard
import TestSupport
import Testing

/// The guard on real filesystems, with programs that have never heard of it.
@Suite(.serialized, .enabled(if: TestFileSystems.hasImages, "needs root: filesystems are mounted"))
struct GuardTests {
    @Test(
        "C7, E7: every mutator waits, with the right range and reason, and its end is seen",
        arguments: Mutator.all,
        TestFileSystems.images
    )
    func mutators(_ mutator: Mutator, _ fileSystem: TestFileSystem) throws {
        if mutator.needsXFS, fileSystem != .xfs { return }
        let bed = try GuardBed(fileSystem)
        let other = bed.directory.file("other")
        try GuardBed.fill(other)
        let holder = try RawHolder(bed.path)
        let before = bed.content
        let child = try Self.start(mutator, bed, other)
        for (index, expected) in mutator.changes.enumerated() {
            let call = try bed.reports.nextCall()
            #expect(call.change == expected, "\(call.callName)")
            #expect(call.file == GuardBed.file && call.process != getpid() && !call.command.isEmpty)
            // Nothing has happened, and the holder still stores through its pointer.
            if index == 0 {
                #expect(bed.content == before)
                holder.store(0xab, at: 9000)
                holder.giveBack()
            }
            bed.guardian.allow(call.id)
            let outcome = try bed.reports.nextEnd(of: call)
            if case .succeeded(let result) = outcome {
                if mutator.hasResult { #expect(result != nil) }
            } else {
                Issue.record("\(call.callName) ended as \(outcome)")
            }
        }
        let result = child.wait()
        #expect(result.status == 0, "\(result.output)")
        #expect(bed.reports.drain() == [])
        #expect(bed.guardian.calls.isEmpty)
        if let effect = mutator.effect {
            var stored = before
            stored[9000] = 0xab
            #expect(bed.content == effect(stored))
        }
    }

    @Test("reads of a guarded file raise no change", arguments: Mutator.readers, TestFileSystems.images)
    func readers(_ reader: Mutator, _ fileSystem: TestFileSystem) throws {
        // Where blocks can be shared, copy_file_range may do so, and cp uses it.
        if reader.program == "cp", fileSystem == .xfs { return }
        let bed = try GuardBed(fileSystem)
        let child = try Self.start(reader, bed, bed.directory.file("other"))
        let result = child.wait()
        #expect(result.status == 0, "\(result.output)")
        #expect(bed.reports.drain() == [])
        #expect(reader.program == "stat" || bed.guardian.statistics.passed > 0, "the guard saw nothing at all")
    }

    @Test(
        "a refused call fails with the error that it is given, and changes nothing",
        arguments: TestFileSystems.images
    )
    func refusal(_ fileSystem: TestFileSystem) throws {
        for errno in [ETXTBSY, EBUSY] {
            let bed = try GuardBed(fileSystem)
            let before = bed.content
            let script = """
                import os
                try: os.truncate('\(bed.path)', 0)
                except OSError as e: print(e.errno)
                """
            let child = try ChildProcess("python3", ["-c", script])
            let call = try bed.reports.nextCall()
            bed.guardian.deny(call.id, errno: errno)
            #expect(child.wait().output == "\(errno)\n")
            #expect(bed.content == before)
            #expect(bed.reports.drain() == [])
        }
    }

    @Test("a call that fails in the kernel is known to have failed, and how", arguments: TestFileSystems.images)
    func failure(_ fileSystem: TestFileSystem) throws {
        let bed = try GuardBed(fileSystem)
        let child = try ChildProcess("xfs_io", ["-c", "fcollapse 123 4096", bed.path])
        let call = try bed.reports.nextCall()
        bed.guardian.allow(call.id)
        #expect(try bed.reports.nextEnd(of: call) == .failed(EINVAL))
        _ = child.wait()
    }

    @Test("a ring's operation that fails ends too, as one that did nothing", arguments: TestFileSystems.images)
    func failedRing(_ fileSystem: TestFileSystem) throws {
        let bed = try GuardBed(fileSystem)
        let mutator = try builtProgram("guard-mutator")
        let child = try ChildProcess(mutator, ["ring", "fallocate", "8", "123", "4096", bed.path])
        let call = try bed.reports.nextCall()
        bed.guardian.allow(call.id)
        #expect(try bed.reports.nextEnd(of: call) == .failed(nil))
        #expect(child.wait().status == 1)
    }

    @Test("a caller that is killed while it waits is over, and answered", arguments: TestFileSystems.images)
    func killedWhileWaiting(_ fileSystem: TestFileSystem) throws {
        let bed = try GuardBed(fileSystem)
        let child = try ChildProcess("truncate", ["-s", "0", bed.path])
        let call = try bed.reports.nextCall()
        child.signal(SIGKILL)
        #expect(try bed.reports.nextEnd(of: call) == .withdrawn)
        #expect(child.wait().status == 128 + SIGKILL)
        #expect(bed.content.count == GuardBed.size)
        #expect(bed.guardian.statistics.withdrawn == 1 && bed.guardian.calls.isEmpty)
    }

    @Test("the guard's own process never waits for it", arguments: TestFileSystems.images)
    func ownCalls(_ fileSystem: TestFileSystem) throws {
        let bed = try GuardBed(fileSystem)
        let file = unsafe open(bed.path, O_RDWR | O_CLOEXEC)
        #expect(ftruncate(file, 4096) == 0)
        #expect(unsafe pwrite(file, "x", 1, 0) == 1)
        let truncated = unsafe open(bed.path, O_RDWR | O_TRUNC | O_CLOEXEC)
        #expect(truncated > file)
        close(truncated)
        close(file)
        #expect(bed.reports.drain() == [])
        #expect(bed.guardian.statistics.own >= 3)
    }

    @Test(
        "a descriptor that was opened before the file was guarded is guarded too",
        arguments: TestFileSystems.images
    )
    func openedBefore(_ fileSystem: TestFileSystem) throws {
        let bed = try GuardBed(fileSystem, isWatched: false)
        let child = try ChildProcess(try builtProgram("guard-mutator"), ["hold", bed.path])
        #expect(child.readLine() == "open\n")
        try bed.watch()
        child.signal(SIGUSR1)
        let call = try bed.reports.nextCall()
        #expect(call.change == GuardedChange(.insertRange, try #require(ByteRange(8192, 12288))))
        bed.guardian.allow(call.id)
        #expect(try bed.reports.nextEnd(of: call) == .succeeded(0))
        #expect(child.wait().status == 0)
    }

    @Test("a file that is guarded no longer is anybody's", arguments: TestFileSystems.images)
    func unwatched(_ fileSystem: TestFileSystem) throws {
        let bed = try GuardBed(fileSystem)
        bed.guardian.unwatch(GuardBed.file)
        try mustRun("truncate", ["-s", "0", bed.path])
        #expect(bed.reports.drain() == [])
    }

    @Test("strangers by the hundred lose no event, no answer and no descriptor", arguments: TestFileSystems.images)
    func storm(_ fileSystem: TestFileSystem) throws {
        let bed = try GuardBed(fileSystem)
        let descriptors = openDescriptorCount(to: bed.path)
        let mutator = try builtProgram("guard-mutator")
        let count = 150
        let children = try (0..<count).map { try ChildProcess(mutator, ["storm", bed.path, "20", "\($0)"]) }
        var waiting = Set<GuardedCallID>()
        var ended = 0
        let owner = try KernelThread(name: "waiter") { for child in children { #expect(child.wait().status == 0) } }
        while let report = bed.reports.next(within: 3) {
            switch report {
            case .arrived(let call):
                #expect(waiting.insert(call.id).inserted)
                bed.guardian.allow(call.id)
            case .ended(let id, let outcome):
                #expect(waiting.remove(id) != nil)
                if case .succeeded = outcome { ended += 1 } else { Issue.record("ended as \(outcome)") }
            case .runs, .trouble:
                Issue.record("\(report)")
            }
        }
        owner.join()
        let statistics = bed.guardian.statistics
        #expect(waiting.isEmpty && bed.guardian.calls.isEmpty)
        #expect(UInt64(ended) == statistics.changes && ended > 4 * count)
        #expect(statistics.overflows == 0 && statistics.unknownEnds == 0 && statistics.refused == 0)
        #expect(openDescriptorCount(to: bed.path) == descriptors)
    }

    static func start(_ mutator: Mutator, _ bed: GuardBed, _ other: String) throws -> ChildProcess {
        let isOurs = ["guard-mutator", "compactor"].contains(mutator.program)
        let program = isOurs ? try builtProgram(mutator.program) : mutator.program
        return try ChildProcess(program, mutator.words(file: bed.path, other: other))
    }
}

/// Stores through a pointer into a file, as a holder of a layout does.
@safe
final class RawHolder {
    private let address: UnsafeMutableRawPointer

    init(_ path: String) throws {
        let file = unsafe open(path, O_RDWR | O_CLOEXEC)
        defer { close(file) }
        let mapped = unsafe mmap(nil, GuardBed.size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
            throw TestFailure("mmap: errno \(errno)")
        }
        unsafe self.address = mapped
    }

    func store(_ byte: UInt8, at offset: Int) {
        unsafe self.address.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
    }

    func giveBack() { unsafe munmap(self.address, GuardBed.size) }
}
