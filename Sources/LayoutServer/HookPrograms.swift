import Glibc
import LayoutCore
import LinuxFiles
import NIOCore

/// Runs an operator's programs, each in a process group of its own, and ends those that take too long.
///
/// Bound to its event loop; no thread waits for a program.
final class HookPrograms {
    /// How long a program may take.
    private static var limit: Duration { .seconds(10) }
    /// How many run at a time; the others wait for their turn.
    private static var concurrentMax: Int { 64 }

    private let eventLoop: any EventLoop
    private let work: FileWork
    private var running = 0
    private var waiting = FIFO<() -> Void>()

    /// Makes it for the life of a server.
    ///
    /// - Parameters:
    ///   - eventLoop: What it is bound to.
    ///   - work: Starts the programs.
    init(eventLoop: any EventLoop, work: FileWork) {
        self.eventLoop = eventLoop
        self.work = work
    }

    /// Runs `program` with `arguments`, the server's environment and its standard streams.
    ///
    /// - Parameters:
    ///   - program: Its path.
    ///   - arguments: Without its own name.
    ///   - completion: Takes `nil` if it ended with status 0, else what happened. Called on the event loop, never
    ///     before this method returns.
    func run(_ program: String, _ arguments: [String], then completion: @escaping (String?) -> Void) {
        let start = {
            self.running += 1
            let spawn: @Sendable () -> Result<pid_t, SpawnError> = { Self.spawn(program, arguments) }
            self.work.run(on: nil, spawn) { started in
                switch started {
                case .failure(let error):
                    self.turnEnded()
                    completion(
                        "cannot run the fence program '\(program)': \(LinuxError.text(of: error.number)); "
                            + "check that it is executable"
                    )
                case .success(let child):
                    let deadline = Host.now.advanced(by: Self.limit)
                    self.watch(Run(program: program, child: child, deadline: deadline, completion: completion))
                }
            }
        }
        if self.running < Self.concurrentMax { start() } else { self.waiting.append(start) }
    }

    private func turnEnded() {
        self.running -= 1
        self.waiting.popFirst()?()
    }

    // MARK: A program that runs

    private struct Run {
        let program: String
        let child: pid_t
        let deadline: Instant
        /// `nil` once it was called.
        var completion: ((String?) -> Void)?
    }

    /// Looks whether the program has ended, and looks again later if not.
    private func watch(_ run: Run, after pause: TimeAmount = .milliseconds(2)) {
        var run = run
        var status: CInt = 0
        let ended = unsafe waitpid(run.child, &status, WNOHANG)
        if ended != 0 {
            self.turnEnded()
            run.completion?(ended < 0 ? "the end of '\(run.program)' was not seen" : Self.text(of: status, run.program))
            return
        }
        if Host.now >= run.deadline, let completion = run.completion {
            // With whatever it has started. Its end is still waited for, but by nobody's fence: it may take its time
            // in the kernel.
            Glibc.kill(-run.child, SIGKILL)
            run.completion = nil
            completion(
                "the fence program '\(run.program)' took longer than \(Self.limit) and was killed; make it quicker"
            )
        }
        let next = min(pause * 2, .milliseconds(64))
        self.eventLoop.assumeIsolated().scheduleTask(in: pause) { self.watch(run, after: next) }
    }

    private static func text(of status: CInt, _ program: String) -> String? {
        guard status != 0 else { return nil }
        let signal = status & 0x7f
        return signal == 0
            ? "the fence program '\(program)' failed with status \((status >> 8) & 0xff)"
            : "the fence program '\(program)' was ended by signal \(signal)"
    }

    // MARK: Its start

    private struct SpawnError: Error {
        let number: CInt
    }

    /// Called on a thread.
    private static func spawn(_ program: String, _ arguments: [String]) -> Result<pid_t, SpawnError> {
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // A group of its own: so that its end is the end of what it starts, and not that of the server.
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        let copies: [UnsafeMutablePointer<CChar>?] = unsafe ([program] + arguments).map { unsafe strdup($0) }
        defer { for index in unsafe copies.indices { unsafe free(copies[index]) } }
        let argv = unsafe copies + [nil]
        var child = pid_t()
        let result = unsafe posix_spawn(&child, program, nil, &attributes, argv, environ)
        return result == 0 ? .success(child) : .failure(SpawnError(number: result))
    }
}
