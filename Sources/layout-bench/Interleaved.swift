/// One thing that is measured.
struct Series {
    /// What it is called in the report.
    let name: String
    /// Measures it once: one value or many, all in the same unit.
    let measure: () throws -> [Double]
}

/// What was measured of one series: the values of each round.
struct Measurement: Hashable, Sendable {
    let name: String
    var rounds: [[Double]] = []

    /// The median of each round.
    var medians: [Double] { self.rounds.map(Samples.median) }

    /// The ratio to a floor, round by round: what disturbs one disturbs the other too.
    func ratios(to floor: Measurement) -> [Double] {
        zip(self.medians, floor.medians).map { $0 / $1 }
    }
}

/// Runs series side by side, so that what changes over time (frequency, other programs) is the same for all of them.
enum Interleaved {
    /// Measures series in rounds of several turns.
    ///
    /// Each turn begins with another series, and the direction changes, so that none profits more than others from what
    /// the one before it has left in the caches. With a multiple of the number of series as `turns` that holds for each
    /// round.
    /// - Parameters:
    ///   - series: What is measured.
    ///   - rounds: How many rounds are kept.
    ///   - warmUps: How many come first, and are forgotten.
    ///   - turns: How often each series is measured in a round.
    /// - Returns: In the order of the series, the values of each round.
    /// - Throws: What a series throws.
    static func run(_ series: [Series], rounds: Int, warmUps: Int, turns: Int) throws -> [Measurement] {
        var measurements = series.map { Measurement(name: $0.name) }
        for round in 0..<warmUps + rounds {
            var values = series.map { _ in [Double]() }
            for turn in 0..<turns {
                for index in Self.order(of: series.count, turn: round * turns + turn) {
                    values[index] += try series[index].measure()
                }
            }
            guard round >= warmUps else { continue }
            for index in series.indices { measurements[index].rounds.append(values[index]) }
        }
        return measurements
    }

    private static func order(of count: Int, turn: Int) -> [Int] {
        let isForward = (turn / count).isMultiple(of: 2)
        return (0..<count).map { (turn + (isForward ? $0 : count - $0)) % count }
    }
}
