import Glibc
import Synchronization
import TestSupport

/// A `layoutd` process on a directory, listening on a Unix socket; it can be ended in any way, and started again on the
/// same directory and socket.
final class ServerProcess: Sendable {
    let url: String
    let socket: String
    let directory: TestDirectory
    /// The directory of the recovery store; it does not exist before the first start.
    let state: String
    private let store: TestDirectory
    private let sockets: TestDirectory
    private let options: [String]
    private let user: uid_t?
    private let process = Mutex<ChildProcess?>(nil)

    /// Starts the server and waits until it says that it is ready.
    ///
    /// The directory is made on `fileSystem`; `options` are further ones of `layoutd serve`. What is in `prefix` stands
    /// before the program: variables as `NAME=VALUE`, or a program that runs it. The process and the directory are those
    /// of `user`, or of the tests' own user. Local programs are not held up unless `options` say so. The recovery store is in `state`, or in a directory beside the first. With
    /// `directory` that one is exported, and none is made.
    init(
        on fileSystem: TestFileSystem,
        _ options: [String] = [],
        prefix: [String] = [],
        user: uid_t? = nil,
        state: String? = nil,
        directory: TestDirectory? = nil
    ) throws {
        self.directory = try directory ?? fileSystem.makeDirectory()
        self.store = try fileSystem.makeDirectory()
        self.state = state ?? self.store.file("state")
        self.sockets = try TestDirectory()
        self.socket = self.sockets.file("layoutd.sock")
        self.url = "layout+unix://\(self.socket)"
        self.options = options
        self.user = user
        if let user {
            for path in [self.directory.path, self.sockets.path, self.store.path]
            where unsafe chown(path, user, user) != 0 {
                throw TestFailure("cannot give '\(path)' away: errno \(errno)")
            }
        }
        try self.start(prefix: prefix)
    }

    deinit { self.stop() }

    /// Starts the server again that has ended.
    func start(prefix: [String] = [], _ options: [String] = []) throws {
        guard try self.startUnlessKilled(prefix: prefix, options) else {
            throw TestFailure("layoutd was killed before it was ready")
        }
    }

    /// Starts the server again that has ended; `false` if it is killed before it is ready.
    func startUnlessKilled(prefix: [String], _ options: [String] = []) throws -> Bool {
        let process = try self.launch(prefix, options)
        self.process.withLock { $0 = process }
        var output = ""
        while true {
            let line = process.readLine()
            if line.contains("layoutd ready") { return true }
            output += line
            guard line.isEmpty else { continue }
            self.process.withLock { $0 = nil }
            let status = process.wait().status
            guard status == 128 + SIGKILL else { throw TestFailure("layoutd ended with \(status): \(output)") }
            return false
        }
    }

    /// Starts the server in the expectation that it refuses to serve, and returns how it ended.
    func startAndFail() throws -> ProcessResult { try self.launch([], []).wait() }

    private func launch(_ prefix: [String], _ options: [String]) throws -> ChildProcess {
        let arguments = [
            "serve", "--export", self.directory.path, "--listen", "unix://\(self.socket)", "--state", self.state,
            "--log-level", "error",
        ]
        let isGuarded = self.options.contains("--guard") || options.contains("--guard")
        let given = self.options + options + (isGuarded ? [] : ["--guard", "off"])
        return try Self.launch("layoutd", arguments + given, prefix, as: self.user) {
            try ChildProcess($0, $1, passing: $2)
        }
    }

    /// Runs a program of this package to its end, as another user.
    static func run(_ name: String, _ arguments: [String], as user: uid_t?) throws -> ProcessResult {
        try Self.launch(name, arguments, [], as: user) { try runProcess($0, $1, passing: $2) }
    }

    private static func launch<Started>(
        _ name: String,
        _ arguments: [String],
        _ prefix: [String],
        as user: uid_t?,
        _ body: (String, [String], CInt?) throws -> Started
    ) throws -> Started {
        let program = try builtProgram(name)
        guard let user else { return try body("env", prefix + [program] + arguments, nil) }
        // By descriptor: the other user need not be able to reach the directory that the package was built in.
        let descriptor = unsafe open(program, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw TestFailure("cannot open '\(program)': errno \(errno)") }
        defer { close(descriptor) }
        let identity = ["--reuid=\(user)", "--regid=\(user)", "--clear-groups"]
        return try body("env", prefix + ["setpriv"] + identity + ["/proc/self/fd/3"] + arguments, descriptor)
    }

    /// Runs `layoutctl` against this server, and returns what it prints; it must succeed.
    func layoutctl(_ arguments: [String]) throws -> String {
        let result = try runProcess(try builtProgram("layoutctl"), arguments + ["--server", self.url])
        guard result.status == 0 else { throw TestFailure("layoutctl \(arguments): \(result)") }
        return result.output
    }

    /// Ends the server as an operator would, and returns its exit code.
    @discardableResult
    func stop() -> Int32 {
        guard let process = self.process.withLock({ $0.take() }) else { return 0 }
        process.signal(SIGTERM)
        return process.wait().status
    }

    /// Sends the server a signal.
    func signal(_ number: CInt) { self.process.withLock { $0 }?.signal(number) }

    /// How the server has ended; `nil` as long as it runs.
    func endedStatus() -> Int32? {
        self.process.withLock { process in
            guard let running = process else { return 128 + SIGKILL }
            guard let status = running.endedStatus() else { return nil }
            process = nil
            return status
        }
    }

    /// The server's number, while it runs.
    var pid: pid_t? { self.process.withLock { $0?.pid } }

    /// Kills the server and does not wait for its end: that is left to the caller.
    func killWithoutWaiting() -> ChildProcess? {
        let process = self.process.withLock { $0.take() }
        process?.signal(SIGKILL)
        return process
    }

    /// Ends the server as a crash would; also one that has ended itself.
    func kill() { self.process.withLock { $0.take() }?.end() }
}
