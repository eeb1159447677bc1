import Glibc
import LayoutClient
import LayoutCore
import LayoutXDR
import TestSupport
import Testing

/// What mapping changes through the server do to the bytes of files, compared with an array of bytes.
@Suite(.serialized) struct ContentTests {
    private static let block = 4096

    /// What a block of a file is.
    private enum Kind {
        case data
        case hole
        case unwritten
    }

    /// A file of 9 blocks in runs of three, in every order of kinds; and its bytes.
    private func makeFile(_ kinds: [Kind], _ path: String) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 9 * Self.block)
        let file = unsafe open(path, O_CREAT | O_TRUNC | O_RDWR, 0o644)
        guard file >= 0, ftruncate(file, off_t(bytes.count)) == 0 else { throw TestFailure("\(path): errno \(errno)") }
        defer { close(file) }
        for (run, kind) in kinds.enumerated() {
            let place = run * 3 * Self.block..<(run + 1) * 3 * Self.block
            switch kind {
            case .hole: break
            case .unwritten:
                guard posix_fallocate(file, off_t(place.lowerBound), off_t(place.count)) == 0 else {
                    throw TestFailure("\(path): fallocate")
                }
            case .data:
                for index in place { bytes[index] = UInt8(truncatingIfNeeded: 1 + index / Self.block + index % 251) }
                let count = unsafe bytes[place].withUnsafeBytes {
                    unsafe pwrite(file, $0.baseAddress, $0.count, off_t(place.lowerBound))
                }
                guard count == place.count else { throw TestFailure("\(path): errno \(errno)") }
            }
        }
        fsync(file)
        return bytes
    }

    private func bytes(_ path: String) throws -> [UInt8] {
        let file = unsafe open(path, O_RDONLY)
        guard file >= 0 else { throw TestFailure("\(path): errno \(errno)") }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: Int(lseek(file, 0, SEEK_END)))
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, 0) }
        guard count == bytes.count else { throw TestFailure("\(path): errno \(errno)") }
        return bytes
    }

    /// Does to an array what a change does to a file.
    private static func apply(_ operation: MappingOperation, _ offset: Int, _ length: Int, to bytes: inout [UInt8]) {
        switch operation {
        case .punchHole, .zeroRange:
            // A hole ends at the end of the file; zeros make it longer.
            if operation == .zeroRange, offset + length > bytes.count {
                bytes += [UInt8](repeating: 0, count: offset + length - bytes.count)
            }
            for index in offset..<min(offset + length, bytes.count) { bytes[index] = 0 }
        case .insertRange: bytes.insert(contentsOf: [UInt8](repeating: 0, count: length), at: offset)
        case .collapseRange: bytes.removeSubrange(offset..<offset + length)
        case .truncate:
            if offset < bytes.count {
                bytes.removeSubrange(offset...)
            } else {
                bytes += [UInt8](repeating: 0, count: offset - bytes.count)
            }
        default: break
        }
    }

    @Test(
        "E1: every change at every position against data, holes and unwritten blocks does what it does to an array",
        arguments: TestFileSystems.images
    )
    func everyPosition(on fileSystem: TestFileSystem) throws {
        let server = try ServerProcess(on: fileSystem)
        let client = try RawClient(server, "client")
        let path = server.directory.file("data")
        let orders: [[Kind]] = [
            [.data, .hole, .unwritten], [.data, .unwritten, .hole], [.hole, .data, .unwritten],
            [.hole, .unwritten, .data], [.unwritten, .data, .hole], [.unwritten, .hole, .data],
        ]
        let (block, end) = (Self.block, 9 * Self.block)
        // In blocks; the last of each is at, or across, the end of the file.
        let whole = [(0, 1), (0, 3), (1, 1), (2, 2), (3, 3), (2, 5), (6, 2), (8, 1)].map { ($0 * block, $1 * block) }
        let ragged = [
            (1, 10), (block - 1, 2), (block + 7, 3 * block), (3 * block - 5, 10), (end - 3, 3), (end - 5, 4096),
        ]
        var cases = 0
        for kinds in orders {
            for (operation, ranges) in [
                (MappingOperation.punchHole, whole + ragged), (.zeroRange, whole + ragged), (.insertRange, whole),
                // Up to the end of the file is what truncate is for.
                (.collapseRange, whole.filter { $0 + $1 < end }),
                (
                    .truncate,
                    [(0, 0), (block, 0), (5 * block + 9, 0), (end - 1, 0), (end, 0), (end + 3 * block + 1, 0)]
                ),
            ] {
                for (offset, length) in ranges {
                    var expected = try self.makeFile(kinds, path)
                    let handle = try client.open("data")
                    _ = try client.change(operation, handle, UInt64(offset), UInt64(length))
                    Self.apply(operation, offset, length, to: &expected)
                    let found = try self.bytes(path)
                    #expect(found == expected, "\(operation) of \(length) at \(offset), \(kinds)")
                    cases += 1
                }
            }
        }
        print("changes at every position on \(fileSystem): \(cases) cases")
        #expect(server.stop() == 0)
    }

    @Test(
        "E2, E8: thousands of random changes, reads and writes through two clients, half of them mapped, match an array",
        arguments: TestFileSystems.images
    )
    func randomRun(on fileSystem: TestFileSystem) async throws {
        let seed = UInt64.random(in: 0..<1 << 32)
        print("random run on \(fileSystem): seed \(seed)")
        var random = SeededNumbers(seed: seed)
        let server = try ServerProcess(on: fileSystem)
        let path = server.directory.file("data")
        var expected = try self.makeFile([.data, .hole, .unwritten], path)
        var clients: [LayoutClient] = []
        for direct in [true, false] {
            var configuration = ClientConfiguration()
            configuration.readsAndWritesDirectly = direct
            clients.append(try await LayoutClient.connect(to: server.url, configuration: configuration))
        }
        var files: [LayoutFile] = []
        for client in clients { files.append(try await client.open("data", .readWrite)) }
        for step in 0..<1000 {
            let file = files[random.below(2)]
            let offset = random.below(expected.count)
            let (place, count) = (offset / Self.block * Self.block, (1 + random.below(3)) * Self.block)
            switch random.below(8) {
            case 0 where expected.count < 64 * Self.block:
                try await file.insertRange(at: UInt64(place), length: UInt64(count))
                Self.apply(.insertRange, place, count, to: &expected)
            case 1 where place + count < expected.count && expected.count > 4 * Self.block:
                try await file.collapseRange(UInt64(place)..<UInt64(place + count))
                Self.apply(.collapseRange, place, count, to: &expected)
            case 2:
                let length = min(1 + random.below(9000), expected.count - offset)
                try await file.punchHole(UInt64(offset)..<UInt64(offset + length))
                Self.apply(.punchHole, offset, length, to: &expected)
            case 3:
                let size = max(Self.block, expected.count - 3000 + random.below(8000))
                try await file.truncate(to: UInt64(size))
                Self.apply(.truncate, size, 0, to: &expected)
            case 4, 5:
                let data = (0..<1 + random.below(9000)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                try await file.write(data, at: UInt64(offset))
                if offset + data.count > expected.count {
                    Self.apply(.truncate, offset + data.count, 0, to: &expected)
                }
                expected.replaceSubrange(offset..<offset + data.count, with: data)
            default:
                let count = min(1 + random.below(20000), expected.count - offset)
                let data = try await file.read(count, at: UInt64(offset))
                try #require(data == Array(expected[offset..<offset + count]), "step \(step), seed \(seed)")
            }
        }
        #expect(try self.bytes(path) == expected, "seed \(seed)")
        for client in clients { await client.close() }
        #expect(server.stop() == 0)
    }
}
