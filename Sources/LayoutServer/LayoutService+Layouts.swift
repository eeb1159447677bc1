import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import Sessions

/// A LAYOUTGET between its arrival and its answer.
struct PendingGet {
    let call: ActiveCall
    let entry: FileEntry
    /// Extents that the reply has room for, shifts left out.
    let extentsMax: Int
    /// Counted as one of its session's waiting calls.
    var isParked: Bool
    /// The caller has patience, and the session no slot to wait on.
    let wantedToWait: Bool
    /// The lock of the description that was opened for it is written down with its holder.
    var isLockKept = false
    var resolved: LayoutResolution.Resolved?
}

/// LAYOUTGET (specification §6.1).
extension LayoutService {
    /// Bytes of a grant's reply without extents and shifts.
    private static var grantBytes: Int { 132 }
    /// Bytes of one extent, and of one shift.
    private static var elementBytes: Int { 28 }

    func layoutGet(_ arguments: LayoutGetArguments, _ call: ActiveCall) {
        self.withFile(arguments.handle, call) { entry in
            switch self.checked(arguments, entry, call) {
            case .failure(let failure): self.finish(call, .failure(failure))
            case .success(let request): self.layoutGet(request, arguments, entry, call)
            }
        }
    }

    private func layoutGet(
        _ request: LeaseEngine.LayoutRequest,
        _ arguments: LayoutGetArguments,
        _ entry: FileEntry,
        _ call: ActiveCall
    ) {
        let room = min(Int(arguments.maxCount), call.replyMax) - Self.grantBytes
        guard room >= Self.elementBytes else {
            let least = Self.grantBytes + Self.elementBytes
            return self.finish(call, .tooSmall, "a grant of one extent takes \(least) bytes: raise maxcount")
        }
        let wantsToWait = arguments.waitMilliseconds > 0
        var request = request
        let isParked = wantsToWait && self.sessions.park(call.running)
        if !isParked { request.patience = .zero }
        let id = CallID(self.nextNumber())
        self.gets[id] = PendingGet(
            call: call,
            entry: entry,
            extentsMax: min(room / Self.elementBytes, ProtocolLimits.extents),
            isParked: isParked,
            wantedToWait: wantsToWait && !isParked
        )
        self.submit(.layoutGet(id, call.client, request))
    }

    /// The checks that need neither the engine nor the filesystem, in the order of R6.1-1.
    private func checked(
        _ arguments: LayoutGetArguments,
        _ entry: FileEntry,
        _ call: ActiveCall
    ) -> Result<LeaseEngine.LayoutRequest, Failure> {
        func refuse(_ status: LayoutStatus, _ detail: String) -> Result<LeaseEngine.LayoutRequest, Failure> {
            .failure(Failure(status, detail))
        }
        if let failure = entry.notRegular ?? self.blocked[entry.handle]?.failure { return .failure(failure) }
        guard arguments.addressing == Addressing.file.rawValue else {
            return refuse(
                .unknownLayoutType,
                "addressing \(arguments.addressing) is not served: ask for file addressing"
            )
        }
        guard let ioMode = IOMode(rawValue: arguments.ioMode) else {
            return refuse(.badIOMode, "iomode \(arguments.ioMode) cannot be granted: ask for READ or RW")
        }
        guard arguments.flags.subtracting(.known).isEmpty else {
            return refuse(.invalid, "unknown flags in LAYOUTGET: send those of layout.x")
        }
        guard arguments.length >= max(arguments.minLength, 1), arguments.offset <= UInt64(Int64.max),
            let wanted = ByteRange(offset: arguments.offset, length: arguments.length)
        else {
            return refuse(
                .invalid,
                "\(arguments.length) bytes at \(arguments.offset), of which \(arguments.minLength) at least, are no range"
            )
        }
        if arguments.flags.contains(.exclusive) {
            guard self.configuration.allowsExclusive else {
                return refuse(
                    .notSupported,
                    "exclusive layouts are turned off: start the server with --allow-exclusive"
                )
            }
            guard call.caller.isPrivileged else {
                return refuse(.notPermitted, "exclusive layouts are for root and the server's own user")
            }
        }
        guard call.caller.isLocal else {
            return refuse(
                .layoutUnavailable,
                "descriptors can be passed on the server's host only: read and write through the server"
            )
        }
        guard self.shutdown == nil else {
            return refuse(.layoutTryLater, "the server is shutting down: try again when it is back")
        }
        let range = wanted.roundedOut(to: self.support.fileSystem.blockSize)
        let lead = wanted.lowerBound - range.lowerBound
        let least = max(arguments.minLength, 1)
        return .success(
            LeaseEngine.LayoutRequest(
                file: entry.id,
                stateID: arguments.stateID,
                range: range,
                minLength: least == .max || least > .max - lead ? .max : least + lead,
                ioMode: ioMode,
                breaksOnWrite: arguments.flags.contains(.breakWrite),
                isExclusive: arguments.flags.contains(.exclusive),
                patience: min(.milliseconds(Int64(arguments.waitMilliseconds)), self.configuration.patience),
                knownEpoch: arguments.knownEpoch,
                isReclaim: arguments.flags.contains(.reclaim)
            )
        )
    }

    // MARK: What the engine says

    func resolveExtents(_ id: CallID, _ request: LeaseEngine.LayoutRequest) {
        guard let get = self.gets[id] else { preconditionFailure("\(id) is not a LAYOUTGET in progress") }
        self.unpark(id)
        let entry = get.entry
        let needsDescription = self.needsDescription(get.call.client, entry, request.ioMode)
        let extentsMax = max(1, get.extentsMax - self.shiftsExpected(entry.id, since: request.knownEpoch))
        if !needsDescription, let resolved = self.remembered(request, of: entry, extentsMax: extentsMax) {
            self.resolved(id, .success(resolved))
            return
        }
        let resolution = LayoutResolution(
            place: entry.place,
            user: get.call.user,
            ioMode: request.ioMode,
            range: request.range,
            minLength: request.minLength,
            extentsMax: extentsMax,
            support: self.support,
            lock: needsDescription ? self.descriptions.nextLock(request.ioMode) : nil,
            knownLocks: self.knownLocks(of: entry)
        )
        let watch = self.watch(for: entry)
        self.work.run(
            on: entry.id,
            { (watched: watch?.run(), resolved: resolution.run()) },
            then: { found in
                if let watched = found.watched { self.wasWatched(entry, watched) }
                if case .success(let resolved) = found.resolved {
                    entry.isFreeOfOldHolders = true
                    self.remember(resolved, isStoreReady: request.ioMode == .readWrite, of: entry)
                }
                self.resolved(id, self.refusalWithoutGuard(entry).map { .failure($0) } ?? found.resolved)
            }
        )
    }

    private func resolved(_ id: CallID, _ result: Result<LayoutResolution.Resolved, Failure>) {
        switch result {
        case .success(let resolved):
            self.gets[id]?.resolved = resolved
            self.submit(.extentsResolved(id, .success(resolved.range)))
        case .failure(let failure):
            self.submit(
                .extentsResolved(id, .failure(LeaseEngine.Refusal(failure.status, failure.detail)))
            )
        }
    }

    /// Shifts that the reply has to carry, as far as can be foreseen.
    private func shiftsExpected(_ file: FileID, since epoch: UInt64) -> Int {
        self.engine.shifts(of: file, since: epoch)?.count ?? 0
    }

    /// The answer from what is remembered, without a system call; `nil` if not all of it is.
    private func remembered(
        _ request: LeaseEngine.LayoutRequest,
        of entry: FileEntry,
        extentsMax: Int
    ) -> LayoutResolution.Resolved? {
        guard !entry.holders.isEmpty, let size = entry.extents.size, request.range.lowerBound < size,
            let file = ByteRange(0, size)?.roundedOut(to: self.support.fileSystem.blockSize),
            let range = request.range.intersection(file),
            let extents = entry.extents.find(range, limit: extentsMax, forStores: request.ioMode == .readWrite),
            let last = extents.last, let granted = ByteRange(range.lowerBound, last.range.upperBound)
        else { return nil }
        // What is too short goes the long way, which has the words for it.
        let needed = request.minLength == .max ? file.upperBound : granted.lowerBound &+ request.minLength
        guard granted.upperBound >= needed, needed >= granted.lowerBound else { return nil }
        return LayoutResolution.Resolved(
            range: granted,
            extents: extents,
            size: size,
            isSynchronous: entry.extents.isSynchronous,
            description: nil
        )
    }

    func refuse(_ id: CallID, _ refusal: LeaseEngine.Refusal) {
        if let pending = self.returns.removeValue(forKey: id) {
            self.finish(pending.call, refusal.status, refusal.detail)
            return
        }
        self.unpark(id)
        guard let get = self.gets.removeValue(forKey: id) else { return }
        self.unwatchIfIdle(get.entry)
        if refusal.status == .recallConflict, get.wantedToWait {
            self.finish(get.call, .delay, "the session has no slot to spare for a call that waits; try again")
        } else {
            self.finish(get.call, refusal.status, refusal.detail)
        }
    }

    private func unpark(_ id: CallID) {
        guard let get = self.gets[id], get.isParked else { return }
        self.gets[id]?.isParked = false
        self.sessions.unpark(get.call.running)
    }

    // MARK: The grant

    func grant(_ id: CallID, _ grant: LeaseEngine.Grant) {
        guard let get = self.gets.removeValue(forKey: id), let resolved = get.resolved else {
            preconditionFailure("\(id) is granted without its extents")
        }
        let entry = get.entry
        // It may have been returned, or taken, while it was written down.
        guard self.engine.isHolder(grant.holder) else {
            return self.finish(
                get.call,
                .badStateID,
                "the layout was returned or revoked before its grant was sent: ask for it again"
            )
        }
        entry.holders.insert(grant.holder)
        self.descriptions.remember(grant.holder, grant.client, grant.file)
        self.note(
            .granted(client: grant.client, path: entry.pathText, range: grant.range, ioMode: grant.ioMode)
        )
        self.logger.info(
            "layout granted",
            metadata: [
                "client": "\(grant.client.rawValue)", "file": "\(entry.pathText)", "range": "\(grant.range)",
                "iomode": "\(grant.ioMode)",
            ]
        )
        if self.descriptions.find(grant.holder, grant.ioMode) != nil {
            self.finish(get, grant, resolved, .success(.none))
        } else if let description = resolved.description {
            self.offer(
                description,
                to: grant.holder,
                grant.ioMode,
                get.call.caller,
                isLockKept: get.isLockKept
            ) { token in
                self.finish(get, grant, resolved, token)
            }
        } else {
            // Everything of this iomode was given back while the extents were read, and its descriptor closed.
            self.openDescription(of: entry, for: grant.holder, grant.ioMode, get.call.caller) { token in
                self.finish(get, grant, resolved, token)
            }
        }
    }

    private func finish(
        _ get: PendingGet,
        _ grant: LeaseEngine.Grant,
        _ resolved: LayoutResolution.Resolved,
        _ token: Result<DescriptorToken, Failure>
    ) {
        switch token {
        case .failure(let failure):
            self.takeBack(get.call, grant, failure)
        case .success(let token):
            // What does not fit is said to be forgotten: the client then fails rather than guesses (R6.4-23).
            let room = get.extentsMax - resolved.extents.count
            let shifts = grant.shifts.flatMap { $0.count <= min(room, ProtocolLimits.shifts) ? $0 : nil }
            self.finish(
                get.call,
                .success(
                    .layoutGet(
                        LayoutGetResult(
                            stateID: grant.stateID,
                            range: grant.range,
                            ioMode: grant.ioMode,
                            returnOnClose: false,
                            device: self.device,
                            token: token,
                            capabilities: self.capabilities(of: get.entry, isSynchronous: resolved.isSynchronous),
                            fileSize: resolved.size,
                            epoch: grant.epoch,
                            shifts: shifts,
                            extents: resolved.extents
                        )
                    )
                )
            )
        }
    }

    /// Granted, and of no use to the client: it goes back before anybody hears of it.
    private func takeBack(_ call: ActiveCall, _ grant: LeaseEngine.Grant, _ failure: Failure) {
        self.submit(
            .layoutReturn(
                CallID(self.nextNumber()),
                grant.client,
                .file(grant.file, grant.stateID, IOModeSelector(grant.ioMode), grant.range, isDowngrade: false)
            )
        )
        self.finish(call, .failure(failure))
    }

    /// A grant could not be written down.
    func takeBack(_ id: CallID, _ grant: LeaseEngine.Grant, _ failure: Failure) {
        guard let get = self.gets.removeValue(forKey: id) else { return }
        self.takeBack(get.call, grant, failure)
    }

    private func capabilities(of entry: FileEntry, isSynchronous: Bool) -> LayoutCapabilities {
        var capabilities = self.configuration.fence.capability.union(self.guardCapabilities(of: entry))
        if isSynchronous { capabilities.insert(.synchronous) }
        return capabilities
    }
}

extension IOModeSelector {
    init(_ ioMode: IOMode) {
        switch ioMode {
        case .read: self = .read
        case .readWrite: self = .readWrite
        }
    }
}
