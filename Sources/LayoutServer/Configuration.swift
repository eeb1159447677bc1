package import LayoutCore
package import LeaseEngine
package import Logging
package import Recovery

/// How a server serves an export.
///
/// Every limit has a default that fits one host.
package struct ServerConfiguration: Sendable {
    /// The directory that is exported.
    package var exportPath: String
    /// Where to listen; at least one address.
    package var addresses: [ServerAddress]
    /// How long a client may be silent, as clients are told; ``enforcedLeaseMargin`` later its layouts can be taken.
    package var lease: Duration = .seconds(15)
    /// How much longer than ``lease`` the server waits itself: more than the clocks of two hosts differ over a lease.
    package var enforcedLeaseMargin: Duration = .seconds(5)
    /// From the sending of a recall to its deadline.
    package var recallTimeout: Duration = .seconds(10)
    /// How long a change waits for layouts when its caller does not say, and at most.
    ///
    /// Below the 25 s after which libtirpc's stubs give a call up.
    package var patience: Duration = .seconds(20)
    /// What is done about a holder that misses a recall's deadline.
    package var fence: FencePolicy = .wait
    /// Threads for system calls that block.
    package var threads: Int = 4
    /// Connections at a time.
    package var connectionsMax: Int = 4096
    /// Permission bits of Unix sockets.
    ///
    /// Everybody may connect: who is who comes from the kernel.
    package var socketMode: UInt32 = 0o666
    /// Where descriptors are passed; `nil` derives it from the first Unix socket, or the runtime directory.
    package var descriptorSocketPath: String?
    /// Whether root over TCP is taken at its word instead of being treated as nobody.
    package var trustsRemoteRoot = false
    /// Whether root and the server's own user may ask for layouts that changes cannot recall.
    package var allowsExclusive = false
    /// Whether to refuse to serve an export whose new files are not on persistent memory.
    package var requiresDAX = false
    /// Files that are kept open, beyond those with layouts.
    package var filesMax = 16384
    /// Extents that are remembered, of all files.
    package var extentsMax = 1 << 20
    /// Descriptors that were granted and not yet fetched.
    package var waitingDescriptorsMax = 4096
    /// The limits of the engine that are not named above.
    package var engine = LeaseEngine.Configuration()
    /// Whether, and how, changes by local programs are held up.
    package var guarding = Guarding()
    /// How long the end of the server waits for layouts to come back.
    package var shutdownPatience: Duration = .seconds(5)
    /// Called on the server's event loop with what happens, in order; must not block.
    package var observer: (@Sendable (Instant, ServerEvent) -> Void)?
    /// Opens what outlives the server, for an export; called once, on a thread that may block.
    ///
    /// A store in memory outlives only a server that is started again in the same process: without another one, clients
    /// lose their layouts with the process.
    package var openStore: @Sendable (StoreIdentity) throws -> any RecoveryStore = { _ in MemoryStore() }
    /// Called on the server's event loop when what was done cannot be written down, with the remedy: nothing is answered
    /// any more, and the process should end, so that the next one finds out what was done; must not block.
    package var storeFailed: @Sendable (String) -> Void = { _ in }
    /// Where log lines go.
    package var logger = Logger(label: "layoutd")

    /// What is done about a holder that misses a recall's deadline (`LeaseEngine.FencePolicy`, with its program).
    package enum FencePolicy: Hashable, Sendable {
        /// Look again and again whether it is gone.
        case wait
        /// Kill its process, then look.
        case kill
        /// Run a program, then look.
        case hook(program: String)
        /// Trust its own deadline.
        case cooperative

        var enginePolicy: LeaseEngine.FencePolicy {
            switch self {
            case .wait: .wait
            case .kill: .kill
            case .hook: .hook
            case .cooperative: .cooperative
            }
        }

        var capability: LayoutCapabilities {
            switch self {
            case .wait: .fenceWait
            case .kill: .fenceKill
            case .hook: .fenceHook
            case .cooperative: .fenceCooperative
            }
        }
    }

    /// How changes by local programs are held up that do not speak the protocol.
    package struct Guarding: Sendable {
        /// Whether the export is guarded.
        package enum Mode: String, Hashable, Sendable, CaseIterable {
            /// Where the host can; elsewhere each grant says that it is not.
            case auto
            /// Not at all.
            case off
            /// Or the server does not start.
            case required
        }

        /// Whether the export is guarded.
        package var mode = Mode.off
        /// How long a local program waits for layouts before its system call fails with `EBUSY`; counts from the end of
        /// grace.
        package var patience: Duration = .seconds(20)
        /// The socket of the keeper for an export, at most 107 bytes; `nil` for a guard that dies with the server.
        package var keeperSocket: @Sendable (StoreIdentity) -> String? = { _ in nil }
        /// The keeper's program.
        package var keeperProgram = "layoutd-keeper"

        package init() {}
    }

    /// Makes a configuration for an export, with every other setting at its default.
    package init(exportPath: String, addresses: [ServerAddress]) {
        self.exportPath = exportPath
        self.addresses = addresses
    }

    /// The configuration of the engine that follows.
    func engineConfiguration(boot: UInt32) -> LeaseEngine.Configuration {
        var engine = self.engine
        engine.enforcedLease = self.lease + self.enforcedLeaseMargin
        engine.recallTimeout = self.recallTimeout
        engine.patienceMax = max(self.patience, self.guarding.patience)
        engine.fencePolicy = self.fence.enginePolicy
        engine.boot = boot
        return engine
    }
}
