import MappedWindows
import NIOPosix

/// The client's threads for system calls that can wait.
///
/// Mapping, redeeming descriptors and letting go of them happen on one thread, in the order in which they were decided.
/// Waiting for stable storage has another one, so that it does not hold up mappings.
final class Mapper: Sendable {
    private let mapping = NIOThreadPool(numberOfThreads: 1)
    private let flushing = NIOThreadPool(numberOfThreads: 1)

    init() {
        for pool in [self.mapping, self.flushing] {
            pool.start()
            pool.submit { _ in
                // Without a runtime there are no windows to keep away from.
                (try? WindowRuntime.shared)?.markCurrentThreadAsServing()
            }
        }
    }

    /// Runs a job behind all that were given earlier; also after the end, then on the calling thread.
    func map(_ job: @escaping @Sendable () -> Void) { self.mapping.submit { _ in job() } }

    /// Runs a job that waits for storage.
    func flush(_ job: @escaping @Sendable () -> Void) { self.flushing.submit { _ in job() } }

    /// Ends the threads when the jobs given so far are done, then calls `completion` on some thread.
    func shutDown(_ completion: @escaping @Sendable () -> Void) {
        self.mapping.submit { [mapping, flushing] _ in
            flushing.submit { _ in
                mapping.shutdownGracefully { _ in
                    flushing.shutdownGracefully { _ in completion() }
                }
            }
        }
    }
}
