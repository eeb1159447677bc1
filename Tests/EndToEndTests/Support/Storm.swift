import LayoutClient
import LinuxFiles
import Synchronization

/// Threads that count in the pages of a ``MarkedFile``, and remember what they counted.
final class Storm: Sendable {
    /// The pages as the threads see them: shared memory, which is what is tested.
    @unsafe struct Pages: @unchecked Sendable {
        let base: UnsafeMutableRawPointer

        @inline(__always)
        func word(_ page: Int, _ index: Int) -> UnsafeMutablePointer<UInt64> {
            unsafe (self.base + page * 4096 + index * 8).assumingMemoryBound(to: UInt64.self)
        }
    }

    /// What came of it.
    struct Outcome: CustomStringConvertible {
        var lost: UInt64 = 0
        var extra: UInt64 = 0
        var misplaced: UInt64 = 0
        var increments: UInt64 = 0
        var description: String {
            "\(self.increments) increments, lost \(self.lost), extra \(self.extra), misplaced \(self.misplaced)"
        }
    }

    private let stops = Atomic<Bool>(false)
    private let misplaced = Atomic<UInt64>(0)
    /// Each thread and its increments by marked page.
    private let counts = Mutex<[(thread: Int, pages: [UInt64])]>([])
    private let threads = Mutex<[KernelThread]>([])

    /// One pass of a thread: `visit` gets the thread, a random number, and where to note an increment.
    typealias Visit = @Sendable (_ thread: Int, _ random: Int, _ counts: inout [UInt64]) -> Bool

    /// Starts the threads.
    ///
    /// `visit` returns whether everything it saw was in its place.
    func start(_ visit: @escaping Visit) throws {
        for thread in 0..<MarkedFile.threads {
            let started = try KernelThread(name: "storm") {
                var counts = [UInt64](repeating: 0, count: MarkedFile.pages)
                var random = UInt64(thread) * 77 + 5
                while !self.stops.load(ordering: .relaxed) {
                    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    if !visit(thread, Int(random >> 33), &counts) {
                        self.misplaced.add(1, ordering: .relaxed)
                    }
                }
                let result = counts
                self.counts.withLock { $0.append((thread, result)) }
            }
            self.threads.withLock { $0.append(started) }
        }
    }

    /// Starts threads that count through raw pointers into a region that follows its content.
    func countInContent(of region: MappedRegion) throws {
        try self.start { thread, random, counts in
            // The region lives as long as the threads do.
            let pages = unsafe Pages(base: region.baseAddress)
            let page = random % MarkedFile.pages
            let name = MarkedFile.mark + UInt64(page)
            let isFirstRight = unsafe pages.word(page, 0).pointee == name
            // Load, add, store: one writer per word.
            unsafe pages.word(page, 1 + thread).pointee &+= 1
            counts[page] += 1
            return unsafe isFirstRight && pages.word(page, 511).pointee == name
        }
    }

    /// Ends the threads.
    func stop() {
        self.stops.store(true, ordering: .relaxed)
        for thread in self.threads.withLock({ $0 }) { thread.join() }
    }

    /// Ends the threads and compares what they counted with what is in the file.
    func finish(_ file: MarkedFile) throws -> Outcome {
        self.stop()
        var outcome = Outcome()
        outcome.misplaced = self.misplaced.load(ordering: .relaxed)
        let counts = self.counts.withLock { $0 }
        for page in 0..<MarkedFile.pages {
            let words = try file.words(of: page)
            let name = MarkedFile.mark + UInt64(page)
            if words[0] != name || words[511] != name { outcome.misplaced += 1 }
            for (thread, pages) in counts {
                let (counted, found) = (pages[page], words[1 + thread])
                outcome.increments += counted
                if counted > found { outcome.lost += counted - found } else { outcome.extra += found - counted }
            }
        }
        return outcome
    }
}
