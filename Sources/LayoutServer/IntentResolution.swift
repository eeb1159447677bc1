import Glibc
import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import NIOCore
import Recovery

/// Finds out what became of a change that was under way when an earlier life ended, and sees to it that it happens
/// exactly once (specification §8.4).
///
/// Its system call is over by now, and nobody holds a layout that it breaks. On a thread that may block.
struct IntentResolution {
    let intent: StoredIntent
    let state: RecoveredState
    /// For a shift that was made: greater than all epochs of the life that made it.
    let epoch: UInt64
    /// What file handles are made with.
    let key: Opaque16
    let export: ExportRoot
    let support: MappingSupport

    /// What is kept of a change that is over.
    struct Outcome {
        let records: [RecoveryRecord]
        /// For the log.
        let text: String
    }

    /// What became of it.
    private enum Verdict {
        /// Not made: a retry is told so by DEADSESSION, and may be sent anew.
        case notMade
        /// Made, or made now: a retry is answered with this.
        case made(Result<Response, Failure>, more: [RecoveryRecord] = [])
        /// Neither: the file is blocked.
        case neither(FileHandle, reason: String, more: [RecoveryRecord])
    }

    /// Decides, and says what is to be written down.
    ///
    /// - Throws: `RecoveryStoreError` if the intent makes no sense.
    func run() throws(RecoveryStoreError) -> Outcome {
        guard let intent = ChangeIntent(decoding: self.intent.body),
            let call = try? LayoutCodec.decodeCall(procedure: intent.procedure, ByteBuffer(bytes: intent.arguments))
        else {
            throw RecoveryStoreError(
                .damaged,
                "the recovery store holds a change that makes no sense (intent \(self.intent.number)); restore it from a "
                    + "copy, or, when no client of this export runs any more, start with --new-state"
            )
        }
        let ended = RecoveryRecord.intentEnded(number: self.intent.number)
        do throws(LinuxError) {
            switch try self.verdict(intent, call.request) {
            case .notMade:
                return Outcome(records: [ended], text: "\(intent.procedure): not made")
            case .made(let result, let more):
                let failure = if case .failure(let failure) = result { ", \(failure.status)" } else { "" }
                let records = more + self.reply(result, to: intent.procedure) + [ended]
                return Outcome(records: records, text: "\(intent.procedure): made\(failure)")
            case .neither(let file, let reason, let more):
                let failure = BlockedFile(reason: reason).failure
                let block = more + [.blocked(file, reason: reason)]
                return Outcome(
                    records: block + self.reply(.failure(failure), to: intent.procedure) + [ended],
                    text: "\(intent.procedure): neither made nor undone; the file is blocked"
                )
            }
        } catch {
            // The file or its directory is gone, or cannot be worked on: the caller learns why.
            return Outcome(
                records: self.reply(.failure(Failure(error)), to: intent.procedure) + [ended],
                text: "\(intent.procedure): \(error.message)"
            )
        }
    }

    private func verdict(_ intent: ChangeIntent, _ request: Request) throws(LinuxError) -> Verdict {
        switch intent.subject {
        case .mapping(let mapping):
            return try self.mapping(mapping, intent.procedure)
        case .clone(let source, let destination, let from, let to):
            return try self.clone(source, destination, from, to)
        case .create(let directory, let uid, let after):
            return try self.create(directory, uid, after, request)
        case .remove(let directory, let victim):
            guard case .remove(let arguments) = request else { return self.unreadable }
            return try self.remove(directory, victim, arguments.path)
        case .rename(let from, let to, let renamed):
            guard case .rename(let arguments) = request else { return self.unreadable }
            return try self.rename(from, to, renamed, arguments)
        case .attributes(let locator, let user):
            guard case .setAttributes(let arguments) = request else { return self.unreadable }
            let place = try self.find(locator)
            // Whether the user may do it was for the system call to say, which may not have been made.
            try user.run { () throws(LinuxError) in try arguments.apply(to: place) }
            return .made(.success(try self.object(place)))
        }
    }

    private var unreadable: Verdict {
        .made(.failure(Failure(.outcomeUnknown, "the server restarted and cannot tell whether this was done: look")))
    }

    // MARK: Mapping changes

    private func mapping(_ mapping: ChangeIntent.Mapping, _ procedure: Procedure) throws(LinuxError) -> Verdict {
        let place = try self.find(mapping.file)
        let file = try ExportRoot.openRegular(place, for: .readWrite, "look at an interrupted change").shared()
        if mapping.operation.isShift { return try self.shift(mapping, place, file) }
        if mapping.operation == .truncate {
            let size = try FileFacts(of: file).size
            let wanted = mapping.argument.lowerBound
            // Somebody has worked on the file since: to do it again could take away what is new.
            guard size == wanted || size == mapping.size else { return self.unreadable }
            if size != wanted { return .notMade }
        } else {
            _ = try MappingCall(mapping.operation, mapping.argument, keepsSize: mapping.keepsSize).make(on: file)
        }
        try MappingCalls.synchronize(file)
        if procedure == .open { return .made(.success(try self.object(place))) }
        return .made(.success(try self.changed(place, epoch: nil)))
    }

    private func shift(
        _ mapping: ChangeIntent.Mapping,
        _ place: SharedDescriptor,
        _ file: SharedDescriptor
    ) throws(LinuxError) -> Verdict {
        let shift = Shift(mapping.operation, mapping.argument)
        let what = "the \(mapping.operation) of \(mapping.argument)"
        let handle = try self.handle(of: place)
        let verdict: ExtentFingerprint.Verdict
        do throws(LinuxError) {
            guard let fingerprint = ExtentFingerprint(mapping.fingerprint) else {
                throw LinuxError(refusing: .outcomeUnknown, "what the file looked like before was not kept")
            }
            verdict = try fingerprint.compare(to: file)
        } catch {
            let reason = "nobody can tell whether \(what) was done before the server ended: \(error.message)"
            return .neither(handle, reason: reason, more: [self.file(handle, mapping.file, after: nil)])
        }
        switch verdict {
        case .before:
            return .notMade
        case .after:
            try MappingCalls.synchronize(file)
            let response = try self.changed(place, epoch: self.epoch)
            return .made(.success(response), more: [self.file(handle, mapping.file, after: shift)])
        case .neither:
            let reason = "\(what) was interrupted, and the file is neither as before nor as after it"
            return .neither(handle, reason: reason, more: [self.file(handle, mapping.file, after: nil)])
        }
    }

    /// What is known of a file after a shift; without one, that nothing is known.
    private func file(_ handle: FileHandle, _ locator: [UInt8], after shift: Shift?) -> RecoveryRecord {
        let known = self.state.files.first { $0.handle == handle }
        var file = StoredFile(
            handle: handle,
            locator: known?.locator ?? locator,
            epoch: self.epoch,
            logStart: self.epoch,
            shifts: []
        )
        guard let shift, let known else { return .file(file) }
        file.shifts = known.shifts + [LoggedShift(epoch: self.epoch, shift: shift)]
        file.logStart = known.logStart
        while file.shifts.count > LeaseEngine.Configuration().shiftsMax {
            file.logStart = file.shifts.removeFirst().epoch
        }
        return .file(file)
    }

    private func clone(
        _ source: [UInt8],
        _ destination: [UInt8],
        _ from: ByteRange,
        _ to: ByteRange
    ) throws(LinuxError) -> Verdict {
        let attempt = "make an interrupted clone again"
        let readable = try ExportRoot.openRegular(try self.find(source), for: .read, attempt)
        let place = try self.find(destination)
        let writable = try ExportRoot.openRegular(place, for: .readWrite, attempt)
        try MappingCalls.cloneRange(
            from: readable,
            at: from.lowerBound,
            length: from.wireLength,
            to: writable,
            at: to.lowerBound
        )
        try MappingCalls.synchronize(writable)
        return .made(.success(try self.changed(place, epoch: nil)))
    }

    // MARK: Names

    private func create(
        _ directory: [UInt8],
        _ uid: UInt32,
        _ after: LinuxFiles.FileTime,
        _ request: Request
    ) throws(LinuxError) -> Verdict {
        let path: [UInt8]
        let isExclusive: Bool
        switch request {
        case .createDirectory(let arguments): (path, isExclusive) = (arguments.path, true)
        case .open(let arguments): (path, isExclusive) = (arguments.path, arguments.flags.contains(.exclusive))
        default: return self.unreadable
        }
        let base = try self.base(directory)
        guard let place = try self.look(path, at: base, followingLast: !isExclusive) else { return .notMade }
        let facts = try FileFacts(of: place)
        if isExclusive {
            // Else somebody made it since: the retry is to be told that it exists.
            guard facts.uid == uid, let born = facts.born, born.isAtLeast(after) else { return .notMade }
        }
        try self.export.synchronizeParent(of: path, at: base)
        return .made(.success(try self.object(place)))
    }

    private func remove(_ directory: [UInt8], _ victim: FileIdentity, _ path: [UInt8]) throws(LinuxError) -> Verdict {
        let base = try self.base(directory)
        guard try self.identity(path, at: base) != victim else { return .notMade }
        try self.export.synchronizeParent(of: path, at: base)
        return .made(.success(.void))
    }

    private func rename(
        _ from: [UInt8],
        _ to: [UInt8],
        _ renamed: FileIdentity,
        _ arguments: RenameArguments
    ) throws(LinuxError) -> Verdict {
        let (fromBase, toBase) = (try self.base(from), try self.base(to))
        guard try self.identity(arguments.to, at: toBase) == renamed else {
            return try self.identity(arguments.from, at: fromBase) == renamed ? .notMade : self.unreadable
        }
        try self.export.synchronizeParent(of: arguments.to, at: toBase)
        try self.export.synchronizeParent(of: arguments.from, at: fromBase)
        return .made(.success(.void))
    }

    // MARK: Files

    private func find(_ locator: [UInt8]) throws(LinuxError) -> SharedDescriptor {
        guard !locator.isEmpty else { return self.export.directory }
        guard let locator = FileLocator(locator) else {
            throw LinuxError(refusing: .stale, "the recovery store does not say where the file is; look it up again")
        }
        return try self.export.find(locator).shared()
    }

    /// The directory that a path starts at, for the file layer.
    private func base(_ locator: [UInt8]) throws(LinuxError) -> SharedDescriptor? {
        locator.isEmpty ? nil : try self.find(locator)
    }

    private func look(
        _ path: [UInt8],
        at base: SharedDescriptor?,
        followingLast: Bool = false
    ) throws(LinuxError) -> SharedDescriptor? {
        do throws(LinuxError) {
            return try self.export.resolve(path, at: base, followingLast: followingLast).shared()
        } catch {
            guard error.errno == ENOENT else { throw error }
            return nil
        }
    }

    private func identity(_ path: [UInt8], at base: SharedDescriptor?) throws(LinuxError) -> FileIdentity? {
        guard let place = try self.look(path, at: base) else { return nil }
        return try FileIdentity(of: place, on: self.export.fileSystem)
    }

    private func handle(of place: SharedDescriptor) throws(LinuxError) -> FileHandle {
        let identity = try FileIdentity(of: place, on: self.export.fileSystem)
        return FileHandleCodec(key: self.key).encode(identity)
    }

    private func knownEpoch(of handle: FileHandle) -> UInt64 {
        self.state.files.first { $0.handle == handle }?.epoch ?? 0
    }

    // MARK: Answers

    private func object(_ place: SharedDescriptor) throws(LinuxError) -> Response {
        let handle = try self.handle(of: place)
        let facts = try FileFacts(of: place)
        let epoch = self.knownEpoch(of: handle)
        return .object(
            ObjectResult(
                handle: handle,
                attributes: LayoutXDR.FileAttributes(facts, epoch: epoch, support: self.support)
            )
        )
    }

    private func changed(_ place: SharedDescriptor, epoch: UInt64?) throws(LinuxError) -> Response {
        let handle = try self.handle(of: place)
        let facts = try FileFacts(of: place)
        let client = self.session?.client
        let holder = self.state.holders.first { $0.client == client && $0.file == handle }
        return .change(
            ChangeResult(
                size: facts.size,
                change: facts.changeCookie,
                epoch: epoch ?? self.knownEpoch(of: handle),
                stateID: holder.map { holder in
                    let boot = UInt32(truncatingIfNeeded: holder.number >> 32)
                    return StateID(seqid: holder.seqid, other: StateIDOther(number: holder.number, boot: boot))
                },
                recalled: 0
            )
        )
    }

    private var session: StoredSession? { self.state.sessions.first { $0.id == self.intent.session } }

    /// The reply for a retry to find; nothing if the session is gone.
    private func reply(_ result: Result<Response, Failure>, to procedure: Procedure) -> [RecoveryRecord] {
        guard let session = self.session else { return [] }
        let highest = session.fore.maxSlots - 1
        let reply = LayoutReply(
            sequence: SequenceResult(
                status: .ok,
                sequence: self.intent.sequence,
                slot: self.intent.slot,
                highestSlot: highest,
                targetHighestSlot: highest,
                flags: []
            ),
            result: result
        )
        var body = ByteBuffer()
        LayoutCodec.encode(reply, for: procedure, into: &body)
        let isKept = self.intent.keepsReply && body.readableBytes <= Int(session.fore.maxResponseCached)
        let stored = StoredReply(
            session: session.id,
            slot: self.intent.slot,
            sequence: self.intent.sequence,
            digest: self.intent.digest,
            reply: isKept ? Array(body.readableBytesView) : nil
        )
        return [.reply(stored)]
    }
}

extension LinuxFiles.FileTime {
    /// Whether it is the same time or a later one.
    fileprivate func isAtLeast(_ other: LinuxFiles.FileTime) -> Bool {
        (self.seconds, self.nanoseconds) >= (other.seconds, other.nanoseconds)
    }
}
