import Glibc

/// Numbers and tables for people.
enum Text {
    /// A number with as many decimals as its size deserves, or a given number of them.
    static func number(_ value: Double, digits: Int? = nil) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        let digits = digits ?? (abs(value) >= 1000 ? 0 : abs(value) >= 100 ? 1 : 2)
        let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
        let scaled = Int64((abs(value) * scale).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return sign + "\(scaled)" }
        let fraction = String(scaled % Int64(scale))
        let zeros = String(repeating: "0", count: digits - fraction.count)
        return sign + "\(scaled / Int64(scale))." + zeros + fraction
    }

    /// A ratio: three decimals, fewer if it is large.
    static func ratio(_ value: Double) -> String { self.number(value, digits: abs(value) >= 100 ? 1 : 3) }

    /// The least and greatest: `1.20..1.45`.
    static func spread(_ summary: Summary, _ format: (Double) -> String = { Text.number($0) }) -> String {
        "\(format(summary.least))..\(format(summary.greatest))"
    }

    /// A whole number with commas between groups of three digits.
    static func grouped(_ number: Int) -> String {
        let digits = Array(String(number))
        return digits.indices.reduce(into: "") { text, index in
            if index > 0, (digits.count - index).isMultiple(of: 3) { text += "," }
            text.append(digits[index])
        }
    }

    /// The lines of a small file.
    ///
    /// - Throws: ``BenchError`` if it cannot be read.
    static func lines(ofFile path: String) throws -> [Substring] {
        try self.contents(ofFile: path).split(separator: "\n")
    }

    /// All of a file.
    ///
    /// - Throws: ``BenchError`` if it cannot be read.
    static func contents(ofFile path: String) throws -> String {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw BenchError("open '\(path)'", errno: errno, "check the name and its permissions") }
        defer { close(file) }
        var (bytes, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 16))
        while true {
            let count = unsafe read(file, &buffer, buffer.count)
            guard count >= 0 else { throw BenchError("read '\(path)'", errno: errno, "check that it is a file") }
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer.prefix(count)
        }
    }

    /// Rows in columns: the first to the left, the last as it is, the others to the right.
    static func table(_ heading: [String], _ rows: [[String]]) -> [String] {
        let all = [heading] + rows
        let widths = heading.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            let cells = row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                if column == 0 { return row[column] + padding }
                return column == row.count - 1 ? row[column] : padding + row[column]
            }
            var line = "  " + cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
