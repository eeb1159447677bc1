import CLinuxFiles
import Glibc
import LayoutCore

/// A file that was opened, and whether the call made it.
package struct OpenedFile: Sendable {
    /// The open file.
    package let descriptor: SharedDescriptor
    /// Whether there was no such file before.
    package let isNew: Bool
}

extension ExportRoot {
    /// Opens a regular file, and makes it if there is none.
    ///
    /// - Parameters:
    ///   - path: Where.
    ///   - base: As in ``resolve(_:at:followingLast:)``.
    ///   - access: What it is opened for.
    ///   - mode: Permission bits of a new file, less the process's umask.
    ///   - exclusively: Whether it is an error if the file exists; then a symbolic link counts as existing too.
    /// - Returns: The open file.
    /// - Throws: ``LayoutCore/LayoutStatus/exists``; else as ``open(_:for:at:)``.
    package func create(
        _ path: [UInt8],
        at base: SharedDescriptor? = nil,
        for access: FileAccess,
        mode: UInt32,
        exclusively: Bool
    ) throws(LinuxError) -> OpenedFile {
        let path = try ExportPath(path)
        _ = try path.split()
        let attempt = "create '\(path)'"
        let making = access.flags | OpenFlag.createExclusively | OpenFlag.withoutWaiting
        // Both halves can fail in turn while others create and remove the name; a link to nothing fails both always.
        for _ in 0..<8 {
            do throws(LinuxError) {
                let made = try self.openBeneath(path, at: base, flags: making, mode: mode & 0o7777, attempt: attempt)
                try checked(lf_make_blocking(made.number), "fcntl", attempt)
                return OpenedFile(descriptor: made.shared(), isNew: true)
            } catch {
                guard error.errno == EEXIST, !exclusively else { throw error }
            }
            do throws(LinuxError) {
                let place = try self.openBeneath(path, at: base, flags: OpenFlag.path, attempt: attempt)
                let opened = try Self.openRegular(place, for: access, attempt)
                return OpenedFile(descriptor: opened.shared(), isNew: false)
            } catch {
                guard error.errno == ENOENT else { throw error }
            }
        }
        throw LinuxError(
            refusing: .symbolicLink,
            "cannot \(attempt): the name exists, but leads to nothing; remove the dangling symbolic link, or create what it "
                + "leads to"
        )
    }

    /// Makes a directory.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/exists``; ``LayoutCore/LayoutStatus/noEntry`` if the directory above is missing;
    ///   else as ``resolve(_:at:followingLast:)``.
    package func makeDirectory(
        _ path: [UInt8],
        at base: SharedDescriptor? = nil,
        mode: UInt32
    ) throws(LinuxError) {
        let path = try ExportPath(path)
        let attempt = "create directory '\(path)'"
        let (parent, name) = try self.parent(of: path, at: base, attempt)
        try checked(unsafe lf_mkdirat(parent.number, name, mode & 0o7777), "mkdirat", attempt)
    }

    /// Removes a file, a symbolic link (not what it leads to), or an empty directory.
    ///
    /// - Parameters:
    ///   - path: What to remove.
    ///   - base: As in ``resolve(_:at:followingLast:)``.
    ///   - expected: The file that the caller means, if that matters: another one under the name is left alone.
    /// - Throws: ``LayoutCore/LayoutStatus/noEntry``, ``LayoutCore/LayoutStatus/notEmpty``;
    ///   ``LayoutCore/LayoutStatus/stale`` if the name stands for another file than `expected` by now.
    package func remove(
        _ path: [UInt8],
        at base: SharedDescriptor? = nil,
        expecting expected: FileIdentity? = nil
    ) throws(LinuxError) {
        let path = try ExportPath(path)
        let attempt = "remove '\(path)'"
        let (parent, name) = try self.parent(of: path, at: base, attempt)
        let isDirectory = try self.check(name, in: parent, is: expected, attempt)
        try checked(unsafe lf_unlinkat(parent.number, name, isDirectory ? AT_REMOVEDIR : 0), "unlinkat", attempt)
    }

    /// Renames a file, a symbolic link or a directory; a file at the new name is replaced.
    ///
    /// - Parameters:
    ///   - from: The name it has.
    ///   - fromBase: As in ``resolve(_:at:followingLast:)``.
    ///   - to: The name it gets.
    ///   - toBase: As in ``resolve(_:at:followingLast:)``.
    ///   - replaced: The file that the caller knows to be replaced; `nil` if nothing must be replaced.
    /// - Throws: ``LayoutCore/LayoutStatus/exists`` if something is at the new name and `replaced` is `nil`;
    ///   ``LayoutCore/LayoutStatus/stale`` if it is another file than `replaced` by now; ``LayoutCore/LayoutStatus/noEntry``.
    package func rename(
        _ from: [UInt8],
        at fromBase: SharedDescriptor? = nil,
        to: [UInt8],
        at toBase: SharedDescriptor? = nil,
        replacing replaced: FileIdentity? = nil
    ) throws(LinuxError) {
        let from = try ExportPath(from)
        let to = try ExportPath(to)
        let attempt = "rename '\(from)' to '\(to)'"
        let (oldParent, oldName) = try self.parent(of: from, at: fromBase, attempt)
        let (newParent, newName) = try self.parent(of: to, at: toBase, attempt)
        var flags: UInt32 = 1  // RENAME_NOREPLACE
        if let replaced {
            _ = try self.check(newName, in: newParent, is: replaced, attempt)
            flags = 0
        }
        try checked(
            unsafe lf_renameat2(oldParent.number, oldName, newParent.number, newName, flags),
            "renameat2",
            attempt
        )
    }

    /// The directory that holds the last component, resolved beneath `base`, and that component, NUL-terminated.
    private func parent(
        of path: ExportPath,
        at base: SharedDescriptor?,
        _ attempt: String
    ) throws(LinuxError) -> (directory: SharedDescriptor, name: [UInt8]) {
        let (parent, name) = try path.split()
        let directory = try self.openBeneath(
            parent,
            at: base,
            flags: OpenFlag.path | OpenFlag.directory,
            attempt: attempt
        )
        return (directory.shared(), name.terminated)
    }

    /// Looks at the entry `name` itself, without following it, and says whether it is a directory.
    private func check(
        _ name: [UInt8],
        in parent: SharedDescriptor,
        is expected: FileIdentity?,
        _ attempt: String
    ) throws(LinuxError) -> Bool {
        let flags = UInt64(OpenFlag.path | OpenFlag.noFollow)
        let opened = unsafe lf_openat2(parent.number, name, flags, 0, lf_resolve_beneath)
        let place = OwnedDescriptor(adopting: try checked(opened, "openat2", attempt))
        if let expected {
            guard try FileIdentity(of: place, on: self.fileSystem) == expected else {
                throw LinuxError(
                    refusing: .stale,
                    "cannot \(attempt): the name stands for another file by now; look it up again"
                )
            }
        }
        return try FileFacts(of: place, attempt).type == .directory
    }
}
