import LayoutCore
import LeaseEngine

/// An engine and what surrounds it, with answers that take no time: extents are known, recalls are answered and obeyed
/// at once, system calls succeed at once.
///
/// Time is made up: it goes on by 100 ns with every event, so that no lease runs out.
struct EngineWorld {
    private(set) var engine: LeaseEngine
    /// Events that the engine was given.
    private(set) var events = 0
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var lastCall: UInt64 = 0
    private var lastChange: UInt64 = 0
    /// The last grant, until it is taken.
    private var granted: LeaseEngine.Grant?
    private var hasReturned = false
    private var endedChange: ChangeID?

    init(clients: Int) {
        var configuration = LeaseEngine.Configuration()
        configuration.enforcedLease = .seconds(1_000_000)
        self.engine = LeaseEngine(configuration: configuration)
        for client in 1...clients {
            self.send(.clientEstablished(ClientID(UInt64(client))))
            self.send(.backChannelChanged(ClientID(UInt64(client)), isUp: true))
        }
    }

    /// The block at `index`, in blocks of 4 KiB.
    static func block(_ index: Int) -> ByteRange {
        guard let range = ByteRange(offset: UInt64(index) * 4096, length: 4096) else {
            preconditionFailure("\(index) is no block")
        }
        return range
    }

    // MARK: What clients do

    /// LAYOUTGET and its grant: three events, with the renewal that every call is.
    @discardableResult
    mutating func get(
        _ client: ClientID,
        _ file: FileID,
        _ range: ByteRange,
        stateID: StateID = .none
    ) -> LeaseEngine.Grant {
        self.lastCall += 1
        let request = LeaseEngine.LayoutRequest(
            file: file,
            stateID: stateID,
            range: range,
            minLength: 1,
            ioMode: .readWrite
        )
        self.send(.leaseRenewed(client))
        self.send(.layoutGet(CallID(self.lastCall), client, request))
        guard let grant = self.granted.take(), grant.range == range else {
            preconditionFailure("the engine did not grant \(range) of file \(file.rawValue)")
        }
        return grant
    }

    /// LAYOUTRETURN: two events.
    mutating func giveBack(_ client: ClientID, _ file: FileID, _ range: ByteRange, stateID: StateID) {
        self.lastCall += 1
        self.hasReturned = false
        self.send(.leaseRenewed(client))
        self.send(
            .layoutReturn(
                CallID(self.lastCall),
                client,
                .file(file, stateID, .any, range, isDowngrade: false)
            )
        )
        guard self.hasReturned else {
            preconditionFailure("the engine did not take \(range) of file \(file.rawValue) back")
        }
    }

    /// A punched hole by a local program, from its request to its end: layouts are recalled and given back on the way.
    mutating func punch(_ file: FileID, _ range: ByteRange) {
        self.lastChange += 1
        let id = ChangeID(self.lastChange)
        let change = MappingChange(
            file: file,
            operation: .punchHole,
            argument: range,
            affected: range,
            breaks: .everyone
        )
        let requester = LeaseEngine.Requester.local(pid: 1, command: "bench")
        self.send(
            .changeRequested(
                id,
                LeaseEngine.ChangeRequest(parts: [change], requester: requester, patience: .seconds(20))
            )
        )
        guard self.endedChange.take() == id else { preconditionFailure("the change of \(range) did not end") }
    }

    // MARK: The engine's owner

    private mutating func send(_ event: LeaseEngine.Event) {
        // Depth first: each answer is given before the next action is looked at.
        for action in self.handle(event) { self.carryOut(action) }
    }

    private mutating func handle(_ event: LeaseEngine.Event) -> [LeaseEngine.Action] {
        self.now = Instant(nanoseconds: self.now.nanoseconds + 100)
        self.events += 1
        return self.engine.handle(event, at: self.now)
    }

    private mutating func carryOut(_ action: LeaseEngine.Action) {
        switch action {
        case .resolveExtents(let call, _, let request):
            self.send(.extentsResolved(call, .success(request.range)))
        case .grant(_, let grant):
            self.granted = grant
        case .returned:
            self.hasReturned = true
        case .sendRecall(let recall):
            self.send(.recallSent(recall.id))
            self.send(.recallAnswered(recall.id, .ok))
            self.giveBack(recall.client, recall.file, recall.range, stateID: recall.stateID)
        case .permitChange(let change, _):
            self.send(.changeFinished(change, didChange: true))
        case .changeEnded(let change, _):
            self.endedChange = change
        case .recallEnded, .released, .persist:
            break
        case .refuse(_, let refusal), .refuseChange(_, let refusal):
            preconditionFailure("the engine refuses: \(refusal.detail)")
        case .fence, .revoked, .recallAny, .clientForgotten, .persistRevocation, .graceEnded:
            preconditionFailure("nothing here is late, lost or too much: \(action)")
        }
    }
}
