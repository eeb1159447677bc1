import Glibc
import LayoutClient
import TestSupport
import Testing

/// What is different where a file is persistent memory.
///
/// Runs in a machine: Tests/Machines/tests.
@Suite(.serialized, .enabled(if: !TestFileSystems.persistentMemory.isEmpty, "needs DAX: run Tests/Machines/tests"))
struct PersistentMemoryTests {
    private static let size = 8 << 20

    /// A server on persistent memory, and a client that has mapped a new file.
    private struct World {
        let server: ServerProcess
        let client: LayoutClient
        let file: LayoutFile
        let region: MappedRegion

        init(on fileSystem: TestFileSystem) async throws {
            self.server = try ServerProcess(on: fileSystem, ["--dax", "required"])
            self.client = try await LayoutClient.connect(to: self.server.url)
            self.file = try await self.client.open("data", .readWrite, options: [.create, .requiresDAX])
            try await self.file.truncate(to: UInt64(size))
            self.region = try await self.file.map(0..<UInt64(size), .readWrite)
        }

        func end() async {
            await self.client.close()
            #expect(self.server.stop() == 0)
        }
    }

    @Test(
        "E4: windows are mapped with MAP_SYNC, and flushed by libpmem without a system call",
        arguments: TestFileSystems.persistentMemory
    )
    func flush(on fileSystem: TestFileSystem) async throws {
        let world = try await World(on: fileSystem)
        let (region, file) = (world.region, world.file)
        #expect(try await file.capabilities().contains(.synchronous))
        let mappings = try MemoryMapping.all(of: "/data")
        #expect(!mappings.isEmpty)
        #expect(mappings.allSatisfy { $0.flags.contains("sf") }, "a mapping without MAP_SYNC: \(mappings)")

        let calls = try SystemCallTrace(["msync", "fsync", "fdatasync"])
        let rounds = 2000
        let begin = ContinuousClock.now
        for round in 0..<rounds {
            let part = (round % 512) * 4096..<(round % 512) * 4096 + 4096
            unsafe try region.withUnsafeMutableBytes(part) { unsafe $0.storeBytes(of: UInt64(round), as: UInt64.self) }
            try await region.flush(part)
        }
        let perRegionFlush = (ContinuousClock.now - begin) / rounds
        let second = ContinuousClock.now
        for page in 0..<200 { try await file.flush(UInt64(page) * 4096..<UInt64(page) * 4096 + 4096) }
        let perFileFlush = (ContinuousClock.now - second) / 200
        #expect(world.client.statistics.flushesToMemory == UInt64(rounds + 200))
        #expect(world.client.statistics.flushesByKernel == 0)
        #expect(try calls.count() == 0)

        // The same trace sees the kernel's way, which is taken where the bytes were recalled.
        unsafe try region.withUnsafeMutableBytes(0..<8) { unsafe $0.storeBytes(of: UInt64(1), as: UInt64.self) }
        try await file.returnLayouts()
        let descriptor = unsafe open(world.server.directory.file("data"), O_RDWR)
        defer { close(descriptor) }
        let third = ContinuousClock.now
        #expect(fdatasync(descriptor) == 0)
        print(
            "flush of 4 KiB on \(fileSystem): \(perRegionFlush) by a region, \(perFileFlush) by a file, "
                + "\(ContinuousClock.now - third) by the kernel"
        )
        #expect(try calls.count() > 0)
        await world.end()
    }

    @Test(
        "E4: what was stored before a recall is flushed by the kernel",
        arguments: TestFileSystems.persistentMemory
    )
    func flushAfterRecall(on fileSystem: TestFileSystem) async throws {
        let world = try await World(on: fileSystem)
        unsafe try world.region.withUnsafeMutableBytes(0..<8) { unsafe $0.storeBytes(of: UInt64(7), as: UInt64.self) }
        let other = try await LayoutClient.connect(to: world.server.url)
        try await other.open("data", .readWrite).punchHole(4096..<8192)
        // The window was taken away with the stores in it, and nobody has touched it since.
        try await world.file.flush(0..<4096)
        #expect(world.client.statistics.flushesByKernel == 1)
        unsafe try world.region.withUnsafeBytes(0..<8) { #expect(unsafe $0.load(as: UInt64.self) == 7) }
        try await world.region.flush(0..<4096)
        #expect(world.client.statistics.flushesToMemory == 1)
        await other.close()
        await world.end()
    }

    @Test("E4: aligned blocks are mapped by huge pages", arguments: TestFileSystems.persistentMemory)
    func hugePages(on fileSystem: TestFileSystem) async throws {
        let world = try await World(on: fileSystem)
        let region = world.region
        let aligned = try Self.faults {
            unsafe try region.withUnsafeMutableBytes { bytes in
                for page in 0..<Self.size / 4096 {
                    unsafe bytes.storeBytes(of: 1, toByteOffset: page * 4096, as: UInt8.self)
                }
            }
        }
        // One block more in front: now nothing is aligned, and each page takes a fault of its own.
        try await world.file.insertRange(at: 0, length: 4096)
        try await region.prepare()
        let shifted = try Self.faults {
            unsafe try region.withUnsafeMutableBytes { bytes in
                for page in 0..<Self.size / 4096 {
                    unsafe bytes.storeBytes(of: 2, toByteOffset: page * 4096, as: UInt8.self)
                }
            }
        }
        print("faults for \(Self.size) bytes on \(fileSystem): \(aligned) with aligned blocks, \(shifted) with others")
        #expect(aligned < 128)
        #expect(shifted > 1024)
        await world.end()
    }

    /// The page faults of this process while `body` runs.
    private static func faults(_ body: () throws -> Void) throws -> Int {
        var before = rusage()
        var after = rusage()
        let this = __rusage_who_t(RUSAGE_SELF.rawValue)
        unsafe getrusage(this, &before)
        try body()
        unsafe getrusage(this, &after)
        return after.ru_minflt - before.ru_minflt + after.ru_majflt - before.ru_majflt
    }

    @Test("who asks for DAX and cannot have it is told what to mount")
    func required() async throws {
        // What tests have besides is in memory, and not persistent.
        let plain = try TestDirectory(in: "/dev/shm")
        let server = try ServerProcess(on: .plain, directory: plain)
        let client = try await LayoutClient.connect(to: server.url)
        let error = await #expect(throws: LayoutError.self) {
            try await client.open("data", .readWrite, options: [.create, .requiresDAX])
        }
        #expect(error?.code == .notSupported)
        #expect(error?.message.contains("dax=always") == true)
        await client.close()
        server.stop()
        let refusal = try runProcess(
            builtProgram("layoutd"),
            ["serve", "--export", plain.path, "--listen", "unix://\(plain.file("s"))", "--dax", "required"]
        )
        #expect(refusal.status != 0)
        #expect(refusal.output.contains("dax=always"))
    }
}
