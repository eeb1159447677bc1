import LayoutXDR
import LinuxFiles
import Synchronization
import TestSupport

/// A thread that changes a file of its own through the server, and knows what must come of it.
final class Mover: Sendable {
    /// What it did, and what is in the file.
    struct Outcome {
        var counts = StubbornClient.Counts()
        /// Why it ended early.
        var failure: String?
        var expected: [UInt64] = []
        var found = StampedFile.Content()
    }

    private let file: StampedFile
    private let stops = Atomic(false)
    private let outcome = Mutex(Outcome())
    private let thread = Mutex<KernelThread?>(nil)

    /// Makes the file and starts the thread.
    init(_ number: Int, _ server: ServerProcess, _ keeper: ServerKeeper, seed: UInt64) throws {
        let name = "file\(number)"
        self.file = try StampedFile(server.directory.file(name), pages: 48)
        let seed = seed &+ UInt64(number)
        let thread = try KernelThread(name: "mover") { [self] in
            var model = PageModel(self.file, seed: seed)
            do {
                let client = try StubbornClient(server, "mover \(number)") { try keeper.ensureServer() }
                defer { self.outcome.withLock { $0.counts = client.counts } }
                let handle = try client.open(name)
                while !self.stops.load(ordering: .relaxed) { _ = try client.call(model.next(on: handle)) }
            } catch {
                self.outcome.withLock { $0.failure = "\(error)" }
            }
            self.outcome.withLock { $0.expected = model.names }
        }
        self.thread.withLock { $0 = thread }
    }

    /// Whether it had to end early.
    var hasFailed: Bool { self.outcome.withLock { $0.failure != nil } }

    /// Ends it after the call that it is at.
    func finish() throws -> Outcome {
        self.stops.store(true, ordering: .relaxed)
        self.thread.withLock { $0.take() }?.join()
        let content = try self.file.content()
        return self.outcome.withLock { outcome in
            outcome.found = content
            return outcome
        }
    }
}
