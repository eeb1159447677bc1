import CMappingGuard
import Glibc

/// Sees a thread leave the system call that it is in, through the kernel's tracepoint for that.
///
/// Switching the tracepoint on and off takes tens of milliseconds, and while it is on every system call of the host costs
/// some 50 ns more. So an *anchor* keeps it on while calls are traced and for some time after, and no longer.
@safe
final class ThreadTrace: @unchecked Sendable {  // the kernel writes the ring, and this class only reads it
    /// Why a thread cannot be traced.
    struct Failure: Error {
        let errno: Int32
    }

    /// Readable once the thread has left its call.
    let descriptor: CInt
    private let ring: UnsafeMutableRawPointer

    /// Traces a thread that is held up in a system call.
    ///
    /// - Parameters:
    ///   - point: The number of the tracepoint.
    ///   - thread: The thread's number.
    /// - Throws: The kernel's error number; `ESRCH` for a thread that has ended.
    init(point: Int64, thread: Int32) throws(Failure) {
        var ring: UnsafeMutableRawPointer? = nil
        let result = unsafe mg_trace_open(point, thread, &ring)
        guard result >= 0, let address = unsafe ring else {
            throw Failure(errno: Int32(clamping: result < 0 ? -result : Int64(EIO)))
        }
        self.descriptor = CInt(result)
        unsafe self.ring = address
    }

    deinit { unsafe mg_trace_close(self.descriptor, self.ring) }

    /// The result of that call, once the thread has left it.
    var result: Int64? {
        var number: Int64 = 0
        var value: Int64 = 0
        return unsafe mg_trace_take(self.ring, &number, &value) == 1 ? value : nil
    }
}

/// The threads that are traced; its owner serialises calls.
struct CallTraces: Sendable {
    private var byThread: [Int32: ThreadTrace] = [:]
    private var threads: [CInt: Int32] = [:]

    /// Whether no thread is traced.
    var isEmpty: Bool { self.byThread.isEmpty }

    /// The thread that a trace's descriptor is about.
    func thread(of descriptor: CInt) -> Int32? { self.threads[descriptor] }

    /// Whether the thread is traced.
    func contains(_ thread: Int32) -> Bool { self.byThread[thread] != nil }

    /// Keeps a trace.
    mutating func insert(_ trace: ThreadTrace, thread: Int32) {
        self.byThread[thread] = trace
        self.threads[trace.descriptor] = thread
    }

    /// The result of the call that the thread was in when it was first traced, once it has left it.
    func result(of thread: Int32) -> Int64? { self.byThread[thread]?.result }

    /// Ends a trace.
    mutating func remove(_ thread: Int32) {
        guard let trace = self.byThread.removeValue(forKey: thread) else { return }
        self.threads[trace.descriptor] = nil
    }
}
