internal import CLayoutClientABI
internal import LayoutClient
internal import LinuxFiles
internal import Synchronization

/// The recall callback of a client: a C function, called on a thread of its own.
@safe
final class RecallListener: Sendable {
    typealias Function = @convention(c) (UnsafePointer<ll_recall>?, UnsafeMutableRawPointer?) -> Void

    private struct State {
        var isEnded = false
        /// What waits for the next recall.
        var next: Task<Void, Never>?
    }

    // What the caller shares with the library's thread, as the header says.
    nonisolated(unsafe) private let function: Function
    nonisolated(unsafe) private let userData: UnsafeMutableRawPointer?
    private let events: AsyncStream<RecallEvent>
    private let state = Mutex(State())
    private let thread = Mutex<KernelThread?>(nil)

    /// Begins to listen; `client` is the client's handle, as a number.
    init(
        _ events: AsyncStream<RecallEvent>,
        of client: UInt,
        _ function: @escaping Function,
        _ userData: UnsafeMutableRawPointer?
    ) throws(CallFailure) {
        unsafe self.function = function
        unsafe self.userData = userData
        self.events = events
        do throws(LinuxError) {
            let thread = try KernelThread(name: "layout-recalls") { [self] in
                ll_internal_set_callback_of(client)
                while let event = self.waitForNext() { self.tell(event) }
            }
            self.thread.withLock { $0 = thread }
        } catch {
            throw CallFailure(error.status.errorNumber, error.message)
        }
    }

    /// Ends it: when this returns the function is not running, and will not be called.
    func end() {
        self.state.withLock { state in
            state.isEnded = true
            state.next?.cancel()
        }
        self.thread.withLock { $0.take() }?.join()
    }

    /// Waits on the listener's thread; `nil` at the end of the listener or of the client.
    private func waitForNext() -> RecallEvent? {
        let outcome = Outcome<RecallEvent?>()
        let events = self.events
        let isWaiting = self.state.withLock { state in
            guard !state.isEnded else { return false }
            state.next = Task.detached {
                var iterator = events.makeAsyncIterator()
                outcome.end(await iterator.next())
            }
            return true
        }
        return isWaiting ? outcome.wait() : nil
    }

    private func tell(_ event: RecallEvent) {
        unsafe event.path.withCString { path in
            unsafe event.requesterCommand.withCString { requester in
                var recall = unsafe ll_recall(
                    size: MemoryLayout<ll_recall>.size,
                    path: path,
                    operation: event.operation.rawValue,
                    requester_pid: event.requesterPID ?? 0,
                    requester: requester,
                    offset: event.range.lowerBound,
                    end: event.range.upperBound,
                    argument_offset: event.argument.lowerBound,
                    argument_end: event.argument.upperBound,
                    milliseconds_left: event.timeLeft.milliseconds
                )
                unsafe self.function(&recall, self.userData)
            }
        }
    }
}

extension Duration {
    /// Whole milliseconds; 0 if it is negative.
    fileprivate var milliseconds: UInt64 {
        let (seconds, attoseconds) = self.components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return UInt64(seconds) * 1000 + UInt64(attoseconds / 1_000_000_000_000_000)
    }
}

/// The listener that a client has now.
final class RecallListenerSlot: Sendable {
    // Held while a listener is replaced, so that two callers end up with one.
    private let listener = Mutex<RecallListener?>(nil)

    /// Ends the listener that there is, and begins the new one.
    ///
    /// The two calls are one step for others: of two callers the later wins.
    func replace(with make: (() throws(CallFailure) -> RecallListener)?) throws(CallFailure) {
        try self.listener.withLock { listener throws(CallFailure) in
            listener.take()?.end()
            if let make { listener = try make() }
        }
    }
}
