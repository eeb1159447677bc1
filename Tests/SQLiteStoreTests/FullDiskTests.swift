import LayoutCore
import LinuxFiles
import Recovery
import RecoveryScript
import SQLiteStore
import TestSupport
import Testing

@Suite struct FullDiskTests {
    /// A write of so many bytes.
    private func large(_ number: UInt64, bytes: Int) -> [RecoveryRecord] {
        (0..<4).map { part in
            .file(
                StoredFile(
                    handle: FileHandle(low: Opaque16(low: number, high: part), high: .zero),
                    locator: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: bytes / 4),
                    epoch: number,
                    logStart: 0,
                    shifts: []
                )
            )
        }
    }

    /// Takes all room, but for `spare` bytes.
    private func fill(_ path: String, sparing spare: UInt64) throws -> SharedDescriptor {
        let root = try ExportRoot(path: path)
        let file = try root.create(Array("filler".utf8), for: .readWrite, mode: 0o600, exclusively: true).descriptor
        var size: UInt64 = 0
        for step in [UInt64(1 << 20), 65536, 4096] {
            while let range = ByteRange(size, size + step) {
                do throws(LinuxError) { try MappingCalls.allocate(range, of: file, keepingSize: false) } catch {
                    guard error.status == .noSpace else { throw error }
                    break
                }
                size += step
            }
        }
        try MappingCalls.truncate(to: size - min(spare, size), file)
        return file
    }

    @Test(
        "D7: a full disk is an error that says so; nothing of the write is there, and with room again it goes on",
        .enabled(if: TestFileSystems.hasImages, "mounting needs root"),
        arguments: [Durability.written, .synced]
    )
    func fullWhileWriting(_ durability: Durability) throws {
        let image = try LoopFileSystem(.ext4, size: 24 << 20)
        let state = try State(in: image.path)
        let store = try state.open()
        let filler = try self.fill(image.path, sparing: 1 << 20)
        var expected = RecoveredState()
        var failure: RecoveryStoreError?
        var number: UInt64 = 0
        while failure == nil {
            number += 1
            try #require(number < 100)
            let records = self.large(number, bytes: 100_000)
            do throws(RecoveryStoreError) {
                try store.write(records, durability)
                for record in records { expected.apply(record) }
            } catch {
                failure = error
            }
        }
        #expect(failure?.code == .full)
        #expect(failure?.message.contains("'\(state.file("recovery.sqlite"))'") == true)
        #expect(failure?.message.contains("free space") == true)
        #expect(try store.load() == expected)
        // Room again: the same call succeeds.
        try MappingCalls.truncate(to: 0, filler)
        let records = self.large(number, bytes: 100_000)
        try store.write(records, durability)
        for record in records { expected.apply(record) }
        #expect(try store.load() == expected)
        store.close()
        #expect(try state.load() == expected)
    }

    @Test(
        "D7: on a full disk no store can be made, and one that is there can still be read",
        .enabled(if: TestFileSystems.hasImages, "mounting needs root")
    )
    func fullWhileOpening() throws {
        let image = try LoopFileSystem(.ext4, size: 24 << 20)
        let old = try State(in: image.path)
        let store = try old.open()
        let records = self.large(1, bytes: 50_000)
        try store.write(records, .synced)
        store.close()
        let new = try State(in: image.path)
        let filler = try self.fill(image.path, sparing: 0)
        let error = new.refusal()
        #expect(error?.code == .full)
        #expect(error?.message.contains("free space") == true)
        #expect(try old.load() == RecoveredState(records))
        try MappingCalls.truncate(to: 0, filler)
        #expect(try new.load() == RecoveredState())
    }

    @Test(
        "a filesystem that is read-only is refused, with what to do",
        .enabled(if: TestFileSystems.hasImages, "mounting needs root")
    )
    func readOnly() throws {
        let image = try LoopFileSystem(.ext4, size: 24 << 20)
        let state = try State(in: image.path)
        let store = try state.open()
        try store.write(self.large(1, bytes: 5000), .synced)
        store.close()
        try mustRun("mount", ["-o", "remount,ro", image.path])
        let error = state.refusal()
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("remount the filesystem read-write") == true)
        try mustRun("mount", ["-o", "remount,rw", image.path])
        #expect(state.refusal() == nil)
    }
}
