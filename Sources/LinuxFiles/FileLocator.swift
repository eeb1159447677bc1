import Glibc
import LayoutCore

/// How a file is found again after a restart: who it is, the kernel's handle of it, and where it was seen last.
package struct FileLocator: Hashable, Sendable {
    /// Which file it is: what is found must be this one.
    package let identity: FileIdentity
    /// Its path below the export when the locator was made; it may have another one by now.
    package private(set) var path: [UInt8]
    /// The kernel's handle; none where the filesystem has none, or longer ones than Linux allows.
    private let handleType: Int32
    private let handleBytes: [UInt8]

    private static var version: UInt8 { 1 }
    private static var handleLengthMax: Int { 128 }

    /// Makes the locator of a file that was found.
    ///
    /// - Parameters:
    ///   - place: The file; `O_PATH` is enough.
    ///   - path: Where it is below the export; cut off behind ``ExportPath/lengthMax`` bytes.
    ///   - root: The export.
    /// - Throws: ``LayoutCore/LayoutStatus/notSupported`` if the filesystem has nothing to identify files by.
    package init(
        of place: borrowing some Descriptor & ~Copyable,
        at path: [UInt8],
        in root: ExportRoot
    ) throws(LinuxError) {
        self.identity = try FileIdentity(of: place, on: root.fileSystem)
        self.path = Array(path.prefix(ExportPath.lengthMax))
        let handle = try KernelHandle(of: place)
        self.handleType = handle?.type ?? 0
        self.handleBytes = handle?.bytes ?? []
    }

    /// The locator of the same file, at the path where it is by now.
    package func at(_ path: [UInt8]) -> FileLocator {
        var locator = self
        locator.path = Array(path.prefix(ExportPath.lengthMax))
        return locator
    }

    /// The locator as bytes, to be kept with what is known of the file: less than 1.2 KB.
    package var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.put(Self.version)
        writer.put(self.identity.fileSystem)
        writer.put(self.identity.inode)
        writer.put(self.identity.generation)
        writer.put(UInt32(bitPattern: self.handleType))
        writer.put(self.handleBytes)
        writer.put(self.path)
        return writer.bytes
    }

    /// Takes ``bytes`` apart; `nil` for bytes that are not a locator, whatever they are.
    package init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.number(UInt8.self) == Self.version, let fileSystem = reader.number(UInt64.self),
            let inode = reader.number(UInt64.self), let generation = reader.number(UInt64.self),
            let type = reader.number(UInt32.self), let handle = reader.bytes(limit: Self.handleLengthMax),
            let path = reader.bytes(limit: ExportPath.lengthMax), reader.isAtEnd
        else { return nil }
        self.identity = FileIdentity(fileSystem: fileSystem, inode: inode, generation: generation)
        self.handleType = Int32(bitPattern: type)
        self.handleBytes = handle
        self.path = path
    }

    /// The kernel's handle, if there is one.
    var kernelHandle: KernelHandle? {
        self.handleBytes.isEmpty ? nil : KernelHandle(type: self.handleType, bytes: self.handleBytes)
    }
}

extension ExportRoot {
    /// Finds the file that a locator was made of, as a place in the tree (`O_PATH`).
    ///
    /// By its handle, so that it is found whatever its name is now, and also without a name as long as somebody has it open;
    /// that needs `CAP_DAC_READ_SEARCH` in the calling thread. Otherwise by its path, below the export, without following a
    /// link as the last component. What is found is always the file itself, which was in the export when the locator was made.
    ///
    /// Blocks; any thread; waits for no other process. Check the user's permission when the file is opened.
    /// - Throws: ``LayoutCore/LayoutStatus/stale`` if the file is gone, or of another filesystem;
    ///   ``LayoutCore/LayoutStatus/notPermitted`` if it is not at its path, and may not be looked for by its handle: then
    ///   nobody can say whether it is gone.
    package func find(_ locator: FileLocator) throws(LinuxError) -> OwnedDescriptor {
        let path = String(decoding: locator.path, as: UTF8.self)
        let attempt = "find '\(path)' (\(locator.identity)) in '\(self.path)' again"
        guard locator.identity.fileSystem == self.fileSystem.tag else {
            throw LinuxError(refusing: .stale, "cannot \(attempt): it is of another filesystem; export that one")
        }
        if let handle = locator.kernelHandle {
            do throws(LinuxError) {
                let place = try handle.open(mount: self.directory, attempt)
                if try FileIdentity(of: place, on: self.fileSystem) == locator.identity { return place }
                throw LinuxError(refusing: .stale, "cannot \(attempt): another file has its place; it was removed")
            } catch {
                // Not allowed, or not possible here: by its path then.
                let reasons: [LayoutStatus] = [.notPermitted, .access, .notSupported, .invalid]
                guard reasons.contains(error.status) else { throw error }
            }
        }
        do throws(LinuxError) {
            let place = try self.resolve(locator.path, followingLast: false)
            if try FileIdentity(of: place, on: self.fileSystem) == locator.identity { return place }
        } catch {
            let reasons: [LayoutStatus] = [.noEntry, .notDirectory, .symbolicLink, .access, .badName, .nameTooLong]
            guard reasons.contains(error.status) else { throw error }
        }
        throw LinuxError(
            refusing: .notPermitted,
            "cannot \(attempt): it is not there any more, and looking for it under another name needs CAP_DAC_READ_SEARCH; "
                + "start the server with that capability (as root), or give the file its name back"
        )
    }
}
