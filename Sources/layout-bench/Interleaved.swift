/// One thing that is measured.
struct Series {
    /// What it is called in the report.
    let name: String
    /// Measures it once: one value or many, all in the same unit.
    let measure: () throws -> [Double]
}

/// One thing that is measured, and needs to wait for others meanwhile.
struct AsyncSeries {
    let name: String
    let measure: () async throws -> [Double]
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
///
/// They are measured in rounds of several turns. Each turn begins with another series, and the direction changes, so that
/// none profits more than others from what the one before it has left in the caches. With a multiple of the number of
/// series as turns that holds for each round.
enum Interleaved {
    /// Measures series, each in every turn of every round; `warmUps` rounds come first, and are forgotten.
    ///
    /// - Returns: In the order of the series, the values of each round.
    /// - Throws: What a series throws.
    static func run(_ series: [Series], rounds: Int, warmUps: Int, turns: Int) throws -> [Measurement] {
        var measurements = series.map { Measurement(name: $0.name) }
        for round in 0..<warmUps + rounds {
            var values = series.map { _ in [Double]() }
            for index in Self.order(of: series.count, round: round, turns: turns) {
                values[index] += try series[index].measure()
            }
            if round >= warmUps { Self.add(values, to: &measurements) }
        }
        return measurements
    }

    /// Likewise, of series that wait.
    static func run(_ series: [AsyncSeries], rounds: Int, warmUps: Int, turns: Int) async throws -> [Measurement] {
        var measurements = series.map { Measurement(name: $0.name) }
        for round in 0..<warmUps + rounds {
            var values = series.map { _ in [Double]() }
            for index in Self.order(of: series.count, round: round, turns: turns) {
                values[index] += try await series[index].measure()
            }
            if round >= warmUps { Self.add(values, to: &measurements) }
        }
        return measurements
    }

    private static func add(_ values: [[Double]], to measurements: inout [Measurement]) {
        for index in values.indices { measurements[index].rounds.append(values[index]) }
    }

    /// Which series come one after the other in a round.
    private static func order(of count: Int, round: Int, turns: Int) -> [Int] {
        (0..<turns).flatMap { turn in
            let turn = round * turns + turn
            let isForward = (turn / count).isMultiple(of: 2)
            return (0..<count).map { (turn + (isForward ? $0 : count - $0)) % count }
        }
    }
}
