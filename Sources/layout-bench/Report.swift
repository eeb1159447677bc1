import Glibc

/// A measured quantity.
struct Figure: Hashable, Sendable {
    let name: String
    /// Of what, in lower case: `us`, `ns/access`, `events/s`.
    let unit: String
    let rounds: [Double]
    /// The 99th percentile of all values, where single operations were timed.
    var p99: Double?

    var summary: Summary { Summary(self.rounds) }
}

/// A quantity divided by the floor that was measured with it.
struct Ratio: Hashable, Sendable {
    let name: String
    let rounds: [Double]
    /// What the project wants it to be at most.
    var goal: Double?

    var summary: Summary { Summary(self.rounds) }
    /// Whether the median is within the goal; `nil` without one.
    var isMet: Bool? { self.goal.map { self.summary.median <= $0 } }
    /// Whether the middle half of the rounds is on both sides of the goal: then this run does not decide it.
    var isUnclear: Bool { self.goal.map { self.summary.quartiles.contains($0) } ?? false }
}

/// What one benchmark has found.
struct Report: Hashable, Sendable {
    let name: String
    /// How it was measured.
    let method: String
    var figures: [Figure] = []
    var ratios: [Ratio] = []
    /// What else is needed to read the numbers.
    var notes: [String] = []
    /// The load averages over the last minute, before and after.
    var load: [Double] = []

    var missesGoal: Bool { self.ratios.contains { $0.isMet == false } }

    /// How many processes wanted to run over the last minute.
    static var loadAverage: Double {
        var averages = [0.0]
        return unsafe getloadavg(&averages, 1) == 1 ? averages[0] : 0
    }
}

// MARK: Text

extension Report: CustomStringConvertible {
    /// For people.
    var description: String {
        var lines = ["\(self.name): \(self.method)"]
        let load = self.load.map { Text.number($0, digits: 2) }.joined(separator: " -> ")
        lines.append("load average \(load); \(sysconf(CInt(_SC_NPROCESSORS_ONLN))) CPUs")
        if !self.figures.isEmpty {
            lines.append("")
            lines += Text.table(
                ["", "median", "min..max of rounds", "p99", "unit"],
                self.figures.map { figure in
                    let summary = figure.summary
                    return [
                        figure.name, Text.number(summary.median), Text.spread(summary),
                        figure.p99.map { Text.number($0) } ?? "", figure.unit,
                    ]
                }
            )
        }
        if !self.ratios.isEmpty {
            lines.append("")
            lines += Text.table(
                ["ratio", "median", "min..max of rounds", "goal"],
                self.ratios.map { ratio in
                    let summary = ratio.summary
                    return [ratio.name, Text.ratio(summary.median), Text.spread(summary, Text.ratio), ratio.goalText]
                }
            )
        }
        if !self.notes.isEmpty { lines += [""] + self.notes }
        return lines.joined(separator: "\n")
    }
}

extension Ratio {
    fileprivate var goalText: String {
        guard let goal, let isMet else { return "" }
        let verdict = (isMet ? "met" : "MISSED") + (self.isUnclear ? ", but unclear" : "")
        return "at most \(Text.number(goal, digits: 2)): \(verdict)"
    }
}

// MARK: JSON

extension Report {
    var json: JSON {
        .object([
            ("name", .string(self.name)), ("method", .string(self.method)),
            ("load_average", .array(self.load.map { .number($0) })),
            ("figures", .array(self.figures.map(\.json))), ("ratios", .array(self.ratios.map(\.json))),
            ("notes", .array(self.notes.map { .string($0) })),
        ])
    }
}

extension Figure {
    fileprivate var json: JSON {
        .object([
            ("name", .string(self.name)), ("unit", .string(self.unit)), ("median", .number(self.summary.median)),
            ("min", .number(self.summary.least)), ("max", .number(self.summary.greatest)),
            ("p99", self.p99.map { .number($0) } ?? .null), ("rounds", .array(self.rounds.map { .number($0) })),
        ])
    }
}

extension Ratio {
    fileprivate var json: JSON {
        .object([
            ("name", .string(self.name)), ("median", .number(self.summary.median)),
            ("min", .number(self.summary.least)), ("max", .number(self.summary.greatest)),
            ("quartile_1", .number(self.summary.quartiles.lowerBound)),
            ("quartile_3", .number(self.summary.quartiles.upperBound)),
            ("goal_max", self.goal.map { .number($0) } ?? .null), ("met", self.isMet.map { .bool($0) } ?? .null),
            ("unclear", .bool(self.isUnclear)),
            ("rounds", .array(self.rounds.map { .number($0) })),
        ])
    }
}
