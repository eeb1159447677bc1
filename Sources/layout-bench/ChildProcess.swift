import CBenchPeer
import Glibc

/// A server that runs beside the benchmark, ended with it.
final class ChildProcess: Sendable {
    private let pid: pid_t
    private let output: CInt
    private let name: String

    /// Starts a program and waits for the line with which it says that it is ready.
    ///
    /// - Throws: ``BenchError`` if it cannot be started, ends, or says nothing for 30 seconds.
    init(_ path: String, _ arguments: [String], isReady: (String) -> Bool) throws {
        var words: [UnsafeMutablePointer<CChar>?] = unsafe ([path] + arguments).map { unsafe strdup($0) }
        unsafe words.append(nil)
        defer { for index in unsafe words.indices { unsafe free(words[index]) } }
        var output: CInt = -1
        let pid = unsafe bench_spawn(path, words, &output)
        guard pid > 0 else {
            throw BenchError("start '\(path)'", errno: -pid, "name the program with --server-binary")
        }
        self.pid = pid
        self.output = output
        self.name = path
        // If this throws deinit ends the program.
        try self.waitForLine(isReady)
    }

    deinit {
        kill(self.pid, SIGTERM)
        // Its output ends when it does; so long it is asked, then it is made to.
        let deadline = bench_now() + 10_000_000_000
        while case .byte = self.read(until: deadline) {}
        if case .nothing = self.read(until: deadline) { kill(self.pid, SIGKILL) }
        var status: CInt = 0
        while unsafe waitpid(self.pid, &status, 0) < 0, errno == EINTR {}
        close(self.output)
    }

    private func waitForLine(_ isReady: (String) -> Bool) throws {
        let deadline = bench_now() + 30_000_000_000
        var line: [UInt8] = []
        while true {
            let byte: UInt8
            switch self.read(until: deadline) {
            case .byte(let next): byte = next
            case .end: throw BenchError("'\(self.name)' ended instead of serving: its message is above")
            case .nothing: throw BenchError("'\(self.name)' did not become ready in 30 seconds")
            }
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            if isReady(String(decoding: line, as: UTF8.self)) { return }
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

    private func read(until deadline: UInt64) -> Output {
        while true {
            let now = bench_now()
            var poller = pollfd(fd: self.output, events: Int16(POLLIN), revents: 0)
            let count = unsafe poll(&poller, 1, now < deadline ? CInt((deadline - now) / 1_000_000) : 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return .nothing }
            var byte: UInt8 = 0
            return unsafe Glibc.read(self.output, &byte, 1) == 1 ? .byte(byte) : .end
        }
    }
}
