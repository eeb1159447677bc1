import Glibc
import Synchronization

/// A filesystem of its own, in an image that is mounted through a loop device, or in memory.
///
/// Needs root. Unmounted and deleted by ``close()``, when the last reference goes, or when the process exits; what a killed process
/// left behind goes when the next test makes one.
package final class LoopFileSystem: Sendable {
    /// What to make.
    package enum Kind: String, Hashable, Sendable {
        case xfs
        case ext4
        case ext4Small = "ext4 with blocks of 1 KiB"
        case ext4Bigalloc = "ext4 with clusters of 64 KiB"
        case tmpfs

        /// The program that makes it and its arguments before the image's path; `nil` for tmpfs.
        fileprivate var makingCommand: [String]? {
            switch self {
            case .xfs: ["mkfs.xfs", "-q", "-m", "reflink=1,rmapbt=1"]
            case .ext4: ["mkfs.ext4", "-q", "-F", "-b", "4096"]
            case .ext4Small: ["mkfs.ext4", "-q", "-F", "-b", "1024"]
            case .ext4Bigalloc: ["mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "bigalloc", "-C", "65536"]
            case .tmpfs: nil
            }
        }

        fileprivate var mountOptions: [String] {
            switch self {
            case .xfs, .ext4, .ext4Small, .ext4Bigalloc: ["-o", "loop"]
            case .tmpfs: ["-t", "tmpfs", "-o", "size=64m"]
            }
        }
    }

    /// What is mounted by this process and not yet unmounted, for the handler at exit.
    private static let mounted = Mutex<[String]>([])
    private static let prepared: Void = {
        LoopFileSystem.cleanUpAfterOthers()
        atexit { LoopFileSystem.closeAll() }
    }()

    /// Where the filesystem is mounted.
    package let path: String
    private let directory: TestDirectory

    /// Makes and mounts a filesystem of about `size` bytes, of which the host stores only what is written.
    ///
    /// - Throws: ``TestFailure`` with the output of the program that failed: no root, no loop devices, no mkfs.
    package init(_ kind: Kind, size: UInt64 = 512 << 20) throws {
        _ = Self.prepared
        self.directory = try TestDirectory()
        self.path = self.directory.file("mount")
        try mustRun("mkdir", [self.path])
        var source = "none"
        if let command = kind.makingCommand {
            source = self.directory.file("disk.img")
            try mustRun("truncate", ["-s", String(size), source])
            try mustRun(command[0], command.dropFirst() + [source])
        }
        // Before it is mounted, so that there is no moment in which an exit forgets it.
        let path = self.path
        Self.mounted.withLock { $0.append(path) }
        do {
            try mustRun("mount", kind.mountOptions + [source, self.path])
        } catch {
            Self.mounted.withLock { $0.removeAll { $0 == path } }
            throw error
        }
    }

    deinit { self.close() }

    /// Unmounts the filesystem; whatever is still open in it keeps its storage until it is closed.
    package func close() {
        let path = self.path
        let isMounted = Self.mounted.withLock { mounted in
            let count = mounted.count
            mounted.removeAll { $0 == path }
            return mounted.count < count
        }
        if isMounted { Self.unmount(path) }
    }

    private static func unmount(_ path: String) {
        // Lazily: a failed test may still have files open.
        _ = try? runProcess("umount", ["-l", path])
    }

    /// At exit: deinits of globals do not run.
    private static func closeAll() {
        let paths = Self.mounted.withLock { mounted in
            defer { mounted = [] }
            return mounted
        }
        for path in paths {
            Self.unmount(path)
            let directory = path.split(separator: "/").dropLast().joined(separator: "/")
            _ = try? runProcess("rm", ["-rf", "--one-file-system", "/\(directory)"])
        }
    }

    /// Removes what test processes left behind that were killed.
    private static func cleanUpAfterOthers() {
        guard let listing = try? runProcess("ls", [TestDirectory.base]).output else { return }
        for name in listing.split(separator: "\n") where name.hasPrefix("layoutd-test-") {
            let parts = name.split(separator: "-")
            guard parts.count == 4, let pid = pid_t(parts[2]), kill(pid, 0) < 0, errno == ESRCH else { continue }
            Self.unmount("\(TestDirectory.base)/\(name)/mount")
            _ = try? runProcess("rm", ["-rf", "--one-file-system", "\(TestDirectory.base)/\(name)"])
        }
    }
}
