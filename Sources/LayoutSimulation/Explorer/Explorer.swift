/// Visits every state that a small world can reach, the nearest first.
package struct Explorer {
    /// What came of it.
    package struct Report: Sendable {
        /// States that were visited.
        package var states = 0
        /// States in which nothing waits for anything.
        package var quiet = 0
        /// The steps to a state that breaks a rule, or from which nothing comes to rest, with the reason; `nil` if there
        /// is none.
        package var failure: (reason: String, steps: [SmallWorld.Step])?
        /// Whether there are more states than were allowed for.
        package var isCutShort = false
    }

    /// Two hashes: among a million states, two share both less than once in 10^26 explorations.
    private struct Key: Hashable {
        let low: Int
        let high: Int

        init(_ world: SmallWorld) {
            self.low = world.hashValue
            var hasher = Hasher()
            hasher.combine(0x9e37_79b9_7f4a_7c15 as UInt64)
            hasher.combine(world)
            self.high = hasher.finalize()
        }
    }

    private var numbers: [Key: Int] = [:]
    /// How each state was reached first.
    private var origins: [(state: Int, step: SmallWorld.Step)?] = []
    /// From which states progress leads here.
    private var progressFrom: [[Int]] = []
    private var quiet: [Int] = []
    private var frontier: [(number: Int, world: SmallWorld)] = []

    private init() {}

    /// Visits up to `limit` states.
    package static func explore(_ world: SmallWorld, limit: Int = 1_000_000) -> Report {
        var explorer = Explorer()
        return explorer.run(world, limit: limit)
    }

    private mutating func run(_ world: SmallWorld, limit: Int) -> Report {
        var report = Report()
        _ = self.visit(world, from: nil)
        while !self.frontier.isEmpty {
            let wave = self.frontier
            self.frontier = []
            for (number, world) in wave {
                let progress = Set(world.progress)
                for step in world.steps {
                    var next = world
                    next.take(step)
                    let reached = self.visit(next, from: (number, step))
                    if let violation = next.violation {
                        report.states = self.origins.count
                        report.failure = (violation, self.path(to: reached))
                        return report
                    }
                    if progress.contains(step) { self.progressFrom[reached].append(number) }
                }
                guard self.origins.count <= limit else {
                    report.states = self.origins.count
                    report.isCutShort = true
                    return report
                }
            }
        }
        report.states = self.origins.count
        report.quiet = self.quiet.count
        if let stuck = self.firstStuck() {
            report.failure = ("nothing comes to rest from here", self.path(to: stuck))
        }
        return report
    }

    /// Notes a state, and that it is to be gone on from if it is new; returns its number.
    private mutating func visit(_ world: SmallWorld, from origin: (state: Int, step: SmallWorld.Step)?) -> Int {
        let key = Key(world)
        if let known = self.numbers[key] { return known }
        let number = self.origins.count
        self.numbers[key] = number
        self.origins.append(origin)
        self.progressFrom.append([])
        if world.isQuiet { self.quiet.append(number) }
        if world.violation == nil { self.frontier.append((number, world)) }
        return number
    }

    /// The first state from which no progress leads to a quiet one.
    private func firstStuck() -> Int? {
        var comesToRest = Array(repeating: false, count: self.origins.count)
        var pending = self.quiet
        for number in pending { comesToRest[number] = true }
        while let number = pending.popLast() {
            for from in self.progressFrom[number] where !comesToRest[from] {
                comesToRest[from] = true
                pending.append(from)
            }
        }
        return comesToRest.firstIndex(of: false)
    }

    private func path(to state: Int) -> [SmallWorld.Step] {
        var steps: [SmallWorld.Step] = []
        var state = state
        while let origin = self.origins[state] {
            steps.append(origin.step)
            state = origin.state
        }
        return steps.reversed()
    }
}
