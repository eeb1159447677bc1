/// The bounds of a connection and of a server: what a peer can make this side hold, and for how long.
///
/// Time is measured on the event loop's clock (`CLOCK_MONOTONIC`: it stands still while the machine sleeps).
package struct RPCLimits: Hashable, Sendable {
    /// The longest record in bytes, without the fragment headers.
    ///
    /// A longer one closes the connection as soon as its length is announced. Default: 1 MiB and 64 KiB, for 1 MiB of
    /// data and its headers.
    package var recordLength: Int = 1_048_576 + 65_536

    /// The most fragments of one record, empty ones included.
    ///
    /// Default: 1,024, since libtirpc's clients send fragments as short as their send buffer.
    package var fragmentsPerRecord: Int = 1024

    /// How long a record may take from its first to its last byte.
    ///
    /// Progress does not extend it.
    package var partialRecord: Duration = .seconds(10)

    /// How long an accepted connection may stay without a first well-formed call.
    ///
    /// Does not apply to connections that this side has opened.
    package var firstCall: Duration = .seconds(30)

    /// How long a peer that does not read may keep the write buffer above the low mark.
    ///
    /// See ``writeBufferHigh``.
    package var writeStall: Duration = .seconds(60)

    /// The most calls of the peer that wait for their reply.
    ///
    /// One more is answered SYSTEM_ERR at once: reading goes on, since the peer may be about to return what the waiting
    /// calls wait for.
    package var callsInFlight: Int = 256

    /// The most calls to the peer that wait for their reply.
    ///
    /// One more fails with ``RPCError/tooManyCalls``.
    package var callsOutstanding: Int = 1024

    /// Unsent bytes from which on nothing more is read from the peer.
    package var writeBufferHigh: Int = 256 * 1024

    /// Unsent bytes below which reading goes on.
    package var writeBufferLow: Int = 64 * 1024

    /// The most replies that match no outstanding call, above one for each call that was given up, before the
    /// connection is closed.
    package var unmatchedReplies: Int = 64

    /// The most connections of a server, further bounded by `RLIMIT_NOFILE` less ``descriptorReserve``.
    package var connections: Int = 4096

    /// File descriptors of the process (`RLIMIT_NOFILE`) that connections must leave to everything else.
    package var descriptorReserve: Int = 128

    /// How long a server stops accepting when the process or the system is out of file descriptors or memory.
    package var acceptPause: Duration = .milliseconds(200)

    /// Makes the default limits.
    package init() {}
}
