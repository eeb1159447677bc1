import Glibc
import Synchronization

/// The filesystems that tests run on.
///
/// One image per kind is shared by all tests of a process; each test works in a directory of its own. The environment
/// variables `LAYOUTD_TEST_XFS` and `LAYOUTD_TEST_EXT4` name directories to use instead of images: that is how the same
/// tests run on persistent memory.
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
        if let mounted = self.mounted { return try TestDirectory(in: mounted) }
        guard let kind = self.image else { return try TestDirectory() }
        let image = try Self.images.withLock { images in
            if let image = images[self] { return image }
            let image = try LoopFileSystem(kind)
            images[self] = image
            return image
        }
        return try TestDirectory(in: image.path)
    }

    /// The directory that the environment names for it.
    fileprivate var mounted: String? {
        switch self {
        case .xfs: TestEnvironment.value("LAYOUTD_TEST_XFS")
        case .ext4: TestEnvironment.value("LAYOUTD_TEST_EXT4")
        case .plain: nil
        }
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
    /// XFS, ext4 and the plain directory for root; the plain directory alone for others.
    ///
    /// That alone also if the environment variable `LAYOUTD_TEST_PLAIN_ONLY` is 1; and where the environment names
    /// directories, those.
    package static var available: [TestFileSystem] {
        if !Self.mounted.isEmpty { return Self.mounted }
        return Self.hasImages ? TestFileSystem.allCases : [.plain]
    }

    /// Those of ``available`` that are XFS or ext4, or none.
    package static var images: [TestFileSystem] {
        if !Self.mounted.isEmpty { return Self.mounted }
        return Self.hasImages ? [.xfs, .ext4] : []
    }

    /// Those that the environment names.
    private static var mounted: [TestFileSystem] { TestFileSystem.allCases.filter { $0.mounted != nil } }

    /// The filesystems of ``images`` that are on persistent memory, which the environment variable `LAYOUTD_TEST_DAX` says
    /// by 1: all, or none.
    package static var persistentMemory: [TestFileSystem] {
        TestEnvironment.value("LAYOUTD_TEST_DAX") == "1" ? Self.images : []
    }

    /// Whether tests may mount filesystems, and so must be able to.
    package static var hasImages: Bool { geteuid() == 0 && !Self.isPlainOnly }

    private static var isPlainOnly: Bool { TestEnvironment.value("LAYOUTD_TEST_PLAIN_ONLY") == "1" }
}

/// What whoever starts the tests tells them.
enum TestEnvironment {
    /// The value of a variable; `nil` if it is not set.
    static func value(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}
