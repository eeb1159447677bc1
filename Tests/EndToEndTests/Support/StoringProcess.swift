import Glibc
import LayoutCore
import LayoutXDR
import TestSupport

/// Processes that hold a file by a mapping and store into it without regard for anybody: Tests/Holder/holder.c.
final class StoringProcess {
    /// The process that fetched the descriptor, then its children.
    let pids: [pid_t]
    private let process: ChildProcess
    private var isEnded = false

    /// Starts them on a grant, and waits until all have stored into every page.
    convenience init(_ grant: LayoutGetResult, of server: ServerProcess, processes: Int = 1) throws {
        let range = grant.range
        let arguments = [server.socket + ".fd", grant.token.hexadecimal, "\(range.lowerBound)", "\(range.wireLength)"]
        try self.init(arguments + ["\(processes)"], passing: nil)
    }

    /// Starts one on a descriptor, without any server.
    convenience init(descriptor: CInt, length: UInt64) throws {
        try self.init(["-", "-", "0", "\(length)", "1"], passing: descriptor)
    }

    private init(_ arguments: [String], passing: CInt?) throws {
        self.process = try ChildProcess(try builtProgram("test-holder"), arguments, passing: passing)
        let line = self.process.readLine()
        let words = line.split(whereSeparator: \.isWhitespace)
        self.pids = words.dropFirst().compactMap { pid_t($0) }
        guard words.first == "ready" else {
            self.process.end()
            self.isEnded = true
            throw TestFailure("test-holder: \(line)")
        }
    }

    deinit { self.end() }

    /// Sends all of them a signal.
    func signal(_ number: CInt) { for pid in self.pids { kill(pid, number) } }

    /// Whether the first of them was ended by somebody else; waits for that at most ten seconds.
    func wasKilled() -> Bool {
        guard !self.isEnded else { return false }
        var status: CInt = 0
        for _ in 0..<1000 {
            if unsafe waitpid(self.pids[0], &status, WNOHANG) == self.pids[0] {
                self.isEnded = true
                return status & 0x7f == SIGKILL
            }
            usleep(10_000)
        }
        return false
    }

    /// Ends all of them.
    func end() {
        for pid in self.pids.dropFirst() { kill(pid, SIGKILL) }
        guard !self.isEnded else { return }
        self.isEnded = true
        self.process.end()
    }
}
