import Glibc
import LayoutCore
import LeaseEngine
import LinuxFiles
import Logging
import Recovery

/// What a server finds when it starts: the lives before it, brought to an end, and what they have left.
///
/// Made on a thread that may block, before anybody is served.
struct Restart: Sendable {
    /// This life.
    let life: StoredLife
    /// How long the holders of earlier lives have to come back.
    let graceTerm: Duration
    /// What is left of them: every change is resolved, every holder's file was found.
    private(set) var state: RecoveredState
    /// The files in it, found again.
    private(set) var files: [Found] = []

    /// A file of an earlier life.
    struct Found: Sendable {
        let handle: FileHandle
        let file: FoundFile
        /// The path by which it was known.
        let path: [UInt8]
    }

    private let store: any RecoveryStore
    private let logger: Logger

    /// Reads the store, begins a life, and resolves what earlier ones have left undone.
    ///
    /// - Throws: `RecoveryStoreError`, with the remedy: then nobody may be served; `LinuxError` if the filesystem fails.
    init(
        from store: any RecoveryStore,
        _ configuration: ServerConfiguration,
        export: ExportRoot,
        support: MappingSupport,
        hostBoot: String
    ) throws {
        self.store = store
        self.logger = configuration.logger
        self.state = try store.load()
        Failpoint.hit(.duringRecovery)
        let previous = self.state.life
        let longestLease = max(previous?.longestLease ?? .zero, configuration.lease)
        self.graceTerm = longestLease + configuration.enforcedLeaseMargin
        self.life = StoredLife(
            number: Self.number(after: previous),
            hostBoot: hostBoot,
            longestLease: longestLease,
            handleKey: try previous?.handleKey ?? Host.randomOpaque16()
        )
        // Without a store nobody knows what an earlier life was about to do. It is done, but a power cut could still leave
        // a shift half made that no intent tells of.
        if previous == nil { try export.synchronizeFileSystem() }
        try self.keep([.life(self.life)], .synced)
        if let previous, previous.hostBoot != hostBoot { try self.dropHolders() }
        try self.resolveIntents(export, support, epochs: previous ?? self.life)
        try self.findFiles(export)
        let places = Dictionary(uniqueKeysWithValues: self.files.enumerated().map { ($1.handle, FileID(UInt64($0))) })
        if let defect = self.recovered({ places[$0] }).defect {
            throw RecoveryStoreError(
                .damaged,
                "the recovery store contradicts itself: \(defect); restore it from a copy, or, when no client of this export "
                    + "runs any more, start with --new-state"
            )
        }
    }

    /// The first life of a store is numbered by the clock: so it is above all lives of a store that was lost, and no
    /// stateid or epoch of theirs comes again.
    private static func number(after previous: StoredLife?) -> UInt32 {
        previous.map { $0.number + 1 } ?? max(1, UInt32(clamping: Host.wallClock.seconds))
    }

    /// Tells one life from another: part of WRITE's answers and of EXCHANGE_ID's.
    var verifier: UInt64 { self.life.handleKey.high & 0xffff_ffff_0000_0000 | UInt64(self.life.number) }

    /// Where this life's lock bytes are: other than those of 2^21 lives before it.
    var lockSpace: UInt64 { self.life.handleKey.low &+ UInt64(self.life.number) }

    private mutating func keep(_ records: [RecoveryRecord], _ durability: Durability) throws(RecoveryStoreError) {
        try self.store.write(records, durability)
        for record in records { self.state.apply(record) }
    }

    // MARK: What is over

    /// No process of an earlier boot of the host is left, and only processes of the host hold layouts.
    private mutating func dropHolders() throws(RecoveryStoreError) {
        let holders = self.state.holders
        guard !holders.isEmpty else { return }
        self.logger.notice("the host was booted since: its layouts are gone", metadata: ["holders": "\(holders.count)"])
        try self.keep(holders.map { .holderGone(number: $0.number) }, .written)
    }

    /// Finds out what became of the changes that were under way.
    private mutating func resolveIntents(
        _ export: ExportRoot,
        _ support: MappingSupport,
        epochs: StoredLife
    ) throws {
        for (index, intent) in self.state.intents.enumerated() {
            Failpoint.hit(.duringRecovery)
            let resolution = IntentResolution(
                intent: intent,
                state: self.state,
                // Above all that the life has given out, and below the next life's.
                epoch: UInt64(epochs.number) << 32 | (0xffff_ffff - UInt64(index)),
                key: self.life.handleKey,
                export: export,
                support: support
            )
            let outcome = try resolution.run()
            self.logger.notice(
                "a change of an earlier life",
                metadata: ["intent": "\(intent.number)", "outcome": "\(outcome.text)"]
            )
            try self.keep(outcome.records, .synced)
        }
    }

    // MARK: What goes on

    /// Finds the files again that are known; what is not there any more is dropped, with its holders.
    private mutating func findFiles(_ export: ExportRoot) throws {
        for stored in self.state.files {
            do throws(LinuxError) {
                guard let locator = FileLocator(stored.locator) else {
                    throw LinuxError(refusing: .stale, "the recovery store does not say where the file is")
                }
                let found = try FoundFile(try export.find(locator), in: export)
                self.files.append(Found(handle: stored.handle, file: found, path: locator.path))
            } catch {
                guard [.stale, .noEntry, .notSupported, .notPermitted, .access].contains(error.status) else {
                    throw error
                }
                try self.drop(stored.handle, error)
            }
        }
        let known = Set(self.files.map(\.handle))
        let lost = self.state.holders.filter { !known.contains($0.file) }
        try self.keep(lost.map { .holderGone(number: $0.number) }, .written)
    }

    /// A file that nobody can name any more: whoever still has it mapped reaches only that.
    private mutating func drop(_ file: FileHandle, _ error: LinuxError) throws {
        let holders = self.state.holders.filter { $0.file == file }
        if !holders.isEmpty {
            self.logger.warning(
                "a file with layouts is not found again",
                metadata: ["holders": "\(holders.count)", "error": "\(error.message)"]
            )
        }
        try self.keep(holders.map { .holderGone(number: $0.number) } + [.fileGone(file)], .written)
    }

    /// What the engine begins with; the files are entered in the table.
    func recovered(in table: FileTable) -> LeaseEngine.Recovered {
        var entries: [FileHandle: FileID] = [:]
        for found in self.files {
            let entry = table.insert(found.file, path: found.path) { _ in true }
            guard entry.handle == found.handle else { continue }
            entry.isStored = true
            entries[found.handle] = entry.id
        }
        return self.recovered { entries[$0] }
    }

    private func recovered(_ file: (FileHandle) -> FileID?) -> LeaseEngine.Recovered {
        let holders = Dictionary(grouping: self.state.holders, by: \.client)
        let clients = self.state.clients.map { client in
            LeaseEngine.RecoveredClient(
                id: client.id,
                holders: holders[client.id, default: []].compactMap { holder in
                    file(holder.file).map { file in
                        LeaseEngine.RecoveredHolder(
                            id: LeaseEngine.HolderID(holder.number),
                            file: file,
                            seqid: holder.seqid,
                            segments: holder.segments
                        )
                    }
                }
            )
        }
        let files = self.state.files.compactMap { stored in
            file(stored.handle).map { file in
                LeaseEngine.RecoveredFile(
                    file: file,
                    epoch: stored.epoch,
                    logStart: stored.logStart,
                    shifts: stored.shifts
                )
            }
        }
        return LeaseEngine.Recovered(clients: clients, files: files, graceTerm: self.graceTerm)
    }
}
