import Glibc
import Synchronization

/// The filesystems that tests run on.
///
/// One image per kind is shared by all tests of a process; each test works in a directory of its own.
package enum TestFileSystem: String, Hashable, Sendable, CaseIterable {
    case xfs
    case ext4
    /// Whatever ``TestDirectory/base`` is on.
    case plain

    private static let images = Mutex<[TestFileSystem: LoopFileSystem]>([:])

    /// Makes an empty directory on this filesystem.
    ///
    /// - Throws: ``TestFailure`` if the filesystem cannot be made: as root that is a failure, never a reason to skip.
    package func makeDirectory() throws -> TestDirectory {
        guard let kind = self.image else { return try TestDirectory() }
        let image = try Self.images.withLock { images in
            if let image = images[self] { return image }
            let image = try LoopFileSystem(kind)
            images[self] = image
            return image
        }
        return try TestDirectory(in: image.path)
    }

    private var image: LoopFileSystem.Kind? {
        switch self {
        case .xfs: .xfs
        case .ext4: .ext4
        case .plain: nil
        }
    }
}

/// Which filesystems there are to test on.
package enum TestFileSystems {
    /// XFS, ext4 and the plain directory for root; the plain directory alone for others, or if the environment variable
    /// `LAYOUTD_TEST_PLAIN_ONLY` is 1.
    package static var available: [TestFileSystem] {
        Self.hasImages ? TestFileSystem.allCases : [.plain]
    }

    /// Those of ``available`` that are images: XFS and ext4, or none.
    package static var images: [TestFileSystem] { Self.hasImages ? [.xfs, .ext4] : [] }

    /// Whether tests may mount filesystems, and so must be able to.
    package static var hasImages: Bool { geteuid() == 0 && !Self.isPlainOnly }

    private static var isPlainOnly: Bool {
        guard let value = unsafe getenv("LAYOUTD_TEST_PLAIN_ONLY") else { return false }
        return unsafe String(cString: value) == "1"
    }
}
