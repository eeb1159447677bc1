import Glibc
import LayoutCore
import TestSupport
import Testing

@testable import LinuxFiles

@Suite struct FileHandleTests {
    /// The first vectors of the reference implementation (`vectors.h`): key 00..0f, input 00, 01, ...
    @Test func sipHashIsTheReference() {
        let expected: [UInt64] = [0x726f_db47_dd0e_0e31, 0x93f5_f579_9a93_2462, 0x3f2a_cc7f_57c2_9bdb]
        for (words, code) in expected.enumerated() {
            var hash = SipHash(key: SipHash.Key(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908))
            for word in 0..<words {
                hash.combine((0..<8).reversed().reduce(0) { $0 << 8 | UInt64(word * 8 + $1) })
            }
            #expect(hash.finish() == code)
        }
    }

    @Test func everyFlippedBitIsNoticed() throws {
        let codec = FileHandleCodec(key: try Host.randomOpaque16())
        let identity = FileIdentity(fileSystem: 77, inode: 131, generation: 4711)
        let handle = codec.encode(identity)
        #expect(try codec.decode(handle) == identity)
        for bit in 0..<256 {
            let mask = UInt64(1) << (bit % 64)
            let word = bit / 64
            let damaged = FileHandle(
                low: Opaque16(
                    low: handle.low.low ^ (word == 0 ? mask : 0),
                    high: handle.low.high ^ (word == 1 ? mask : 0)
                ),
                high: Opaque16(
                    low: handle.high.low ^ (word == 2 ? mask : 0),
                    high: handle.high.high ^ (word == 3 ? mask : 0)
                )
            )
            let error = failure { () throws(LinuxError) in _ = try codec.decode(damaged) }
            #expect(error?.status == .badHandle, "bit \(bit)")
        }
    }

    @Test func handlesOfOthersAreRefused() throws {
        let identity = FileIdentity(fileSystem: 1, inode: 2, generation: 3)
        let codec = FileHandleCodec(key: Opaque16(low: 1, high: 2))
        let other = FileHandleCodec(key: Opaque16(low: 1, high: 3)).encode(identity)
        #expect(failure { () throws(LinuxError) in _ = try codec.decode(other) }?.status == .badHandle)
        #expect(failure { () throws(LinuxError) in _ = try codec.decode(.root) }?.status == .badHandle)
        #expect(FileHandleCodec(key: Opaque16(low: 1, high: 2)).encode(identity) == codec.encode(identity))
    }

    @Test(arguments: TestFileSystems.available)
    func identityFollowsTheFile(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let root = export.root
        let file = try export.make("file")
        let identity = try FileIdentity(of: file, on: root.fileSystem)
        #expect(try FileIdentity(of: try root.resolve(bytes("file")), on: root.fileSystem) == identity, "with O_PATH")
        try root.rename(bytes("file"), to: bytes("renamed"))
        #expect(try FileIdentity(of: try root.resolve(bytes("renamed")), on: root.fileSystem) == identity)
        #expect(try FileIdentity(of: try export.make("file"), on: root.fileSystem) != identity)
        // The root seen anew, as after a restart.
        let again = try ExportRoot(path: root.path)
        #expect(again.fileSystem.tag == root.fileSystem.tag)
    }

    @Test(arguments: TestFileSystems.images)
    func theGenerationIsTheKernels(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let identity = try FileIdentity(of: try export.make("file"), on: export.root.fileSystem)
        let output = try runProcess("lsattr", ["-v", export.directory.file("file")]).output
        #expect(output.split(separator: " ").first == "\(identity.generation)")
    }

    @Test(arguments: TestFileSystems.images)
    func filesAreFoundByIdentityUntilTheyAreGone(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let root = export.root
        try export.make("file", bytes("content"))
        let identity = try FileIdentity(of: try root.resolve(bytes("file")), on: root.fileSystem)
        try root.makeDirectory(bytes("sub"), mode: 0o755)
        try root.rename(bytes("file"), to: bytes("sub/other"))
        let place = try root.find(identity)
        let file = try ExportRoot.openRegular(place, for: .read)
        #expect(try FileInputOutput.read(100, at: 0, of: file) == bytes("content"))

        let strangers = [
            FileIdentity(fileSystem: identity.fileSystem, inode: identity.inode, generation: identity.generation ^ 1),
            FileIdentity(fileSystem: identity.fileSystem ^ 1, inode: identity.inode, generation: identity.generation),
            FileIdentity(fileSystem: identity.fileSystem, inode: 3_999_999_999, generation: 1),
        ]
        for stranger in strangers {
            #expect(failure { () throws(LinuxError) in _ = try root.find(stranger) }?.status == .stale, "\(stranger)")
        }
    }

    @Test(arguments: TestFileSystems.images)
    func aRemovedFileIsStaleEvenIfItsInodeIsReused(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let root = export.root
        func makeAndForget(_ name: String) throws -> FileIdentity {
            try FileIdentity(of: try export.make(name), on: root.fileSystem)
        }
        let identity = try makeAndForget("file")
        try root.remove(bytes("file"))
        #expect(failure { () throws(LinuxError) in _ = try root.find(identity) }?.status == .stale)
        for number in 0..<200 {
            let other = try makeAndForget("next-\(number)")
            #expect(other != identity)
        }
        #expect(failure { () throws(LinuxError) in _ = try root.find(identity) }?.status == .stale)
    }

    @Test(.enabled(if: TestFileSystems.hasImages, "mounting needs root"))
    func tmpfsHasIdentitiesToo() throws {
        let image = try LoopFileSystem(.tmpfs)
        let export = try Export(at: image.path)
        let file = try export.make("file")
        let identity = try FileIdentity(of: file, on: export.root.fileSystem)
        #expect(export.root.fileSystem.kind == .tmpfs)
        #expect(try FileIdentity(of: try export.root.find(identity), on: export.root.fileSystem) == identity)
    }
}
