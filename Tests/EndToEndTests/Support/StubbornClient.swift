import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles
import TestSupport

/// A client that gets each of its calls executed exactly once, whatever becomes of the server meanwhile.
///
/// It does what the protocol tells clients to do: a call without an answer is sent again as it was, over a new connection;
/// if the server says that its session is dead, the call was not executed, and goes out anew in a new session.
final class StubbornClient {
    /// What it went through.
    struct Counts {
        /// Calls that were answered at last.
        var answered = 0
        /// Calls that were in doubt, as the connection broke before their answer came.
        var inDoubt = 0
        /// Of them, those of which a later life of the server said that they had not been executed.
        var notExecuted = 0
        /// Answers that asked for another try.
        var refused = 0
    }

    private(set) var counts = Counts()
    private let raw: RawClient
    private var isConnected = true
    /// The call that is being made may have been executed.
    private var isInDoubt = false
    /// Called when the server is gone, until it is back.
    private let serverIsGone: () throws -> Void

    /// Connects; `serverIsGone` is called, again and again, when it has to be made sure that there is a server.
    init(_ server: ServerProcess, _ owner: String, serverIsGone: @escaping () throws -> Void) throws {
        self.raw = try Self.connect(server, owner, serverIsGone)
        self.serverIsGone = serverIsGone
    }

    private static func connect(
        _ server: ServerProcess,
        _ owner: String,
        _ serverIsGone: () throws -> Void
    ) throws -> RawClient {
        while true {
            do {
                return try RawClient(server, owner)
            } catch is RecordStream.Closed {
                try serverIsGone()
            }
        }
    }

    /// Makes a call until it is answered.
    func call(_ request: Request) throws -> Response {
        let deadline = Host.now.advanced(by: .seconds(90))
        self.isInDoubt = false
        while Host.now < deadline {
            do {
                if let response = try self.tryOnce(request) { return response }
            } catch is RecordStream.Closed {
                if self.isConnected, !self.isInDoubt {
                    self.counts.inDoubt += 1
                    self.isInDoubt = true
                }
                self.isConnected = false
                try self.serverIsGone()
            }
        }
        throw TestFailure("no answer in 90 s")
    }

    /// Opens a file below the root.
    func open(_ path: String) throws -> FileHandle {
        let arguments = OpenArguments(
            directory: .root,
            path: Array(path.utf8),
            flags: [.read, .write],
            mode: 0,
            waitMilliseconds: 0
        )
        guard case .object(let object) = try self.call(.open(arguments)) else { throw TestFailure("OPEN") }
        return object.handle
    }

    /// One try; `nil` if there has to be another.
    private func tryOnce(_ request: Request) throws -> Response? {
        if !self.isConnected {
            try self.raw.reconnect()
            self.isConnected = true
        }
        let sequence = self.raw.sequences[0]
        let call = try self.raw.send(request, slot: 0, sequence: sequence)
        guard let reply = try self.raw.reply(to: call), let status = reply.sequence?.status else {
            throw TestFailure("no answer to \(call.procedure)")
        }
        switch status {
        case .ok: break
        case .deadSession:
            if self.isInDoubt { self.counts.notExecuted += 1 }
            self.isInDoubt = false
            try self.raw.startSession()
            return nil
        case .delay:
            // The first copy is still being executed.
            usleep(5000)
            return nil
        default: throw TestFailure("\(call.procedure), sequence \(sequence): \(status)")
        }
        switch reply.result {
        case .success(let response):
            self.counts.answered += 1
            return response
        case .failure(let failure) where [.delay, .grace].contains(failure.status):
            self.counts.refused += 1
            usleep(5000)
            return nil
        case .failure(let failure): throw failure
        }
    }
}
