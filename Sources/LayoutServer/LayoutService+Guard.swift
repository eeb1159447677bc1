import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import MappingGuard

/// Which files are guarded against local programs (specification R7.3-1).
extension LayoutService {
    // MARK: Watching

    /// Begins to guard a file, on a thread that may block.
    struct FileWatch: Sendable {
        let guardian: MappingGuard
        let place: SharedDescriptor
        let file: FileID
        let looksForWriters: Bool

        /// The programs that can write to the file unseen.
        struct Found: Sendable {
            var writers: [OpenWriter] = []
            /// Whether it was looked, and the kernel could tell.
            var isKnown = false
        }

        /// Looks, then watches.
        func run() -> Result<Found, LinuxError> {
            Result { () throws(LinuxError) in
                var found = Found()
                if self.looksForWriters {
                    let file = try ExportRoot.openRegular(self.place, for: .read, "look who can write to the file")
                    if let writers = try? self.guardian.earlierWriters(of: file) {
                        found = Found(writers: writers, isKnown: true)
                    }
                }
                try self.guardian.watch(self.place, as: self.file)
                return found
            }
        }
    }

    /// What is to be done before a layout of the file is made; `nil` if it is guarded, or nothing guards the export.
    func watch(for entry: FileEntry) -> FileWatch? {
        guard let guardian = self.guardian, case .off = entry.guarding else { return nil }
        entry.guarding = .starting
        if !entry.hasNoEarlierWriters {
            // The server's own descriptors would count as somebody's.
            self.opened.drop(entry.id)
        }
        return FileWatch(
            guardian: guardian,
            place: entry.place,
            file: entry.id,
            looksForWriters: !entry.hasNoEarlierWriters
        )
    }

    /// Takes what came of a file's watch.
    func wasWatched(_ entry: FileEntry, _ result: Result<FileWatch.Found, LinuxError>) {
        switch result {
        case .success(let found):
            entry.guarding = .watched
            if found.isKnown, found.writers.isEmpty { entry.hasNoEarlierWriters = true }
            for writer in found.writers {
                self.logger.notice(
                    "a program can write to a file unseen: it had it open before the server began to guard",
                    metadata: ["file": "\(entry.pathText)", "pid": "\(writer.process)", "command": "\(writer.command)"]
                )
            }
        case .failure(let error):
            entry.guarding = .failed
            self.logger.error(
                "a file is not guarded",
                metadata: ["file": "\(entry.pathText)", "error": "\(error.message)"]
            )
        }
        self.unwatchIfIdle(entry)
    }

    /// Ends the guard of a file that nobody holds a layout of, or waits for.
    func unwatchIfIdle(_ entry: FileEntry) {
        if !self.engine.isInUse(entry.id) { self.unwatch(entry) }
    }

    /// Ends the guard of a file.
    func unwatch(_ entry: FileEntry) {
        switch entry.guarding {
        case .off, .starting: break
        case .failed: entry.guarding = .off
        case .watched:
            entry.guarding = .off
            self.guardian?.unwatch(entry.id)
        }
    }

    /// Why a layout cannot be granted of a file that has to be guarded and is not; `nil` if it can.
    func refusalWithoutGuard(_ entry: FileEntry) -> Failure? {
        guard self.configuration.guarding.mode == .required, self.guardian != nil else { return nil }
        guard case .failed = entry.guarding else { return nil }
        return Failure(
            .layoutTryLater,
            "the file cannot be guarded against local programs now; the server's log says why"
        )
    }

    /// What the guard adds to a grant's capabilities.
    func guardCapabilities(of entry: FileEntry) -> LayoutCapabilities {
        guard let guardian = self.guardian, !self.guardMissesCalls, case .watched = entry.guarding,
            entry.hasNoEarlierWriters
        else { return [] }
        return guardian.isKept ? .guarded : [.guarded, .guardFailsOpen]
    }

    // MARK: The start and the end

    /// The files that an earlier life may have guarded: to be watched again before its calls are settled.
    func recoveredWatches() -> [FileWatch] {
        guard let guardian = self.guardian else { return [] }
        return self.files.all.filter { $0.type == .regular }.map { entry in
            entry.guarding = .starting
            return FileWatch(guardian: guardian, place: entry.place, file: entry.id, looksForWriters: false)
        }
    }

    /// Takes what came of the watches of a start; files without a use are let go again.
    func wereWatched(_ results: [(file: FileID, result: Result<FileWatch.Found, LinuxError>)]) {
        for (file, result) in results {
            guard let entry = self.files.find(file) else { continue }
            switch result {
            case .success: entry.guarding = .watched
            case .failure: self.wasWatched(entry, result)
            }
        }
    }

    /// Lets go of the files that an earlier life has guarded and nothing is left of.
    func unwatchIdleFiles() { for entry in self.files.all { self.unwatchIfIdle(entry) } }

    /// Takes the guard away from the service, which answers no program any more.
    ///
    /// - Returns: The guard, and whether there are holders for a next life to protect.
    func endGuard() -> (guardian: MappingGuard, hasHolders: Bool)? {
        guard let guardian = self.guardian else { return nil }
        self.guardian = nil
        return (guardian, !self.engine.filesWithLayouts.isEmpty)
    }

    // MARK: Trouble

    func guardIsInTrouble(_ trouble: GuardTrouble) {
        switch trouble {
        case .overflow:
            self.guardMissesCalls = true
            self.logger.error("the guard has missed calls of local programs: no grant says GUARDED from now on")
        case .behind(let events):
            self.logger.warning("the guard is behind", metadata: ["events": "\(events)"])
        case .noRoom:
            self.logger.warning("a local program was refused: too many wait")
        case .endNotSeen(let call):
            self.logger.info("the end of a local program's call was not seen", metadata: ["call": "\(call.rawValue)"])
        case .keeperLost:
            self.logger.error("the guard has no keeper: local programs go on unguarded while the server is dead")
        case .noTrace(let errno):
            self.logger.warning(
                "the ends of local programs' calls are looked for by hand",
                metadata: ["error": "\(LinuxError.name(of: errno))"]
            )
        }
    }
}
