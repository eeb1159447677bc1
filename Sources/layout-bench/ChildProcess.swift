import CBenchPeer
import Glibc

/// A program that runs beside the benchmark, ended with it.
final class ChildProcess: Sendable {
    private let pid: pid_t
    private let input: CInt
    private let output: CInt
    private let name: String
    /// The line with which it said that it is ready.
    let greeting: String

    /// Starts a program and waits for the line with which it says that it is ready.
    ///
    /// - Throws: ``BenchError`` if it cannot be started, ends, or says nothing for 60 seconds.
    init(_ path: String, _ arguments: [String], isReady: (String) -> Bool) throws {
        var words: [UnsafeMutablePointer<CChar>?] = unsafe ([path] + arguments).map { unsafe strdup($0) }
        unsafe words.append(nil)
        defer { for index in unsafe words.indices { unsafe free(words[index]) } }
        var (input, output): (CInt, CInt) = (-1, -1)
        let pid = unsafe bench_spawn(path, words, &input, &output)
        guard pid > 0 else {
            throw BenchError("start '\(path)'", errno: -pid, "name the program with --server-binary")
        }
        (self.pid, self.input, self.output, self.name) = (pid, input, output, path)
        do {
            self.greeting = try Self.line(of: output, path, where: isReady)
        } catch {
            Self.end(pid, input, output)
            throw error
        }
    }

    deinit { Self.end(self.pid, self.input, self.output) }

    private static func end(_ pid: pid_t, _ input: CInt, _ output: CInt) {
        kill(pid, SIGTERM)
        close(input)
        // Its output ends when it does; so long it is asked, then it is made to.
        let deadline = bench_now() + 10_000_000_000
        while case .byte = Self.read(output, until: deadline) {}
        if case .nothing = Self.read(output, until: deadline) { kill(pid, SIGKILL) }
        var status: CInt = 0
        while unsafe waitpid(pid, &status, 0) < 0, errno == EINTR {}
        close(output)
    }

    /// Nanoseconds of CPU time that it has used.
    var cpuTime: Double { Double(bench_cpu_time(self.pid)) }

    /// Bytes of memory that it has, and shares with nobody (`smaps_rollup(5)`).
    func privateMemory() throws -> Double {
        let path = "/proc/\(self.pid)/smaps_rollup"
        let fields = try Text.lines(ofFile: path).map { $0.split(separator: " ") }
        func kilobytes(_ name: Substring) -> Double { fields.first { $0.first == name }.flatMap { Double($0[1]) } ?? 0 }
        return (kilobytes("Private_Dirty:") + kilobytes("Private_Clean:")) * 1024
    }

    // MARK: Conversation

    /// Tells it something on its standard input.
    func tell(_ line: String) throws {
        let bytes = Array((line + "\n").utf8)
        guard unsafe write(self.input, bytes, bytes.count) == bytes.count else {
            throw BenchError("write to '\(self.name)'", errno: errno, "look for its message above")
        }
    }

    /// Waits for a line of its standard output.
    func wait(for line: String) throws { _ = try Self.line(of: self.output, self.name) { $0 == line } }

    private static func line(of output: CInt, _ name: String, where isWanted: (String) -> Bool) throws -> String {
        let deadline = bench_now() + 60_000_000_000
        var line: [UInt8] = []
        while true {
            let byte: UInt8
            switch Self.read(output, until: deadline) {
            case .byte(let next): byte = next
            case .end: throw BenchError("'\(name)' ended instead of serving: its message is above")
            case .nothing: throw BenchError("'\(name)' said nothing for 60 seconds")
            }
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            let text = String(decoding: line, as: UTF8.self)
            if isWanted(text) { return text }
            line = []
        }
    }

    private enum Output {
        case byte(UInt8)
        /// There will be no more.
        case end
        /// There was none before the deadline.
        case nothing
    }

    private static func read(_ output: CInt, until deadline: UInt64) -> Output {
        while true {
            let now = bench_now()
            var poller = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            let count = unsafe poll(&poller, 1, now < deadline ? CInt((deadline - now) / 1_000_000) : 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return .nothing }
            var byte: UInt8 = 0
            return unsafe Glibc.read(output, &byte, 1) == 1 ? .byte(byte) : .end
        }
    }
}
