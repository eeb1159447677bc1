import Foundation
import Synchronization

/// Another program, spoken to in lines.
final class LineProcess {
    private let process = Process()
    private let input = Pipe()
    private let lines = LineQueue()

    /// Starts a program; what it writes to standard error goes to ours.
    init(_ program: URL, _ arguments: [String]) throws {
        let output = Pipe()
        self.process.executableURL = program
        self.process.arguments = arguments
        self.process.standardInput = self.input
        self.process.standardOutput = output
        try self.process.run()
        let (lines, reading) = (self.lines, output.fileHandleForReading)
        // A thread, since reading blocks.
        Thread { lines.fill(from: reading) }.start()
    }

    deinit {
        if self.process.isRunning { self.process.terminate() }
    }

    /// Its number.
    var processID: Int32 { self.process.processIdentifier }

    /// Sends a line.
    func send(_ line: String) throws {
        try self.input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
    }

    /// The next line that it writes; `nil` when it has ended.
    func nextLine() async -> String? { await self.lines.next() }

    /// Its exit code, once it has ended.
    func wait() -> Int32 {
        self.process.waitUntilExit()
        return self.process.terminationStatus
    }
}

/// Lines on their way from a thread to a task.
private final class LineQueue: Sendable {
    private struct State {
        var lines: [String] = []
        var isEnded = false
        var waiter: CheckedContinuation<String?, Never>?
    }

    private let state = Mutex(State())

    func fill(from file: FileHandle) {
        var rest = Data()
        while true {
            let data = file.availableData
            if data.isEmpty { break }
            rest += data
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                self.add(String(decoding: rest[rest.startIndex..<end], as: UTF8.self))
                rest = rest[(end + 1)...]
            }
        }
        let waiter = self.state.withLock { state in
            state.isEnded = true
            return state.waiter.take()
        }
        waiter?.resume(returning: nil)
    }

    private func add(_ line: String) {
        let waiter = self.state.withLock { state in
            if let waiter = state.waiter.take() { return waiter as CheckedContinuation<String?, Never>? }
            state.lines.append(line)
            return nil
        }
        waiter?.resume(returning: line)
    }

    /// One task at a time.
    func next() async -> String? {
        await withCheckedContinuation { continuation in
            let line: String?? = self.state.withLock { state in
                if !state.lines.isEmpty { return state.lines.removeFirst() }
                if state.isEnded { return .some(nil) }
                state.waiter = continuation
                return .none
            }
            if let line { continuation.resume(returning: line) }
        }
    }
}
