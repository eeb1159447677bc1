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
    /// Measures series in rounds of several turns; every other turn goes through the series backwards, so that none always
    /// follows the same one.
    ///
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
                let order = turn.isMultiple(of: 2) ? Array(series.indices) : series.indices.reversed()
                for index in order { values[index] += try series[index].measure() }
            }
            guard round >= warmUps else { continue }
            for index in series.indices { measurements[index].rounds.append(values[index]) }
        }
        return measurements
    }
}
