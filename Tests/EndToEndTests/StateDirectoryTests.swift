import Glibc
import LayoutCore
import LayoutXDR
import TestSupport
import Testing

/// A real server whose recovery store is not as it left it.
@Suite(.serialized) struct StateDirectoryTests {
    /// What can be wrong with the store, as shell commands in its directory, and what the server has to say about it.
    struct Damage: Sendable, CustomTestStringConvertible {
        let name: String
        let command: String
        var code: Int32 = 78
        var testDescription: String { self.name }
    }

    private static let damages = [
        Damage(name: "its end is cut off", command: "for f in *; do truncate -s -4096 $f 2>/dev/null; done; true"),
        Damage(
            name: "a page is overwritten",
            command: "f=$(ls -S | head -1); dd if=/dev/urandom of=$f bs=4096 count=1 conv=notrunc"
        ),
        Damage(name: "its files are empty", command: "for f in *; do truncate -s 0 $f; done"),
        Damage(name: "its database is gone", command: "rm -f *.db* *.sqlite* $(ls -S | head -1)"),
        Damage(name: "it is no database", command: "for f in *; do echo nonsense > $f; done"),
    ]

    /// A server on which a holder has something, and which is dead.
    private func withDeadServer(_ body: (_ held: HeldFile) throws -> Void) throws {
        let held = try HeldFile(on: TestFileSystems.images.first ?? .plain, fence: "wait", ["--lease", "1s"])
        defer { held.end() }
        held.server.kill()
        try body(held)
    }

    @Test(
        "D7: a store that is torn, empty or no store is refused, with the remedy; nothing is served",
        arguments: damages
    )
    func damaged(_ damage: Damage) throws {
        try self.withDeadServer { held in
            try mustRun("sh", ["-c", "cd '\(held.server.state)' && { \(damage.command); }"])
            let result = try held.server.startAndFail()
            #expect(result.status == damage.code, "\(result.output)")
            #expect(
                result.output.contains(held.server.state) && result.output.contains("--new-state"),
                "\(result.output)"
            )
            // A new store does not know of holders; their locks on the file tell.
            try held.server.start(["--new-state"])
            let changer = try RawClient(held.server, "changer")
            let file = try changer.open("data")
            let insert = RawClient.change(.insertRange, file, 32768, 4096, patience: .milliseconds(500))
            let refusal = #expect(throws: Failure.self) { try changer.call(insert) }
            #expect(refusal?.status == .delay || refusal?.status == .grace)
            #expect(try held.file.content().names == HeldFile.before)
            held.storing.end()
            try waitUntil("the change runs") { (try? changer.call(insert)) != nil }
            let content = try held.file.content()
            #expect(content.names == HeldFile.after && content.misplaced == 0)
        }
    }

    @Test("D7: the store of another directory is refused, with the remedy")
    func foreign() throws {
        let first = try ServerProcess(on: .plain)
        #expect(first.stop() == 0)
        let error = #expect(throws: TestFailure.self) { try ServerProcess(on: .plain, state: first.state) }
        #expect(
            error?.description.contains("78") == true && error?.description.contains("--new-state") == true,
            "\(String(describing: error))"
        )
    }

    @Test("D7: a second server cannot use a store that is in use")
    func inUse() throws {
        let first = try ServerProcess(on: .plain)
        defer { first.kill() }
        let error = #expect(throws: TestFailure.self) { try ServerProcess(on: .plain, state: first.state) }
        #expect(error?.description.contains("layoutd ended") == true)
    }

    @Test(
        "D7: a server whose store is full ends itself rather than forget; with room again it starts, and nothing is lost",
        .enabled(if: TestFileSystems.hasImages, "mounting needs root")
    )
    func full() throws {
        let small = try LoopFileSystem(.tmpfs)
        let server = try ServerProcess(on: TestFileSystems.images.first ?? .plain, state: small.path + "/state")
        defer { server.kill() }
        let stamped = try StampedFile(server.directory.file("data"), pages: 8)
        var model = PageModel(stamped, seed: 7)
        var deaths = 0
        let changer = try StubbornClient(server, "changer") {
            guard let status = server.endedStatus() else {
                usleep(2000)
                return
            }
            #expect(status == 74, "EX_IOERR")
            deaths += 1
            let refused = try server.startAndFail()
            #expect(refused.status == 74, "\(refused.output)")
            #expect(refused.output.contains(small.path), "\(refused.output)")
            try mustRun("rm", [small.path + "/ballast"])
            try server.start()
        }
        let file = try changer.open("data")
        for _ in 0..<5 { _ = try changer.call(model.next(on: file)) }
        _ = try runProcess("dd", ["if=/dev/zero", "of=\(small.path)/ballast", "bs=4096"])
        for _ in 0..<200 where deaths == 0 { _ = try changer.call(model.next(on: file)) }
        #expect(deaths == 1)
        for _ in 0..<5 { _ = try changer.call(model.next(on: file)) }
        #expect(try stamped.content().names == model.names)
    }

    @Test(
        "D8: a clock that jumps between two lives neither shortens nor lengthens what holders are given",
        .enabled(if: geteuid() == 0, "time namespaces need root"),
        arguments: [1_000_000, -60]
    )
    func clockJumps(by seconds: Int) throws {
        let held = try HeldFile(on: TestFileSystems.images.first ?? .plain, fence: "wait", ["--lease", "1s"])
        defer { held.end() }
        held.server.kill()
        try held.server.start(
            prefix: [
                "unshare", "--time", "--boottime", "\(seconds)", "--monotonic", "\(seconds)", "--fork", "--kill-child",
            ]
        )
        try held.changer.comeBack()
        // Its lease and the margin begin anew: six seconds, by whatever clock.
        let (_, elapsed) = try timed {
            try waitUntil("grace is over") { try held.refusal(patience: .milliseconds(200)) == .delay }
        }
        #expect(elapsed > .seconds(4) && elapsed < .seconds(12), "\(elapsed)")
        #expect(try held.file.content().names == HeldFile.before)
    }
}
