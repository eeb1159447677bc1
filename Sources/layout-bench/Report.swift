import Glibc

/// A measured quantity.
struct Figure: Hashable, Sendable {
    let name: String
    /// Of what, in lower case: `us`, `ns/access`, `events/s`.
    let unit: String
    let rounds: [Double]
    /// The 99th percentile of all values, where single operations were timed.
    var p99: Double?
    /// What the project wants it to be at most.
    var goal: Double?

    var summary: Summary { Summary(self.rounds) }
    var verdict: Verdict? { self.goal.map { Verdict(self.summary, goal: $0) } }
}

/// Whether a goal is met.
struct Verdict: Hashable, Sendable {
    let goal: Double
    /// Whether the median is within the goal.
    let isMet: Bool
    /// Whether the middle half of the rounds is on both sides of the goal: then this run does not decide it.
    let isUnclear: Bool

    init(_ summary: Summary, goal: Double) {
        self.goal = goal
        self.isMet = summary.median <= goal
        self.isUnclear = summary.quartiles.contains(goal)
    }

    /// For people.
    var text: String {
        let verdict = (self.isMet ? "met" : "MISSED") + (self.isUnclear ? ", but unclear" : "")
        return "at most \(Text.number(self.goal, digits: 2)): \(verdict)"
    }
}

/// A quantity divided by the floor that was measured with it.
struct Ratio: Hashable, Sendable {
    let name: String
    let rounds: [Double]
    /// What the project wants it to be at most.
    var goal: Double?

    var summary: Summary { Summary(self.rounds) }
    var verdict: Verdict? { self.goal.map { Verdict(self.summary, goal: $0) } }
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

    var missesGoal: Bool {
        self.ratios.contains { $0.verdict?.isMet == false } || self.figures.contains { $0.verdict?.isMet == false }
    }

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
                ["", "median", "min..max of rounds", "p99", "unit", "goal"],
                self.figures.map { figure in
                    let summary = figure.summary
                    return [
                        figure.name, Text.number(summary.median), Text.spread(summary),
                        figure.p99.map { Text.number($0) } ?? "", figure.unit,
                        figure.verdict?.text ?? "",
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
                    return [
                        ratio.name, Text.ratio(summary.median), Text.spread(summary, Text.ratio),
                        ratio.verdict?.text ?? "",
                    ]
                }
            )
        }
        if !self.notes.isEmpty { lines += [""] + self.notes }
        return lines.joined(separator: "\n")
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
        let p99 = self.p99.map { JSON.number($0) } ?? .null
        return .object(
            [("name", .string(self.name)), ("unit", .string(self.unit)), ("p99", p99)] + self.summary.json
                + Verdict.json(self.verdict) + [("rounds", .array(self.rounds.map { .number($0) }))]
        )
    }
}

extension Ratio {
    fileprivate var json: JSON {
        .object(
            [("name", .string(self.name))] + self.summary.json + Verdict.json(self.verdict)
                + [("rounds", .array(self.rounds.map { .number($0) }))]
        )
    }
}

extension Summary {
    fileprivate var json: [(String, JSON)] {
        [
            ("median", .number(self.median)), ("min", .number(self.least)), ("max", .number(self.greatest)),
            ("quartile_1", .number(self.quartiles.lowerBound)), ("quartile_3", .number(self.quartiles.upperBound)),
        ]
    }
}

extension Verdict {
    fileprivate static func json(_ verdict: Verdict?) -> [(String, JSON)] {
        [
            ("goal_max", verdict.map { .number($0.goal) } ?? .null),
            ("met", verdict.map { .bool($0.isMet) } ?? .null), ("unclear", .bool(verdict?.isUnclear ?? false)),
        ]
    }
}
