/// Statistics of measured values.
enum Samples {
    /// The value that a fraction of the values does not exceed (nearest rank); 0 without values.
    ///
    /// - Complexity: O(n log n).
    static func percentile(_ values: [Double], _ fraction: Double) -> Double {
        guard !values.isEmpty else { return 0 }
        let sorted = values.sorted()
        let rank = Int((fraction * Double(sorted.count)).rounded(.up))
        return sorted[min(max(rank, 1), sorted.count) - 1]
    }

    /// The middle value, or the mean of the two in the middle; 0 without values.
    static func median(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return 0 }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}

/// What several rounds say together.
struct Summary: Hashable {
    /// Of the rounds' medians.
    let median: Double
    /// Between them lies the middle half of the rounds.
    let quartiles: ClosedRange<Double>
    let least: Double
    let greatest: Double

    /// Summarises one value per round.
    init(_ rounds: [Double]) {
        self.median = Samples.median(rounds)
        let lower = Samples.percentile(rounds, 0.25)
        self.quartiles = lower...max(lower, Samples.percentile(rounds, 0.75))
        self.least = rounds.min() ?? 0
        self.greatest = rounds.max() ?? 0
    }
}
