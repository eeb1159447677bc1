import LayoutXDR
import LinuxFiles
import MappedWindows
import NIOCore
import NIOPosix
import Synchronization

/// A connection to a layout server.
///
/// A client keeps a session with the server: when the connection breaks, or the server is restarted, it connects again by
/// itself, calls under way are executed exactly once, and mapped regions go on as if nothing had happened, or wait.
///
/// All methods may be called from any task. They never block a thread, and each ends in bounded time; they do not react
/// to task cancellation. Ended by ``close()``, or when nothing refers to the client, its files and its regions any more.
///
/// A client belongs to the process that made it. In a forked child its calls fail with
/// ``LayoutCore/LayoutStatus/closed``, and touching a window is a SIGSEGV; exec, or connect anew.
public final class LayoutClient: Sendable {
    /// The address that the client was connected to.
    public let url: String
    /// How the client behaves.
    public let configuration: ClientConfiguration

    let loop: any EventLoop
    let core: NIOLoopBound<ClientCore>
    let counters: StatisticsCounters
    private let hub: RecallEventHub
    private let group: MultiThreadedEventLoopGroup
    /// Another one in a forked child.
    private let process: UInt64
    private let isClosed = Atomic(false)

    private init(
        url: String,
        configuration: ClientConfiguration,
        group: MultiThreadedEventLoopGroup,
        core: NIOLoopBound<ClientCore>,
        counters: StatisticsCounters,
        hub: RecallEventHub
    ) {
        self.url = url
        self.configuration = configuration
        self.group = group
        self.loop = core.eventLoop
        self.core = core
        self.counters = counters
        self.hub = hub
        self.process = ForkGuard.generation
    }

    deinit {
        // A forked child has none of the threads.
        guard ForkGuard.generation == self.process else { return }
        let (core, group) = (self.core, self.group)
        core.eventLoop.execute {
            core.value.close({}, threadsEnded: { group.shutdownGracefully { _ in } })
        }
    }

    /// Connects to a server and makes a session with it.
    ///
    /// - Parameters:
    ///   - url: `layout+unix:///run/layoutd.sock`, or `layout://host:port` (also written `layout+tcp://`). Over TCP files
    ///     can be read, written and changed; mapping them needs a server on the same host.
    ///   - configuration: How the client behaves.
    /// - Returns: The client.
    /// - Throws: ``LayoutError`` with ``LayoutCore/LayoutStatus/invalid`` for a malformed address,
    ///   ``LayoutCore/LayoutStatus/unreachable`` if there is no session within
    ///   ``ClientConfiguration/connectTimeout``, or the server's refusal.
    public static func connect(
        to url: String,
        configuration: ClientConfiguration = ClientConfiguration()
    ) async throws(LayoutError) -> LayoutClient {
        let address = try ServerAddress(url)
        let identity = try ClientIdentity(name: configuration.name)
        let counters = StatisticsCounters()
        let hub = RecallEventHub(capacity: configuration.recallEventsMax, counters: counters)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let (core, failure): (NIOLoopBound<ClientCore>, Failure?) = await withCheckedContinuation { continuation in
            loop.execute {
                let core = ClientCore(
                    loop: loop,
                    address: address.transport,
                    configuration: configuration,
                    identity: identity,
                    counters: counters,
                    events: hub
                )
                let bound = NIOLoopBound(core, eventLoop: loop)
                core.link.start { result in
                    if case .failure(let failure) = result {
                        continuation.resume(returning: (bound, failure))
                    } else {
                        continuation.resume(returning: (bound, nil))
                    }
                }
            }
        }
        // From here on the end of the client ends its threads, also where it is not returned.
        let client = LayoutClient(
            url: url,
            configuration: configuration,
            group: group,
            core: core,
            counters: counters,
            hub: hub
        )
        if let failure { throw LayoutError(failure, attempt: "connect to \(url)") }
        return client
    }

    /// Gives all layouts back and ends the session.
    ///
    /// Regions become inaccessible: touching one is a SIGBUS. Bounded by two seconds; calling it again does nothing.
    public func close() async {
        guard ForkGuard.generation == self.process, !self.isClosed.exchange(true, ordering: .acquiringAndReleasing)
        else { return }
        let core = self.core
        await withCheckedContinuation { continuation in
            core.eventLoop.execute {
                core.value.close({ continuation.resume() }, threadsEnded: {})
            }
        }
    }

    /// What has been counted so far.
    ///
    /// How often reads and writes could not use a mapping is in it: the fall-back is never silent.
    public var statistics: ClientStatistics {
        var statistics = self.counters.current
        if let runtime = try? WindowRuntime.shared {
            let windows = runtime.statistics
            statistics.faultsParked = windows.faultsParked &+ windows.pinsParked
        }
        return statistics
    }

    /// The recalls from now on.
    ///
    /// Each use makes a stream of its own, which keeps the last ``ClientConfiguration/recallEventsMax`` events for a slow
    /// reader (see ``ClientStatistics/recallEventsDropped``) and ends with the client.
    public var recallEvents: AsyncStream<RecallEvent> { self.hub.stream() }

    /// Whether the calling thread is the one that all calls of this client depend on, so that it must not wait for one.
    package var isOnEventLoop: Bool { self.loop.inEventLoop }

    // MARK: Calls

    /// Runs a step on the event loop and waits for its completion, which has to be called once.
    func perform<Value: Sendable>(
        _ attempt: @autoclosure () -> String,
        _ body: @escaping @Sendable (ClientCore, @escaping (Result<Value, Failure>) -> Void) -> Void
    ) async throws(LayoutError) -> Value {
        try self.checkUsable(attempt())
        let core = self.core
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            core.eventLoop.execute {
                body(core.value) { continuation.resume(returning: $0) }
            }
        }
        switch result {
        case .success(let value): return value
        case .failure(let failure): throw LayoutError(failure, attempt: attempt())
        }
    }

    /// Makes a call and waits for its answer.
    func call(
        _ request: Request,
        loss: SessionCall.Loss,
        wait: Duration = .zero,
        _ attempt: @autoclosure () -> String
    ) async throws(LayoutError) -> Response {
        // One retransmission after a silent connection fits in.
        let timeout = wait + self.configuration.answerTimeout * 2
        return try await self.perform(attempt()) { core, completion in
            core.link.submit(request, loss: loss, timeout: timeout, wait: wait, completion: completion)
        }
    }

    func checkUsable(_ attempt: @autoclosure () -> String) throws(LayoutError) {
        guard ForkGuard.generation == self.process else {
            throw LayoutError(
                .closed,
                "cannot \(attempt()): this is a forked child of the process that connected; exec, or connect anew"
            )
        }
        guard !self.isClosed.load(ordering: .acquiring) else {
            throw LayoutError(.closed, "cannot \(attempt()): the client was closed; connect anew")
        }
    }

    /// Runs a step on the event loop, now or never.
    func post(_ body: @escaping @Sendable (ClientCore) -> Void) {
        guard ForkGuard.generation == self.process else { return }
        let core = self.core
        core.eventLoop.execute { body(core.value) }
    }
}
