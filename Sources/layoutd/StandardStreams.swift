import Glibc

/// Writes lines to standard output and standard error, each in one piece.
enum StandardStreams {
    /// A line for programs and people that wait for the server to be ready.
    static func print(_ line: String) { Self.write(line, to: STDOUT_FILENO) }

    /// A line about what went wrong, or a line of the log.
    static func report(_ line: String) { Self.write(line, to: STDERR_FILENO) }

    private static func write(_ line: String, to descriptor: CInt) {
        var rest = Array((line + "\n").utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { bytes in
                unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count)
            }
            if count < 0, errno == EINTR { continue }
            // Nobody reads it, and there is nobody else to tell.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
