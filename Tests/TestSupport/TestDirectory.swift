import Glibc
import Synchronization

/// A directory of a test's own, removed with all that is in it when the last reference goes.
package final class TestDirectory: Sendable {
    private static let count = Atomic<Int>(0)

    /// Where it is.
    package let path: String

    /// Where temporary files of tests go: `LAYOUTD_TEST_DIR`, or `/var/tmp`, which is on storage on most hosts.
    package static var base: String {
        if let path = unsafe getenv("LAYOUTD_TEST_DIR") { return unsafe String(cString: path) }
        return "/var/tmp"
    }

    /// Makes a directory, in `parent` or in ``base``.
    package init(in parent: String = TestDirectory.base) throws {
        let number = Self.count.add(1, ordering: .relaxed).newValue
        self.path = "\(parent)/layoutd-test-\(getpid())-\(number)"
        // Tests look into it as other users, whatever the umask is.
        guard unsafe mkdir(self.path, 0o755) == 0, unsafe chmod(self.path, 0o755) == 0 else {
            throw TestFailure(
                "cannot make '\(self.path)': errno \(errno); set LAYOUTD_TEST_DIR to a writable directory"
            )
        }
    }

    deinit { _ = try? runProcess("rm", ["-rf", "--one-file-system", self.path]) }

    /// The path of a name in the directory.
    package func file(_ name: String) -> String { "\(self.path)/\(name)" }
}
