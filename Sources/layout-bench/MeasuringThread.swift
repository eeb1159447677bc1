import LinuxFiles

/// Runs measurements on a thread of their own: neither the concurrency runtime's threads nor a window's memory like it
/// when a thread of the pool waits.
enum MeasuringThread {
    /// Runs `body` on a new thread and waits for it without blocking one.
    static func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            do throws(LinuxError) {
                _ = try KernelThread(name: "layout-bench") {
                    continuation.resume(with: Swift.Result { try body() })
                }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }
}
