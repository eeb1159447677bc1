import Glibc
import LayoutCore
import MappedWindows
import Synchronization
import Testing

extension WindowTests {
    /// Threads use file bytes through raw pointers while the bytes move under them, by insert and collapse range.
    @Suite struct TortureTests {
        @Test(
            "No increment is lost, doubled or misplaced when windows are revoked before their bytes move",
            .enabled(if: LoopFileSystem.isPossible, "needs root and loop devices, to mount XFS and ext4 images"),
            arguments: LoopFileSystem.Kind.allCases
        )
        func revocationKeepsEveryIncrement(_ kind: LoopFileSystem.Kind) throws {
            let fileSystem = LoopFileSystem(kind)
            let recalls = 2000
            let before = try WindowRuntime.shared.statistics
            let torture = try Torture(directory: fileSystem.directory, seed: 42)
            let outcome = try torture.run(shifts: recalls, revoking: true)
            let after = try WindowRuntime.shared.statistics
            print("torture \(kind): \(outcome), \(after.faultsParked - before.faultsParked) faults parked")
            #expect(outcome.lost == 0)
            #expect(outcome.extra == 0)
            #expect(outcome.misplaced == 0)
            #expect(outcome.recallsWithoutFault == 0)
            #expect(after.faultsParked - before.faultsParked >= UInt64(recalls))
            #expect(after.revokes - before.revokes >= UInt64(recalls))
            #expect(after.chained == before.chained)
        }

        @Test(
            "Without revocation the same work loses increments: the torture can fail",
            .enabled(if: LoopFileSystem.isPossible, "needs root and loop devices, to mount XFS and ext4 images"),
            arguments: LoopFileSystem.Kind.allCases
        )
        func withoutRevocationIncrementsAreLost(_ kind: LoopFileSystem.Kind) throws {
            let fileSystem = LoopFileSystem(kind)
            let torture = try Torture(directory: fileSystem.directory, seed: 7)
            let outcome = try torture.run(shifts: 200, revoking: false)
            print("control \(kind): \(outcome)")
            #expect(outcome.lost > 0)
            #expect(outcome.misplaced > 0)
        }
    }
}

/// A file of marked pages between filler pages, workers that count in the pages, and somebody who moves the pages.
private final class Torture: Sendable {
    struct Outcome: CustomStringConvertible {
        var lost: UInt64 = 0
        var extra: UInt64 = 0
        var misplaced: UInt64 = 0
        var recallsWithoutFault = 0
        var iterations: UInt64 = 0

        var description: String {
            "\(iterations) iterations, lost \(lost), extra \(extra), misplaced \(misplaced)"
        }
    }

    static let pages = 64
    static let workers = 4
    static let filler = 4
    /// A page: its identity, one counter per worker, and its identity again in the last word.
    static let identity: UInt64 = 0x00C0_FFEE_0000
    static let tail = page - 8

    private let file: ScratchFile
    private let window: Window
    private let isStopping = Atomic<Bool>(false)
    private let misplaced = Atomic<UInt64>(0)
    private let iterations = Atomic<UInt64>(0)
    /// What each worker has counted, per worker and page.
    private let counted = Mutex<[[UInt64]]>(Array(repeating: [], count: Torture.workers))
    private let seed: UInt64

    init(directory: String, seed: UInt64) throws {
        self.seed = seed
        self.file = ScratchFile(in: directory)
        self.window = try Window(size: Torture.pages * page)
        let blank = [UInt8](repeating: 0xEE, count: page)
        for block in 0..<(Torture.pages + 2 * Torture.filler) {
            self.file.write(blank, at: block * page)
        }
        for index in 0..<Torture.pages {
            var content = [UInt8](repeating: 0, count: page)
            unsafe content.withUnsafeMutableBytes { bytes in
                unsafe bytes.storeBytes(of: Torture.identity + UInt64(index), as: UInt64.self)
                unsafe bytes.storeBytes(
                    of: Torture.identity + UInt64(index),
                    toByteOffset: Torture.tail,
                    as: UInt64.self
                )
            }
            self.file.write(content, at: (Torture.filler + index) * page)
        }
        fsync(self.file.descriptor)
    }

    // MARK: - The server

    func run(shifts: Int, revoking: Bool) throws -> Outcome {
        var blocks = Blocks(seed: self.seed)
        var outcome = Outcome()
        try self.show(blocks.places)
        let workers = (0..<Torture.workers).map { worker in TestThread { self.work(worker) } }
        var cursor = NoticeCursor()
        let runtime = try WindowRuntime.shared
        for _ in 0..<shifts {
            usleep(UInt32(blocks.random(below: 400)))
            guard revoking else {
                blocks.shift(self.file)
                continue
            }
            self.window.revoke()
            blocks.shift(self.file)
            if !self.isWanted(runtime, &cursor) { outcome.recallsWithoutFault += 1 }
            try self.show(blocks.places)
        }
        usleep(2000)
        self.isStopping.store(true, ordering: .releasing)
        for worker in workers { worker.join() }
        self.window.release()
        self.compare(blocks.places, &outcome)
        outcome.misplaced += self.misplaced.load(ordering: .relaxed)
        outcome.iterations = self.iterations.load(ordering: .relaxed)
        return outcome
    }

    /// Waits until a worker has run into the revoked window.
    private func isWanted(_ runtime: WindowRuntime, _ cursor: inout NoticeCursor) -> Bool {
        for _ in 0..<100 {
            let notices = runtime.waitForWants(&cursor, timeout: .milliseconds(100))
            if notices.wants.contains(where: { $0.window == self.window.id }) { return true }
        }
        return false
    }

    /// The window follows the content: page i of it shows the block that page i is in now.
    private func show(_ places: [Int]) throws {
        let segments = places.enumerated().map { index, block in
            WindowSegment(
                windowOffset: index * page,
                length: page,
                descriptor: self.file.descriptor,
                fileOffset: Int64(block * page)
            )
        }
        let generation = try self.window.map(segments)
        let isGranted = try self.window.grant(.readWrite, generation: generation)
        precondition(isGranted, "nobody else revokes")
    }

    /// What the workers have counted against what the file says.
    private func compare(_ places: [Int], _ outcome: inout Outcome) {
        let counted = self.counted.withLock { $0 }
        for (index, block) in places.enumerated() {
            let content = self.file.read(page, at: block * page)
            unsafe content.withUnsafeBytes { bytes in
                let identity = unsafe bytes.load(as: UInt64.self)
                let tail = unsafe bytes.load(fromByteOffset: Torture.tail, as: UInt64.self)
                let expected = Torture.identity + UInt64(index)
                if identity != expected || tail != expected { outcome.misplaced += 1 }
                for worker in 0..<Torture.workers {
                    let stored = unsafe bytes.load(fromByteOffset: 8 * (worker + 1), as: UInt64.self)
                    let done = counted[worker][index]
                    if done > stored { outcome.lost += done - stored } else { outcome.extra += stored - done }
                }
            }
        }
    }

    // MARK: - The workers

    private func work(_ worker: Int) {
        var random = UInt64(worker) &* 77 &+ 5
        var counted = [UInt64](repeating: 0, count: Torture.pages)
        var misplaced: UInt64 = 0
        var iterations: UInt64 = 0
        let copy = UnsafeMutableRawPointer.allocate(byteCount: page, alignment: 16)
        defer { unsafe copy.deallocate() }
        while !self.isStopping.load(ordering: .relaxed) {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let index = Int(random >> 33) % Torture.pages
            let start = unsafe self.window.base + index * page
            let word = unsafe start + 8 * (worker + 1)
            let expected = Torture.identity + UInt64(index)
            if unsafe start.load(as: UInt64.self) != expected { misplaced += 1 }
            switch random >> 20 & 7 {
            case 0...2:  // load, add, store: one writer per word
                unsafe word.assumingMemoryBound(to: UInt64.self).pointee &+= 1
            case 3...4:  // lock xadd
                unsafe word.assumingMemoryBound(to: Atomic<UInt64>.self).pointee
                    .wrappingAdd(1, ordering: .sequentiallyConsistent)
            case 5...6:  // incq
                unsafe Instructions.increment(word)
            default:
                unsafe memcpy(copy, start, page)
                let first = unsafe copy.load(as: UInt64.self)
                let last = unsafe copy.load(fromByteOffset: Torture.tail, as: UInt64.self)
                if first != expected || last != expected { misplaced += 1 }
                unsafe word.assumingMemoryBound(to: UInt64.self).pointee &+= 1
            }
            counted[index] += 1
            if unsafe start.load(fromByteOffset: Torture.tail, as: UInt64.self) != expected { misplaced += 1 }
            iterations += 1
        }
        self.counted.withLock { $0[worker] = counted }
        self.misplaced.wrappingAdd(misplaced, ordering: .relaxed)
        self.iterations.wrappingAdd(iterations, ordering: .relaxed)
    }
}

/// Which block each marked page is in, and random changes to that.
private struct Blocks {
    private(set) var places = Array(Torture.filler..<(Torture.filler + Torture.pages))
    private var total = Torture.pages + 2 * Torture.filler
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func random(below bound: Int) -> Int {
        self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(self.state >> 33) % bound
    }

    /// Removes a filler block or inserts some, anywhere; the file never gets shorter than it was.
    mutating func shift(_ file: ScratchFile) {
        let canCollapse = self.total > Torture.pages + 2 * Torture.filler
        if canCollapse, self.total > 200 || self.random(below: 2) == 0, let block = self.randomFiller() {
            file.collapse(page, at: block * page)
            for index in self.places.indices where self.places[index] > block { self.places[index] -= 1 }
            self.total -= 1
        } else {
            let block = 1 + self.random(below: self.total - 2)
            let count = 1 + self.random(below: 3)
            file.insert(count * page, at: block * page)
            for index in self.places.indices where self.places[index] >= block { self.places[index] += count }
            self.total += count
        }
    }

    private mutating func randomFiller() -> Int? {
        for _ in 0..<50 {
            let block = 1 + self.random(below: self.total - 2)
            if !self.places.contains(block) { return block }
        }
        return nil
    }
}
