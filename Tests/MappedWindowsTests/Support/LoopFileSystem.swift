import Glibc

/// A file system of a chosen kind in a sparse image, mounted for as long as the object lives.
final class LoopFileSystem {
    enum Kind: String, CaseIterable, Sendable {
        case xfs
        case ext4

        /// The command that makes it, with blocks of a page.
        fileprivate func formatter(_ image: String) -> [String] {
            switch self {
            case .xfs: ["mkfs.xfs", "-q", "-f", "-b", "size=4096", image]
            case .ext4: ["mkfs.ext4", "-q", "-F", "-b", "4096", image]
            }
        }
    }

    /// Whether this process may mount images at all.
    static var isPossible: Bool { geteuid() == 0 && (unsafe access("/dev/loop-control", F_OK)) == 0 }

    let directory: String
    private let image: String

    init(_ kind: Kind) {
        var template = Array("/tmp/windows-\(kind).XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&template) else { preconditionFailure("mkdtemp: errno \(errno)") }
        self.directory = unsafe String(cString: made)
        self.image = self.directory + ".img"
        let descriptor = unsafe open(self.image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        precondition(descriptor >= 0 && ftruncate(descriptor, 512 << 20) == 0, "\(self.image): errno \(errno)")
        close(descriptor)
        LoopFileSystem.run(kind.formatter(self.image))
        LoopFileSystem.run(["mount", "-o", "loop", self.image, self.directory])
    }

    deinit {
        // Lazily if a failed test has left something open: the loop device goes with the last user.
        if unsafe umount2(self.directory, 0) != 0 { unsafe umount2(self.directory, Int32(MNT_DETACH)) }
        unsafe rmdir(self.directory)
        unsafe unlink(self.image)
    }

    private static func run(_ command: [String]) {
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe command.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe arguments.indices { unsafe free(arguments[index]) } }
        var child = pid_t()
        let error = unsafe posix_spawnp(&child, command[0], nil, nil, &arguments, environ)
        precondition(error == 0, "cannot run \(command): errno \(error)")
        var status: Int32 = 0
        while unsafe waitpid(child, &status, 0) < 0 && errno == EINTR {}
        precondition(status == 0, "\(command) failed: status \(status)")
    }
}
