import Glibc
import LayoutCore
import LinuxFiles

/// Waits until something is so; looks every few milliseconds, and blocks meanwhile.
///
/// - Throws: ``TestFailure`` if it is not so within `patience`, or what `condition` throws.
package func waitUntil(
    _ what: String,
    within patience: Duration = .seconds(20),
    _ condition: () throws -> Bool
) throws {
    let deadline = Host.now.advanced(by: patience)
    while try !condition() {
        guard Host.now < deadline else { throw TestFailure("not so within \(patience): \(what)") }
        usleep(5000)
    }
}

/// What `body` returns, and how long it takes.
package func timed<Value>(_ body: () throws -> Value) rethrows -> (Value, Duration) {
    let begin = Host.now
    let value = try body()
    return (value, Host.now.duration(since: begin))
}
