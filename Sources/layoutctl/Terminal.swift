import Glibc

/// Standard output for results, standard error for everything else.
enum Terminal {
    /// Whether somebody looks at standard error.
    static let isWatched = isatty(STDERR_FILENO) == 1

    /// Columns of the terminal; 80 where there is none.
    static var columns: Int {
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 40 else { return 80 }
        return Int(size.ws_col)
    }

    /// Writes a line of the result; ends the program if nobody reads it any more.
    static func print(_ line: String) {
        Self.write(line + "\n", to: STDOUT_FILENO)
    }

    /// Writes a message.
    static func complain(_ message: String) {
        Self.clearStatus()
        Self.write("layoutctl: \(message)\n", to: STDERR_FILENO)
    }

    /// Shows a line that the next one replaces, if somebody looks.
    static func status(_ line: String) {
        guard Self.isWatched else { return }
        Self.write("\r\u{1b}[K" + String(line.prefix(Self.columns - 1)), to: STDERR_FILENO)
    }

    /// Removes the line.
    static func clearStatus() {
        guard Self.isWatched else { return }
        Self.write("\r\u{1b}[K", to: STDERR_FILENO)
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return
            }
            bytes = bytes.dropFirst(count)
        }
    }
}

/// A table of text: columns as wide as their widest cell.
struct Table {
    private var rows: [[String]]
    private let alignsRight: Set<Int>

    init(_ heads: [String], alignsRight: Set<Int> = []) {
        self.rows = [heads]
        self.alignsRight = alignsRight
    }

    mutating func add(_ cells: [String]) { self.rows.append(cells) }

    func print() {
        let widths = self.rows[0].indices.map { column in self.rows.map { $0[column].count }.max() ?? 0 }
        for row in self.rows {
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return self.alignsRight.contains(column) ? padding + cell : cell + padding
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            Terminal.print(line)
        }
    }
}

/// Durations for people.
enum TimeText {
    static func milliseconds(_ milliseconds: UInt64) -> String {
        if milliseconds < 1000 { return "\(milliseconds) ms" }
        if milliseconds < 60_000 { return "\(Double(milliseconds / 100) / 10) s" }
        let seconds = milliseconds / 1000
        if seconds < 3600 { return "\(seconds / 60) min \(seconds % 60) s" }
        return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
    }
}
