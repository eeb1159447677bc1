internal import Glibc
internal import LayoutClient
internal import Synchronization

/// Waits, blocking the calling thread, for what the Swift library does in tasks.
enum Waiting {
    /// Runs `body` in a task and waits for it.
    ///
    /// Each step of the library ends in bounded time, and so does this. The task runs on the concurrency runtime's threads,
    /// never on the caller's.
    ///
    /// - Parameters:
    ///   - client: Whose event loop the caller must not be; `nil` before there is one.
    ///   - body: The work.
    static func result<Value: Sendable>(
        of client: LayoutClient?,
        _ body: @escaping @Sendable () async throws(LayoutError) -> Value
    ) throws(CallFailure) -> Value {
        guard client?.isOnEventLoop != true else {
            throw CallFailure(
                EDEADLK,
                "this is the thread that the client's connection is served on: call from a thread of your own"
            )
        }
        let outcome = Outcome<Result<Value, LayoutError>>()
        Task.detached {
            do throws(LayoutError) {
                outcome.end(.success(try await body()))
            } catch {
                outcome.end(.failure(error))
            }
        }
        do throws(LayoutError) {
            return try outcome.wait().get()
        } catch {
            throw CallFailure(error)
        }
    }
}

/// What a thread waits for and a task brings, once.
final class Outcome<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let signal = Signal()

    func end(_ value: Value) {
        self.value.withLock { $0 = value }
        self.signal.send()
    }

    func wait() -> Value {
        self.signal.wait()
        guard let value = self.value.withLock({ $0 }) else { preconditionFailure("signalled before the end") }
        return value
    }
}

/// A POSIX semaphore at a place that does not move.
@safe
final class Signal: Sendable {
    // Shared on purpose: that is what sem_post and sem_wait are for.
    nonisolated(unsafe) private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        unsafe self.semaphore = .allocate(capacity: 1)
        // Cannot fail: the value is small, and it is not shared with other processes.
        unsafe sem_init(self.semaphore, 0, 0)
    }

    deinit {
        unsafe sem_destroy(self.semaphore)
        unsafe self.semaphore.deallocate()
    }

    func send() { unsafe sem_post(self.semaphore) }

    func wait() {
        // A signal handler may run meanwhile.
        while unsafe sem_wait(self.semaphore) != 0 {}
    }
}
