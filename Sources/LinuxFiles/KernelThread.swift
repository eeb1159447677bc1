import CLinuxFiles
import Glibc
import LayoutCore

/// A thread of its own, for work that waits in system calls: the concurrency runtime's few threads are not for that.
package final class KernelThread: Sendable {
    private let thread: pthread_t

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: Up to 15 bytes of it are shown by `top -H` and debuggers.
    ///   - body: Runs on the thread; the thread ends with it.
    /// - Throws: ``LayoutCore/LayoutStatus/resource`` if the host allows no more threads.
    package init(name: String, _ body: @escaping @Sendable () -> Void) throws(LinuxError) {
        let work = unsafe Unmanaged.passRetained(
            Work {
                unsafe lf_name_thread(name)
                body()
            }
        )
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread,
            nil,
            { argument in
                // The retain of `passRetained` above is taken over; pthread_create always hands the argument through.
                if let argument = unsafe argument {
                    unsafe Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
                }
                return nil
            },
            unsafe work.toOpaque()
        )
        guard result == 0 else {
            unsafe work.release()
            throw LinuxError(
                errno: result,
                call: "pthread_create",
                attempt: "start the thread '\(name)'",
                status: .resource,
                remedy: "raise the limit of processes (LimitNPROC, TasksMax)"
            )
        }
        self.thread = thread
    }

    /// Waits until the thread has ended.
    ///
    /// Call it exactly once, from another thread.
    package func join() {
        let result = pthread_join(self.thread, nil)
        precondition(result == 0, "pthread_join: \(LinuxError.name(of: result))")
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
