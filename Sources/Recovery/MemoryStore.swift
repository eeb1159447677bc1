private import Synchronization

/// A store in memory: outlives a server that is started anew in the same process, and loses in a power cut what a disk
/// would lose.
///
/// For tests and simulations; safe to use from several threads.
package final class MemoryStore: RecoveryStore {
    private struct Content {
        /// What survives the end of the server's process.
        var written = RecoveredState()
        /// What survives a power cut.
        var synced = RecoveredState()
        var isClosed = false
        var failure: RecoveryStoreError?

        func check() throws(RecoveryStoreError) {
            if let failure { throw failure }
        }
    }

    private let content = Mutex(Content())

    /// Makes a store that holds `state`, synced.
    package init(_ state: RecoveredState = RecoveredState()) {
        self.content.withLock {
            $0.written = state
            $0.synced = state
        }
    }

    /// What is written now.
    package var written: RecoveredState { self.content.withLock { $0.written } }

    /// What a power cut would leave.
    package var synced: RecoveredState { self.content.withLock { $0.synced } }

    /// Drops what was not synced, like a power cut.
    package func powerCut() {
        self.content.withLock { $0.written = $0.synced }
    }

    /// Lets every call fail with `failure` from now on, or none if it is `nil`.
    package func fail(with failure: RecoveryStoreError?) {
        self.content.withLock { $0.failure = failure }
    }

    /// What is written; opens the store again if it was closed.
    package func load() throws(RecoveryStoreError) -> RecoveredState {
        try self.content.withLock { content throws(RecoveryStoreError) in
            try content.check()
            content.isClosed = false
            return content.written
        }
    }

    /// Keeps the records.
    package func write(_ records: [RecoveryRecord], _ durability: Durability) throws(RecoveryStoreError) {
        try self.content.withLock { content throws(RecoveryStoreError) in
            try content.check()
            guard !content.isClosed else {
                throw RecoveryStoreError(.unavailable, "the store in memory is closed: load it first")
            }
            for record in records { content.written.apply(record) }
            switch durability {
            case .written: break
            case .synced: content.synced = content.written
            }
        }
    }

    /// Refuses records until the next ``load()``.
    package func close() {
        self.content.withLock { $0.isClosed = true }
    }
}
