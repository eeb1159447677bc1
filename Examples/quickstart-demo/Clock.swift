import Foundation

/// The time of day as the server's log has it, so that lines of several processes can be sorted.
enum Clock {
    /// Such as `12:04:05.123456`, in UTC.
    static var now: String {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        let seconds = now.tv_sec % 86_400
        let fields = [seconds / 3600, seconds / 60 % 60, seconds % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }
        return fields.joined(separator: ":") + "." + String(1_000_000 + now.tv_nsec / 1000).dropFirst()
    }
}

/// The demonstration cannot go on.
struct DemoError: Error, CustomStringConvertible {
    /// Why.
    let description: String

    init(_ description: String) { self.description = description }
}
