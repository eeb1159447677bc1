import CMappedWindows

/// What the runtime has counted since the process started, over all windows.
///
/// The counters are read one after the other while threads go on, so they need not fit together exactly.
package struct WindowStatistics: Hashable, Sendable {
    /// Touches through raw pointers that waited for a window.
    package var faultsParked: UInt64
    /// Guarded accesses that waited for a window.
    package var pinsParked: UInt64
    /// The time that threads have waited, in faults and guarded accesses; waits that go on are not in it.
    package var timeParked: Duration
    /// Faults that were out of date when the handler looked, because a grant overtook them; they were retried.
    package var spurious: UInt64
    /// Faults and signals that were passed on to the handler installed before, or to the default action.
    package var chained: UInt64
    /// Windows granted.
    package var grants: UInt64
    /// Granted windows revoked.
    package var revokes: UInt64

    static func current() -> WindowStatistics {
        var counters = mw_statistics()
        unsafe mw_read_statistics(&counters)
        return WindowStatistics(
            faultsParked: counters.faults_parked,
            pinsParked: counters.pins_parked,
            timeParked: .nanoseconds(Int64(clamping: counters.parked_nanoseconds)),
            spurious: counters.spurious,
            chained: counters.chained,
            grants: counters.grants,
            revokes: counters.revokes
        )
    }
}
