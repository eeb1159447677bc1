import Glibc
import LayoutCore
import LinuxFiles
import TestSupport
import Testing

@Suite struct FileFactsTests {
    @Test(arguments: TestFileSystems.available)
    func factsAreTheFiles(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let file = try export.make("file", [UInt8](repeating: 7, count: 10_000))
        let facts = try FileFacts(of: file)
        #expect(facts.type == .regular)
        #expect(facts.size == 10_000)
        #expect(facts.linkCount == 1)
        #expect(facts.uid == geteuid())
        #expect(facts.born != nil)
        #expect(!facts.isDAX && !facts.isEncoded && !facts.isImmutable && !facts.isAppendOnly)
        try MappingCalls.synchronize(file)
        #expect(try FileFacts(of: file).used >= 10_000)

        try FileAttributes.setMode(0o604, of: file)
        try FileAttributes.setTimes(accessed: nil, modified: FileTime(seconds: 1, nanoseconds: 2), of: file)
        let changed = try FileFacts(of: try export.root.resolve(bytes("file")))
        #expect(changed.mode == 0o604)
        #expect(changed.modified == FileTime(seconds: 1, nanoseconds: 2))
        #expect(changed.accessed == facts.accessed)
        #expect(changed.inode == facts.inode && changed.device == facts.device)
        #expect(
            failure { () throws(LinuxError) in
                try FileAttributes.setTimes(accessed: FileTime(seconds: 0, nanoseconds: .max), modified: nil, of: file)
            }?.status == .invalid
        )
        #expect(
            failure { () throws(LinuxError) in
                try FileAttributes.setOwner(uid: .max, gid: nil, of: file)
            }?.status == .invalid
        )
    }

    @Test(arguments: TestFileSystems.available)
    func everyChangeAfterALookShows(_ fileSystem: TestFileSystem) throws {
        let file = try Export(fileSystem).make("file")
        var cookies: [UInt64] = []
        for number in 0..<50 {
            _ = try FileInputOutput.write([1], at: UInt64(number), to: file)
            cookies.append(try FileFacts(of: file).changeCookie)
        }
        #expect(cookies == cookies.sorted())
        // Before fine-grained timestamps, two changes within one tick of the kernel's clock look the same; whatever the
        // tests' directory is on may have none yet.
        let isFineGrained = fileSystem != .plain && kernelIsAtLeast(6, 13)
        #expect(Set(cookies).count == cookies.count || !isFineGrained)
    }

    @Test(arguments: TestFileSystems.images)
    func filesystemsAreKnown(_ fileSystem: TestFileSystem) throws {
        let facts = try Export(fileSystem).root.fileSystem
        #expect(facts.kind == (fileSystem == .xfs ? .xfs : .ext4))
        #expect(facts.blockSize == 4096)
        #expect(!facts.isReadOnly)
        #expect(facts.tag != 0)
    }

    @Test(arguments: TestFileSystems.images)
    func flagsShow(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let file = try export.make("file")
        try mustRun("chattr", ["+i", export.directory.file("file")])
        let isImmutable = try FileFacts(of: file).isImmutable
        try mustRun("chattr", ["-i", "+a", export.directory.file("file")])
        let isAppendOnly = try FileFacts(of: file).isAppendOnly
        try mustRun("chattr", ["-a", export.directory.file("file")])
        #expect(isImmutable && isAppendOnly)
    }
}
