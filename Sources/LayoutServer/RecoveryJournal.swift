import LayoutCore
import NIOCore
import NIOPosix
import Recovery
import Synchronization

/// The one writer of the recovery store.
///
/// One write at a time, on a thread of its own; what comes meanwhile goes together into the next one, so that those who
/// wait share a synchronization. Records are kept in the order in which they came. May be used from any thread.
final class RecoveryJournal: Sendable {
    private struct Batch: Sendable {
        let records: [RecoveryRecord]
        let durability: Durability
        let completion: @Sendable (Result<Void, RecoveryStoreError>) -> Void
    }

    private struct Queue {
        var waiting: [Batch] = []
        /// The thread is at it, and takes what waits when it is done.
        var isWriting = false
    }

    private let store: any RecoveryStore
    private let eventLoop: any EventLoop
    private let thread = NIOThreadPool(numberOfThreads: 1)
    private let queue = Mutex(Queue())
    private let lastIntent: Atomic<UInt64>

    /// Makes the writer of a loaded store; `life` is part of every intent's number.
    init(_ store: any RecoveryStore, life: UInt32, eventLoop: any EventLoop) {
        self.store = store
        self.eventLoop = eventLoop
        self.lastIntent = Atomic(UInt64(life) << 32)
        self.thread.start()
    }

    /// A number for an intent, unique over all lives.
    func nextIntent() -> UInt64 { self.lastIntent.add(1, ordering: .relaxed).newValue }

    /// Writes records; `completion` comes on the event loop, never before this method returns.
    ///
    /// Without records it says when all that was there before has been written.
    func append(
        _ records: [RecoveryRecord],
        _ durability: Durability,
        then completion: NIOLoopBound<(Result<Void, RecoveryStoreError>) -> Void>
    ) {
        let eventLoop = self.eventLoop
        self.append(
            Batch(records: records, durability: durability) { result in
                eventLoop.execute { completion.value(result) }
            }
        )
    }

    /// Writes records and waits for it: for threads that may block.
    func write(_ records: [RecoveryRecord], _ durability: Durability) throws(RecoveryStoreError) {
        let written = self.eventLoop.makePromise(of: Result<Void, RecoveryStoreError>.self)
        self.append(Batch(records: records, durability: durability) { written.succeed($0) })
        guard let result = try? written.futureResult.wait() else {
            throw RecoveryStoreError(.unavailable, "the server has ended")
        }
        try result.get()
    }

    /// Writes what waits, then closes the store.
    ///
    /// Nothing may be appended afterwards.
    func stop() async {
        let flushed = self.eventLoop.makePromise(of: Void.self)
        self.append(Batch(records: [], durability: .synced) { _ in flushed.succeed() })
        try? await flushed.futureResult.get()
        try? await self.thread.shutdownGracefully()
        self.store.close()
    }

    private func append(_ batch: Batch) {
        let starts = self.queue.withLock { queue in
            queue.waiting.append(batch)
            defer { queue.isWriting = true }
            return !queue.isWriting
        }
        guard starts else { return }
        self.thread.submit { state in
            guard state == .active else {
                return batch.completion(.failure(RecoveryStoreError(.unavailable, "the server has ended")))
            }
            self.writeAll()
        }
    }

    private func writeAll() {
        while true {
            let batches = self.queue.withLock { queue in
                let batches = queue.waiting
                queue.waiting = []
                queue.isWriting = !batches.isEmpty
                return batches
            }
            guard !batches.isEmpty else { return }
            let result = self.write(batches)
            for batch in batches { batch.completion(result) }
        }
    }

    private func write(_ batches: [Batch]) -> Result<Void, RecoveryStoreError> {
        let records = batches.flatMap(\.records)
        guard !records.isEmpty else { return .success(()) }
        let isSynced = batches.contains { $0.durability == .synced && !$0.records.isEmpty }
        return Result { () throws(RecoveryStoreError) in
            try self.store.write(records, isSynced ? .synced : .written)
        }
    }
}
