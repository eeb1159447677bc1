import LayoutSimulation
import Testing

/// Mistakes like those that worlds have found, each planted in a world that shows it.
///
/// What worlds found in the core itself has tests of its own there.
/// A change of how worlds unfold makes them other worlds: then `layout-sim --faults` names new ones.
private let found: [(fault: Simulation.Fault, seed: UInt64)] = [
    (.permissionRepeated, 1), (.guardLetsGoEarly, 2), (.unknownTakenForFailed, 2), (.runningCallForgotten, 3),
]

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

    @Test("What worlds have found once is found again, and the same world without it breaks no rule", arguments: found)
    func foundAgain(fault: Simulation.Fault, seed: UInt64) {
        var options = self.options(seed, fault: fault, seconds: 36)
        #expect(Simulation.run(options).violations != [], "\(fault.rawValue) stayed unnoticed in world \(seed)")
        options.isControl = true
        #expect(
            Simulation.run(options).violations == [],
            "layout-sim --replay \(seed) --plant \(fault.rawValue) --control"
        )
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
