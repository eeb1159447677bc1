/// Results as one page that needs nothing else: HTML with pictures in SVG, and no script.
struct ReportPage {
    /// One benchmark's results, as `--json` wrote them.
    struct Part {
        let name: String
        let method: String
        let load: [Double]
        let figures: [ChartRow]
        let ratios: [ChartRow]
        let notes: [String]

        init(_ json: JSON) throws {
            guard let name = json["name"]?.text, let method = json["method"]?.text else {
                throw BenchError("a result has no name or method: name files that 'layout-bench --json' has written")
            }
            self.name = name
            self.method = method
            self.load = (json["load_average"]?.values ?? []).compactMap(\.number)
            self.figures = try (json["figures"]?.values ?? []).map { try ChartRow($0) }
            self.ratios = try (json["ratios"]?.values ?? []).map { try ChartRow($0) }
            self.notes = (json["notes"]?.values ?? []).compactMap(\.text)
        }
    }

    let parts: [Part]

    /// Reads what files of results hold, in order.
    init(files: [String]) throws {
        self.parts = try files.flatMap { file in
            try JSON(text: Text.contents(ofFile: file)).values.map { try Part($0) }
        }
        guard !self.parts.isEmpty else {
            throw BenchError(
                "no results in \(files.joined(separator: ", ")): write them with 'layout-bench all --json'"
            )
        }
    }

    /// The page.
    var html: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>layoutd: measurements</title>
        <style>
        \(Self.style)
        </style>
        </head>
        <body>
        <main>
        <header>
        <h1>layoutd, measured</h1>
        <p>Each ratio is to a floor or a peer that was measured in the same run, in turns with it. A bar is the middle half \
        of the rounds, its dot their median, the line behind it the whole spread; a notch is a goal.</p>
        \(self.goals)
        <nav>\(self.parts.map { "<a href=\"#\(Self.escaped($0.name))\">\(Self.escaped($0.name))</a>" }.joined())</nav>
        </header>
        \(self.parts.map(Self.section).joined(separator: "\n"))
        </main>
        </body>
        </html>

        """
    }

    /// All goals at a glance.
    private var goals: String {
        let rows = self.parts.flatMap { $0.ratios + $0.figures }.filter { $0.goal != nil }
        guard !rows.isEmpty else { return "" }
        let met = rows.filter { $0.verdict == .met }.count
        let cells = rows.map { row in
            let text = "\(Self.escaped(row.name)): \(row.valueText), goal \(row.goalText)"
            return "<li class=\"\(row.verdict.rawValue)\" title=\"\(text)\"></li>"
        }
        return """
            <p class="sum"><strong>\(met)</strong> of \(rows.count) goals met</p>
            <ul class="goals">\(cells.joined())</ul>
            """
    }

    private static func section(_ part: Part) -> String {
        let load = part.load.map { Text.number($0, digits: 1) }.joined(separator: " to ")
        var pieces = [
            "<section id=\"\(Self.escaped(part.name))\">", "<h2>\(Self.escaped(part.name))</h2>",
            "<p class=\"method\">\(Self.escaped(part.method)). Load average \(load).</p>",
        ]
        if !part.ratios.isEmpty { pieces.append(Chart(part.ratios, title: "Ratios", floor: 1).svg) }
        // One picture for each unit, in the order of their first figures.
        var units: [String] = []
        for figure in part.figures where !units.contains(figure.unit) { units.append(figure.unit) }
        for unit in units {
            pieces.append(Chart(part.figures.filter { $0.unit == unit }, title: unit, floor: nil).svg)
        }
        if !part.notes.isEmpty {
            pieces.append("<ul class=\"notes\">\(part.notes.map { "<li>\(Self.escaped($0))</li>" }.joined())</ul>")
        }
        return (pieces + ["</section>"]).joined(separator: "\n")
    }

    /// Text that HTML takes as text.
    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }

    private static let style = """
        :root { color-scheme: light dark; --ink: #1b2330; --soft: #6a7486; --line: #e2e6ee; --card: #fff; --page: #f5f7fa;
          --plain: #4c6fff; --met: #1f9d61; --missed: #d8513f; --unclear: #c98a00; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e8ecf4; --soft: #98a2b5; --line: #2c3442; --card: #1a202b;
          --page: #12161d; --plain: #7d97ff; --met: #3cc587; --missed: #ff7b69; --unclear: #f0b429; } }
        body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
        main { max-width: 1040px; margin: 0 auto; padding: 40px 20px; }
        h1 { font-size: 40px; line-height: 1.1; letter-spacing: -.02em; margin: 0 0 12px; }
        h2 { font-size: 24px; letter-spacing: -.01em; margin: 0 0 4px; }
        header p { max-width: 70ch; color: var(--soft); margin: 0 0 16px; }
        .sum strong { color: var(--met); font-size: 22px; }
        nav { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 16px; }
        nav a { color: var(--ink); text-decoration: none; border: 1px solid var(--line); border-radius: 99px; padding: 2px 12px;
          background: var(--card); }
        section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 24px; margin-top: 24px; }
        .method, .notes { color: var(--soft); font-size: 14px; } .method { margin: 0 0 16px; }
        ul.goals { list-style: none; display: flex; flex-wrap: wrap; gap: 5px; padding: 0; margin: 0; }
        ul.goals li { width: 22px; height: 22px; border-radius: 6px; background: var(--plain); }
        li.met { background: var(--met) !important; } li.missed { background: var(--missed) !important; }
        li.unclear { background: var(--unclear) !important; }
        svg { width: 100%; height: auto; display: block; margin: 8px 0 20px; }
        svg text { fill: var(--ink); font: 13px system-ui, sans-serif; } svg .soft { fill: var(--soft); }
        svg .title { font-weight: 600; font-size: 14px; } svg .grid { stroke: var(--line); }
        svg .floor { stroke: var(--soft); stroke-dasharray: 3 3; }
        svg .plain { --c: var(--plain); } svg .met { --c: var(--met); } svg .missed { --c: var(--missed); }
        svg .unclear { --c: var(--unclear); }
        svg .spread { stroke: var(--c); stroke-opacity: .35; stroke-width: 2; } svg .half { fill: var(--c); fill-opacity: .4; }
        svg .median { fill: var(--c); } svg .value { fill: var(--c); font-weight: 600; }
        svg .goal { stroke: var(--ink); stroke-width: 2; }
        """
}
