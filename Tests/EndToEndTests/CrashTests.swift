import Glibc
import LayoutClient
import LayoutXDR
import LinuxFiles
import Synchronization
import TestSupport
import Testing

/// Servers that die at every step of what they do, and at any other moment, under load.
@Suite(.serialized) struct CrashTests {
    /// Deaths per filesystem: `LAYOUTD_TEST_KILLS`, or enough to hit every step a few times.
    private static let kills = number("LAYOUTD_TEST_KILLS") ?? 33

    private static func number(_ variable: String) -> Int? {
        unsafe getenv(variable).flatMap { Int(unsafe String(cString: $0)) }
    }

    @Test(
        "A24, D1: a server that is killed at every step loses nothing acknowledged, does nothing twice or elsewhere",
        arguments: TestFileSystems.images
    )
    func killed(on fileSystem: TestFileSystem) async throws {
        let seed = UInt64(Self.number("LAYOUTD_TEST_SEED") ?? Int.random(in: 0..<1 << 32))
        print("kill -9 on \(fileSystem): LAYOUTD_TEST_SEED=\(seed)")
        let server = try ServerProcess(on: fileSystem)
        let keeper = ServerKeeper(server, seed: seed)
        // Threads that store through windows, and a client that moves the bytes under them.
        var marked = try MarkedFile(in: server.directory, name: "marked", seed: seed)
        let holder = try await LayoutClient.connect(to: server.url)
        let changer = try await LayoutClient.connect(to: server.url)
        let region = try await holder.open("marked", .readWrite).map(
            MarkedFile.payload,
            .readWrite,
            following: .content
        )
        let file = try await changer.open("marked", .readWrite)
        let storm = Storm()
        try storm.countInContent(of: region)
        let movers = try (0..<3).map { try Mover($0, server, keeper, seed: seed) }
        let isOver = Atomic(false)
        let killer = try KernelThread(name: "killer") {
            while !isOver.load(ordering: .relaxed) {
                keeper.tick()
                usleep(2000)
                do {
                    try keeper.ensureServer()
                } catch {
                    Issue.record(error)
                    return
                }
            }
        }
        defer {
            isOver.store(true, ordering: .relaxed)
            killer.join()
            server.kill()
        }
        let deadline = ContinuousClock.now + .seconds(60 + 3 * Self.kills)
        var shifts = 0
        while keeper.kills.values.reduce(0, +) < Self.kills, ContinuousClock.now < deadline,
            !movers.contains(where: \.hasFailed)
        {
            do {
                try await marked.shift(file)
            } catch {
                Issue.record(error)
                break
            }
            shifts += 1
        }
        keeper.calmDown()
        let outcomes = try movers.map { try $0.finish() }
        // The server that is left may have been told to die at a step that nobody gets to any more.
        try await marked.shift(file)
        let stored = try storm.finish(marked)

        let kills = keeper.kills
        let answered = outcomes.reduce(shifts) { $0 + $1.counts.answered }
        let inDoubt = outcomes.reduce(0) { $0 + $1.counts.inDoubt }
        let notExecuted = outcomes.reduce(0) { $0 + $1.counts.notExecuted }
        print(
            """
            kill -9 on \(fileSystem): \(kills.values.reduce(0, +)) deaths, \(answered) changes acknowledged, \
            \(inDoubt) in doubt when the server died, \(notExecuted) of them not executed; \(stored); \
            slowest start \(keeper.slowestStart)
            deaths: \(kills.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
            """
        )
        for (number, outcome) in outcomes.enumerated() {
            #expect(outcome.failure == nil)
            #expect(outcome.found.names == outcome.expected, "file \(number), seed \(seed)")
        }
        #expect(stored.lost == 0 && stored.extra == 0 && stored.misplaced == 0)
        #expect(stored.increments > 0)
        for step in ServerKeeper.steps + [ServerKeeper.anyMoment] { #expect(kills[step, default: 0] > 0, "\(step)") }
        await changer.close()
        await holder.close()
    }
}
