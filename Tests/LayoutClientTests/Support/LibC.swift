import Glibc

/// What the C library has and the Glibc overlay does not let through.
enum LibC {
    private typealias Fork = @convention(c) () -> pid_t

    /// fork(2).
    ///
    /// The child has one thread, and must neither wait for another nor end but by `_exit`.
    static func fork() -> pid_t {
        guard let symbol = unsafe dlsym(nil, "fork") else { preconditionFailure("the C library has no fork") }
        return unsafe unsafeBitCast(symbol, to: Fork.self)()
    }

    /// Waits for the end of a child: its exit code, or 128 and the signal that ended it.
    static func wait(for child: pid_t) -> Int32 {
        var raw: CInt = 0
        while unsafe waitpid(child, &raw, 0) < 0, errno == EINTR {}
        return raw & 0x7f == 0 ? raw >> 8 & 0xff : 128 + raw & 0x7f
    }
}
