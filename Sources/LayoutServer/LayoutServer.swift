import Glibc
import LayoutCore
package import LinuxFiles
import Logging
import MappingGuard
import NIOCore
import NIOPosix
package import ONCRPC
package import Recovery
import Synchronization

/// A running server.
///
/// Usable from any thread or task. For tests as for the daemon:
///
///     let server = try await LayoutServer.start(configuration)
///     print(server.addresses)
///     await server.stop()
package final class LayoutServer: Sendable {
    /// Where it listens, in the order of the configuration, with the ports that were taken.
    package let addresses: [ServerAddress]
    /// Where granted descriptors are fetched.
    package let descriptorSocketPath: String
    /// What can be done to the files of the export.
    package let support: MappingSupport

    private let service: NIOLoopBound<LayoutService>
    private let transport: NIOLoopBound<RPCServer>
    private let descriptorSocket: DescriptorSocketServer
    private let group: MultiThreadedEventLoopGroup
    private let eventLoop: any EventLoop
    private let pools: [NIOThreadPool]
    private let journal: RecoveryJournal
    private let logger: Logger
    /// The end, once it has begun.
    private let ending = Mutex<Task<Void, Never>?>(nil)

    private init(
        addresses: [ServerAddress],
        support: MappingSupport,
        service: NIOLoopBound<LayoutService>,
        transport: NIOLoopBound<RPCServer>,
        descriptorSocket: DescriptorSocketServer,
        base: Base,
        journal: RecoveryJournal,
        logger: Logger
    ) {
        self.addresses = addresses
        self.descriptorSocketPath = descriptorSocket.path
        self.support = support
        self.service = service
        self.transport = transport
        self.descriptorSocket = descriptorSocket
        self.group = base.group
        self.eventLoop = base.eventLoop
        self.pools = base.pools
        self.journal = journal
        self.logger = logger
    }

    /// The threads of a server.
    private struct Base: Sendable {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pools: [NIOThreadPool]
        var eventLoop: any EventLoop { self.group.any() }
        var pool: NIOThreadPool { self.pools[0] }
        var fencePool: NIOThreadPool { self.pools[1] }

        init(threads: Int) {
            self.pools = [NIOThreadPool(numberOfThreads: max(1, threads)), NIOThreadPool(numberOfThreads: 2)]
            for pool in self.pools { pool.start() }
        }

        func stopPools() async { for pool in self.pools { try? await pool.shutdownGracefully() } }

        func stop() async {
            await self.stopPools()
            try? await self.group.shutdownGracefully()
        }
    }

    // MARK: Start

    /// Starts a server: opens the export, tries out what its filesystem can do, and listens.
    ///
    /// What earlier lives of the server have left is resolved and taken over before anybody is served.
    /// - Throws: `LinuxError` if the export cannot be served, `RecoveryStoreError` if its recovery store cannot be used,
    ///   `RPCTransportError` if an address cannot be listened on; all name the remedy. Nothing is left running then.
    package static func start(_ configuration: ServerConfiguration) async throws -> LayoutServer {
        precondition(!configuration.addresses.isEmpty, "a server needs an address to listen on")
        let base = Base(threads: configuration.threads)
        do {
            return try await Self.start(configuration, base)
        } catch {
            await base.stop()
            throw error
        }
    }

    private static func start(_ configuration: ServerConfiguration, _ base: Base) async throws -> LayoutServer {
        let tokens = TokenTable(limit: configuration.waitingDescriptorsMax)
        let path = try configuration.descriptorSocketPath ?? Self.descriptorSocketPath(configuration.addresses)
        let (parts, store) = try await base.pool.runIfActive { try Self.prepare(configuration, tokens, path) }
        let eventLoop = base.eventLoop
        let journal = RecoveryJournal(store, life: parts.restart.life.number, eventLoop: eventLoop)
        do {
            return try await Self.start(parts, journal, base)
        } catch {
            await base.stopPools()
            if let guarding = parts.guarding { await guarding.guardian.end(guarding.endingOfFailedStart) }
            await journal.stop()
            throw error
        }
    }

    private static func start(
        _ parts: LayoutService.Parts,
        _ journal: RecoveryJournal,
        _ base: Base
    ) async throws -> LayoutServer {
        let (configuration, tokens, path) = (parts.configuration, parts.tokens, parts.descriptorSocketPath)
        let eventLoop = base.eventLoop
        let (service, transport) = try await eventLoop.submit {
            let service = LayoutService(
                parts,
                journal: journal,
                eventLoop: eventLoop,
                pool: base.pool,
                fencePool: base.fencePool
            )
            var limits = RPCLimits()
            limits.connections = configuration.connectionsMax
            let transport = try RPCServer(eventLoop: eventLoop, limits: limits, delegate: service)
            let logger = configuration.logger
            transport.listenerFailed = { address, error in
                logger.error("stopped listening", metadata: ["address": "\(address)", "error": "\(error)"])
            }
            return (NIOLoopBound(service, eventLoop: eventLoop), NIOLoopBound(transport, eventLoop: eventLoop))
        }.get()
        let descriptorSocket = try await base.pool.runIfActive {
            try DescriptorSocketServer(path: path) { token, peer in
                tokens.redeem(token, peer) { redemption in
                    eventLoop.execute { service.value.tokenWasRedeemed(redemption) }
                }
            }
        }
        do {
            try await Self.beginLife(of: service, parts.guarding, base)
            let addresses = try await Self.listen(configuration, transport, eventLoop)
            return LayoutServer(
                addresses: addresses,
                support: parts.support,
                service: service,
                transport: transport,
                descriptorSocket: descriptorSocket,
                base: base,
                journal: journal,
                logger: configuration.logger
            )
        } catch {
            try? await eventLoop.flatSubmit { transport.value.shutDown(within: .zero) }.get()
            try? await base.pool.runIfActive { descriptorSocket.stop() }
            throw error
        }
    }

    /// Takes over what earlier lives have left, and last the local programs that wait for this one.
    private static func beginLife(
        of service: NIOLoopBound<LayoutService>,
        _ guarding: ExportGuard?,
        _ base: Base
    ) async throws {
        let eventLoop = base.eventLoop
        try await eventLoop.submit { service.value.beginLife() }.get()
        guard let guarding else { return }
        let watches = try await eventLoop.submit { service.value.recoveredWatches() }.get()
        let results = try await base.pool.runIfActive { watches.map { (file: $0.file, result: $0.run()) } }
        try await eventLoop.submit { service.value.wereWatched(results) }.get()
        guarding.reports.deliver { report in eventLoop.execute { service.value.guardHasReported(report) } }
        try await base.pool.runIfActive { guarding.guardian.settled() }
        // Behind all that was settled.
        try await eventLoop.submit { service.value.unwatchIdleFiles() }.get()
    }

    private static func listen(
        _ configuration: ServerConfiguration,
        _ transport: NIOLoopBound<RPCServer>,
        _ eventLoop: any EventLoop
    ) async throws -> [ServerAddress] {
        var bound: [ServerAddress] = []
        for address in configuration.addresses {
            let listen = address.listenAddress(mode: configuration.socketMode)
            let socket = try await eventLoop.flatSubmit { transport.value.listen(on: listen) }.get()
            switch address {
            case .unix: bound.append(address)
            case .tcp(let host, let port): bound.append(.tcp(host: host, port: socket.port ?? port))
            }
        }
        return bound
    }

    /// What may block before the loop has anything to do.
    private static func prepare(
        _ configuration: ServerConfiguration,
        _ tokens: TokenTable,
        _ descriptorSocketPath: String
    ) throws -> (LayoutService.Parts, any RecoveryStore) {
        let export = try ExportRoot(path: configuration.exportPath)
        try export.claim()
        let support = try MappingSupport(probing: export)
        guard support.isSynchronous || !configuration.requiresDAX else {
            throw LinuxError(
                refusing: .notSupported,
                "new files in '\(export.path)' are not on persistent memory with MAP_SYNC: mount the filesystem with "
                    + "-o dax=always on a pmem device, or serve it without --dax required"
            )
        }
        let root = try FoundFile(try export.directory.place(), in: export)
        let bootID = try Host.bootID()
        let identity = StoreIdentity(of: root.identity)
        // It makes the directory of the keeper's socket, too.
        let store = try configuration.openStore(identity)
        let restart: Restart
        var guarding: ExportGuard?
        do {
            guarding = try ExportGuard.start(configuration, export, support, identity)
            restart = try Restart(
                from: store,
                configuration,
                export: export,
                support: support,
                hostBoot: bootID
            )
        } catch {
            if let guarding { guarding.guardian.stop(guarding.endingOfFailedStart) }
            store.close()
            throw error
        }
        let parts = LayoutService.Parts(
            configuration: configuration,
            policy: AuthenticationPolicy(
                serverUser: try UserIdentity.current(),
                trustsRemoteRoot: configuration.trustsRemoteRoot
            ),
            export: export,
            support: support,
            root: root,
            device: try Host.randomOpaque16(),
            restart: restart,
            bootID: bootID,
            tokens: tokens,
            descriptorSocketPath: descriptorSocketPath,
            guarding: guarding
        )
        return (parts, store)
    }

    /// Beside the first Unix socket; without one, in the directory for such things.
    private static func descriptorSocketPath(_ addresses: [ServerAddress]) throws(LinuxError) -> String {
        for address in addresses {
            if case .unix(let path) = address { return path + ".fd" }
        }
        let user = geteuid()
        let directory: String
        if let runtime = unsafe getenv("XDG_RUNTIME_DIR").map({ unsafe String(cString: $0) }), runtime.first == "/" {
            directory = runtime
        } else {
            directory = user == 0 ? "/run" : "/tmp"
        }
        return "\(directory)/layoutd-\(user)-\(getpid()).fd"
    }

    // MARK: Stop

    /// Asks clients for their layouts, waits for them up to the configured patience, then closes everything.
    ///
    /// A second call waits for the same end.
    package func stop() async { await self.end(recalling: true) }

    /// Ends the server without a word to anybody: what clients hold is for its next life to find.
    package func abandon() async { await self.end(recalling: false) }

    private func end(recalling: Bool) async {
        let ending = self.ending.withLock { ending in
            let task = ending ?? Task { await self.close(recalling: recalling) }
            ending = task
            return task
        }
        await ending.value
    }

    private func close(recalling: Bool) async {
        let (service, transport, eventLoop) = (self.service, self.transport, self.eventLoop)
        if recalling { try? await eventLoop.flatSubmit { service.value.beginShutdown() }.get() }
        try? await eventLoop.flatSubmit { transport.value.shutDown(within: .seconds(2)) }.get()
        let socket = self.descriptorSocket
        try? await self.pools[0].runIfActive { socket.stop() }
        for pool in self.pools { try? await pool.shutdownGracefully() }
        // Only now: once nobody reads the guard's questions the server's own calls would wait like any other.
        await self.endGuard(isHandedOver: !recalling)
        // What the pools have just finished is written down first.
        try? await eventLoop.submit { service.value.hasEnded = true }.get()
        await self.journal.stop()
        try? await eventLoop.submit {
            service.value.end()
            service.value.export.disclaim()
        }.get()
        try? await self.group.shutdownGracefully()
    }

    /// Ends the guard for good, unless holders are left for a next life to protect.
    private func endGuard(isHandedOver: Bool) async {
        let service = self.service
        guard let ended = try? await self.eventLoop.submit({ service.value.endGuard() }).get() else { return }
        let ending: MappingGuard.Ending = isHandedOver || ended.hasHolders ? .handingOver : .final
        await ended.guardian.end(ending)
    }

    /// What the transport counted so far.
    package func transportStatistics() async throws -> RPCStatistics {
        let transport = self.transport
        return try await self.eventLoop.submit { transport.value.statistics }.get()
    }

    /// Tells the host's rpcbind where the program is (`--register`), or takes that back; addresses of Unix sockets have
    /// no part in it.
    ///
    /// Blocks a thread of the pool, up to a minute.
    ///
    /// - Throws: `RPCBind.Failure`, which names the remedy.
    package func register(_ isRegistered: Bool) async throws {
        let addresses = self.addresses
        try await self.pools[0].runIfActive {
            for address in addresses {
                guard case .tcp(let host, let port) = address else { continue }
                let socket = try SocketAddress(ipAddress: host, port: port)
                let (program, version) = (LayoutProgram.number, LayoutProgram.version)
                if isRegistered {
                    try RPCBind.register(program: program, version: version, address: socket)
                } else {
                    try RPCBind.unregister(
                        program: program,
                        version: version,
                        transport: host.contains(":") ? .tcp6 : .tcp
                    )
                }
            }
        }
    }
}

extension StoreIdentity {
    /// Which store belongs to an exported directory.
    package init(of directory: FileIdentity) {
        self.init(
            fileSystem: directory.fileSystem,
            exportInode: directory.inode,
            exportGeneration: directory.generation
        )
    }
}
