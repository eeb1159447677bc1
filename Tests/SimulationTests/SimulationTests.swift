import LayoutSimulation
import Testing

/// A few short worlds for every run of the tests; `layout-sim` runs many long ones.
@Suite struct SimulationTests {
    private func options(_ seed: UInt64, fault: Simulation.Fault? = nil) -> Simulation.Options {
        var options = Simulation.Options(seed: seed)
        options.duration = .seconds(20)
        options.fault = fault
        return options
    }

    @Test("No world breaks a rule, and everything that waits ends", arguments: 1...16 as ClosedRange<UInt64>)
    func fixedSeeds(seed: UInt64) {
        let report = Simulation.run(self.options(seed))
        #expect(report.violations == [], "layout-sim --replay \(seed) --seconds 20")
        #expect(report.accesses > 0 && report.changes > 0)
    }

    @Test("A fresh seed")
    func freshSeed() {
        let seed = UInt64.random(in: 1000...(.max / 2))
        let report = Simulation.run(self.options(seed))
        #expect(report.violations == [], "layout-sim --replay \(seed) --seconds 20")
    }

    @Test("The same seed gives the same world")
    func determinism() {
        #expect(Simulation.run(self.options(3)) == Simulation.run(self.options(3)))
    }

    @Test("Each planted fault is noticed", arguments: Simulation.Fault.allCases)
    func plantedFaults(fault: Simulation.Fault) {
        let isNoticed = (1...24 as ClosedRange<UInt64>).contains { seed in
            !Simulation.run(self.options(seed, fault: fault)).violations.isEmpty
        }
        #expect(isNoticed, "\(fault.rawValue) stayed unnoticed in 24 worlds")
    }
}
