package import LayoutCore

/// Decides who may hold which layout, and when a mapping change may run.
///
/// A value without I/O, clock or randomness: every input comes as an ``Event`` with the time it arrived, every decision
/// leaves as ``Action`` values that the caller carries out in order. Copy it to record, replay or explore. It is owned
/// by one thread at a time; it traps only when its own caller breaks a promise, never on what a client asks.
///
/// The rules are those of `Protocol/Specification.md` §6. How the pieces fit:
///
/// - Each file has a queue of LAYOUTGETs and mapping changes in order of arrival. An entry waits for every earlier entry
///   whose range overlaps its own, unless both are LAYOUTGETs. So a change's range is closed to new grants from the moment
///   it is requested until it has finished, and nobody starves.
/// - A change whose turn has come recalls the overlapping layouts, and is permitted when the last of them is returned,
///   or its holder is proven gone.
/// - A *holder* is one client's claim on one file: a stateid and disjoint segments.
/// - A dead server unmaps nobody: the holders of earlier lives are holders from the first moment on, and nothing runs over
///   them. In *grace* they come back and say what they go on using, and nobody gets anything new.
package struct LeaseEngine: Hashable, Sendable {
    let configuration: Configuration
    var clients: [ClientID: Client] = [:]
    var holders: [HolderID: Holder] = [:]
    var files: [FileID: File] = [:]
    var changes: [ChangeID: Change] = [:]
    var recalls: [RecallID: RecallInFlight] = [:]
    /// Which file a LAYOUTGET that waits or reads extents is queued on.
    var fileOfCall: [CallID: FileID] = [:]
    var deadlines = TimedQueue<Deadline>()
    var lastHolderNumber: UInt64 = 0
    var lastRecallNumber: UInt64 = 0
    var layoutCount = 0
    var waitingGets = 0
    var lastEpoch: UInt64
    var idleFiles = IdleFiles()
    /// When holders of earlier lives have to be back; `nil` without a grace period.
    var graceEnd: Instant?
    /// Clients that have yet to say which layouts of earlier lives they go on using.
    var reclaimingClients = 0
    /// Holders whose segments are fewer since this event; empty between events.
    var reducedHolders: [HolderID: HolderPlace] = [:]
    package internal(set) var statistics = Statistics()

    /// Makes the engine of a server that starts from nothing.
    package init(configuration: Configuration) {
        self.configuration = configuration
        self.lastEpoch = UInt64(configuration.boot) << 32
        self.lastHolderNumber = UInt64(configuration.boot) << 32
        // A client may be busy with a recall of the last life.
        self.lastRecallNumber = UInt64(configuration.boot) << 32
    }

    /// When ``Event/deadlinePassed`` is due, or `nil` if nothing waits for time to pass.
    ///
    /// May be early, never late.
    package var nextDeadline: Instant? { self.deadlines.first }

    /// Applies one event and says what to do about it, in order.
    package mutating func handle(_ event: Event, at now: Instant) -> [Action] {
        var actions: [Action] = []
        switch event {
        case .clientEstablished(let client):
            self.clientEstablished(client, at: now)
        case .started:
            self.started(at: now, &actions)
        case .reclaimComplete(let client):
            self.reclaimComplete(client, at: now, &actions)
        case .clientLost(let client):
            self.clientLost(client, at: now, &actions)
        case .leaseRenewed(let client):
            self.leaseRenewed(client, at: now)
        case .backChannelChanged(let client, let isUp):
            self.backChannelChanged(client, isUp: isUp, at: now, &actions)
        case .layoutGet(let call, let client, let request):
            self.layoutGet(call, client, request, at: now, &actions)
        case .extentsResolved(let call, let result):
            self.extentsResolved(call, result, at: now, &actions)
        case .layoutReturn(let call, let client, let request):
            self.layoutReturn(call, client, request, at: now, &actions)
        case .recallSent(let recall):
            self.recallSent(recall, at: now)
        case .recallFailed(let recall):
            self.recallFailed(recall, at: now, &actions)
        case .recallAnswered(let recall, let status):
            self.recallAnswered(recall, status, at: now, &actions)
        case .changeRequested(let id, let request):
            self.changeRequested(id, request, at: now, &actions)
        case .changeFinished(let id, let didChange):
            self.changeFinished(id, didChange ? .done : .failed, at: now, &actions)
        case .changeOutcomeUnknown(let id):
            self.changeFinished(id, .unknown, at: now, &actions)
        case .changeRuns(let id, let request):
            self.changeRuns(id, request, at: now)
        case .fenceFinished(let holder, let isGone):
            self.fenceFinished(holder, isGone: isGone, at: now, &actions)
        case .callAbandoned(let call):
            self.callAbandoned(call, at: now, &actions)
        case .changeAbandoned(let id):
            self.changeAbandoned(id, at: now, &actions)
        case .deadlinePassed:
            self.deadlinePassed(at: now, &actions)
        }
        self.endGraceIfDone(at: now, &actions)
        self.persistReduced(&actions)
        return actions
    }
}

extension LeaseEngine {
    /// What the engine is told.
    package enum Event: Hashable, Sendable {
        /// The first event of a life that has recovered holders: those that are gone meanwhile are found out.
        case started
        /// CREATE_SESSION confirmed a client. Its lease starts; a known client's is renewed. A recovered client is back.
        case clientEstablished(ClientID)
        /// RECLAIM_COMPLETE: what the client held in an earlier life and did not reclaim counts as returned.
        case reclaimComplete(ClientID)
        /// The client is gone for good: destroyed, or started again under another ID. Its layouts end once it is proven
        /// that it cannot reach the files any more.
        case clientLost(ClientID)
        /// A call of the client arrived (RFC 8881 §8.3). A client with an overdue recall is not renewed.
        case leaseRenewed(ClientID)
        /// Whether calls to the client can be sent.
        case backChannelChanged(ClientID, isUp: Bool)
        /// LAYOUTGET. Ends in ``Action/grant(_:_:)`` or ``Action/refuse(_:_:)``.
        case layoutGet(CallID, ClientID, LayoutRequest)
        /// Answers ``Action/resolveExtents(_:_:_:)``: the range that can be granted, or why none can. The range lies
        /// inside the one that was asked for, which the owner has rounded out to filesystem blocks.
        case extentsResolved(CallID, Result<ByteRange, Refusal>)
        /// LAYOUTRETURN. Ends in ``Action/returned(_:_:)`` or ``Action/refuse(_:_:)``.
        case layoutReturn(CallID, ClientID, ReturnRequest)
        /// Answers ``Action/sendRecall(_:)``: it left for the client.
        case recallSent(RecallID)
        /// Answers ``Action/sendRecall(_:)``: it could not be sent, or the connection broke before an answer came.
        case recallFailed(RecallID)
        /// The client answered: `.ok`, `.noMatchingLayout`, `.delay`, or anything at all.
        case recallAnswered(RecallID, LayoutStatus)
        /// Somebody wants to change a mapping. Ends in ``Action/permitChange(_:recalled:)`` or
        /// ``Action/refuseChange(_:_:)``.
        case changeRequested(ChangeID, ChangeRequest)
        /// Answers ``Action/permitChange(_:recalled:)``: the system call is over; `didChange` says whether it succeeded.
        case changeFinished(ChangeID, didChange: Bool)
        /// Answers ``Action/permitChange(_:recalled:)``: the system call is over, and nobody knows whether it succeeded.
        /// What was known of the file's shifts is void, if bytes may have moved.
        case changeOutcomeUnknown(ChangeID)
        /// A change that an earlier life permitted still runs: its range is closed until it ends like any other. What
        /// holders are known to hold there they had given back.
        case changeRuns(ChangeID, ChangeRequest)
        /// Answers ``Action/fence(_:)``: whether it is proven that the holder cannot reach the file any more.
        case fenceFinished(HolderID, isGone: Bool)
        /// Nobody waits for the LAYOUTGET's answer any more. It is refused if it waits for a change; else it goes on.
        case callAbandoned(CallID)
        /// Nobody waits for the change any more. It is refused unless its system call is under way.
        case changeAbandoned(ChangeID)
        /// ``LeaseEngine/nextDeadline`` is due.
        case deadlinePassed
    }

    /// What the engine's owner is to do, in order.
    ///
    /// What follows ``persist(_:)`` or ``persistRevocation(_:_:)`` in a list is done once that is written.
    package enum Action: Hashable, Sendable {
        /// Keep what the holder holds for the next life, in place of what was kept of it before. Records of one holder are
        /// kept in the order in which they come.
        case persist(HolderRecord)
        /// Keep for the next life that layouts of the file were taken from the client.
        case persistRevocation(ClientID, FileID)
        /// The grace period is over: what was refused with `.grace` may be asked for again.
        case graceEnded
        /// Read the extents of the range (for read-write: allocate them first); answer with
        /// ``Event/extentsResolved(_:_:)``.
        case resolveExtents(CallID, ClientID, LayoutRequest)
        /// Answer the LAYOUTGET.
        case grant(CallID, Grant)
        /// Answer the LAYOUTGET or LAYOUTRETURN with an error.
        case refuse(CallID, Refusal)
        /// Answer the LAYOUTRETURN: the stateid of what is left, or `nil` if nothing is.
        case returned(CallID, StateID?)
        /// Send CB_LAYOUTRECALL; say so with ``Event/recallSent(_:)`` or ``Event/recallFailed(_:)``.
        case sendRecall(Recall)
        /// The recall is over; no answer to it matters any more.
        case recallEnded(RecallID, RecallOutcome)
        /// Make the system call; answer with ``Event/changeFinished(_:didChange:)``. `recalled` holders had to give
        /// layouts back for it.
        case permitChange(ChangeID, recalled: Int)
        /// Answer the change with an error: nothing was done.
        case refuseChange(ChangeID, Refusal)
        /// The change has finished and its range is open again: answer its caller.
        case changeEnded(ChangeID, ChangeOutcome)
        /// Find out whether the holder can still reach the file, and see to it that it cannot; answer with
        /// ``Event/fenceFinished(_:isGone:)``.
        case fence(Fence)
        /// The holder's layouts were revoked: take back what it could still use and tell the client.
        case revoked(HolderID, ClientID, FileID)
        /// The holder gave everything back: forget its descriptors' tokens.
        case released(HolderID, ClientID, FileID)
        /// The client holds too much: send CB_RECALL_ANY.
        case recallAny(ClientID, keep: Int)
        /// A client that was lost holds nothing any more: forget it.
        case clientForgotten(ClientID)
    }

    /// Limits and times.
    ///
    /// Every table has a bound.
    package struct Configuration: Hashable, Sendable {
        /// How long a client may be silent before its layouts can be taken; longer than what clients are told.
        package var enforcedLease: Duration = .seconds(20)
        /// From the sending of a recall to its deadline.
        package var recallTimeout: Duration = .seconds(10)
        /// The longest time that a change or LAYOUTGET waits, whatever its caller asks for.
        package var patienceMax: Duration = .seconds(20)
        /// What is done about a holder that misses a deadline.
        package var fencePolicy: FencePolicy = .wait
        /// The pause before a failed fence is tried again; doubles each time.
        package var fenceRetryMin: Duration = .milliseconds(250)
        /// The longest pause between two tries of a fence.
        package var fenceRetryMax: Duration = .seconds(5)
        /// Segments of all clients.
        package var layoutsMax = 2_000_000
        /// Segments of one client.
        package var layoutsPerClientMax = 1_000_000
        /// Changes that wait or run.
        package var changesMax = 4096
        /// LAYOUTGETs that wait.
        package var waitingGetsMax = 4096
        /// Shifts that each file remembers.
        package var shiftsMax = 256
        /// Files without layouts whose mapping epoch and shifts are remembered.
        package var idleFilesMax = 16384
        /// Which start of the server this is: part of every stateid.
        package var boot: UInt32 = 0

        package init() {}
    }

    /// What is done about a holder that misses a recall's deadline (design §5).
    package enum FencePolicy: String, Hashable, Sendable, CaseIterable {
        /// Nothing but to look, again and again, whether the holder is gone.
        case wait
        /// Kill the holder's process, then look.
        case kill
        /// Run the operator's program, then look.
        case hook
        /// Trust that the holder's own deadline has stopped it.
        case cooperative
    }
}
