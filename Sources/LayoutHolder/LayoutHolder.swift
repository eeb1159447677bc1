package import LayoutCore

/// One client's side of the layouts of one file: what is held, which windows show it, and what a recall takes.
///
/// A value without I/O, clock or randomness. Its owner carries out the ``Action`` values in order and tells the outcome
/// as an ``Event``. The rules are those of `Protocol/Specification.md` §6 and the design's §5:
///
/// - A window is granted only while the client holds a layout of all that it shows.
/// - A recall closes the windows that overlap it at once and answers at once; the return is sent when the last pin has
///   gone, and never while access is possible.
/// - A change that the client itself asks for closes the windows it affects first, and no LAYOUTGET is under way while
///   it is: the server takes the client's own layouts back with the call.
/// - Windows that follow their content move by the log of completed shifts, never by what a recall announces.
/// - After a restart of the server what is held is reclaimed before anything is returned, changed or asked for anew;
///   what the server does not give again is lost at once, and nothing else is.
package struct LayoutHolder: Hashable, Sendable {
    /// What the server has granted and not got back, as far as this side knows: never more than that.
    private(set) var held = HeldRanges()
    /// The latest stateid, or ``StateID/none`` while nothing is held.
    package private(set) var stateID = StateID.none
    /// The latest stateid that was ever seen here; those of the server's later grants are greater (specification §6.1).
    private var newestOther = StateIDOther.none
    /// The mapping epoch that the windows' positions are in; 0 while none is known.
    package private(set) var epoch: UInt64 = 0
    /// The size of the file as a grant told it, or less if bytes turned out to be past the end; `nil` if unknown.
    private(set) var fileSize: UInt64?
    var windows: [WindowID: WindowState] = [:]
    /// Windows that a thread waits for, the first to want first.
    var wanted: [WindowID] = []
    /// LAYOUTGETs that are not answered yet, in the order in which they were sent.
    var gets: [Get] = []
    /// Recalls that are not returned yet, in the order in which they came.
    var recalls: [PendingRecall] = []
    /// Returns that are not acknowledged yet.
    var returns: [PendingReturn] = []
    /// Own changes, in the order in which they were asked for.
    var changes: [OwnChange] = []
    /// Reclaims without an answer; `nil` if the server has not restarted, or all has been reclaimed.
    var reclaims: [PendingReclaim]?
    var hasLease = true
    private var lastNumber: UInt64 = 0
    let blockSize: UInt64

    /// Makes the state of a file that nothing is held of.
    ///
    /// `blockSize` is a power of two, in bytes.
    package init(blockSize: UInt64) { self.blockSize = blockSize }

    /// Applies one event and says what to do about it, in order.
    package mutating func handle(_ event: Event) -> [Action] {
        var actions: [Action] = []
        switch event {
        case .windowAdded(let id, let window):
            self.windows[id] = WindowState(window: window)
            // The file may have grown since: nobody tells those who hold nothing of what was appended.
            self.forgetSize()
        case .windowRemoved(let id):
            self.windowRemoved(id, &actions)
        case .windowWanted(let id):
            self.windowWanted(id, &actions)
        case .granted(let id, let layout):
            self.granted(id, layout, &actions)
        case .refused(let id, let status):
            self.refused(id, status, &actions)
        case .retryDue(let id):
            self.retryDue(id, &actions)
        case .mapFinished(let id, let generation, let isMapped):
            self.mapFinished(id, generation, isMapped: isMapped, &actions)
        case .drained(let id):
            self.drained(id, &actions)
        case .recallReceived(let recall):
            self.recallReceived(recall, &actions)
        case .returnEnded(let id, let stateID):
            self.returnEnded(id, stateID, &actions)
        case .changeWanted(let change):
            self.changeWanted(change, &actions)
        case .changeEnded(let id, let outcome):
            self.changeEnded(id, outcome, &actions)
        case .returnAllWanted:
            self.returnAll(&actions)
        case .layoutsRevoked:
            self.loseEverything(&actions)
        case .leaseLost:
            self.leaseLost(&actions)
        case .leaseSuspended:
            self.leaseSuspended(&actions)
        case .leaseRegained:
            self.leaseRegained(&actions)
        case .serverRestarted:
            self.serverRestarted(&actions)
        case .reclaimEnded:
            self.reclaimEnded(&actions)
        case .leaseGivenUp(let status):
            self.leaseGivenUp(status, &actions)
        }
        // Whatever happened may have been what something waited for.
        self.sendChangesThatCan(&actions)
        self.pursueWanted(&actions)
        return actions
    }

    /// Whether nothing is held and nothing is under way.
    package var isIdle: Bool {
        self.held.isEmpty && self.gets.isEmpty && self.recalls.isEmpty && self.returns.isEmpty && self.changes.isEmpty
            && self.reclaims?.isEmpty ?? true
    }

    /// Whether a reclaim has no answer yet.
    package var isReclaiming: Bool { self.reclaims?.isEmpty == false }

    /// Whether that reclaim has no answer yet, and none sent later has taken its place.
    package func awaitsReclaim(_ id: GetID) -> Bool { self.reclaims?.contains { $0.id == id } ?? false }

    /// What the client holds, in order.
    package var heldRanges: [(range: ByteRange, ioMode: IOMode)] { self.held.elements }

    mutating func nextNumber() -> UInt64 {
        self.lastNumber += 1
        return self.lastNumber
    }

    // MARK: State that several operations change

    mutating func hold(_ range: ByteRange, _ ioMode: IOMode) { self.held.add(range, ioMode) }

    /// Whether a grant is one of a stateid that is over: its reply was overtaken by the end of that stateid.
    func isStale(_ stateID: StateID) -> Bool {
        stateID.other.boot == self.newestOther.boot && stateID.other.number < self.newestOther.number
    }

    /// Whether a grant is the first of a new stateid while layouts of an older one seem to be held: they are over.
    func replacesHeld(_ stateID: StateID) -> Bool {
        !self.held.isEmpty && stateID.other != self.stateID.other
    }

    /// Forgets held ranges; with the last one the stateid and the descriptors go.
    mutating func letGo(_ range: ByteRange, _ ioMode: IOModeSelector, _ actions: inout [Action]) {
        guard !self.held.isEmpty else { return }
        self.held.remove(range, ioMode)
        self.dropIfNothingHeld(&actions)
    }

    /// Nothing is held, or nothing is left of a grant: its stateid is over, and its descriptor must not stay.
    mutating func dropIfNothingHeld(_ actions: inout [Action]) {
        guard self.held.isEmpty else { return }
        self.stateID = .none
        // What the windows still map belongs to a stateid that is over: it must not come back to life.
        for id in self.windows.keys.sorted() { self.windows[id]?.isMapCurrent = false }
        actions.append(.dropDescriptors)
    }

    mutating func learnSize(_ size: UInt64) { self.fileSize = size }

    mutating func forgetSize() { self.fileSize = nil }

    mutating func forgetStateID() { self.stateID = .none }

    mutating func learn(_ stateID: StateID) {
        if stateID.other != self.stateID.other {
            self.stateID = stateID
            self.newestOther = stateID.other
        } else if StateID.distance(from: self.stateID.seqid, to: stateID.seqid) > 0 {
            self.stateID = stateID
        }
    }

    /// Moves the windows that follow their content by the shifts that are new here.
    ///
    /// `nil`: the log has a gap.
    mutating func follow(_ shifts: [LoggedShift]?, to epoch: UInt64, _ actions: inout [Action]) {
        // Epochs only grow: an older one is in a reply that was overtaken by a later one.
        guard epoch > self.epoch else { return }
        defer { self.epoch = epoch }
        guard self.epoch != 0 else { return }
        for id in self.windows.keys.sorted() {
            guard let state = self.windows[id], case .content(let pieces) = state.window.place else { continue }
            guard let shifts else {
                self.fail(id, .outcomeUnknown, &actions)
                continue
            }
            var moved = pieces
            for logged in shifts where logged.epoch > self.epoch { moved.apply(logged.shift) }
            guard moved != pieces else { continue }
            self.windows[id]?.window.place = .content(moved)
            self.windows[id]?.isMapCurrent = false
            if state.hasAccess {
                // Only a server that breaks its promise moves bytes whose layout is held: what is shown is void.
                self.windows[id]?.phase = .draining
                actions.append(.revoke(id, isForced: true))
            }
            if moved.isEmpty { self.fail(id, .noSuchAddress, &actions) }
        }
    }

    /// Gives a window up: a touch becomes SIGBUS.
    mutating func fail(_ id: WindowID, _ status: LayoutStatus, _ actions: inout [Action]) {
        guard let state = self.windows[id], !state.isFailed else { return }
        if state.hasAccess { actions.append(.revoke(id, isForced: true)) }
        self.windows[id]?.phase = .failed
        self.windows[id]?.failure = status
        self.windows[id]?.isWanted = false
        self.windows[id]?.isMapCurrent = false
        actions.append(.fail(id, status))
    }
}
