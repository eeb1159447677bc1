import Synchronization

/// What a client has counted since it connected.
public struct ClientStatistics: Hashable, Sendable {
    /// Recalls that arrived, each once.
    public var recallsReceived: UInt64 = 0
    /// Recall events that a reader of ``LayoutClient/recallEvents`` was too slow for.
    public var recallEventsDropped: UInt64 = 0
    /// LAYOUTRETURNs that were sent.
    public var returns: UInt64 = 0
    /// LAYOUTGETs that were granted.
    public var grants: UInt64 = 0
    /// LAYOUTGETs that were refused, for now or for good.
    public var refusals: UInt64 = 0
    /// Windows that became accessible.
    public var windowsGranted: UInt64 = 0
    /// Windows whose access was taken back.
    public var windowsRevoked: UInt64 = 0
    /// Windows that were given up: touching them raises SIGBUS.
    public var windowsFailed: UInt64 = 0
    /// Touches and guarded accesses that waited for a window, of all clients of the process.
    public var faultsParked: UInt64 = 0
    /// Reads that went to the mapping.
    public var readsDirect: UInt64 = 0
    /// Reads that went through the server.
    public var readsThroughServer: UInt64 = 0
    /// Writes that went to the mapping.
    public var writesDirect: UInt64 = 0
    /// Writes that went through the server.
    public var writesThroughServer: UInt64 = 0
    /// Flushes that libpmem did, from the CPU's caches to persistent memory.
    public var flushesToMemory: UInt64 = 0
    /// Flushes that the kernel did, of the whole file (`fdatasync(2)`).
    public var flushesByKernel: UInt64 = 0
    /// How often no mapping could be had, so that the server was asked instead.
    public var fallbacks: UInt64 = 0
    /// Connections made after the first.
    public var reconnections: UInt64 = 0
    /// Sessions made after the first.
    public var sessionsLost: UInt64 = 0
    /// How often the lease ended before it was renewed, or what was held was void: access to all windows ended.
    public var leasesLost: UInt64 = 0
    /// Layouts that the server has confirmed after a restart; their windows stayed as they were.
    public var layoutsReclaimed: UInt64 = 0
    /// Layouts that it has not confirmed: their windows were taken away by force, and are leased anew when touched.
    public var reclaimsRefused: UInt64 = 0

    /// Makes counters at zero.
    public init() {}
}

/// The counters, for all threads.
final class StatisticsCounters: Sendable {
    private let values = Mutex(ClientStatistics())
    private let readsDirect = Atomic<UInt64>(0)
    private let writesDirect = Atomic<UInt64>(0)
    private let flushesToMemory = Atomic<UInt64>(0)

    var current: ClientStatistics {
        var current = self.values.withLock { $0 }
        current.readsDirect = self.readsDirect.load(ordering: .relaxed)
        current.writesDirect = self.writesDirect.load(ordering: .relaxed)
        current.flushesToMemory = self.flushesToMemory.load(ordering: .relaxed)
        return current
    }

    func count(_ counter: any WritableKeyPath<ClientStatistics, UInt64> & Sendable) {
        self.values.withLock { $0[keyPath: counter] += 1 }
    }

    /// Counts what may happen a million times a second.
    func countDirectRead() { self.readsDirect.add(1, ordering: .relaxed) }
    func countDirectWrite() { self.writesDirect.add(1, ordering: .relaxed) }
    func countFlushToMemory() { self.flushesToMemory.add(1, ordering: .relaxed) }
}
