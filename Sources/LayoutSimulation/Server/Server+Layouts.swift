import LayoutCore
import LeaseEngine
import Recovery
import Sessions

/// A LAYOUTGET between its arrival and its answer.
struct PendingGet {
    let call: ActiveCall
    let arguments: GetArguments
    var isParked: Bool
    /// The grant brings a descriptor.
    var opensDescription = false
}

/// Who has which open file descriptions: what proves that a holder is gone (design §5).
struct HolderTable {
    /// The lock bytes of each holder's descriptions, fetched or not.
    var locks: [LeaseEngine.HolderID: [UInt64]] = [:]
    /// What was last written of each holder.
    var written: [LeaseEngine.HolderID: StoredHolder] = [:]
    /// Opened for a LAYOUTGET of this client and file, and not yet a holder's.
    private(set) var opened: [Owner: [UInt64]] = [:]
    /// Which holder a client is on a file.
    private(set) var current: [Owner: LeaseEngine.HolderID] = [:]
    /// Not fetched yet: the server has it, and nobody else.
    private(set) var unfetched: [UInt64] = []

    struct Owner: Hashable {
        var client: ClientID
        var file: FileID
    }

    mutating func open(_ lock: UInt64, for owner: Owner) {
        self.opened[owner, default: []].append(lock)
        self.unfetched.append(lock)
    }

    /// What was opened for a holder is its own from now on.
    mutating func adopt(_ holder: LeaseEngine.HolderID, _ owner: Owner) {
        self.current[owner] = holder
        guard let locks = self.opened.removeValue(forKey: owner) else { return }
        self.locks[holder, default: []] += locks
    }

    /// A client fetches a description: it is in the message from now on, and no longer here.
    mutating func fetch(_ lock: UInt64) -> Bool {
        guard let place = self.unfetched.firstIndex(of: lock) else { return false }
        self.unfetched.remove(at: place)
        return true
    }

    /// What a holder has not fetched it will not get.
    mutating func dropUnfetched(of locks: [UInt64], _ host: Host) {
        for lock in locks where self.fetch(lock) { host.release(lock) }
    }

    mutating func forget(_ holder: LeaseEngine.HolderID, _ owner: Owner, _ host: Host) {
        if self.current[owner] == holder { self.current[owner] = nil }
        self.dropUnfetched(of: self.locks.removeValue(forKey: holder) ?? [], host)
    }

    mutating func closeAll(_ host: Host) {
        for lock in self.unfetched { host.release(lock) }
        self.unfetched = []
    }
}

/// LAYOUTGET and LAYOUTRETURN (specification §6.1, §6.2).
extension Server {
    func layoutGet(_ arguments: GetArguments, _ call: ActiveCall) {
        let file = arguments.file
        if self.blockedFiles.contains(file) { return self.finish(call, .refused(.outcomeUnknown)) }
        if self.hasStrangers(file) { return self.finish(call, .refused(.delay)) }
        let isParked = arguments.patience > .zero && self.sessions.park(call.running)
        let id = CallID(self.world.nextNumber())
        self.gets[id] = PendingGet(call: call, arguments: arguments, isParked: isParked)
        let request = LeaseEngine.LayoutRequest(
            file: self.fileID(file),
            stateID: arguments.stateID,
            range: arguments.range,
            minLength: 1,
            ioMode: arguments.ioMode,
            patience: isParked ? arguments.patience : .zero,
            knownEpoch: arguments.knownEpoch,
            isReclaim: arguments.isReclaim
        )
        self.submit(.layoutGet(id, call.client, request))
    }

    /// Whether somebody can reach a file of whom the store knows nothing: it was lost.
    func hasStrangers(_ file: Int) -> Bool {
        guard !self.filesWithoutStrangers.contains(file) else { return false }
        let known = Set(self.holders.locks.values.joined()).union(self.holders.opened.values.joined())
        guard !self.host.hasForeignLock(on: file, known: known) else {
            self.world.mark(.foreignLockFound)
            return true
        }
        self.filesWithoutStrangers.insert(file)
        return false
    }

    /// Reads the extents of what is asked for; for stores, allocates them first.
    func resolveExtents(_ id: CallID, _ request: LeaseEngine.LayoutRequest) {
        self.unpark(id)
        self.run(on: self.file(request.file)) { [unowned self] over in
            self.after(1...500) { [unowned self] in
                self.extentsRead(id, request)
                over()
            }
        }
    }

    private func extentsRead(_ id: CallID, _ request: LeaseEngine.LayoutRequest) {
        guard let get = self.gets[id] else { return }
        let file = self.file(request.file)
        guard let whole = ByteRange(0, self.host.files[file].size), let range = request.range.intersection(whole) else {
            return self.submit(
                .extentsResolved(id, .failure(LeaseEngine.Refusal(.layoutUnavailable, "past the end of the file")))
            )
        }
        if request.ioMode == .readWrite {
            guard !self.world.callFails() else {
                return self.submit(.extentsResolved(id, .failure(LeaseEngine.Refusal(.noSpace, "no room for stores"))))
            }
            self.host.files[file].allocate(range) { [host = self.host] in host.nextStorage() }
        }
        let owner = HolderTable.Owner(client: get.call.client, file: request.file)
        if get.arguments.needsDescriptor || self.holders.current[owner] == nil {
            self.gets[id]?.opensDescription = true
            self.holders.open(self.host.openDescription(of: file), for: owner)
        }
        self.submit(.extentsResolved(id, .success(range)))
    }

    private func unpark(_ id: CallID) {
        guard let get = self.gets[id], get.isParked else { return }
        self.gets[id]?.isParked = false
        self.sessions.unpark(get.call.running)
    }

    func grant(_ id: CallID, _ grant: LeaseEngine.Grant) {
        guard let get = self.gets.removeValue(forKey: id) else { return }
        let file = get.arguments.file
        if self.changeOrder.contains(where: { self.changes[$0]?.file == file }) {
            self.world.mark(.changeWaitedForGrant)
        }
        if get.arguments.isReclaim { self.world.mark(.reclaimed) }
        self.holders.adopt(grant.holder, HolderTable.Owner(client: grant.client, file: grant.file))
        // The last one is newest: what was opened before it and not fetched has lost its caller.
        let lock = get.opensDescription ? self.holders.locks[grant.holder]?.last : nil
        let reply = GrantedReply(
            holder: grant.holder.rawValue,
            stateID: grant.stateID,
            range: grant.range,
            ioMode: grant.ioMode,
            epoch: grant.epoch,
            shifts: self.world.has(.forgetsShifts) ? [] : grant.shifts,
            fileSize: self.host.files[file].size,
            lock: lock
        )
        self.whenWritten(grant.holder) { [unowned self] in
            self.failpoint(.crashedAfterHolderWritten) {
                self.finish(get.call, .granted(reply))
            }
        }
    }

    func refuse(_ id: CallID, _ refusal: LeaseEngine.Refusal) {
        if let call = self.returns.removeValue(forKey: id) { return self.finish(call, .refused(refusal.status)) }
        self.unpark(id)
        guard let get = self.gets.removeValue(forKey: id) else { return }
        if get.arguments.isReclaim {
            self.world.mark(.reclaimRefused)
            if self.world.has(.reclaimsUnchecked), let grant = self.pretendedGrant(get) {
                return self.finish(get.call, grant)
            }
        }
        self.finish(get.call, .refused(refusal.status))
    }

    /// A planted fault: a reclaim that is granted although nothing of the kind was held.
    private func pretendedGrant(_ get: PendingGet) -> Reply? {
        let file = self.fileID(get.arguments.file)
        let lock = self.host.openDescription(of: get.arguments.file)
        self.holders.open(lock, for: HolderTable.Owner(client: get.call.client, file: file))
        return .granted(
            GrantedReply(
                holder: get.arguments.stateID.other.number,
                stateID: get.arguments.stateID,
                range: get.arguments.range,
                ioMode: get.arguments.ioMode,
                epoch: self.engine.epoch(of: file),
                shifts: [],
                fileSize: self.host.files[get.arguments.file].size,
                lock: lock
            )
        )
    }

    func layoutReturn(_ request: LeaseEngine.ReturnRequest, _ call: ActiveCall) {
        let id = CallID(self.world.nextNumber())
        self.returns[id] = call
        self.submit(.layoutReturn(id, call.client, request))
    }

    func returned(_ id: CallID, _ stateID: StateID?) {
        guard let call = self.returns.removeValue(forKey: id) else { return }
        self.finish(call, .returned(stateID))
    }

    // MARK: Descriptors and fences

    /// A client fetches the descriptor of a grant; `false` if it is too late.
    func fetch(_ lock: UInt64) -> Bool { self.isServing && self.holders.fetch(lock) }

    func fence(_ fence: LeaseEngine.Fence) {
        self.holders.dropUnfetched(of: self.holders.locks[fence.holder] ?? [], self.host)
        let owner = HolderTable.Owner(client: fence.client, file: fence.file)
        if let opened = self.holders.opened[owner] { self.holders.dropUnfetched(of: opened, self.host) }
        self.after(20...2000) { [unowned self] in
            if fence.method == .enforce, self.world.swarm.policy == .kill, let peer = self.peers[fence.client] {
                if peer.isDraining(self.file(fence.file)) { self.world.mark(.fencedWhileDraining) }
                peer.kill()
            }
            // As it is now: the holder may have been given another description since.
            let locks = self.holders.locks[fence.holder] ?? []
            var isGone = !locks.contains { self.host.isLocked($0) }
            if !isGone { self.world.mark(.fenceFailed) }
            if self.world.has(.fenceLies) { isGone = true }
            if self.world.has(.fenceAssumed), fence.attempt >= 3 { isGone = true }
            self.submit(.fenceFinished(fence.holder, isGone: isGone))
        }
    }
}
