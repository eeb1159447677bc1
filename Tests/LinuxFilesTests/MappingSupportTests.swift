import Glibc
import LayoutCore
import TestSupport
import Testing

@testable import LinuxFiles

@Suite struct MappingSupportTests {
    private func status(
        _ support: MappingSupport,
        _ operation: MappingOperation,
        _ offset: UInt64,
        _ length: UInt64,
        _ file: SharedDescriptor,
        keepingSize: Bool = false
    ) throws -> LayoutStatus? {
        let mapped = try MappedFile(file, on: support.fileSystem)
        let before = try FileFacts(of: file)
        let error = failure { () throws(LinuxError) in
            _ = try support.validate(operation, offset: offset, length: length, keepingSize: keepingSize, on: mapped)
        }
        #expect(try FileFacts(of: file) == before, "asking changes nothing")
        if let error { #expect(error.message.hasPrefix("cannot ") && error.message.contains(";")) }
        return error?.status
    }

    /// Whatever is said, the kernel says the same: every offset and length around the blocks and the end of a file.
    @Test(arguments: TestFileSystems.images)
    func theAnswerIsTheKernels(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let support = try MappingSupport(probing: export.root)
        let block = support.fileSystem.blockSize
        let edges: [UInt64] = [
            0, 1, block - 1, block, block + 1, 2 * block, 3 * block, 3 * block + 5, 4 * block, 5 * block, 1 << 20,
            support.sizeMax - block, support.sizeMax, UInt64(Int64.max), 1 << 63, .max - 1,
        ]
        let operations: [MappingOperation] = [
            .punchHole, .collapseRange, .insertRange, .zeroRange, .allocate, .truncate,
        ]
        var agreed: [LayoutStatus?: Int] = [:]
        for size in [3 * block, 3 * block + 5, 0] {
            for operation in operations {
                for offset in edges {
                    for length in operation == .truncate ? [1] : edges {
                        // Allocations that are possible but huge are no test of the answer.
                        let isHuge = length > 1 << 21
                        if isHuge, [.allocate, .zeroRange].contains(operation) { continue }
                        let file = try MappingProbe.temporaryFile(in: export.root).shared()
                        try MappingCalls.truncate(to: size, file)
                        let said = try self.status(support, operation, offset, length, file)
                        let done = failure { () throws(LinuxError) in
                            let (end, overflow) = offset.addingReportingOverflow(length)
                            guard !overflow, end < 1 << 63, let range = ByteRange(offset, end) else {
                                if operation != .truncate { return }
                                try MappingCalls.truncate(to: offset, file)
                                return
                            }
                            switch operation {
                            case .punchHole: try MappingCalls.punchHole(range, of: file)
                            case .collapseRange: try MappingCalls.collapseRange(range, of: file)
                            case .insertRange: try MappingCalls.insertRange(range, of: file)
                            case .zeroRange: try MappingCalls.zeroRange(range, of: file, keepingSize: false)
                            case .allocate: try MappingCalls.allocate(range, of: file, keepingSize: false)
                            default: try MappingCalls.truncate(to: offset, file)
                            }
                        }
                        let end = operation == .truncate ? offset : offset.addingReportingOverflow(length).partialValue
                        guard end < offset || end >= 1 << 63 else {
                            if length == 0 {
                                #expect(said == .invalid)
                            } else {
                                #expect(
                                    (said == nil) == (done == nil),
                                    "\(operation) \(offset)+\(length) of \(size): \(String(describing: said)), \(String(describing: done))"
                                )
                            }
                            agreed[said, default: 0] += 1
                            continue
                        }
                        #expect(said == .fileTooBig || said == .invalid, "\(operation) \(offset)+\(length)")
                    }
                }
            }
        }
        // The test has met both answers, often.
        #expect(agreed[nil, default: 0] > 100)
        #expect(agreed[.invalid, default: 0] > 100)
        // XFS takes every size that a file offset can have.
        if fileSystem == .ext4 { #expect(agreed[.fileTooBig, default: 0] > 10) }
    }

    @Test(arguments: TestFileSystems.images)
    func refusalsNameTheRemedy(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let support = try MappingSupport(probing: export.root)
        let file = try export.make("file", [UInt8](repeating: 1, count: 20_000))
        let mapped = try MappedFile(file, on: support.fileSystem)
        func message(_ operation: MappingOperation, _ offset: UInt64, _ length: UInt64) -> String {
            failure { () throws(LinuxError) in
                _ = try support.validate(operation, offset: offset, length: length, on: mapped)
            }?.message ?? ""
        }
        #expect(
            message(.insertRange, 100, 4096)
                == "cannot insert 4096 bytes at 100: offset and length must be multiples of 4096 on this filesystem; "
                + "round them, and copy the edges"
        )
        #expect(message(.collapseRange, 4096, 16384).contains("truncate it to 4096"))
        #expect(message(.insertRange, 20480, 4096).contains("truncate it upwards"))
        #expect(message(.collapseRange, 0, .max).contains("truncate the file instead"))
        #expect(message(.truncate, .max, 0).contains("at most"))
        #expect(message(.unknown, 0, 1).contains("no mapping change"))
    }

    @Test(arguments: TestFileSystems.images)
    func lengthsToTheEndAreResolved(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let support = try MappingSupport(probing: export.root)
        let file = try export.make("file", [UInt8](repeating: 1, count: 20_000))
        let mapped = try MappedFile(file, on: support.fileSystem)
        #expect(
            try support.validate(.punchHole, offset: 10, length: .max, on: mapped) == range(10, support.sizeMax)
        )
        try MappingCalls.punchHole(try range(10, support.sizeMax), of: file)
        #expect(try FileInputOutput.read(12, at: 8, of: file) == [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(try support.validate(.zeroRange, offset: 10, length: .max, on: mapped) == range(10, 20_000))
        #expect(try support.validate(.truncate, offset: 10, length: 0, on: mapped) == ByteRange(from: 10))
    }

    @Test(arguments: TestFileSystems.images)
    func flaggedFilesAreLeftAlone(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let support = try MappingSupport(probing: export.root)
        let path = export.directory.file("file")
        let file = try export.make("file", [UInt8](repeating: 1, count: 20_000))
        try mustRun("chattr", ["+i", path])
        let immutable = try self.status(support, .punchHole, 0, 4096, file)
        try mustRun("chattr", ["-i", "+a", path])
        let appending = try self.status(support, .truncate, 0, 0, file)
        try mustRun("chattr", ["-a", path])
        #expect(immutable == .notPermitted)
        #expect(appending == .notPermitted)
        #expect(try self.status(support, .punchHole, 0, 4096, file) == nil)
    }

    @Test(.enabled(if: TestFileSystems.hasImages, "mounting needs root"))
    func filesystemsCanDoWhatTheyCan() throws {
        let all: MappingSupport.Operations = [.allocate, .punchHole, .zeroRange, .collapseRange, .insertRange]
        let export = try Export(.xfs)
        let xfs = try MappingSupport(probing: export.root)
        #expect(xfs.operations == all.union([.clone, .unshare]))
        #expect(xfs.isProbed && xfs.shiftAlignment == 4096 && xfs.sizeMax == UInt64(Int64.max))
        let other = try Export(.ext4)
        let ext4 = try MappingSupport(probing: other.root)
        #expect(ext4.isProbed && ext4.operations == all)
        #expect(ext4.sizeMax == (16 << 40) - 4096)
    }

    @Test(.enabled(if: TestFileSystems.hasImages, "mounting needs root"))
    func tmpfsHasNoShifts() throws {
        let image = try LoopFileSystem(.tmpfs)
        let export = try Export(at: image.path)
        let support = try MappingSupport(probing: export.root)
        #expect(support.isProbed)
        let file = try export.make("file", [UInt8](repeating: 1, count: 20_000))
        #expect(try self.status(support, .insertRange, 0, 4096, file) == .notSupported)
        #expect(try self.status(support, .collapseRange, 0, 4096, file) == .notSupported)
        #expect(try self.status(support, .punchHole, 0, 4096, file) == nil)
        #expect(try self.status(support, .truncate, 5, 0, file) == nil)
        #expect(try self.status(support, .allocate, 0, 1 << 20, file) == nil)
    }

    @Test(.enabled(if: TestFileSystems.hasImages, "mounting needs root"))
    func clustersAndSmallBlocksAreFound() throws {
        let bigalloc = try LoopFileSystem(.ext4Bigalloc)
        let export = try Export(at: bigalloc.path)
        let support = try MappingSupport(probing: export.root)
        #expect(support.shiftAlignment == 65536)
        let file = try export.make("file", [UInt8](repeating: 1, count: 300_000))
        #expect(try self.status(support, .insertRange, 4096, 4096, file) == .invalid)
        #expect(try self.status(support, .insertRange, 65536, 65536, file) == nil)
        try MappingCalls.insertRange(try range(65536, 131_072), of: file)

        let smallImage = try LoopFileSystem(.ext4Small)
        let small = try Export(at: smallImage.path)
        #expect(small.blockSize == 1024)
        #expect(try MappingSupport(probing: small.root).shiftAlignment == 1024)
    }

    @Test(.enabled(if: TestFileSystems.hasImages, "mounting needs root"))
    func aReadOnlyMountIsReadOnly() throws {
        let image = try LoopFileSystem(.xfs)
        let export = try Export(at: image.path)
        try export.make("file", [UInt8](repeating: 1, count: 8192))
        let file = try export.root.open(bytes("file"), for: .read).shared()
        let before = try MappingSupport(probing: export.root)
        try mustRun("mount", ["-o", "remount,ro", image.path])
        #expect(try self.status(before, .punchHole, 0, 4096, file) == .readOnlyFileSystem)
        let support = try MappingSupport(probing: try ExportRoot(path: export.directory.path))
        #expect(!support.isProbed)
        #expect(support.fileSystem.isReadOnly)
        #expect(support.operations.contains(.insertRange))
        try mustRun("mount", ["-o", "remount,rw", image.path])
        #expect(try self.status(before, .punchHole, 0, 4096, file) == nil)
    }

    /// Offsets and lengths around the blocks and the ends of both files: the kernel says the same.
    @Test(.enabled(if: TestFileSystems.hasImages, "mounting needs root"))
    func theAnswerForClonesIsTheKernels() throws {
        let export = try Export(.xfs)
        let support = try MappingSupport(probing: export.root)
        let block = support.fileSystem.blockSize
        let edges: [UInt64] = [0, 1, block, 2 * block, 3 * block, 3 * block + 5, 4 * block]
        let source = try export.make("source", [UInt8](repeating: 1, count: Int(3 * block + 5)))
        let sourceFacts = try MappedFile(source, on: support.fileSystem)
        var agreed: [Bool: Int] = [:]
        for size in [0, 2 * block, 8 * block] {
            for from in edges {
                for length in edges {
                    for to in edges {
                        let file = try MappingProbe.temporaryFile(in: export.root).shared()
                        try MappingCalls.truncate(to: size, file)
                        let mapped = try MappedFile(file, on: support.fileSystem)
                        // Nothing to clone is nothing done for the kernel, and a mistake here.
                        if from == 3 * block + 5, length == 0 { continue }
                        let said = failure { () throws(LinuxError) in
                            _ = try support.validateClone(
                                from: sourceFacts,
                                at: from,
                                length: length,
                                to: mapped,
                                at: to
                            )
                        }
                        let done = failure { () throws(LinuxError) in
                            try MappingCalls.cloneRange(from: source, at: from, length: length, to: file, at: to)
                        }
                        #expect(
                            (said == nil) == (done == nil),
                            "\(from)+\(length) to \(to) of \(size): \(String(describing: said)), \(String(describing: done))"
                        )
                        agreed[said == nil, default: 0] += 1
                    }
                }
            }
        }
        #expect(agreed[true, default: 0] > 50 && agreed[false, default: 0] > 100)
        // Within one file.
        let overlapping = failure { () throws(LinuxError) in
            _ = try support.validateClone(from: sourceFacts, at: 0, length: 2 * block, to: sourceFacts, at: block)
        }
        #expect(overlapping?.status == .invalid)
        let other = try Export(.ext4)
        let foreign = try MappedFile(try other.make("file", [1]), on: other.root.fileSystem)
        let crossing = failure { () throws(LinuxError) in
            _ = try support.validateClone(from: foreign, at: 0, length: 0, to: sourceFacts, at: 0)
        }
        #expect(crossing?.status == .crossDevice)
        let missing = failure { () throws(LinuxError) in
            _ = try MappingSupport(probing: other.root)
                .validateClone(from: foreign, at: 0, length: 0, to: foreign, at: 4096)
        }
        #expect(missing?.status == .notSupported)
    }

    @Test(.enabled(if: TestFileSystems.hasImages, "mounting needs root"))
    func filesMappedByBlocksOnlyTakeHoles() throws {
        let export = try Export(.ext4)
        let support = try MappingSupport(probing: export.root)
        let file = try export.make("file", [UInt8](repeating: 1, count: 20_000))
        try mustRun("chattr", ["-e", export.directory.file("file")])
        #expect(try self.status(support, .insertRange, 0, 4096, file) == .notSupported)
        #expect(try self.status(support, .allocate, 0, 4096, file) == .notSupported)
        #expect(try self.status(support, .punchHole, 0, 4096, file) == nil)
        try MappingCalls.punchHole(try range(0, 4096), of: file)
    }

    @Test func otherTypesHaveNoMapping() throws {
        let export = try Export(.plain)
        let error = failure { () throws(LinuxError) in
            _ = try MappedFile(export.root.directory, on: export.root.fileSystem)
        }
        #expect(error?.status == .isDirectory)
    }

    @Test func affectedRanges() throws {
        let block: UInt64 = 4096
        func affected(_ operation: MappingOperation, _ argument: ByteRange, size: UInt64 = 100_000) -> ByteRange {
            operation.affectedRange(argument: argument, size: size, blockSize: block)
        }
        for operation in [MappingOperation.punchHole, .zeroRange, .allocate, .write, .cloneTo, .cloneFrom] {
            #expect(try affected(operation, range(4095, 4097)) == range(0, 8192))
            #expect(try affected(operation, range(4096, 8192)) == range(4096, 8192))
            #expect(try affected(operation, range(5000, .max)) == ByteRange(from: 4096))
        }
        for operation in [MappingOperation.insertRange, .collapseRange] {
            #expect(try affected(operation, range(8192, 12288)) == ByteRange(from: 8192))
            #expect(try affected(operation, range(8200, 12288)) == ByteRange(from: 8192))
        }
        #expect(affected(.truncate, ByteRange(from: 5000)) == ByteRange(from: 4096))
        #expect(
            affected(.truncate, ByteRange(from: 200_000)) == ByteRange(from: 98_304),
            "from the block of the old end"
        )
        #expect(affected(.truncate, ByteRange(from: 0)) == .all)
        for operation in [MappingOperation.remove, .attribute, .unknown, .shutdown, .revoke, .none] {
            #expect(try affected(operation, range(4096, 8192)) == .all)
        }
    }
}
