package import Glibc

/// How a program ended.
package struct ProcessResult: Hashable, Sendable {
    /// The exit code, or 128 and the signal that ended it.
    package var status: Int32
    /// What it wrote to standard output and standard error.
    package var output: String
}

/// A program that runs beside the tests.
package final class ChildProcess: Sendable {
    /// Its number, good until ``wait()``.
    package let pid: pid_t
    private let output: CInt

    /// Starts a program; its standard input is empty, and what it writes is kept.
    ///
    /// - Parameters:
    ///   - path: The program; looked for in `PATH` if it has no slash.
    ///   - arguments: Without the program's own name.
    ///   - passing: A descriptor that the program gets as number 3.
    /// - Throws: ``TestFailure`` if it cannot be started.
    package init(_ path: String, _ arguments: [String], passing: CInt? = nil) throws {
        var ends: [CInt] = [-1, -1]
        // A socket pair can be made close-on-exec at once, so that no other child keeps an end open.
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw TestFailure("socketpair: errno \(errno)") }
        defer { close(ends[1]) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        if let passing { unsafe posix_spawn_file_actions_adddup2(&actions, passing, 3) }
        var words: [UnsafeMutablePointer<CChar>?] = unsafe ([path] + arguments).map { unsafe strdup($0) }
        unsafe words.append(nil)
        defer { for index in unsafe words.indices { unsafe free(words[index]) } }
        var pid: pid_t = 0
        let result = unsafe posix_spawnp(&pid, path, &actions, nil, words, environ)
        guard result == 0 else {
            close(ends[0])
            throw TestFailure("cannot start \(path): errno \(result)")
        }
        self.pid = pid
        self.output = ends[0]
    }

    deinit { close(self.output) }

    /// Waits for output, up to and with the next newline; empty once there is no more.
    ///
    /// A program that says nothing for a minute is taken to have nothing more to say.
    package func readLine() -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while self.hasOutput(within: 60_000), unsafe read(self.output, &byte, 1) == 1 {
            line.append(byte)
            if byte == UInt8(ascii: "\n") { break }
        }
        return String(decoding: line, as: UTF8.self)
    }

    /// Sends a signal.
    package func signal(_ number: CInt) { kill(self.pid, number) }

    /// Waits for the end of the program and of its output.
    ///
    /// Call it exactly once. A program that says nothing for two minutes and does not end is killed: no test waits for
    /// ever.
    package func wait() -> ProcessResult {
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            guard self.hasOutput(within: 120_000) else {
                self.signal(SIGKILL)
                break
            }
            let count = unsafe read(self.output, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            output += buffer[..<count]
        }
        return ProcessResult(status: self.reap(), output: String(decoding: output, as: UTF8.self))
    }

    /// Kills the program and waits for its end, not for that of those who share its output.
    ///
    /// Call it or ``wait()``, once.
    package func end() {
        self.signal(SIGKILL)
        _ = self.reap()
    }

    /// How the program has ended, as ``ProcessResult/status`` says it; `nil` as long as it runs.
    ///
    /// Once it has returned something, call nothing else any more.
    package func endedStatus() -> Int32? {
        var raw: CInt = 0
        return unsafe waitpid(self.pid, &raw, WNOHANG) == self.pid ? Self.status(raw) : nil
    }

    private func reap() -> Int32 {
        var raw: CInt = 0
        while unsafe waitpid(self.pid, &raw, 0) < 0, errno == EINTR {}
        return Self.status(raw)
    }

    /// waitpid(2): the low seven bits are the signal, the next byte the exit code.
    private static func status(_ raw: CInt) -> Int32 { raw & 0x7f == 0 ? raw >> 8 & 0xff : 128 + raw & 0x7f }

    /// Whether there is output, or its end, within so many milliseconds.
    private func hasOutput(within milliseconds: CInt) -> Bool {
        var wanted = pollfd(fd: self.output, events: Int16(POLLIN), revents: 0)
        while true {
            let ready = unsafe poll(&wanted, 1, milliseconds)
            if ready < 0, errno == EINTR { continue }
            return ready > 0
        }
    }
}

/// Runs a program to its end.
@discardableResult
package func runProcess(_ path: String, _ arguments: [String], passing: CInt? = nil) throws -> ProcessResult {
    try ChildProcess(path, arguments, passing: passing).wait()
}

/// Runs a program that must succeed.
package func mustRun(_ path: String, _ arguments: [String]) throws {
    let result = try runProcess(path, arguments)
    guard result.status == 0 else {
        throw TestFailure("\(path) \(arguments.joined(separator: " ")): \(result.status), \(result.output)")
    }
}

/// Something that a test needs is not there.
package struct TestFailure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
