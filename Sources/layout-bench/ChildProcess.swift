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
        var status: CInt = 0
        close(self.output)
        for _ in 0..<1000 {
            if unsafe waitpid(self.pid, &status, WNOHANG) != 0 { return }
            usleep(10_000)
        }
        // Its number is still its own, as nobody has waited for it.
        kill(self.pid, SIGKILL)
        unsafe waitpid(self.pid, &status, 0)
    }

    private func waitForLine(_ isReady: (String) -> Bool) throws {
        let deadline = bench_now() + 30_000_000_000
        var line: [UInt8] = []
        while true {
            let now = bench_now()
            var poller = pollfd(fd: self.output, events: Int16(POLLIN), revents: 0)
            let milliseconds = now < deadline ? CInt((deadline - now) / 1_000_000) : 0
            let count = unsafe poll(&poller, 1, milliseconds)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw BenchError("'\(self.name)' did not become ready in 30 seconds") }
            var byte: UInt8 = 0
            guard unsafe read(self.output, &byte, 1) == 1 else {
                throw BenchError("'\(self.name)' ended instead of serving: its message is above")
            }
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            if isReady(String(decoding: line, as: UTF8.self)) { return }
            line = []
        }
    }
}
