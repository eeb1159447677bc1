import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles
import TestSupport
import Testing

/// Programs that have never heard of the server change files that others store into: real servers, real programs.
@Suite(.serialized, .enabled(if: TestFileSystems.hasImages, "needs root: filesystems are mounted"))
struct GuardedServerTests {
    private static func program(_ stranger: Stranger) throws -> String {
        let name = stranger.words[0]
        return ["guard-mutator", "compactor"].contains(name) ? try builtProgram(name) : name
    }

    /// Has a stranger change a held file, and checks what comes of it at each step.
    private func check(_ stranger: Stranger, _ server: GuardedServer, number: Int, flags: LayoutGetFlags = []) throws {
        let what = Comment(rawValue: "\(stranger.words)")
        let held = try server.hold("file\(number)", flags: flags)
        let other = try StampedFile(server.process.directory.file("other\(number)"), pages: 32)
        #expect(held.grant.capabilities.contains(.guarded) && !held.grant.capabilities.contains(.guardFailsOpen), what)
        let program = try Self.program(stranger)
        let child = try ChildProcess(program, stranger.arguments(file: held.file.path, other: other.path))
        let recall = try server.client.nextRecall()
        #expect(recall.handle == held.handle && recall.operation == stranger.operation, what)
        #expect(recall.range == stranger.recalled, what)
        #expect(recall.reason == (stranger.operation == .write ? .write : .unmap), what)
        #expect(recall.requester == ClientID(0) && recall.requesterPID == UInt32(child.pid), what)
        #expect(!recall.requesterCommand.isEmpty, what)
        // It waits, and nothing has changed.
        #expect(child.isRunning, what)
        #expect(try held.file.content().names == HeldFile.before, what)
        held.storing.end()
        let before = try bytes(of: held.file.path)
        let rest = try server.client.giveBack(recall)
        let result = child.wait()
        #expect(result.status == 0, "\(stranger.words): \(result)")
        let after = try bytes(of: held.file.path)
        if let effect = stranger.effect { #expect(after == effect(before), what) }
        #expect(try held.file.content().misplaced == 0, what)
        if let rest { try server.client.layoutReturn(held.handle, rest) }
        guard after.count > 0 else { return }
        // Asked for after the call has ended, which is a moment behind the program's own end.
        let call = try server.client.send(RawClient.layoutGet(held.handle, .all, .read, waitMilliseconds: 20_000))
        let grant = try server.client.grant(of: call)
        #expect((grant.epoch > held.grant.epoch) == stranger.shifts, what)
        try server.client.layoutReturn(held.handle, grant.stateID)
    }

    @Test(
        "C1, C7, C11: a local program waits for exactly the layouts that it is about to break, and no byte is wrong",
        arguments: TestFileSystems.images
    )
    func strangers(on fileSystem: TestFileSystem) throws {
        let server = try GuardedServer(on: fileSystem)
        for (number, stranger) in Stranger.all.enumerated() where fileSystem == .xfs || !stranger.needsXFS {
            try self.check(stranger, server, number: number)
        }
        try self.check(Stranger.writer, server, number: 100, flags: .breakWrite)
        #expect(server.process.stop() == 0)
        #expect(server.keeper == nil, "a server that ends in order ends its keeper")
    }

    @Test("C7: a compactor takes empty pages out of a held file, and the holder gets its layout back first")
    func compactor() throws {
        let server = try GuardedServer(on: .xfs)
        // Runs of sixteen empty pages go.
        let held = try server.hold("data", pages: 64, ByteRange(from: 48 * 4096), emptyPages: 16..<48)
        let child = try ChildProcess(try builtProgram("compactor"), [held.file.path])
        let recall = try server.client.nextRecall()
        #expect(recall.operation == .collapseRange && recall.range == held.grant.range)
        #expect(recall.requesterCommand == "compactor")
        held.storing.end()
        let before = try bytes(of: held.file.path)
        try server.client.giveBack(recall)
        #expect(child.wait().status == 0)
        #expect(try bytes(of: held.file.path) == Array(before[..<65536]) + Array(before[196_608...]))
    }

    @Test("Who only reads, writes where nobody asked for it, or changes other bytes disturbs nobody")
    func disturbsNobody() throws {
        let server = try GuardedServer(on: .xfs)
        let held = try server.hold("data", ByteRange(0, 32768) ?? .all)
        let other = try StampedFile(server.process.directory.file("other"), pages: 1)
        for reader in Stranger.readers {
            let words = reader.map { word in
                word.replacing("FILE", with: held.file.path).replacing("OTHER", with: other.path)
            }
            let result = try runProcess(words[0], Array(words.dropFirst()))
            #expect(result.status == 0, "\(words): \(result)")
        }
        try mustRun("fallocate", ["-p", "-o", "65536", "-l", "4096", held.file.path])
        try mustRun("fallocate", ["-o", "0", "-l", "16384", held.file.path])
        try mustRun("truncate", ["-s", "65536", held.file.path])
        let dd = ["if=/dev/zero", "of=\(held.file.path)", "bs=4096", "seek=7", "count=1", "conv=notrunc"]
        try mustRun("dd", dd)
        #expect(try server.client.serverState().recallsSent == 0)
        held.storing.end()
        try server.client.layoutReturn(held.handle, held.grant.stateID)
        // Without a layout nobody asks.
        try mustRun("fallocate", ["-c", "-o", "0", "-l", "4096", held.file.path])
        #expect(try server.client.serverState().changesWaiting == 0)
    }

    @Test("R6.4-24: a local program that has waited long enough gets EBUSY and has changed nothing; an operator saw it")
    func patience() throws {
        let server = try GuardedServer(on: .ext4, ["--local-patience", "1500ms"])
        let held = try server.hold("data")
        let child = try ChildProcess("fallocate", ["-i", "-o", "8192", "-l", "4096", held.file.path])
        let recall = try server.client.nextRecall()
        let seen = try #require(try server.client.waitingStates().first)
        #expect(seen.pid == UInt32(child.pid) && seen.command == "fallocate" && seen.call == "fallocate")
        #expect(seen.operation == .insertRange && seen.waitsFor == [server.client.id])
        let text = try server.process.layoutctl(["waiting"])
        #expect(text.contains("fallocate (process \(child.pid)) in fallocate") && text.contains("insert"))
        #expect(try server.process.layoutctl(["waiting", "--json"]).contains("\"call\":\"fallocate\""))
        let result = child.wait()
        #expect(result.status != 0 && result.output.contains("busy"), "\(result)")
        #expect(try held.file.content().names == HeldFile.before)
        held.storing.end()
        // The recall goes on.
        try server.client.giveBack(recall)
        try mustRun("fallocate", ["-i", "-o", "8192", "-l", "4096", held.file.path])
    }

    @Test("An exclusive layout fails a local program's change at once, with ETXTBSY")
    func exclusive() throws {
        let server = try GuardedServer(on: .xfs, ["--allow-exclusive"])
        let held = try server.hold("data", flags: .exclusive)
        let result = try runProcess("fallocate", ["-i", "-o", "8192", "-l", "4096", held.file.path])
        #expect(result.status != 0 && result.output.contains("Text file busy"), "\(result)")
        #expect(try held.file.content().names == HeldFile.before)
        #expect(try server.client.serverState().recallsSent == 0)
        held.storing.end()
        try server.client.layoutReturn(held.handle, held.grant.stateID)
    }

    @Test(
        "C2, C16: a local program goes on once the holder that does not return is proven gone",
        arguments: TestFileSystems.images
    )
    func holderDies(on fileSystem: TestFileSystem) throws {
        let server = try GuardedServer(on: fileSystem, ["--recall-timeout", "300ms"])
        let held = try server.hold("data", processes: 2)
        let child = try ChildProcess("fallocate", ["-i", "-o", "32768", "-l", "4096", held.file.path])
        _ = try server.client.nextRecall()
        try waitUntil("the holder is overdue") { try (server.client.recallStates().first?.fenceAttempts ?? 0) >= 2 }
        #expect(child.isRunning)
        #expect(try held.file.content().names == HeldFile.before)
        held.storing.end()
        #expect(child.wait().status == 0)
        let content = try held.file.content()
        #expect(content.names == HeldFile.after && content.misplaced == 0 && content.stamps > 0)
    }

    @Test("R7.3-1: a file that a program had open for writing before is not called guarded, and is once that has ended")
    func earlierWriter() throws {
        let directory = try TestFileSystem.xfs.makeDirectory()
        let file = try StampedFile(directory.file("data"), pages: 32)
        let writer = unsafe open(file.path, O_RDWR | O_CLOEXEC)
        let process = try ServerProcess(on: .xfs, ["--guard", "required"], directory: directory)
        let client = try RawClient(process, "holder")
        let handle = try client.open("data")
        let grant = try client.layoutGet(handle)
        #expect(!grant.capabilities.contains(.guarded))
        try client.layoutReturn(handle, grant.stateID)
        close(writer)
        let again = try client.layoutGet(handle)
        #expect(again.capabilities.contains(.guarded))
        try client.layoutReturn(handle, again.stateID)
        #expect(process.stop() == 0)
    }

    @Test("--guard off says so in every grant, and holds up nobody")
    func off() throws {
        let process = try ServerProcess(on: .xfs, ["--guard", "off"])
        let client = try RawClient(process, "holder")
        let file = try StampedFile(process.directory.file("data"), pages: 32)
        let handle = try client.open("data")
        #expect(try client.layoutGet(handle).capabilities == .fenceWait)
        try mustRun("fallocate", ["-i", "-o", "8192", "-l", "4096", file.path])
        process.kill()
    }
}
