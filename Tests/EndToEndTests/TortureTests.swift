import Glibc
import LayoutClient
import TestSupport
import Testing

/// Threads use the bytes of a file through pointers while a second client moves the bytes under them, through a real
/// server process: nothing is lost, nothing lands in the wrong place.
@Suite(.serialized) struct TortureTests {
    /// Recalls per filesystem and kind of window: `LAYOUTD_TEST_RECALLS`, or enough to make 5,000 in all.
    private static let recalls =
        unsafe getenv("LAYOUTD_TEST_RECALLS").flatMap { Int(unsafe String(cString: $0)) } ?? 1250

    private func run(
        on fileSystem: TestFileSystem,
        following: MappedRegion.Following,
        _ start: (Storm, MappedRegion) throws -> Void
    ) async throws {
        let server = try ServerProcess(on: fileSystem)
        var marked = try MarkedFile(in: server.directory, name: "data", seed: 42)
        let holder = try await LayoutClient.connect(to: server.url)
        let mover = try await LayoutClient.connect(to: server.url)
        let region = try await holder.open("data", .readWrite).map(MarkedFile.payload, .readWrite, following: following)
        let file = try await mover.open("data", .readWrite)
        let storm = Storm()
        try start(storm, region)
        let before = holder.statistics
        for _ in 0..<Self.recalls {
            let granted = holder.statistics.windowsGranted
            try await marked.shift(file, below: following == .offset ? MarkedFile.payload.upperBound : .max)
            // Some thread has touched the window and has it back: that is a fault parked.
            let deadline = ContinuousClock.now + .seconds(10)
            while holder.statistics.windowsGranted == granted {
                try #require(ContinuousClock.now < deadline, "nobody got the window back")
                try await Task.sleep(for: .microseconds(250))
            }
        }
        let after = holder.statistics
        let outcome = try storm.finish(marked)
        let parked = after.faultsParked - before.faultsParked
        print("torture \(fileSystem) \(following): \(outcome), \(parked) faults parked in \(Self.recalls) recalls")
        #expect(outcome.lost == 0)
        #expect(outcome.extra == 0)
        #expect(outcome.misplaced == 0)
        #expect(outcome.increments > 0)
        #expect(after.recallsReceived - before.recallsReceived >= UInt64(Self.recalls))
        #expect(parked >= UInt64(Self.recalls))
        #expect(after.leasesLost == 0 && after.sessionsLost == 0)
        await mover.close()
        await holder.close()
        #expect(server.stop() == 0)
    }

    @Test("E3: raw pointers into windows that follow their content", arguments: TestFileSystems.available)
    func content(on fileSystem: TestFileSystem) async throws {
        try await self.run(on: fileSystem, following: .content) { storm, region in
            try storm.countInContent(of: region)
        }
    }

    @Test("E3: guarded access to windows that stay at their offsets", arguments: TestFileSystems.available)
    func offset(on fileSystem: TestFileSystem) async throws {
        try await self.run(on: fileSystem, following: .offset) { storm, region in
            try storm.start { thread, random, counts in
                let start = (random % MarkedFile.pages) * 4096
                let part = start..<(start + 4096)
                // Whatever page is there now: while the pin lasts it stays there.
                let page = unsafe try? region.withUnsafeMutableBytes(part) { bytes -> Int? in
                    let words = unsafe bytes.bindMemory(to: UInt64.self)
                    let name = unsafe words[0]
                    guard name >= MarkedFile.mark, name < MarkedFile.mark + UInt64(MarkedFile.pages) else { return nil }
                    guard unsafe words[511] == name else { return -1 }
                    unsafe words[1 + thread] &+= 1
                    return Int(name - MarkedFile.mark)
                }
                guard let page else { return true }
                guard page >= 0 else { return false }
                counts[page] += 1
                return true
            }
        }
    }

    @Test("Without layouts the same work loses increments: the torture can fail", arguments: TestFileSystems.available)
    func control(on fileSystem: TestFileSystem) async throws {
        let server = try ServerProcess(on: fileSystem)
        var marked = try MarkedFile(in: server.directory, name: "data", seed: 7)
        let mover = try await LayoutClient.connect(to: server.url)
        let file = try await mover.open("data", .readWrite)
        let descriptor = unsafe open(marked.path, O_RDWR)
        defer { close(descriptor) }
        let length = Int(MarkedFile.payload.upperBound - MarkedFile.payload.lowerBound)
        let memory = unsafe mmap(
            nil,
            length,
            PROT_READ | PROT_WRITE,
            MAP_SHARED,
            descriptor,
            off_t(MarkedFile.payload.lowerBound)
        )
        guard let base = unsafe memory, unsafe base != MAP_FAILED else { throw TestFailure("mmap: errno \(errno)") }
        defer { unsafe munmap(base, length) }
        let pages = unsafe Storm.Pages(base: base)
        let storm = Storm()
        try storm.start { thread, random, counts in
            let page = random % MarkedFile.pages
            let isRight = unsafe pages.word(page, 0).pointee == MarkedFile.mark + UInt64(page)
            unsafe pages.word(page, 1 + thread).pointee &+= 1
            counts[page] += 1
            return isRight
        }
        for _ in 0..<100 {
            try await marked.shift(file)
            try await Task.sleep(for: .microseconds(250))
        }
        let outcome = try storm.finish(marked)
        print("control \(fileSystem): \(outcome)")
        #expect(outcome.lost > 0)
        #expect(outcome.misplaced > 0)
        await mover.close()
    }
}
