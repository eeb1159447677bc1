import LayoutCore
import LinuxFiles
import TestSupport
import Testing

@Suite struct MappingCallsTests {
    /// A file of `count` blocks; every byte of a block is the block's number.
    private func blocks(_ export: Export, _ name: String, _ count: Int) throws -> SharedDescriptor {
        let size = Int(export.blockSize)
        return try export.make(name, (0..<count).flatMap { [UInt8](repeating: UInt8($0 + 1), count: size) })
    }

    /// The first byte of every block.
    private func stamps(_ export: Export, _ file: SharedDescriptor) throws -> [UInt8] {
        let size = try FileFacts(of: file).size
        return try stride(from: 0, to: size, by: Int(export.blockSize)).map {
            try FileInputOutput.read(1, at: $0, of: file).first ?? 255
        }
    }

    @Test(arguments: TestFileSystems.images)
    func shiftsMoveBytes(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let block = export.blockSize
        let file = try blocks(export, "file", 6)
        try MappingCalls.insertRange(try range(2 * block, 4 * block), of: file)
        #expect(try stamps(export, file) == [1, 2, 0, 0, 3, 4, 5, 6])
        try MappingCalls.collapseRange(try range(1 * block, 3 * block), of: file)
        #expect(try stamps(export, file) == [1, 0, 3, 4, 5, 6])
        try MappingCalls.zeroRange(try range(3 * block, 4 * block), of: file, keepingSize: true)
        #expect(try stamps(export, file) == [1, 0, 3, 0, 5, 6])
        try MappingCalls.synchronize(file, dataOnly: true)
    }

    @Test(arguments: TestFileSystems.images)
    func sizesFollowTheFlags(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let block = export.blockSize
        let file = try blocks(export, "file", 4)
        func size() throws -> UInt64 { try FileFacts(of: file).size }
        try MappingCalls.allocate(try range(4 * block, 8 * block), of: file, keepingSize: true)
        #expect(try size() == 4 * block)
        try MappingCalls.allocate(try range(4 * block, 8 * block), of: file, keepingSize: false)
        #expect(try size() == 8 * block)
        try MappingCalls.zeroRange(try range(block, 10 * block), of: file, keepingSize: true)
        #expect(try size() == 8 * block)
        try MappingCalls.zeroRange(try range(9 * block, 10 * block), of: file, keepingSize: false)
        #expect(try size() == 10 * block)
        try MappingCalls.punchHole(try range(0, 20 * block), of: file)
        #expect(try size() == 10 * block)
        try MappingCalls.truncate(to: 5, file)
        #expect(try size() == 5)
        #expect(try stamps(export, file) == [0])
    }

    @Test(.enabled(if: TestFileSystems.hasImages, "mounting needs root"))
    func clonesShareAndPartOnWrite() throws {
        let export = try Export(.xfs)
        let block = export.blockSize
        let source = try blocks(export, "source", 4)
        let copy = try blocks(export, "copy", 6)
        try MappingCalls.cloneRange(from: source, at: 2 * block, length: 0, to: copy, at: block)
        #expect(try stamps(export, copy) == [1, 3, 4, 4, 5, 6])
        _ = try FileInputOutput.write([9], at: 2 * block, to: source)
        #expect(try stamps(export, copy) == [1, 3, 4, 4, 5, 6])
        #expect(try stamps(export, source) == [1, 2, 9, 4])
    }

    @Test(arguments: TestFileSystems.available)
    func readingAndWritingAreBounded(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let file = try export.make("file", bytes("0123456789"))
        #expect(try FileInputOutput.read(4, at: 3, of: file) == bytes("3456"))
        #expect(try FileInputOutput.read(100, at: 8, of: file) == bytes("89"))
        for offset in [10, 1 << 40, UInt64(Int64.max), .max] {
            #expect(try FileInputOutput.read(100, at: offset, of: file) == [])
        }
        #expect(try FileInputOutput.read(0, at: 0, of: file) == [])
        #expect(try FileInputOutput.read(-5, at: 0, of: file) == [])
        try MappingCalls.truncate(to: 3 << 20, file)
        #expect(try FileInputOutput.read(.max, at: 0, of: file).count == FileInputOutput.countMax)
        let long = [UInt8](repeating: 1, count: FileInputOutput.countMax + 5)
        #expect(try FileInputOutput.write(long, at: 1, to: file) == FileInputOutput.countMax)
        #expect(try FileInputOutput.write([], at: 0, to: file) == 0)
        for offset in [UInt64(Int64.max), 1 << 63, .max] {
            let error = failure { () throws(LinuxError) in
                _ = try FileInputOutput.write([1, 2], at: offset, to: file)
            }
            #expect(error?.status == .fileTooBig)
        }
    }

    @Test(.enabled(if: TestFileSystems.hasImages, "mounting needs root"), arguments: [LoopFileSystem.Kind.xfs, .ext4])
    func aFullFilesystemIsNoSpace(_ kind: LoopFileSystem.Kind) throws {
        // An image of its own: meanwhile nobody else could write.
        let image = try LoopFileSystem(kind)
        let export = try Export(at: image.path)
        let file = try export.make("file")
        let error = failure { () throws(LinuxError) in
            try MappingCalls.allocate(ByteRange(offset: 0, length: 1 << 36) ?? .all, of: file, keepingSize: true)
        }
        #expect(error?.status == .noSpace)
        #expect(error?.message.contains("[0, 68719476736)") == true)
    }

    @Test(arguments: TestFileSystems.available)
    func offsetsThatNoFileHasAreRefused(_ fileSystem: TestFileSystem) throws {
        let file = try Export(fileSystem).make("file")
        for range in [ByteRange.all, ByteRange(from: .max - 1)] {
            let refusals = [
                failure { () throws(LinuxError) in try MappingCalls.punchHole(range, of: file) },
                failure { () throws(LinuxError) in try MappingCalls.insertRange(range, of: file) },
                failure { () throws(LinuxError) in try MappingCalls.truncate(to: range.upperBound, file) },
            ]
            for refusal in refusals { #expect(refusal?.status == .fileTooBig) }
        }
    }
}
