import Glibc
import Logging

/// Writes log lines to standard error, as text for people or as JSON for collectors, with microseconds.
struct LineLogHandler: LogHandler {
    /// How a line looks.
    enum Format: String, Sendable, CaseIterable {
        /// `12:04:05.123456 info layout granted client=7 file=a/b`.
        case text
        /// One JSON object per line.
        case json
    }

    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    let format: Format

    init(format: Format, level: Logger.Level) {
        self.format = format
        self.logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = self.metadata.merging(event.metadata ?? [:]) { _, new in new }.sorted { $0.key < $1.key }
        let time = Self.time()
        switch self.format {
        case .text:
            let rest = fields.map { " \($0.key)=\(Self.quoted("\($0.value)"))" }.joined()
            StandardStreams.report("\(time.clock) \(event.level) \(event.message)\(rest)")
        case .json:
            let rest = fields.map { ",\(Self.json($0.key)):\(Self.json("\($0.value)"))" }.joined()
            StandardStreams.report(
                #"{"time":"\#(time.date)T\#(time.clock)Z","level":"\#(event.level)","message":\#(Self.json("\(event.message)"))\#(rest)}"#
            )
        }
    }

    /// The wall clock in UTC.
    private static func time() -> (date: String, clock: String) {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        var parts = unsafe tm()
        _ = unsafe gmtime_r(&now.tv_sec, &parts)
        func two(_ number: some BinaryInteger) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let fraction = String(1_000_000 + now.tv_nsec / 1000).dropFirst()
        let (year, month, day) = unsafe (parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday)
        let (hour, minute, second) = unsafe (parts.tm_hour, parts.tm_min, parts.tm_sec)
        return ("\(year)-\(two(month))-\(two(day))", "\(two(hour)):\(two(minute)):\(two(second)).\(fraction)")
    }

    /// A value on one line: quoted where it could be taken for more than one word.
    private static func quoted(_ value: String) -> String {
        let isPlain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7f }
        return isPlain ? value : Self.json(value)
    }

    private static func json(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
