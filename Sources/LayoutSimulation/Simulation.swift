/// Worlds of clients, a server, a network and a host, each unfolding from a seed: the same seed, the same world.
///
/// `LeaseEngine`, `Sessions`, `LayoutHolder` and `Recovery` are the production code; the shells around them are the
/// simulation's own, and do what the product's shells do. Everything else is drawn from the seed: connections break, go
/// silent or are held up; processes stop, go on and die; the server restarts between any two steps; power fails in the
/// middle of a shift; clocks drift; system calls and the store fail. The oracle is the disk: every access is compared with
/// what must be there, every change has to have run as often as its caller was told, and nothing may wait for ever.
package enum Simulation {
    /// What a world is made of, besides what its seed says.
    package struct Options: Hashable, Sendable {
        package var seed: UInt64
        /// How long faults and new work go on; then the world heals, and everything must end.
        package var duration: Duration = .seconds(60)
        /// Planted in the shells: has to be noticed.
        package var fault: Fault?
        /// The world is as ``fault`` needs it, and the fault is not planted: nothing may be noticed.
        package var isControl = false
        /// Prints every event and action: to follow one seed.
        package var isTraced = false

        package init(seed: UInt64) { self.seed = seed }
    }

    /// What came of a world.
    package struct Report: Hashable, Sendable {
        package let seed: UInt64
        /// Things that happened.
        package private(set) var events = 0
        /// Stands for the times of all that happened, in order: the same in every process.
        package private(set) var digest: UInt64 = 14_695_981_039_346_656_037
        package internal(set) var simulated: Duration = .zero
        package internal(set) var accesses = 0
        package internal(set) var changes = 0
        package internal(set) var recalls = 0
        /// Faults by class, in the order of ``FaultClass``.
        package internal(set) var faults: [Int] = FaultClass.allCases.map { _ in 0 }
        package internal(set) var marks: Set<Mark> = []
        /// What went wrong, with the simulated time; empty if nothing did.
        package internal(set) var violations: [String] = []

        init(seed: UInt64) { self.seed = seed }

        mutating func note(_ time: UInt64) {
            self.events += 1
            self.digest = (self.digest ^ time) &* 1_099_511_628_211
        }

        /// How often a class of faults struck.
        package func count(of fault: FaultClass) -> Int {
            FaultClass.allCases.firstIndex(of: fault).map { self.faults[$0] } ?? 0
        }

        mutating func count(_ fault: FaultClass) {
            if let index = FaultClass.allCases.firstIndex(of: fault) { self.faults[index] += 1 }
        }
    }

    /// Runs a world to its end, or to the first rule that it breaks.
    package static func run(_ options: Options) -> Report {
        let world = World(options)
        world.run()
        return world.report
    }
}
