import CBenchPeer
import LayoutCore
import LeaseEngine

/// The engine without a server around it: how many events it takes, and how that grows.
struct EngineThroughput: Sendable {
    let options: CommonOptions

    /// How long a sample should take, at least: less than the scheduler lets a thread run, as a rule.
    private static var nanoseconds: Double { 1_000_000 }
    /// Samples in each round.
    private static var turns: Int { 12 }

    func run() throws -> Report {
        var report = Report(
            name: "engine",
            method:
                "\(self.options.rounds) interleaved rounds of \(Self.turns) samples of 1 to 2 ms each, one thread, no I/O"
        )
        report.load.append(Report.loadAverage)
        try self.options.placement().placeCaller()
        defer { self.options.placement().release() }
        try self.measureGrants(&report)
        try self.measureChanges(&report)
        try self.measureGrowth(&report)
        report.notes = [
            "a grant and its return are five events: two renewals, LAYOUTGET, its extents, LAYOUTRETURN.",
            "a punch is with all that belongs to a holder: its grant, its recall and the answer, its return.",
            "the floor of a grant and its return is one insertion into and one removal from a dictionary of 10,000 numbers.",
        ]
        report.load.append(Report.loadAverage)
        return report
    }

    // MARK: Parts

    private func measureGrants(_ report: inout Report) throws {
        var table = Dictionary(uniqueKeysWithValues: (0..<UInt64(10_000)).map { ($0, $0) })
        let floor = Self.series("dictionary insert+remove") { index in
            let key = UInt64(10_000 + index)
            table[key] = key
            bench_consume(table.removeValue(forKey: key) ?? 0)
        }
        var (one, many) = (EngineWorld(clients: 1), EngineWorld(clients: 2))
        // Somebody holds something of each of the many files.
        let files = 10_000
        for file in 0..<files { many.get(ClientID(2), FileID(UInt64(file)), EngineWorld.block(8)) }
        let measured = try Interleaved.run(
            [
                floor,
                Self.series("grant+return, one file") { _ in Self.grantAndReturn(&one, FileID(1)) },
                Self.series("grant+return, 10,000 files") { index in
                    Self.grantAndReturn(&many, FileID(UInt64(index &* 7919 % files)))
                },
            ],
            rounds: self.options.rounds,
            warmUps: 1,
            turns: Self.turns
        )
        report.figures += measured.map { Figure(name: $0.name, unit: "ns", rounds: $0.medians) }
        report.figures += measured.dropFirst().map {
            Figure(name: $0.name, unit: "events/s", rounds: $0.medians.map { 5e9 / $0 })
        }
        report.ratios += measured.dropFirst().map {
            Ratio(name: "\($0.name) / dictionary insert+remove", rounds: $0.ratios(to: measured[0]))
        }
    }

    private func measureChanges(_ report: inout Report) throws {
        let counts = [1, 10, 100, 1000]
        let measured = try Interleaved.run(
            counts.map { count in
                var world = EngineWorld(clients: count)
                return Self.series("punch with \(Text.grouped(count)) holders, per holder", divisor: count) { _ in
                    for client in 1...count { world.get(ClientID(UInt64(client)), FileID(1), EngineWorld.block(0)) }
                    world.punch(FileID(1), EngineWorld.block(0))
                }
            },
            rounds: self.options.rounds,
            warmUps: 1,
            turns: Self.turns
        )
        report.figures += measured.map { Figure(name: $0.name, unit: "ns", rounds: $0.medians) }
        report.ratios += measured.dropFirst().map {
            Ratio(name: "\($0.name) / with 1", rounds: $0.ratios(to: measured[0]))
        }
    }

    private func measureGrowth(_ report: inout Report) throws {
        let counts = [1000, 10_000, 100_000]
        for isOneClient in [true, false] {
            let whose = isOneClient ? "of one client" : "of as many clients"
            let grants = try Interleaved.run(
                counts.map { count in
                    var world = Self.crowdedFile(count, isOneClient: isOneClient)
                    return Self.series("grant+return beside \(Text.grouped(count)) layouts \(whose)") { index in
                        // The clients' own are on even blocks; the newcomer's are between them.
                        let place = index &* 7919 % count
                        Self.grantAndReturn(&world, FileID(1), ClientID(UInt64(count) + 1), block: place * 2 + 1)
                    }
                },
                rounds: self.options.rounds,
                warmUps: 1,
                turns: Self.turns
            )
            report.figures += grants.map { Figure(name: $0.name, unit: "ns", rounds: $0.medians) }
            report.ratios += grants.dropFirst().map {
                Ratio(name: "\($0.name) / beside 1,000", rounds: $0.ratios(to: grants[0]))
            }
        }
    }

    // MARK: Helpers

    private static func grantAndReturn(
        _ world: inout EngineWorld,
        _ file: FileID,
        _ client: ClientID = ClientID(1),
        block: Int = 0
    ) {
        let grant = world.get(client, file, EngineWorld.block(block))
        world.giveBack(client, file, grant.range, stateID: grant.stateID)
    }

    /// A file with `count` layouts that do not touch each other.
    private static func crowdedFile(_ count: Int, isOneClient: Bool) -> EngineWorld {
        var world = EngineWorld(clients: count + 1)
        var stateID = StateID.none
        for index in 0..<count {
            let client = ClientID(isOneClient ? 1 : UInt64(index) + 1)
            let grant = world.get(client, FileID(1), EngineWorld.block(index * 2), stateID: stateID)
            if isOneClient { stateID = grant.stateID }
        }
        precondition(world.engine.heldLayouts(of: FileID(1)).count == count, "layouts were merged")
        return world
    }

    /// A series that repeats an operation as often as fills the time; nanoseconds per operation and `divisor`.
    private static func series(
        _ name: String,
        divisor: Int = 1,
        _ operation: @escaping (Int) -> Void
    ) -> Series {
        var (done, batch) = (0, 1)
        func time(_ count: Int) -> Double {
            let start = bench_now()
            for _ in 0..<count {
                operation(done)
                done += 1
            }
            return Double(bench_now() - start)
        }
        // Doubled until it takes long enough: the first call of each is also its warm-up.
        while time(batch) < Self.nanoseconds, batch < 1 << 24 { batch *= 2 }
        let count = batch
        return Series(name: name) { [time(count) / Double(count) / Double(divisor)] }
    }
}
