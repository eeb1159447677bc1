import Glibc
import LayoutCore
import LinuxFiles
import Logging
import MappingGuard
import NIOPosix
import Recovery
import Synchronization

/// The guard of an export, as a server begins and ends it.
struct ExportGuard: Sendable {
    let guardian: MappingGuard
    let reports: GuardReports
    /// How it ends if the server cannot start: programs that an earlier life has left waiting go on waiting.
    let endingOfFailedStart: MappingGuard.Ending

    /// Begins to guard an export as its configuration asks; `nil` if it is not guarded.
    ///
    /// Blocks. Before this the server must not open a file that may have layouts: where a keeper waits for the next
    /// server, its calls would wait too.
    static func start(
        _ configuration: ServerConfiguration,
        _ export: ExportRoot,
        _ support: MappingSupport,
        _ identity: StoreIdentity
    ) throws(LinuxError) -> ExportGuard? {
        let (settings, logger) = (configuration.guarding, configuration.logger)
        var socket = settings.keeperSocket(identity)
        let isKept = socket.map { unsafe access($0, F_OK) == 0 } ?? false
        guard settings.mode != .off || isKept else { return nil }
        let hasKeeper = unsafe access(settings.keeperProgram, X_OK) == 0
        let availability = GuardAvailability(on: export.directory, keeperProgram: settings.keeperProgram)
        for finding in availability.findings {
            guard let problem = finding.problem else { continue }
            if finding.isRequired, settings.mode == .required {
                throw LinuxError(refusing: .notSupported, "cannot guard '\(export.path)': \(finding.name): \(problem)")
            }
            logger.warning(
                finding.isRequired ? "local programs are not held up" : "the guard is less than it could be",
                metadata: ["what": "\(finding.name)", "reason": "\(problem)"]
            )
        }
        guard availability.isAvailable else { return nil }
        if let path = socket, path.utf8.count > Self.socketPathMax {
            logger.warning(
                "no keeper: local programs go on unguarded while the server is dead; use a state directory with a shorter path",
                metadata: ["socket": "\(path)"]
            )
            socket = nil
        }
        if !isKept, !hasKeeper { socket = nil }
        let reports = GuardReports()
        let guardian = try MappingGuard.start(
            MappingGuard.Configuration(
                root: export.directory,
                clones: support.operations.contains(.clone),
                keeperSocket: socket,
                keeperProgram: settings.keeperProgram
            ),
            handler: reports.take
        )
        guard settings.mode != .off else {
            // An earlier life was guarded, and this one is not to be: nobody may wait for an answer that never comes.
            guardian.stop(.final)
            logger.notice("the guard of an earlier life has ended")
            return nil
        }
        return ExportGuard(
            guardian: guardian,
            reports: reports,
            endingOfFailedStart: isKept ? .handingOver : .final
        )
    }

    /// unix(7): the room in `sun_path`, less its last byte.
    private static var socketPathMax: Int { 107 }
}

extension MappingGuard {
    /// Ends the guard.
    ///
    /// To be called when the server opens and reads no exported file any more: nobody reads the kernel's questions then, and
    /// its own calls would wait like any other.
    func end(_ ending: Ending) async {
        let thread = NIOThreadPool(numberOfThreads: 1)
        thread.start()
        try? await thread.runIfActive { self.stop(ending) }
        try? await thread.shutdownGracefully()
    }
}

/// The guard's reports, on their way to the service: kept until it is there to take them.
final class GuardReports: Sendable {
    private struct State {
        var early: [GuardReport] = []
        var receiver: (@Sendable (GuardReport) -> Void)?
    }

    private let state = Mutex(State())

    /// The guard's handler: called on its threads, with its lock held.
    func take(_ report: GuardReport) {
        self.state.withLock { state in
            if let receiver = state.receiver { receiver(report) } else { state.early.append(report) }
        }
    }

    /// Hands every report on from now on, and first those that came before; `receiver` must not block.
    func deliver(to receiver: @escaping @Sendable (GuardReport) -> Void) {
        self.state.withLock { state in
            for report in state.early { receiver(report) }
            state.early = []
            state.receiver = receiver
        }
    }
}
