import CLinuxFiles
import Glibc
import LayoutCore

/// An exported directory: the only way from a client's paths and handles to files.
///
/// Every path is resolved by the kernel below a directory (`openat2(2)` with `RESOLVE_BENEATH`, `RESOLVE_NO_MAGICLINKS` and
/// `RESOLVE_NO_XDEV`): neither `..` nor a symbolic link leaves it, nor is a mount below it entered. Links that stay inside
/// are followed. Permissions are those of the calling thread: see ``UserIdentity``.
///
/// All calls block, for as long as the filesystem takes, and may come from any thread; none waits for another process.
package final class ExportRoot: Sendable {
    /// Where the export is, as the operator named it.
    package let path: String
    /// The directory, opened for reading.
    package let directory: SharedDescriptor
    /// The filesystem, as it was when the export was opened.
    package let fileSystem: FileSystemFacts

    /// Opens a directory for export.
    ///
    /// - Parameter path: Trusted: the operator's, followed wherever it leads.
    /// - Throws: ``LayoutCore/LayoutStatus/noEntry``, ``LayoutCore/LayoutStatus/notDirectory`` or
    ///   ``LayoutCore/LayoutStatus/access``.
    package init(path: String) throws(LinuxError) {
        let flags = UInt64(O_RDONLY | OpenFlag.directory)
        let opened = unsafe lf_openat2(AT_FDCWD, path, flags, 0, 0)
        let directory = OwnedDescriptor(adopting: try checked(opened, "openat2", "export '\(path)'"))
        self.path = path
        self.fileSystem = try FileSystemFacts(of: directory)
        self.directory = directory.shared()
    }

    /// Finds what a path leads to, without opening it: a place in the tree (`O_PATH`) for facts, identities and locks.
    ///
    /// - Parameters:
    ///   - path: Checked here; the empty path is the directory itself.
    ///   - base: A directory below the export to start at, which the path then cannot leave; `nil` for the export.
    ///   - followingLast: Whether a symbolic link as the last component is followed.
    /// - Returns: A descriptor that reads and writes nothing.
    /// - Throws: The errors of ``ExportPath/init(_:)``; ``LayoutCore/LayoutStatus/noEntry``;
    ///   ``LayoutCore/LayoutStatus/access`` where the path leaves the directory or a permission is missing;
    ///   ``LayoutCore/LayoutStatus/symbolicLink`` for a loop or a link into `/proc`;
    ///   ``LayoutCore/LayoutStatus/delay`` if names are renamed so fast that the kernel cannot tell.
    package func resolve(
        _ path: [UInt8],
        at base: SharedDescriptor? = nil,
        followingLast: Bool = true
    ) throws(LinuxError) -> OwnedDescriptor {
        let path = try ExportPath(path)
        return try self.openBeneath(
            path,
            at: base,
            flags: followingLast ? OpenFlag.path : OpenFlag.path | OpenFlag.noFollow,
            attempt: "find '\(path)'"
        )
    }

    /// Opens a regular file that exists.
    ///
    /// The type is looked at before the file is opened, so that no FIFO is waited for and no device is touched.
    /// - Throws: The errors of ``resolve(_:at:followingLast:)``, and ``LayoutCore/LayoutStatus/isDirectory`` or
    ///   ``LayoutCore/LayoutStatus/badType`` for what is not a regular file.
    package func open(
        _ path: [UInt8],
        for access: FileAccess,
        at base: SharedDescriptor? = nil
    ) throws(LinuxError) -> OwnedDescriptor {
        let path = try ExportPath(path)
        let place = try self.openBeneath(path, at: base, flags: OpenFlag.path, attempt: "open '\(path)'")
        return try Self.openRegular(place, for: access, "open '\(path)'")
    }

    /// Opens a directory for reading, for ``entries(of:after:limit:)`` or as a base of paths.
    ///
    /// - Throws: The errors of ``resolve(_:at:followingLast:)``, and ``LayoutCore/LayoutStatus/notDirectory``.
    package func openDirectory(
        _ path: [UInt8],
        at base: SharedDescriptor? = nil
    ) throws(LinuxError) -> OwnedDescriptor {
        let path = try ExportPath(path)
        return try self.openBeneath(
            path,
            at: base,
            flags: O_RDONLY | OpenFlag.directory,
            attempt: "open directory '\(path)'"
        )
    }

    /// Finds a file by its identity, as a place in the tree (`O_PATH`), whatever its name is now.
    ///
    /// Needs `CAP_DAC_READ_SEARCH` in the calling thread, so not as another user; XFS, ext4 and tmpfs can do it. Check the
    /// user's permission when the file is opened: ``openRegular(_:for:_:)``.
    /// - Throws: ``LayoutCore/LayoutStatus/stale`` if the file is gone or on another filesystem,
    ///   ``LayoutCore/LayoutStatus/notSupported`` or ``LayoutCore/LayoutStatus/notPermitted`` if this cannot be done here.
    package func find(_ identity: FileIdentity) throws(LinuxError) -> OwnedDescriptor {
        let attempt = "find \(identity) in '\(self.path)'"
        guard identity.fileSystem == self.fileSystem.tag else {
            throw LinuxError(refusing: .stale, "cannot \(attempt): it is of another filesystem; look the file up again")
        }
        guard let handle = KernelHandle(of: identity, on: self.fileSystem.kind) else {
            throw LinuxError(
                refusing: .notSupported,
                "cannot \(attempt): \(self.fileSystem.kind) has no handles that are known here; look the file up by its path"
            )
        }
        let place = try handle.open(mount: self.directory, attempt)
        guard try FileIdentity(of: place, on: self.fileSystem) == identity else {
            throw LinuxError(refusing: .stale, "cannot \(attempt): another file has its place; look the file up again")
        }
        return place
    }

    /// Opens a regular file that ``resolve(_:at:followingLast:)`` or ``find(_:)`` has found.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/isDirectory`` or ``LayoutCore/LayoutStatus/badType`` for what is not a regular
    ///   file, ``LayoutCore/LayoutStatus/access`` without permission.
    package static func openRegular(
        _ place: borrowing some Descriptor & ~Copyable,
        for access: FileAccess,
        _ attempt: @autoclosure () -> String = "open a file"
    ) throws(LinuxError) -> OwnedDescriptor {
        let facts = try FileFacts(of: place, attempt())
        switch facts.type {
        case .regular:
            return try place.reopened(for: access, attempt())
        case .directory:
            throw LinuxError(refusing: .isDirectory, "cannot \(attempt()): it is a directory; name a regular file")
        case .blockDevice, .characterDevice, .symbolicLink, .socket, .fifo:
            throw LinuxError(refusing: .badType, "cannot \(attempt()): it is a \(facts.type); name a regular file")
        }
    }

    /// Opens what `path` leads to below `base`.
    func openBeneath(
        _ path: ExportPath,
        at base: SharedDescriptor?,
        flags: CInt,
        mode: UInt32 = 0,
        attempt: @autoclosure () -> String
    ) throws(LinuxError) -> OwnedDescriptor {
        let directory = base ?? self.directory
        let name = path.terminated
        var result: Int64 = 0
        // The kernel gives up with EAGAIN if a rename anywhere could have led a ".." astray (openat2(2), ERRORS).
        for _ in 0..<16 {
            result = uninterrupted {
                unsafe lf_openat2(directory.number, name, UInt64(flags), UInt64(mode), lf_resolve_beneath)
            }
            if result != -Int64(EAGAIN) { break }
        }
        guard result < 0 else { return OwnedDescriptor(adopting: result) }
        let errno = CInt(clamping: -result)
        switch errno {
        case EXDEV:
            throw LinuxError(
                errno: errno,
                call: "openat2",
                attempt: attempt(),
                status: .access,
                remedy: "the path or a symbolic link in it leaves the directory or enters another mount; stay below it"
            )
        case ELOOP:
            throw LinuxError(
                errno: errno,
                call: "openat2",
                attempt: attempt(),
                remedy: "there is a loop of symbolic links, a link into /proc, or a link where none is allowed; "
                    + "name the file itself"
            )
        default:
            throw LinuxError(errno: errno, call: "openat2", attempt: attempt())
        }
    }
}
