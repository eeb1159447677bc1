import LinuxFiles
import MappedWindows
import Synchronization

/// Hears which windows of the process are wanted, and which ones have lost their last pin, on a thread of its own.
///
/// There is one for all clients. It takes no lock that is ever held while a window is touched, and does nothing but pass
/// notices on to event loops.
final class WindowWatcher: Sendable {
    /// Told on the watcher's thread; must not block.
    typealias Handler = @Sendable (Notice) -> Void

    enum Notice: Hashable, Sendable {
        case wanted
        case drained
    }

    private static let started = Result<WindowWatcher, LayoutError> { () throws(LayoutError) in
        do {
            return try WindowWatcher(WindowRuntime.shared)
        } catch let error as WindowError {
            throw LayoutError(error, attempt: "map files")
        } catch let error as LinuxError {
            throw LayoutError(error, attempt: "map files")
        } catch {
            throw LayoutError(.serverFault, "cannot map files: \(error)", cause: error)
        }
    }

    /// The watcher of this process.
    static var shared: WindowWatcher {
        get throws(LayoutError) { try self.started.get() }
    }

    private let handlers: Handlers
    // Never joined: it serves windows as long as the process lives.
    private let thread: KernelThread

    private init(_ runtime: WindowRuntime) throws {
        let handlers = Handlers()
        self.handlers = handlers
        self.thread = try KernelThread(name: "layout-wants") {
            runtime.markCurrentThreadAsServing()
            var cursor = NoticeCursor()
            while true {
                let notices = runtime.waitForWants(&cursor)
                for want in notices.wants { handlers[want.window]?(.wanted) }
                for window in notices.drained { handlers[window]?(.drained) }
            }
        }
    }

    func add(_ window: Window, _ handler: @escaping Handler) { self.handlers[window.id] = handler }

    func remove(_ window: Window) { self.handlers[window.id] = nil }

    private final class Handlers: Sendable {
        private let table = Mutex<[WindowID: Handler]>([:])

        subscript(window: WindowID) -> Handler? {
            get { self.table.withLock { $0[window] } }
            set { self.table.withLock { $0[window] = newValue } }
        }
    }
}
