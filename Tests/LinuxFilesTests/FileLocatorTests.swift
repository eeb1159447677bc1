import Glibc
import LayoutCore
import LayoutSimulation
import TestSupport
import Testing

@testable import LinuxFiles

@Suite struct FileLocatorTests {
    private func locator(of path: String, in export: Export) throws -> FileLocator {
        let made = try FileLocator(of: export.root.resolve(bytes(path)), at: bytes(path), in: export.root)
        // As it comes back from where it was kept.
        let read = try #require(FileLocator(made.bytes))
        #expect(read == made)
        return read
    }

    private func found(_ locator: FileLocator, in root: ExportRoot) -> LayoutStatus? {
        failure { () throws(LinuxError) in
            let place = try root.find(locator)
            let identity = try FileIdentity(of: place, on: root.fileSystem)
            #expect(identity == locator.identity)
        }?.status
    }

    @Test(
        "a file is found under its name, under another one, and by a server that is started anew",
        .enabled(if: geteuid() == 0, "handles need root"),
        arguments: TestFileSystems.images
    )
    func renamed(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        try export.root.makeDirectory(bytes("a"), mode: 0o755)
        try export.make("a/file", [1, 2, 3])
        let locator = try self.locator(of: "a/file", in: export)
        #expect(self.found(locator, in: export.root) == nil)
        try export.root.rename(bytes("a/file"), to: bytes("b"))
        try export.make("a/file", [4])
        let again = try ExportRoot(path: export.directory.path)
        #expect(self.found(locator, in: again) == nil)
        let place = try again.find(locator)
        let opened = try ExportRoot.openRegular(place, for: .read)
        #expect(try FileInputOutput.read(10, at: 0, of: opened) == [1, 2, 3])
    }

    @Test(
        "a file that was removed is stale, also when its name or its inode is another file's; one that is still open is found",
        .enabled(if: geteuid() == 0, "handles need root"),
        arguments: TestFileSystems.images
    )
    func removed(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        var file: SharedDescriptor? = try export.make("file")
        let locator = try self.locator(of: "file", in: export)
        try export.root.remove(bytes("file"))
        #expect(self.found(locator, in: export.root) == nil)
        #expect(file != nil)
        file = nil
        #expect(self.found(locator, in: export.root) == .stale)
        // ext4 gives the number to the next file.
        for number in 0..<20 { try export.make(number == 0 ? "file" : "other\(number)") }
        #expect(self.found(locator, in: export.root) == .stale)
    }

    @Test("without the right to use handles a file is found under its name; under another one it is not called gone")
    func withoutHandles() async throws {
        let export = try Export(.plain)
        try mustRun("chmod", ["755", export.directory.path])
        try export.make("file")
        let locator = try self.locator(of: "file", in: export)
        // Handles are for root; as another user the path is all there is.
        let nobody = UserIdentity(uid: 65534, gid: 65534, groups: [])
        func status() -> LayoutStatus? {
            var status: LayoutStatus?
            if geteuid() == 0 {
                _ = failure { () throws(LinuxError) in
                    try nobody.run { () throws(LinuxError) in status = self.found(locator, in: export.root) }
                }
            } else {
                status = self.found(locator, in: export.root)
            }
            return status
        }
        #expect(status() == nil)
        try export.root.rename(bytes("file"), to: bytes("renamed"))
        #expect(status() == .notPermitted)
        try export.make("file")
        #expect(status() == .notPermitted)
        // A link is no way to it.
        try export.root.remove(bytes("file"))
        try mustRun("ln", ["-s", "renamed", export.directory.file("file")])
        #expect(status() == .notPermitted)
    }

    @Test("a path that leads out of the export, and a file of another filesystem, are not followed")
    func outside() throws {
        let export = try Export(.plain)
        try export.make("file")
        let good = try self.locator(of: "file", in: export)
        for path in ["../file", "/etc/passwd", "a//b", String(repeating: "x", count: 600)] {
            // The bytes of a locator without a handle: version, identity, handle's type and length, path.
            var writer = ByteWriter()
            writer.put(UInt8(1))
            writer.put(good.identity.fileSystem)
            writer.put(good.identity.inode)
            writer.put(good.identity.generation)
            writer.put(UInt32(0))
            writer.put([UInt8]())
            writer.put(bytes(path))
            let locator = try #require(FileLocator(writer.bytes))
            #expect(self.found(locator, in: export.root) == .notPermitted, "\(path)")
        }
        var other = good.bytes
        other[1] ^= 1
        #expect(self.found(try #require(FileLocator(other)), in: export.root) == .stale)
    }

    @Test("bytes that are cut, flipped or made up are no locator, or find nothing")
    func untrustedBytes() throws {
        let export = try Export(.plain)
        try export.make("file")
        let good = try self.locator(of: "file", in: export)
        let whole = good.bytes
        for count in whole.indices { #expect(FileLocator(Array(whole[..<count])) == nil) }
        #expect(FileLocator(whole + [0]) == nil)
        var random = SeededGenerator(seed: 4)
        for _ in 0..<2000 {
            var changed = whole
            changed[Int.random(in: 0..<changed.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            guard let locator = FileLocator(changed), locator.identity != good.identity else { continue }
            #expect(self.found(locator, in: export.root) != nil)
        }
    }
}
