import ArgumentParser
import LayoutSimulation

/// Runs simulated worlds, says what came of them, and how to see one again.
@main
struct LayoutSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layout-sim",
        abstract: "Runs the lease engine and its clients in simulated worlds, each unfolding from a seed.",
        discussion: """
            Connections break, processes pause and die, recalls overtake replies, and every access is compared with the \
            disk. Ends with status 1 if a world broke a rule, or if a planted fault (--faults) stayed unnoticed.
            """
    )

    @Option(help: "How many worlds.")
    var seeds: UInt64 = 100

    @Option(help: "The first seed.")
    var first: UInt64 = 1

    @Option(help: "Simulated seconds with faults in each world; then it heals, and everything must end.")
    var seconds: Int64 = 60

    @Option(help: "Print every event and action of this one seed.")
    var replay: UInt64?

    @Flag(help: "Also plant each known fault, and fail unless it is noticed.")
    var faults = false

    func validate() throws {
        guard self.seeds > 0, self.seconds > 0 else {
            throw ValidationError("--seeds and --seconds must be at least 1")
        }
    }

    func run() throws {
        if let replay {
            let report = Simulation.run(self.options(replay, isTraced: true))
            for violation in report.violations { print(violation) }
            guard report.violations.isEmpty else { throw ExitCode.failure }
            return
        }
        var hasFailed = self.runSeeds()
        if self.faults { hasFailed = self.plantFaults() || hasFailed }
        if hasFailed { throw ExitCode.failure }
    }

    private func options(_ seed: UInt64, isTraced: Bool = false) -> Simulation.Options {
        var options = Simulation.Options(seed: seed)
        options.duration = .seconds(self.seconds)
        options.isTraced = isTraced
        return options
    }

    private func runSeeds() -> Bool {
        var (events, accesses, changes, recalls, failures) = (0, 0, 0, 0, 0)
        var marks: Set<Simulation.Mark> = []
        for seed in self.first..<(self.first + self.seeds) {
            let report = Simulation.run(self.options(seed))
            events += report.events
            accesses += report.accesses
            changes += report.changes
            recalls += report.recalls
            marks.formUnion(report.marks)
            guard !report.violations.isEmpty else { continue }
            failures += 1
            print("seed \(seed): \(report.violations[0])")
            print("  to see it again: layout-sim --replay \(seed) --seconds \(self.seconds)")
        }
        print("\(self.seeds) worlds, \(failures) with violations")
        print("\(events) events, \(accesses) accesses, \(changes) changes, \(recalls) layouts returned after a recall")
        let missing = Simulation.Mark.allCases.filter { !marks.contains($0) }
        if !missing.isEmpty {
            print("never came up: \(missing.map(\.rawValue).joined(separator: ", "))")
        }
        return failures > 0 || (self.seeds >= 50 && !missing.isEmpty)
    }

    private func plantFaults() -> Bool {
        var hasFailed = false
        for fault in Simulation.Fault.allCases {
            var noticed = 0
            for seed in self.first..<(self.first + min(self.seeds, 30)) {
                var options = self.options(seed)
                options.fault = fault
                if !Simulation.run(options).violations.isEmpty { noticed += 1 }
            }
            print("fault \(fault.rawValue): noticed in \(noticed) of \(min(self.seeds, 30)) worlds")
            if noticed == 0 { hasFailed = true }
        }
        return hasFailed
    }
}
