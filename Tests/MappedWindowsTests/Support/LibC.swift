import Glibc

/// Functions of the C library that Swift's overlay hides: GNU extensions, and `fork`.
enum LibC {
    private typealias Fallocate = @convention(c) (Int32, Int32, Int, Int) -> Int32
    private typealias Eventfd = @convention(c) (UInt32, Int32) -> Int32
    private typealias Fork = @convention(c) () -> pid_t

    /// fallocate(2).
    ///
    /// Returns 0 or -1.
    static func fallocate(_ descriptor: Int32, _ mode: Int32, _ offset: Int, _ length: Int) -> Int32 {
        unsafe unsafeBitCast(self.symbol("fallocate"), to: Fallocate.self)(descriptor, mode, offset, length)
    }

    /// fork(2).
    ///
    /// The child has one thread and must do little more than system calls.
    static func fork() -> pid_t {
        unsafe unsafeBitCast(self.symbol("fork"), to: Fork.self)()
    }

    /// An eventfd(2) that does not block.
    static func eventfd() -> Int32 {
        unsafe unsafeBitCast(self.symbol("eventfd"), to: Eventfd.self)(0, O_NONBLOCK | O_CLOEXEC)
    }

    private static func symbol(_ name: String) -> UnsafeMutableRawPointer {
        guard let symbol = unsafe dlsym(nil, name) else { preconditionFailure("the C library has no \(name)") }
        return unsafe symbol
    }
}
