import Glibc
import LayoutCore
import LayoutXDR
import TestSupport
import Testing

/// Holders that do not give their layouts back by the deadline, under each policy of `--fence`: real processes that
/// store into a real file.
@Suite(.serialized) struct FenceTests {
    @Test(
        "C2, C16: wait: nothing runs before the holder is gone, its caller is told in time, and the operator sees why",
        arguments: TestFileSystems.images
    )
    func wait(on fileSystem: TestFileSystem) throws {
        let held = try HeldFile(on: fileSystem, fence: "wait")
        defer { held.end() }
        #expect(held.grant.capabilities == .fenceWait)
        let (status, elapsed) = try timed { try held.refusal(patience: .milliseconds(1500)) }
        #expect(status == .delay)
        #expect(elapsed >= .milliseconds(1400) && elapsed < .seconds(5))
        #expect(try held.file.content().names == HeldFile.before)
        // The fence goes on without a caller, and everybody can see for whom and how often.
        let attempts = try held.fenceAttempts()
        #expect(attempts >= 2)
        try waitUntil("it is tried again") { try held.fenceAttempts() > attempts }
        #expect(try held.server.layoutctl(["recalls"]).contains("overdue, fenced"))
        #expect(try held.server.layoutctl(["clients"]).contains("has not returned in time"))
        #expect(try held.holder.statusFlags().contains(.recallOverdue))

        let insert = try held.sendInsert()
        try waitUntil("the change waits for the holder") {
            try held.changer.waitingStates().contains { $0.waitsFor == [held.holder.id] }
        }
        held.storing.end()
        #expect(try held.changer.changeResult(of: insert).size == held.file.size + StampedFile.pageSize)
        let content = try held.file.content()
        #expect(content.names == HeldFile.after)
        #expect(content.misplaced == 0 && content.stamps > 0)
        #expect(try held.holder.statusFlags().contains(.allRevoked))
        let refusal = #expect(throws: Failure.self) { try held.holder.layoutReturn(held.handle, held.grant.stateID) }
        #expect(refusal?.status == .badStateID)
    }

    @Test(
        "C2, C16: kill: the change runs soon after the deadline, and after the holder",
        arguments: TestFileSystems.images
    )
    func kill(on fileSystem: TestFileSystem) throws {
        let held = try HeldFile(on: fileSystem, fence: "kill")
        defer { held.end() }
        #expect(held.grant.capabilities == .fenceKill)
        let (_, elapsed) = try timed { try held.insert() }
        print("fence by kill on \(fileSystem): \(elapsed - HeldFile.recallTimeout) after the deadline")
        #expect(elapsed >= HeldFile.recallTimeout)
        #expect(elapsed < HeldFile.recallTimeout + .seconds(2))
        #expect(held.storing.wasKilled())
        let content = try held.file.content()
        #expect(content.names == HeldFile.after)
        #expect(content.misplaced == 0 && content.stamps > 0)
    }

    @Test("C17: wait: a holder that dies with its connection is seen to be gone at once, not at the next try")
    func diesBetweenTries() throws {
        let held = try HeldFile(on: TestFileSystems.images.first ?? .plain, fence: "wait")
        defer { held.end() }
        let insert = try held.sendInsert()
        // The next one is four seconds away.
        try waitUntil("five tries have failed") { try held.fenceAttempts() >= 5 }
        held.storing.end()
        held.holder.disconnect()
        let (_, elapsed) = try timed { try held.changer.changeResult(of: insert) }
        #expect(elapsed < .milliseconds(1500))
    }

    @Test("C16: hook: a fence that fails keeps the range blocked, is tried for ever, and counts once it works")
    func hook() throws {
        let scripts = try TestDirectory()
        let (log, permission) = (scripts.file("log"), scripts.file("permission"))
        let hook = try scripts.script(
            "hook",
            "echo \"$@\" >> \(log); [ -e \(permission) ] || exit 3; kill -9 $(echo \"$2\" | tr , ' ')"
        )
        let held = try HeldFile(on: TestFileSystems.images.last ?? .plain, fence: "hook:\(hook)")
        defer { held.end() }
        #expect(held.grant.capabilities == .fenceHook)
        let insert = try held.sendInsert()
        try waitUntil("the fence has failed three times") { try held.fenceAttempts() > 3 }
        #expect(try held.file.content().names == HeldFile.before)
        #expect(try held.server.layoutctl(["recalls"]).contains("overdue, fenced"))
        try mustRun("touch", [permission])
        #expect(try held.changer.changeResult(of: insert).recalled == 1)
        let content = try held.file.content()
        #expect(content.names == HeldFile.after)
        #expect(content.misplaced == 0)
        let lines = try runProcess("cat", [log]).output.split(separator: "\n")
        let (client, pid) = (held.holder.id.rawValue, held.storing.pids[0])
        #expect(lines.enumerated().allSatisfy { $1 == "\(client) \(pid) data \($0 + 1)" }, "\(lines)")
    }

    @Test("C16: hooks that hang are ended and run again, and nobody else's fence waits for them")
    func hangingHooks() throws {
        let scripts = try TestDirectory()
        let log = scripts.file("log")
        // A hook that hangs in a program of its own, as hooks do.
        let hook = try scripts.script(
            "hook",
            "case $3 in hung*) sleep 1000 & echo $! >> \(log); wait; exit 1;; esac; kill -9 $(echo \"$2\" | tr , ' ')"
        )
        let server = try ServerProcess(on: .plain, ["--fence", "hook:\(hook)", "--recall-timeout", "100ms"])
        let holder = try RawClient(server, "holder")
        let changer = try RawClient(server, "changer")
        var storing: [StoringProcess] = []
        func sleepers() throws -> [pid_t] {
            try runProcess("cat", [log]).output.split(separator: "\n").compactMap { pid_t($0) }
        }
        defer {
            for process in storing { process.end() }
            server.kill()
            // The last hooks have nobody any more who would end them.
            for pid in (try? sleepers()) ?? [] { Glibc.kill(pid, SIGKILL) }
        }
        func hold(_ name: String) throws -> FileHandle {
            _ = try StampedFile(server.directory.file(name), pages: 4)
            let handle = try holder.open(name)
            storing.append(try StoringProcess(try holder.layoutGet(handle), of: server))
            return handle
        }
        let hung = try (0..<6).map { try hold("hung\($0)") }
        let other = try hold("other")
        for handle in hung { _ = try changer.send(RawClient.change(.truncate, handle, 0)) }
        try waitUntil("all hooks hang") { try sleepers().count == 6 }
        let (_, elapsed) = try timed { try changer.change(.truncate, other, 0) }
        print("fence beside six hooks that hang: \(elapsed)")
        #expect(elapsed < .seconds(5))
        try waitUntil("they are run again") {
            try changer.recallStates().filter { $0.fenceAttempts >= 2 }.count == 6
        }
        // The first run of each is gone, with what it had started.
        let first = try sleepers().prefix(6)
        try waitUntil("what the first runs started is gone") {
            first.allSatisfy { Glibc.kill($0, 0) != 0 }
        }
        #expect(try changer.serverState().changesWaiting == 6)
    }

    @Test("C2: cooperative: the change runs once the holder's own deadline has passed, and not before")
    func cooperative() throws {
        let held = try HeldFile(
            on: TestFileSystems.images.first ?? .plain,
            fence: "cooperative",
            ["--lease", "1s"]
        )
        defer { held.end() }
        #expect(held.grant.capabilities == .fenceCooperative)
        // The holder stores on: what happens then is what the policy is named after.
        _ = try held.holder.statusFlags()
        let (_, elapsed) = try timed { try held.insert() }
        #expect(elapsed > .seconds(1))
        #expect(try held.file.content().names == HeldFile.after)
        #expect(try held.holder.statusFlags().contains(.allRevoked))
    }

    @Test(
        "A store behind a shift shows in the stamps: the tests of this suite can fail",
        arguments: TestFileSystems.images
    )
    func control(on fileSystem: TestFileSystem) throws {
        let directory = try fileSystem.makeDirectory()
        let file = try StampedFile(directory.file("data"), pages: 16)
        let descriptor = unsafe open(file.path, O_RDWR | O_CLOEXEC)
        defer { close(descriptor) }
        let storing = try StoringProcess(descriptor: descriptor, length: file.size)
        defer { storing.end() }
        // Nobody is asked.
        try mustRun("fallocate", ["--insert-range", "-o", "8192", "-l", "4096", file.path])
        try waitUntil("stores land where they do not belong") { try file.content().misplaced > 0 }
    }
}

extension TestDirectory {
    /// Writes a shell script that can be run, and returns its path.
    func script(_ name: String, _ text: String) throws -> String {
        let path = self.file(name)
        try mustRun("sh", ["-c", "printf '#!/bin/sh\\n%s\\n' \"$0\" > \"$1\" && chmod 755 \"$1\"", text, path])
        return path
    }
}
