import Glibc

/// One line of a picture: a quantity with its spread.
struct ChartRow {
    enum Verdict: String {
        /// There is no goal.
        case plain
        case met
        case missed
        /// The run does not decide it.
        case unclear
    }

    let name: String
    /// Empty for a ratio.
    let unit: String
    let median: Double
    let least: Double
    let greatest: Double
    let quartiles: (Double, Double)
    let goal: Double?
    let verdict: Verdict

    /// Reads a figure or ratio, as `--json` wrote it.
    init(_ json: JSON) throws {
        guard let name = json["name"]?.text, let median = json["median"]?.number, let least = json["min"]?.number,
            let greatest = json["max"]?.number
        else {
            throw BenchError("a figure has no name or no numbers: name files that 'layout-bench --json' has written")
        }
        (self.name, self.median, self.least, self.greatest) = (name, median, least, greatest)
        self.unit = json["unit"]?.text ?? ""
        self.quartiles = (json["quartile_1"]?.number ?? median, json["quartile_3"]?.number ?? median)
        self.goal = json["goal_max"]?.number
        let isMet = json["met"]?.isTrue
        self.verdict =
            isMet == nil ? .plain : json["unclear"]?.isTrue == true ? .unclear : isMet == true ? .met : .missed
    }

    var valueText: String { self.unit.isEmpty ? Text.ratio(self.median) + "\u{d7}" : Text.number(self.median) }
    var goalText: String { self.goal.map { "at most \(Text.number($0))" } ?? "none" }
}

/// A picture of several quantities of one unit, side by side on a logarithmic scale.
struct Chart {
    private let rows: [ChartRow]
    private let title: String
    private let floor: Double?
    /// Powers of ten.
    private let scale: ClosedRange<Double>

    private static var width: Double { 990 }
    private static var left: Double { 430 }
    private static var right: Double { 880 }
    private static var rowHeight: Double { 26 }
    private static var top: Double { 44 }

    /// A picture of rows; a line is drawn where `floor` is.
    init(_ rows: [ChartRow], title: String, floor: Double?) {
        self.rows = rows
        self.title = title
        self.floor = floor
        let values = rows.flatMap { [$0.least, $0.greatest, $0.goal ?? $0.median] } + (floor.map { [$0] } ?? [])
        let logs = values.filter { $0 > 0 }.map(log10)
        let (low, high) = (logs.min() ?? 0, logs.max() ?? 1)
        let room = max(0.02, (high - low) * 0.04)
        self.scale = (low - room)...(high + room)
    }

    var svg: String {
        let height = Self.top + Self.rowHeight * Double(self.rows.count) + 8
        var pieces = [
            "<svg viewBox=\"0 0 \(Self.text(Self.width)) \(Self.text(height))\" role=\"img\">",
            "<title>\(ReportPage.escaped(self.title))</title>",
            "<text class=\"title\" x=\"0\" y=\"16\">\(ReportPage.escaped(self.title))</text>",
        ]
        for tick in self.ticks {
            let x = Self.text(self.x(tick))
            pieces.append("<line class=\"grid\" x1=\"\(x)\" x2=\"\(x)\" y1=\"32\" y2=\"\(Self.text(height - 8))\"/>")
            pieces.append(
                "<text class=\"soft\" x=\"\(x)\" y=\"24\" text-anchor=\"middle\">\(Self.tickText(tick))</text>"
            )
        }
        if let floor {
            let x = Self.text(self.x(floor))
            pieces.append("<line class=\"floor\" x1=\"\(x)\" x2=\"\(x)\" y1=\"32\" y2=\"\(Self.text(height - 8))\"/>")
        }
        for (index, row) in self.rows.enumerated() {
            pieces.append(self.drawn(row, y: Self.top + Self.rowHeight * (Double(index) + 0.5)))
        }
        return (pieces + ["</svg>"]).joined(separator: "\n")
    }

    private func drawn(_ row: ChartRow, y: Double) -> String {
        func x(_ value: Double) -> String { Self.text(self.x(value)) }
        let (name, middle) = (ReportPage.escaped(row.name), Self.text(y))
        let half = max(3, self.x(row.quartiles.1) - self.x(row.quartiles.0))
        let spread = "\(Text.number(row.least)) to \(Text.number(row.greatest))"
        var pieces = [
            "<g class=\"\(row.verdict.rawValue)\"><title>\(name): \(row.valueText), rounds \(spread)</title>",
            "<text x=\"0\" y=\"\(Self.text(y + 4))\">\(name)</text>",
            "<line class=\"spread\" x1=\"\(x(row.least))\" x2=\"\(x(row.greatest))\" y1=\"\(middle)\" y2=\"\(middle)\"/>",
            "<rect class=\"half\" x=\"\(x(row.quartiles.0))\" y=\"\(Self.text(y - 6))\" width=\"\(Self.text(half))\" "
                + "height=\"12\" rx=\"3\"/>",
            "<circle class=\"median\" cx=\"\(x(row.median))\" cy=\"\(middle)\" r=\"4.5\"/>",
            "<text class=\"value\" x=\"\(Self.text(Self.width))\" y=\"\(Self.text(y + 4))\" text-anchor=\"end\">"
                + "\(row.valueText)</text>",
        ]
        if let goal = row.goal {
            pieces.append(
                "<line class=\"goal\" x1=\"\(x(goal))\" x2=\"\(x(goal))\" y1=\"\(Self.text(y - 9))\" "
                    + "y2=\"\(Self.text(y + 9))\"><title>goal: \(row.goalText)</title></line>"
            )
        }
        return (pieces + ["</g>"]).joined(separator: "\n")
    }

    /// Round numbers on the scale: powers of ten, and steps between them where there is room.
    private var ticks: [Double] {
        let powers = Int(self.scale.lowerBound.rounded(.down))...Int(self.scale.upperBound.rounded(.up))
        let isWide = self.scale.upperBound - self.scale.lowerBound > 2
        let steps: [Double] =
            isWide ? [1] : self.scale.upperBound - self.scale.lowerBound > 0.8 ? [1, 2, 5] : [1, 1.5, 2, 3, 5, 7]
        return powers.flatMap { power in steps.map { $0 * pow(10, Double(power)) } }
            .filter { self.scale.contains(log10($0)) }
    }

    private func x(_ value: Double) -> Double {
        let place = (log10(max(value, 1e-12)) - self.scale.lowerBound) / (self.scale.upperBound - self.scale.lowerBound)
        return Self.left + min(max(place, 0), 1) * (Self.right - Self.left)
    }

    private static func tickText(_ value: Double) -> String {
        value >= 1 && value == value.rounded()
            ? Text.grouped(Int(value)) : Text.number(value, digits: value < 0.1 ? 3 : 1)
    }

    private static func text(_ value: Double) -> String { Text.number(value, digits: 1) }
}
