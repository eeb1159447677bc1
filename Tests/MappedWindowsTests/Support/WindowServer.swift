import LayoutCore
import MappedWindows
import Synchronization

/// The thread that grants what is wanted, as a client library has one.
///
/// To be stopped before it goes.
final class WindowServer: Sendable {
    private let isStopping = Atomic<Bool>(false)
    private let runtime: WindowRuntime
    private let thread = Mutex<TestThread?>(nil)

    /// Calls `serve` for each want of `window`, and for each notice that it is drained (with `nil`).
    init(_ window: Window, _ serve: @escaping @Sendable (WindowWant?) throws -> Void) throws {
        let runtime = try WindowRuntime.shared
        self.runtime = runtime
        self.thread.withLock { thread in
            thread = TestThread { [unowned self] in
                runtime.markCurrentThreadAsServing()
                var cursor = NoticeCursor()
                while !self.isStopping.load(ordering: .acquiring) {
                    let notices = runtime.waitForWants(&cursor)
                    do {
                        if notices.drained.contains(window.id) { try serve(nil) }
                        if let want = notices.wants.first(where: { $0.window == window.id }) { try serve(want) }
                    } catch {
                        fatalError("the server of a window: \(error)")
                    }
                }
            }
        }
    }

    /// Ends the thread.
    func stop() {
        self.isStopping.store(true, ordering: .releasing)
        self.runtime.wake()
        self.thread.withLock { thread in
            thread?.join()
            thread = nil
        }
    }
}

extension Window {
    /// A window of some pages that shows the beginning of a file, granted.
    static func granted(
        _ file: ScratchFile,
        pages: Int = 4,
        _ ioMode: IOMode = .readWrite,
        isWritableOnDemand: Bool = false
    ) throws -> Window {
        let window = try Window(size: pages * page, isWritableOnDemand: isWritableOnDemand)
        try window.mapAndGrant(file, ioMode)
        return window
    }

    /// Shows the beginning of the file.
    func mapAndGrant(_ file: ScratchFile, _ ioMode: IOMode = .readWrite) throws {
        let segment = WindowSegment(windowOffset: 0, length: self.size, descriptor: file.descriptor, fileOffset: 0)
        let generation = try self.map([segment])
        let isGranted = try self.grant(ioMode, generation: generation)
        precondition(isGranted, "the grant was overtaken")
    }

    /// The first byte, to be touched from any thread.
    var shared: SharedAddress { unsafe SharedAddress(self.base) }
}
