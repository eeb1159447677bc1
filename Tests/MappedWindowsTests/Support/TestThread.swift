import Glibc
import Synchronization

/// A thread of its own: tests park threads, which tasks on the cooperative pool must not.
final class TestThread: Sendable {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    let handle: pthread_t

    init(_ run: @escaping @Sendable () -> Void) {
        var handle = pthread_t()
        let body = unsafe Unmanaged.passRetained(Body(run)).toOpaque()
        let error = unsafe pthread_create(
            &handle,
            nil,
            { body in
                guard let body = unsafe body else { return nil }
                unsafe Unmanaged<Body>.fromOpaque(body).takeRetainedValue().run()
                return nil
            },
            body
        )
        precondition(error == 0, "pthread_create: errno \(error)")
        self.handle = handle
    }

    func join() { pthread_join(self.handle, nil) }

    func send(_ signal: Int32) { pthread_kill(self.handle, signal) }
}

/// An address that may go to another thread: tests race on purpose, and say on which words.
struct SharedAddress: Sendable {
    let bits: UInt

    init(_ pointer: UnsafeMutableRawPointer) { self.bits = UInt(bitPattern: pointer) }

    var pointer: UnsafeMutableRawPointer {
        guard let pointer = unsafe UnsafeMutableRawPointer(bitPattern: self.bits) else { preconditionFailure("null") }
        return unsafe pointer
    }

    func byte(_ offset: Int) -> UInt8 { unsafe self.pointer.load(fromByteOffset: offset, as: UInt8.self) }

    /// Loads a byte for the sake of the load, which an optimiser would drop if nobody used the byte.
    func touch(_ offset: Int) { SharedAddress.lastTouched.store(self.byte(offset), ordering: .relaxed) }

    private static let lastTouched = Atomic<UInt8>(0)

    func store(_ byte: UInt8, at offset: Int) {
        unsafe self.pointer.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
    }
}

/// Something that one thread tells another.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool { self.value.load(ordering: .acquiring) }

    func set() { self.value.store(true, ordering: .releasing) }
}

/// Waits for a condition, at most ten seconds, looking every half millisecond.
func eventually(_ condition: () -> Bool) -> Bool {
    for _ in 0..<20_000 {
        if condition() { return true }
        usleep(500)
    }
    return false
}
