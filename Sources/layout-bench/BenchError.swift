import LinuxFiles

/// Why a benchmark could not run, and what to do about it.
struct BenchError: Error, Hashable, CustomStringConvertible {
    /// For the person who runs it.
    let description: String

    init(_ description: String) { self.description = description }

    /// A system call that failed with `errno`.
    init(_ attempt: String, errno: CInt, _ remedy: String) {
        self.description = "cannot \(attempt): \(LinuxError.text(of: errno)); \(remedy)"
    }
}
