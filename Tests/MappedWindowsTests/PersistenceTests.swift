import CMappedWindows
import Glibc
import LayoutCore
import MappedWindows
import Testing

extension WindowTests {
    /// Flushing bytes from the CPU's caches: it ends where a load would wait or die.
    ///
    /// On persistent memory EndToEndTests has the rest.
    @Suite struct PersistenceTests {
        private let file = ScratchFile(size: 2 * page)
        private let window: Window

        /// A granted window of four pages, of which the file has two.
        init() throws {
            self.window = try Window(size: 4 * page)
            let segment = WindowSegment(
                windowOffset: 0,
                length: 4 * page,
                descriptor: self.file.descriptor,
                fileOffset: 0
            )
            let generation = try self.window.map([segment])
            #expect(try self.window.grant(.readWrite, generation: generation))
        }

        private func flush(_ part: Range<Int>) -> Bool {
            let base = unsafe UInt(bitPattern: self.window.base)
            return mw_persist(base + UInt(part.lowerBound), part.count)
        }

        @Test("Bytes that can be touched are flushed")
        func granted() {
            self.window.shared.store(7, at: 8)
            #expect(self.flush(0..<2 * page))
        }

        @Test("A flush of a revoked window ends at once, on a thread that serves windows too")
        func revoked() {
            self.window.revoke()
            #expect(!self.flush(0..<page))
            let window = self.window
            let serving = TestThread {
                WindowRuntime.markCurrentThreadAsServingIfThereIsOne()
                let base = unsafe UInt(bitPattern: window.base)
                #expect(!mw_persist(base, page))
            }
            serving.join()
            #expect(self.window.waiters == 0)
        }

        @Test("A flush beyond the end of the file ends at once, and the process does not")
        func behindTheEnd() {
            #expect(!self.flush(0..<4 * page))
            #expect(!self.flush(3 * page..<3 * page + 1))
            // The next flush, and the next fault, are as ever.
            #expect(self.flush(0..<page))
        }

        @Test("A flush while others revoke and grant ends, done or not")
        func raced() throws {
            let window = self.window
            let thread = TestThread {
                for _ in 0..<2000 {
                    let generation = window.revoke()
                    _ = try? window.regrant(.readWrite, generation: generation)
                }
            }
            var done = 0
            for _ in 0..<2000 where self.flush(0..<2 * page) { done += 1 }
            thread.join()
            #expect(self.flush(0..<page))
            print("\(done) of 2000 flushes were not disturbed")
        }

        @Test("A window without MAP_SYNC says nothing about what a flush does")
        func notSynchronous() {
            #expect(!self.window.persist(0..<page))
        }
    }
}

extension WindowRuntime {
    /// As a thread of a server of windows does.
    fileprivate static func markCurrentThreadAsServingIfThereIsOne() {
        (try? WindowRuntime.shared)?.markCurrentThreadAsServing()
    }
}
