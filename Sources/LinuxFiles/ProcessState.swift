/// What the kernel says about a process (`/proc/PID/stat`, `proc_pid_stat(5)`).
package struct ProcessState: Hashable, Sendable {
    /// When it started, in clock ticks of the host's boot clock.
    ///
    /// With its number, this tells it from every other process of the boot.
    package let startTime: UInt64
    /// Whether it has ended, or cannot but end: it is a zombie, exits, or has a SIGKILL pending.
    package let isEnding: Bool

    /// Looks at the process of a number; `nil` if there is none, or this process may not see it.
    package init?(of pid: Int32) {
        guard pid > 0, let bytes = try? Host.readSmallFile("/proc/\(pid)/stat", limit: 1024) else { return nil }
        self.init(parsing: bytes)
    }

    /// Takes the line apart; `nil` if it is none.
    init?(parsing bytes: [UInt8]) {
        // The name, in parentheses, can have any bytes in it, parentheses too.
        guard let nameEnd = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let words = String(decoding: bytes[(nameEnd + 1)...], as: UTF8.self).split(whereSeparator: \.isWhitespace)
        // The manual counts from 1, and the first of these is its third.
        func field(_ number: Int) -> Substring? { number - 3 < words.count ? words[number - 3] : nil }
        guard let state = field(3), let flags = field(9).flatMap({ UInt64($0) }),
            let startTime = field(22).flatMap({ UInt64($0) }), let pending = field(31).flatMap({ UInt64($0) })
        else { return nil }
        self.startTime = startTime
        self.isEnding = ["Z", "X", "x"].contains(state) || flags & Self.exiting != 0 || pending & Self.killed != 0
    }

    /// PF_EXITING (`include/linux/sched.h`).
    private static var exiting: UInt64 { 0x4 }
    /// The bit of SIGKILL, 9, in a set of signals.
    private static var killed: UInt64 { 1 << 8 }
}
