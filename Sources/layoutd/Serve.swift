import ArgumentParser
import Glibc
import LayoutServer
import Logging
import Recovery
import SQLiteStore
import ServiceLifecycle
import UnixSignals

/// `layoutd serve`.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves a directory until it is told to stop.",
        discussion: """
            Prints 'layoutd ready' and its addresses once clients can connect. SIGTERM and SIGINT ask clients for their \
            layouts first; the same signal again ends the server at once.

            Each option can also come from the environment: --export from LAYOUTD_EXPORT, --recall-timeout from \
            LAYOUTD_RECALL_TIMEOUT, and so on. Times are written 500ms, 10s or 2m.
            """
    )

    @Option(help: ArgumentHelp("The directory to export.", valueName: "dir"))
    var export: String

    @Option(
        help: ArgumentHelp(
            "Where to listen: unix:///PATH, tcp://ADDRESS:PORT or tcp://[IPV6]:PORT. Can be repeated.",
            valueName: "url"
        ),
        transform: { try ServerAddress($0) }
    )
    var listen: [ServerAddress]

    @OptionGroup var state: StateOptions

    @Flag(
        help: """
            Keep the recovery store aside and begin a new one. Clients lose their layouts and learn nothing of changes \
            under way: only when the old store cannot be used.
            """
    )
    var newState = false

    @Option(help: "How long a client may be silent before its layouts can be taken.")
    var lease = TimeArgument(seconds: 15)

    @Option(help: "How long a client has to give back what is recalled.")
    var recallTimeout = TimeArgument(seconds: 10)

    @Option(help: "How long a change waits for layouts, at most.")
    var patience = TimeArgument(seconds: 20)

    @Option(help: "What happens to a holder that misses a recall's deadline; 'wait' kills and corrupts nothing.")
    var fence: FenceArgument?

    @OptionGroup var guarding: GuardOptions

    @Option(help: "Threads for calls that block in the filesystem.")
    var threads = 4

    @Option(help: "Connections at a time.")
    var maxConnections = 4096

    @Option(help: "Permission bits of Unix sockets, in octal (default: 0666).")
    var socketMode: ModeArgument?

    @Flag(help: "Take root over TCP at its word. Anybody who reaches the port can then be root.")
    var noRootSquash = false

    @Flag(help: "Register the program and its TCP ports with rpcbind.")
    var register = false

    @Flag(help: "Let root and this server's user ask for layouts that changes cannot recall.")
    var allowExclusive = false

    @Option(
        help:
            "Persistent memory: used where the export is on it, or required, so that the server does not start without."
    )
    var dax = DAXArgument.auto

    @Option(help: "What is logged to standard error; 'info' shows grants, recalls, returns and changes.")
    var logLevel = LevelArgument(.notice)

    @Option(help: "How log lines look.")
    var logFormat = LineLogHandler.Format.text

    func validate() throws {
        guard !self.listen.isEmpty else {
            throw ValidationError("an address is missing: add --listen unix:///run/layoutd.sock, for example")
        }
        guard (1...256).contains(self.threads) else { throw ValidationError("--threads takes 1 to 256") }
        guard (1...1_000_000).contains(self.maxConnections) else {
            throw ValidationError("--max-connections takes 1 to 1000000")
        }
        guard self.lease.duration >= .seconds(1) else { throw ValidationError("--lease takes 1s or more") }
        guard self.recallTimeout.duration >= .milliseconds(100) else {
            throw ValidationError("--recall-timeout takes 100ms or more")
        }
        guard self.patience.duration > .zero, self.patience.duration <= .seconds(20) else {
            throw ValidationError("--patience takes up to 20s: stock RPC clients give up after 25s")
        }
        try self.guarding.validate()
    }

    func run() async throws {
        // A new file's mode is the client's to choose, not this process's.
        umask(0)
        let (format, level) = (self.logFormat, self.logLevel.level)
        let logger = Logger(label: "layoutd") { _ in LineLogHandler(format: format, level: level) }
        let server: LayoutServer
        do {
            server = try await LayoutServer.start(self.serverConfiguration(logger))
            if self.register { try await server.register(true) }
        } catch {
            StandardStreams.report("layoutd: \(explanation(of: error))")
            throw ExitCode(ending: error)
        }
        if geteuid() != 0 {
            logger.notice("not root: only this user, and root, are served", metadata: ["uid": "\(geteuid())"])
        }
        var group = ServiceGroupConfiguration(
            services: [.init(service: ServerService(server: server, isRegistered: self.register, logger: logger))],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: Logger(label: "lifecycle") { _ in LineLogHandler(format: format, level: max(level, .warning)) }
        )
        group.maximumGracefulShutdownDuration = .seconds(60)
        try await ServiceGroup(configuration: group).run()
    }

    private func serverConfiguration(_ logger: Logger) -> ServerConfiguration {
        var configuration = ServerConfiguration(exportPath: self.export, addresses: self.listen)
        configuration.lease = self.lease.duration
        configuration.recallTimeout = self.recallTimeout.duration
        configuration.patience = self.patience.duration
        configuration.fence = self.fence?.policy ?? .wait
        configuration.threads = self.threads
        configuration.connectionsMax = self.maxConnections
        if let socketMode = self.socketMode { configuration.socketMode = socketMode.mode }
        configuration.trustsRemoteRoot = self.noRootSquash
        configuration.allowsExclusive = self.allowExclusive
        configuration.requiresDAX = self.dax == .required
        configuration.guarding = self.guarding.settings(self.state)
        configuration.logger = logger
        let (state, isNew) = (self.state, self.newState)
        configuration.openStore = { identity in
            let directory = try state.directory(for: identity)
            let store = try SQLiteStore.open(
                directory: directory,
                identity: identity,
                mode: isNew ? .newState : .existingOrNew
            )
            logger.notice("recovery store", metadata: ["directory": "\(directory)"])
            if let setAside = store.setAside {
                logger.warning("the earlier recovery store was kept aside", metadata: ["directory": "\(setAside)"])
            }
            return store
        }
        // The log has said why. What was done and not written down is found out by the next start.
        configuration.storeFailed = { _ in _exit(ExitCode.ioError.rawValue) }
        return configuration
    }
}

/// The server as the lifecycle sees it: runs until it is told to stop.
private struct ServerService: Service {
    let server: LayoutServer
    let isRegistered: Bool
    let logger: Logger

    func run() async throws {
        // Not before: from here on signals are those of an orderly end.
        StandardStreams.print("layoutd ready \(self.server.addresses.map(\.description).joined(separator: " "))")
        ReadyNotice.send("READY=1")
        try? await gracefulShutdown()
        ReadyNotice.send("STOPPING=1")
        // The next signal is not asked to wait: the kernel's own answer ends the process.
        signal(SIGTERM, SIG_DFL)
        signal(SIGINT, SIG_DFL)
        if self.isRegistered {
            do {
                try await self.server.register(false)
            } catch {
                self.logger.warning("registration not taken back", metadata: ["error": "\(explanation(of: error))"])
            }
        }
        await self.server.stop()
    }
}
