import Glibc
import LayoutCore
import LayoutXDR
import TestSupport
import Testing

/// Holders that are stopped or cut off, that forked, and that go on later: none of their stores lands in the wrong place.
@Suite(.serialized) struct StoppedHolderTests {
    /// What happens to the holder.
    enum Trouble: String, CaseIterable, Sendable {
        case stopped
        case cutOff

        fileprivate func begins(_ held: HeldFile) {
            switch self {
            case .stopped:
                // The process that has the session would be stopped with it.
                held.holder.answer = .nothing
                held.storing.signal(SIGSTOP)
            case .cutOff:
                held.holder.disconnect()
            }
        }

        fileprivate func ends(_ held: HeldFile) throws {
            switch self {
            case .stopped: held.storing.signal(SIGCONT)
            case .cutOff: try held.holder.reconnect()
            }
        }
    }

    /// The filesystems and the troubles.
    private static let worlds = TestFileSystems.images.flatMap { fileSystem in
        Trouble.allCases.map { (fileSystem, $0) }
    }

    @Test(
        "C2, C16: wait: a stopped or cut off holder and its child are waited for, and store safely on",
        arguments: worlds
    )
    func wait(on fileSystem: TestFileSystem, _ trouble: Trouble) throws {
        let held = try HeldFile(on: fileSystem, fence: "wait", processes: 2)
        defer { held.end() }
        trouble.begins(held)
        let (status, elapsed) = try timed { try held.refusal(patience: .seconds(1)) }
        #expect(status == .delay)
        #expect(elapsed < .seconds(5))
        #expect(try held.file.content().names == HeldFile.before)
        try trouble.ends(held)
        // Both go on: the layout was never taken from them.
        try held.waitForStores(of: 0..<2)
        #expect(try held.file.content().misplaced == 0)
        // The child alone is in the way as well.
        Glibc.kill(held.storing.pids[0], SIGKILL)
        #expect(held.storing.wasKilled())
        #expect(try held.refusal(patience: .seconds(1)) == .delay)
        let insert = try held.sendInsert()
        held.storing.end()
        _ = try held.changer.changeResult(of: insert)
        let content = try held.file.content()
        #expect(content.names == HeldFile.after)
        #expect(content.misplaced == 0)
    }

    @Test(
        "C16: wait: while a stopped or cut off holder can still store, its blocks go to no other file",
        arguments: worlds
    )
    func freedBlocks(on fileSystem: TestFileSystem, _ trouble: Trouble) throws {
        let held = try HeldFile(on: fileSystem, fence: "wait")
        defer { held.end() }
        trouble.begins(held)
        func punch(_ patience: Duration) throws {
            _ = try held.changer.change(.punchHole, held.handle, 0, held.file.size, patience: patience)
        }
        let refusal = #expect(throws: Failure.self) { try punch(.seconds(1)) }
        #expect(refusal?.status == .delay)
        // New files, while the holder stores on, or does so as soon as it wakes up.
        let victims = try (0..<16).map { try StampedFile(held.server.directory.file("victim\($0)"), pages: 32) }
        try trouble.ends(held)
        try held.waitForStores(of: 0..<1)
        #expect(try held.file.content().names == HeldFile.before)
        for victim in victims { #expect(try victim.content().stamps == 0 && victim.content().misplaced == 0) }
        // Once it is gone, they can have them.
        held.storing.end()
        try punch(.seconds(20))
        #expect(try held.file.content().names.allSatisfy { $0 == 0 })
        #expect(try held.file.content().misplaced == 0)
        for victim in victims { #expect(try victim.content().stamps == 0 && victim.content().misplaced == 0) }
    }

    @Test("C16: kill: a stopped or cut off holder is killed, and never stores again", arguments: worlds)
    func kill(on fileSystem: TestFileSystem, _ trouble: Trouble) throws {
        let held = try HeldFile(on: fileSystem, fence: "kill")
        defer { held.end() }
        trouble.begins(held)
        let (_, elapsed) = try timed { try held.insert() }
        print(
            "fence by kill of a \(trouble) holder on \(fileSystem): \(elapsed - HeldFile.recallTimeout) after the deadline"
        )
        #expect(elapsed < HeldFile.recallTimeout + .seconds(2))
        #expect(held.storing.wasKilled())
        try trouble.ends(held)
        let content = try held.file.content()
        #expect(content.names == HeldFile.after)
        #expect(content.misplaced == 0)
    }

    @Test(
        "C16, D6: kill: a stopped holder is killed by the next life of the server too, and never stores again",
        arguments: TestFileSystems.images
    )
    func killAfterRestart(on fileSystem: TestFileSystem) throws {
        let held = try HeldFile(on: fileSystem, fence: "kill", ["--lease", "1s"])
        defer { held.end() }
        // A later record is written: so is who has fetched the descriptor.
        _ = try StampedFile(held.server.directory.file("other"), pages: 1)
        let other = try held.changer.open("other")
        try held.changer.layoutReturn(other, try held.changer.layoutGet(other).stateID)
        held.storing.signal(SIGSTOP)
        held.server.kill()
        try held.server.start()
        try held.changer.comeBack()
        var status = LayoutStatus.grace
        try waitUntil("grace is over") {
            status = try held.refusal(patience: .seconds(10))
            return status != .grace
        }
        #expect(status == .ok)
        #expect(held.storing.wasKilled())
        let content = try held.file.content()
        #expect(content.names == HeldFile.after)
        #expect(content.misplaced == 0)
    }

    @Test(
        "C16: kill: a forked child that keeps the mapping holds the change up until it is gone too",
        arguments: worlds
    )
    func killWithChild(on fileSystem: TestFileSystem, _ trouble: Trouble) throws {
        let held = try HeldFile(on: fileSystem, fence: "kill", processes: 2)
        defer { held.end() }
        trouble.begins(held)
        // The child never spoke to the server: nobody knows it, but its mapping keeps the lock.
        let (status, elapsed) = try timed { try held.refusal(patience: .milliseconds(1500)) }
        #expect(status == .delay)
        #expect(elapsed < .seconds(5))
        #expect(held.storing.wasKilled())
        #expect(try held.file.content().names == HeldFile.before)
        #expect(try held.fenceAttempts() >= 1)
        try trouble.ends(held)
        try held.waitForStores(of: 1..<2)
        let insert = try held.sendInsert()
        held.storing.end()
        _ = try held.changer.changeResult(of: insert)
        let content = try held.file.content()
        #expect(content.names == HeldFile.after)
        #expect(content.misplaced == 0)
    }
}
