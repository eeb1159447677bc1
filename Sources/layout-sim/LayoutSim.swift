import ArgumentParser
import LayoutSimulation

/// Runs simulated worlds, says what came of them, and how to see one again.
@main
struct LayoutSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layout-sim",
        abstract: "Runs the server's and the clients' state machines in simulated worlds, each unfolding from a seed.",
        discussion: """
            Connections break and go silent, processes stop and die, the server restarts between any two steps, power \
            fails, clocks drift; every access is compared with the disk, and every change has to run exactly as often as \
            its caller is told. Ends with status 1 if a world broke a rule, if a situation never came up, or if a planted \
            fault (--faults) stayed unnoticed.
            """
    )

    @Option(help: "How many worlds.")
    var seeds: UInt64 = 100

    @Option(help: "The first seed.")
    var first: UInt64 = 1

    @Option(help: "Simulated hours with faults in each world; then it heals, and everything must end.")
    var hours = 0.01

    @Option(help: "Print every event and action of this one seed.")
    var replay: UInt64?

    @Option(help: "Plant this fault.")
    var plant: String?

    @Flag(help: "Make worlds as the fault of --plant needs them, and do not plant it: nothing may be noticed.")
    var control = false

    @Flag(help: "Also plant each known fault, and fail unless it is noticed.")
    var faults = false

    @Flag(help: "Also run one world of a fresh seed.")
    var fresh = false

    func validate() throws {
        guard self.seeds > 0, self.hours > 0, self.hours <= 1000 else {
            throw ValidationError("--seeds must be at least 1, and --hours more than 0 and at most 1000")
        }
        if let plant, Simulation.Fault(rawValue: plant) == nil {
            let names = Simulation.Fault.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("no fault is called '\(plant)': use one of \(names)")
        }
        guard self.plant != nil || !self.control else { throw ValidationError("--control needs a fault: add --plant") }
    }

    func run() throws {
        if let replay {
            let report = Simulation.run(self.options(replay, isTraced: true))
            for violation in report.violations { print(violation) }
            guard report.violations.isEmpty else { throw ExitCode.failure }
            return
        }
        var hasFailed = self.runSeeds()
        if self.fresh { hasFailed = self.runFreshSeed() || hasFailed }
        if self.faults { hasFailed = self.plantFaults() || hasFailed }
        if hasFailed { throw ExitCode.failure }
    }

    private func options(_ seed: UInt64, isTraced: Bool = false) -> Simulation.Options {
        var options = Simulation.Options(seed: seed)
        options.duration = .milliseconds(Int64(self.hours * 3_600_000))
        options.fault = self.plant.flatMap(Simulation.Fault.init(rawValue:))
        options.isControl = self.control
        options.isTraced = isTraced
        return options
    }

    /// Runs one world, and says what went wrong and how to see it again.
    private func runSeed(_ seed: UInt64, into sum: inout Sum) {
        let report = Simulation.run(self.options(seed))
        sum.add(report)
        guard let violation = report.violations.first else { return }
        print("seed \(seed): \(violation)")
        let plant = (self.plant.map { " --plant \($0)" } ?? "") + (self.control ? " --control" : "")
        print("  to see it again: layout-sim --replay \(seed) --hours \(self.hours)\(plant)")
    }

    private func runSeeds() -> Bool {
        var sum = Sum()
        for seed in self.first..<(self.first + self.seeds) { self.runSeed(seed, into: &sum) }
        print(sum.text)
        let missing = Simulation.Mark.allCases.filter { !sum.marks.contains($0) }
        if !missing.isEmpty { print("never came up: \(missing.map(\.rawValue).joined(separator: ", "))") }
        return sum.failures > 0 || (self.seeds >= 100 && !missing.isEmpty)
    }

    private func runFreshSeed() -> Bool {
        var sum = Sum()
        let seed = UInt64.random(in: 1_000_000...(.max / 2))
        print("a fresh seed: \(seed)")
        self.runSeed(seed, into: &sum)
        return sum.failures > 0
    }

    private func plantFaults() -> Bool {
        var failures = 0
        for fault in Simulation.Fault.allCases {
            var (worlds, found): (UInt64, UInt64?) = (0, nil)
            for seed in self.first..<(self.first + Self.worldsPerFault) {
                var options = self.options(seed)
                options.fault = fault
                worlds += 1
                if !Simulation.run(options).violations.isEmpty {
                    found = seed
                    break
                }
            }
            guard let found else {
                failures += 1
                print("fault \(fault.rawValue): NOT noticed in \(worlds) worlds")
                continue
            }
            // The same world without the fault: what was noticed has to be the fault, and nothing else.
            var control = self.options(found)
            control.fault = fault
            control.isControl = true
            guard let violation = Simulation.run(control).violations.first else {
                print("fault \(fault.rawValue): noticed in world \(found), the \(worlds). that was tried")
                continue
            }
            failures += 1
            print("fault \(fault.rawValue): NOT needed for what was noticed in world \(found): \(violation)")
        }
        return failures > 0
    }

    /// A planted fault that stays unnoticed in so many worlds is one that the simulation does not find.
    private static let worldsPerFault: UInt64 = 300
}

/// What came of many worlds.
private struct Sum {
    var worlds = 0
    var failures = 0
    var events = 0
    var simulated = Duration.zero
    var accesses = 0
    var changes = 0
    var recalls = 0
    var faults: [Simulation.FaultClass: Int] = [:]
    var marks: Set<Simulation.Mark> = []
    var digest: UInt64 = 0

    mutating func add(_ report: Simulation.Report) {
        self.worlds += 1
        self.events += report.events
        self.simulated += report.simulated
        self.accesses += report.accesses
        self.changes += report.changes
        self.recalls += report.recalls
        for fault in Simulation.FaultClass.allCases { self.faults[fault, default: 0] += report.count(of: fault) }
        self.marks.formUnion(report.marks)
        self.digest = self.digest &* 31 &+ report.digest
        if !report.violations.isEmpty { self.failures += 1 }
    }

    var text: String {
        let hours = Double(self.simulated.components.seconds) / 3600
        let rounded = (hours * 100).rounded() / 100
        let faults = Simulation.FaultClass.allCases.map { "\($0.rawValue) \(self.faults[$0] ?? 0)" }
        return """
            \(self.worlds) worlds, \(self.failures) with violations; digest \(self.digest)
            \(rounded) simulated hours, \(self.events) events, \(self.accesses) accesses, \(self.changes) changes, \
            \(self.recalls) layouts returned after a recall
            faults: \(faults.joined(separator: ", "))
            marks: \(self.marks.count) of \(Simulation.Mark.allCases.count)
            """
    }
}
