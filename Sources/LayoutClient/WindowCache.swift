import LayoutHolder
import MappedWindows
import Synchronization

/// A window that reads and writes of a file go through.
struct CachedWindow: Sendable {
    let id: LayoutHolder.WindowID
    let memory: Window
    /// The file offset of its first byte.
    let start: UInt64
    let limit: WindowLimit
}

/// The windows that reads and writes of a file go through: the last few that were used.
final class WindowCache: Sendable {
    struct Key: Hashable, Sendable {
        var index: UInt64
        var ioMode: IOMode
    }

    private struct State {
        var windows: [Key: CachedWindow] = [:]
        /// Keys, the one not used for longest first.
        var order: [Key] = []
        var isEnded = false
    }

    let windowSize: UInt64
    private let capacity: Int
    private let state = Mutex(State())

    init(windowSize: Int, capacity: Int) {
        self.windowSize = UInt64(max(windowSize, 2 << 20))
        self.capacity = max(1, capacity)
    }

    subscript(key: Key) -> CachedWindow? {
        self.state.withLock { state in
            guard let window = state.windows[key] else { return nil }
            if state.order.last != key {
                state.order.removeAll { $0 == key }
                state.order.append(key)
            }
            return window
        }
    }

    /// Adds a window; returns those that have to be removed for it, the new one itself if another was faster.
    func add(_ window: CachedWindow, _ key: Key) -> [LayoutHolder.WindowID] {
        self.state.withLock { state in
            guard !state.isEnded, state.windows[key] == nil else { return [window.id] }
            var removed: [LayoutHolder.WindowID] = []
            if state.order.count >= self.capacity,
                let old = state.windows.removeValue(forKey: state.order.removeFirst())
            {
                removed.append(old.id)
            }
            state.windows[key] = window
            state.order.append(key)
            return removed
        }
    }

    /// Takes a window out, if it is still the one at its place.
    func remove(_ window: CachedWindow, _ key: Key) {
        self.state.withLock { state in
            guard state.windows[key]?.id == window.id else { return }
            state.windows[key] = nil
            state.order.removeAll { $0 == key }
        }
    }

    /// The windows that end before `size`, because the file did when they were granted; they are taken out.
    func removeCut(before size: UInt64) -> [LayoutHolder.WindowID] {
        self.state.withLock { state in
            let cut = state.windows.filter { _, window in
                let limit = window.limit.current
                return limit < size && limit < window.start + UInt64(window.memory.size)
            }
            for key in cut.keys { state.windows[key] = nil }
            state.order.removeAll { cut[$0] != nil }
            return cut.values.map { $0.id }
        }
    }

    /// Takes all out, for good.
    func removeAll() -> [LayoutHolder.WindowID] {
        self.state.withLock { state in
            defer {
                state.windows = [:]
                state.order = []
                state.isEnded = true
            }
            return state.windows.values.map { $0.id }
        }
    }
}
