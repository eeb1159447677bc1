import LayoutSimulation
import Testing

/// A few short worlds for every run of the tests; `layout-sim` runs many long ones.
@Suite struct SimulationTests {
    private func options(_ seed: UInt64, fault: Simulation.Fault? = nil, seconds: Int64 = 20) -> Simulation.Options {
        var options = Simulation.Options(seed: seed)
        options.duration = .seconds(seconds)
        options.fault = fault
        return options
    }

    @Test("No world breaks a rule, and everything that waits ends", arguments: 1...16 as ClosedRange<UInt64>)
    func fixedSeeds(seed: UInt64) {
        let report = Simulation.run(self.options(seed))
        #expect(report.violations == [], "layout-sim --replay \(seed) --hours 0.00556")
        #expect(report.accesses > 0)
    }

    @Test("A fresh seed")
    func freshSeed() {
        let seed = UInt64.random(in: 1000...(.max / 2))
        let report = Simulation.run(self.options(seed))
        #expect(report.violations == [], "layout-sim --replay \(seed) --hours 0.00556")
    }

    @Test("The same seed gives the same world, in another process too")
    func determinism() async {
        let report = Simulation.run(self.options(3))
        #expect(Simulation.run(self.options(3)) == report)
        // Dictionaries and sets are ordered otherwise there.
        let digest: UInt64 = report.digest
        await #expect(processExitsWith: .success) { [digest = digest as UInt64] in
            var options = Simulation.Options(seed: 3)
            options.duration = .seconds(20)
            precondition(Simulation.run(options).digest == digest)
        }
    }
}
