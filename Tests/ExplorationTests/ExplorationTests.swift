import LayoutSimulation
import Testing

/// Every state of small worlds, made of the real lease engine and holders.
///
/// A failure names the steps that lead to it. The numbers of states say that a world is still the size that it was: one that
/// suddenly has few explores nothing.
@Suite struct ExplorationTests {
    /// A world, and how many states it has at least.
    struct World: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var windows: [Range<Int>]
        var changed: Range<Int>
        var atLeast: Int
        var budget: SmallWorld.Budget

        init(
            _ description: String,
            windows: [Range<Int>],
            changed: Range<Int>,
            atLeast: Int,
            _ spend: (inout SmallWorld.Budget) -> Void
        ) {
            self.testDescription = description
            self.windows = windows
            self.changed = changed
            self.atLeast = atLeast
            self.budget = SmallWorld.Budget()
            spend(&self.budget)
        }

        func explored(planting fault: SmallWorld.Fault? = nil) -> Explorer.Report {
            Explorer.explore(
                SmallWorld(blocks: 2, windows: self.windows, changed: self.changed, budget: self.budget, fault: fault)
            )
        }
    }

    private static let one: [Range<Int>] = [0..<2]
    private static let two: [Range<Int>] = [0..<2, 1..<2]

    static let worlds = [
        World("two clients", windows: Self.two, changed: 0..<2, atLeast: 2000) { _ in },
        World("a client that changes what it holds", windows: Self.one, changed: 0..<1, atLeast: 1000) {
            $0.ownChanges = 1
        },
        World("a client that changes what another holds", windows: Self.two, changed: 0..<2, atLeast: 50_000) {
            $0.ownChanges = 1
        },
        World("a client that dies, and deadlines", windows: Self.one, changed: 0..<1, atLeast: 8000) {
            $0.deaths = 1
            $0.deadlines = 1
        },
        World("two clients, one of which dies", windows: Self.two, changed: 0..<2, atLeast: 10_000) { $0.deaths = 1 },
        World("a back channel that breaks", windows: [0..<1], changed: 0..<1, atLeast: 10_000) { $0.breaks = 1 },
        World("a restart", windows: Self.one, changed: 0..<1, atLeast: 2500) { $0.restarts = 1 },
        World("two restarts", windows: Self.one, changed: 0..<2, atLeast: 5000) {
            $0.restarts = 2
            $0.touches = 1
        },
        World("a restart and a death", windows: Self.one, changed: 0..<2, atLeast: 3000) {
            $0.restarts = 1
            $0.deaths = 1
            $0.touches = 1
        },
        World("a restart with two clients", windows: Self.two, changed: 0..<2, atLeast: 30_000) {
            $0.restarts = 1
            $0.localChanges = 0
        },
    ]

    @Test("No state of a small world breaks a rule, and everything comes to rest from each", arguments: Self.worlds)
    func everyState(of world: World) {
        let report = world.explored()
        #expect(report.failure?.reason == nil, "\(report.failure?.reason ?? ""): \(report.failure?.steps ?? [])")
        #expect(!report.isCutShort)
        #expect(report.states >= world.atLeast)
        #expect(report.quiet > 0)
    }

    @Test("Each planted fault is found in one of the worlds", arguments: SmallWorld.Fault.allCases)
    func plantedFaults(_ fault: SmallWorld.Fault) {
        // Where a client dies, and where the server restarts: the others are found in any world.
        let isFound = [Self.worlds[3], Self.worlds[6]].contains { $0.explored(planting: fault).failure != nil }
        #expect(isFound, "\(fault.rawValue) stayed unnoticed")
    }
}
