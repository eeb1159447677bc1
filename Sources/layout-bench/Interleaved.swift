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
    /// Measures each series once per round; each round begins with another one.
    ///
    /// The warm-up rounds come first, and are forgotten.
    static func run(_ series: [Series], rounds: Int, warmUps: Int) throws -> [Measurement] {
        var measurements = series.map { Measurement(name: $0.name) }
        for round in 0..<warmUps + rounds {
            for step in series.indices {
                let index = (round + step) % series.count
                let values = try series[index].measure()
                if round >= warmUps { measurements[index].rounds.append(values) }
            }
        }
        return measurements
    }
}
