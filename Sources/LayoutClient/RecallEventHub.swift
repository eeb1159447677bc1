import Synchronization

/// Passes recall events on to whoever reads them.
final class RecallEventHub: Sendable {
    private struct State {
        var lastID: UInt64 = 0
        var readers: [UInt64: AsyncStream<RecallEvent>.Continuation] = [:]
        var isFinished = false
    }

    private let state = Mutex(State())
    private let capacity: Int
    private let counters: StatisticsCounters

    init(capacity: Int, counters: StatisticsCounters) {
        self.capacity = max(1, capacity)
        self.counters = counters
    }

    func stream() -> AsyncStream<RecallEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: RecallEvent.self,
            bufferingPolicy: .bufferingNewest(self.capacity)
        )
        let id: UInt64? = self.state.withLock { state in
            guard !state.isFinished else { return nil }
            state.lastID += 1
            state.readers[state.lastID] = continuation
            return state.lastID
        }
        guard let id else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            _ = self?.state.withLock { $0.readers.removeValue(forKey: id) }
        }
        return stream
    }

    func send(_ event: RecallEvent) {
        // Outside the lock: ending a stream calls back.
        for reader in self.state.withLock({ Array($0.readers.values) }) {
            if case .dropped = reader.yield(event) { self.counters.count(\.recallEventsDropped) }
        }
    }

    func finish() {
        let readers = self.state.withLock { state in
            state.isFinished = true
            defer { state.readers = [:] }
            return Array(state.readers.values)
        }
        for reader in readers { reader.finish() }
    }
}
