import Glibc
import LayoutClient
import LinuxFiles
import Synchronization
import TestSupport
import Testing

/// Direct I/O into and out of leased bytes, whose pages the kernel keeps busy, while others change the mapping.
@Suite(.serialized) struct DirectIOTests {
    private static let pages = 32

    /// A leased file whose pages name themselves, and a file on a device of its own to exchange pages with.
    private struct World {
        let server: ServerProcess
        let data: StampedFile
        let holder: LayoutClient
        let region: MappedRegion
        let changer: LayoutClient
        let file: LayoutFile
        let exchange: PageExchange

        init(on fileSystem: TestFileSystem) async throws {
            // The bytes are in use for as long as a slow disk takes.
            self.server = try ServerProcess(on: fileSystem, ["--recall-timeout", "120s"])
            self.data = try StampedFile(self.server.directory.file("data"), pages: DirectIOTests.pages)
            self.holder = try await LayoutClient.connect(to: self.server.url)
            self.changer = try await LayoutClient.connect(to: self.server.url)
            self.region = try await self.holder.open("data", .readWrite).map(0..<self.data.size, .readWrite)
            self.file = try await self.changer.open("data", .readWrite)
            // Direct I/O between two DAX files is a copy: only that with a disk keeps pages busy.
            let onDisk = !TestFileSystems.persistentMemory.isEmpty
            self.exchange = try PageExchange(in: onDisk ? TestDirectory() : fileSystem.makeDirectory())
        }

        func end() async {
            await self.changer.close()
            await self.holder.close()
            #expect(self.server.stop() == 0)
        }
    }

    @Test(
        "E3: a change waits for direct I/O into and out of pinned bytes, and the server for nothing",
        arguments: TestFileSystems.images
    )
    func waits(on fileSystem: TestFileSystem) async throws {
        let world = try await World(on: fileSystem)
        let isPunched = Flag()
        let page: UInt64 = 5
        let offset = page * StampedFile.pageSize
        let other = try StampedFile(world.server.directory.file("other"), pages: 2)
        let punch = unsafe try await world.region.withPinnedBytes(Int(offset)..<Int(offset) + 4096, .readWrite) {
            bytes in
            let file = world.file
            let punch = Task {
                while try await !Self.punches(offset..<offset + 4096, of: file) {}
                isPunched.isSet.store(true, ordering: .releasing)
            }
            let end = ContinuousClock.now + .milliseconds(500)
            var rounds: UInt64 = 0
            while ContinuousClock.now < end || world.holder.statistics.recallsReceived == 0 {
                rounds += 1
                try #require(rounds < 100_000, "the recall does not come")
                unsafe try world.exchange.read(rounds, into: bytes)
                unsafe try world.exchange.write(bytes)
                #expect(try world.exchange.written() == rounds)
                if rounds % 16 == 0 { await Task.yield() }
            }
            // Nobody else waits: another file of the same server is changed meanwhile.
            try await world.changer.open("other", .readWrite).punchHole(0..<4096)
            let isEarly = isPunched.isSet.load(ordering: .acquiring)
            #expect(!isEarly, "the change has run under the I/O")
            return punch
        }
        try await punch.value
        #expect(try other.content().names == [0, 2])
        var expected = (1...UInt64(Self.pages)).map { $0 }
        expected[Int(page)] = 0
        #expect(try world.data.content().names == expected)
        await world.end()
    }

    /// Punches a hole, or tells that the bytes were in use for longer than the server waits.
    private static func punches(_ range: Range<UInt64>, of file: LayoutFile) async throws -> Bool {
        do {
            try await file.punchHole(range)
            return true
        } catch {
            if error.code == .delay { return false }
            throw error
        }
    }

    @Test(
        "E3: direct I/O into leased bytes never reaches a block that was freed or moved",
        arguments: TestFileSystems.images
    )
    func storm(on fileSystem: TestFileSystem) async throws {
        let world = try await World(on: fileSystem)
        let (region, exchange) = (world.region, world.exchange)
        let isOver = Atomic(false)
        let transfers = Atomic<UInt64>(0)
        let troubles = Mutex<[String]>([])
        let threads = try (0..<2).map { thread in
            try KernelThread(name: "direct io") {
                let own = exchange.another()
                while !isOver.load(ordering: .relaxed) {
                    // A page is one thread's at a time.
                    let page = Int.random(in: 0..<Self.pages / 2) * 2 + thread
                    let number = transfers.add(1, ordering: .relaxed).newValue << 1 | UInt64(thread)
                    do {
                        unsafe try region.withUnsafeMutableBytes(page * 4096..<page * 4096 + 4096) { bytes in
                            unsafe try own.read(number, into: bytes)
                            unsafe try own.write(bytes)
                            let back = try own.written()
                            if back != number { throw TestFailure("\(back) came back for \(number)") }
                        }
                    } catch let error as LayoutError where error.code == .noSuchAddress {
                        // Cut off by a truncation that others see too; the pages come back.
                        continue
                    } catch {
                        troubles.withLock { $0.append("\(error)") }
                        return
                    }
                }
            }
        }
        var victims: [StampedFile] = []
        let rounds = 40
        for round in 0..<rounds {
            let page = UInt64.random(in: 0..<UInt64(Self.pages - 4)) * 4096
            switch round % 4 {
            case 0: try await world.file.punchHole(page..<page + 4 * 4096)
            case 1: try await world.file.insertRange(at: page, length: 4096)
            case 2: try await world.file.collapseRange(page..<page + 4096)
            default: try await world.file.zeroRange(page..<page + 2 * 4096)
            }
            // Takes what was freed; nobody has any business there.
            if round % 4 == 0 {
                victims.append(try StampedFile(world.server.directory.file("victim\(round)"), pages: 8))
            }
        }
        isOver.store(true, ordering: .relaxed)
        for thread in threads { thread.join() }
        print("direct I/O on \(fileSystem): \(transfers.load(ordering: .relaxed)) pages in and out, \(rounds) changes")
        #expect(troubles.withLock { $0 } == [])
        for victim in victims {
            let content = try victim.content()
            #expect(content.names == (1...8).map { UInt64($0) } && content.stamps + content.misplaced == 0)
        }
        await world.end()
    }
}

/// Whether something has happened.
private final class Flag: Sendable {
    let isSet = Atomic(false)
}

/// A file for direct I/O of pages that consist of one number.
private final class PageExchange: Sendable {
    private let directory: TestDirectory
    private let descriptor: CInt
    private static let count = Atomic<Int>(0)

    /// `O_DIRECT`, which the C library shows to GNU programs only.
    #if arch(arm64)
    private static var direct: CInt { 0o200_000 }
    #else
    private static var direct: CInt { 0o40_000 }
    #endif

    init(in directory: TestDirectory) throws {
        self.directory = directory
        self.descriptor = try Self.open(in: directory)
    }

    private init(_ directory: TestDirectory, _ descriptor: CInt) {
        self.directory = directory
        self.descriptor = descriptor
    }

    deinit { close(self.descriptor) }

    private static func open(in directory: TestDirectory) throws -> CInt {
        let path = directory.file("exchange\(Self.count.add(1, ordering: .relaxed).newValue)")
        let descriptor = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | Self.direct, 0o600)
        guard descriptor >= 0, ftruncate(descriptor, 8192) == 0 else {
            throw TestFailure("cannot open '\(path)' for direct I/O: errno \(errno)")
        }
        return descriptor
    }

    /// One of its own, for another thread.
    func another() -> PageExchange {
        (try? Self.open(in: self.directory)).map { PageExchange(self.directory, $0) } ?? self
    }

    /// Has the device read a page of `number` into `bytes`.
    func read(_ number: UInt64, into bytes: UnsafeMutableRawBufferPointer) throws {
        let page = AlignedPage()
        page.fill(number)
        guard unsafe pwrite(self.descriptor, page.base, 4096, 0) == 4096 else { throw Self.trouble("write") }
        guard unsafe pread(self.descriptor, bytes.baseAddress, 4096, 0) == 4096 else { throw Self.trouble("read into") }
        for word in 0..<512 where unsafe bytes.load(fromByteOffset: word * 8, as: UInt64.self) != number {
            throw TestFailure("word \(word) is not what was read")
        }
    }

    /// Has the device write the page in `bytes`.
    func write(_ bytes: UnsafeMutableRawBufferPointer) throws {
        guard unsafe pwrite(self.descriptor, bytes.baseAddress, 4096, 4096) == 4096 else {
            throw Self.trouble("write from")
        }
    }

    /// What the page that was written consists of.
    func written() throws -> UInt64 {
        let page = AlignedPage()
        guard unsafe pread(self.descriptor, page.base, 4096, 4096) == 4096 else { throw Self.trouble("read") }
        return try page.number()
    }

    private static func trouble(_ what: String) -> TestFailure { TestFailure("cannot \(what) a page: errno \(errno)") }
}

/// Memory that direct I/O takes.
@safe private final class AlignedPage {
    let base = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 4096)

    deinit { unsafe self.base.deallocate() }

    func fill(_ number: UInt64) {
        for word in 0..<512 { unsafe self.base.storeBytes(of: number, toByteOffset: word * 8, as: UInt64.self) }
    }

    func number() throws -> UInt64 {
        let first = unsafe self.base.load(as: UInt64.self)
        for word in 1..<512 where unsafe self.base.load(fromByteOffset: word * 8, as: UInt64.self) != first {
            throw TestFailure("a page of \(first) has something else in word \(word)")
        }
        return first
    }
}
