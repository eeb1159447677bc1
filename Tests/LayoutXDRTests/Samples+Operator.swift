import LayoutCore
import LayoutXDR

extension Sample {
    private static func state(_ name: String, _ records: StateRecords, next: UInt64 = 0) -> Sample {
        .reply(name, .state, .state(StateResult(records: records, nextCookie: next)))
    }

    private static let server: ServerState = {
        var state = ServerState()
        state.uptimeMilliseconds = 3_600_000
        state.clients = 1
        state.sessions = 2
        state.layouts = 3
        state.recallsSent = 4
        state.recallsReturned = 5
        state.recallsRevoked = 6
        state.changesDone = 7
        state.changesFailed = 8
        state.changesDelayed = 9
        state.changesWaiting = 10
        state.grants = 11
        state.grantsWaiting = 12
        state.deviceReads = 13
        state.deviceWrites = 14
        state.life = 15
        state.graceLeftMilliseconds = 16
        state.clientsMissing = 17
        state.blockedFiles = 18
        return state
    }()

    private static let clientState = ClientState(
        client: Self.client,
        owner: Self.bytes("host/1234"),
        address: "unix:1234",
        uid: 1000,
        pid: 1234,
        sessions: 1,
        layouts: 3,
        leaseLeftMilliseconds: -250,
        hasBackChannel: true,
        isOverdue: false,
        isReclaiming: true
    )

    private static let heldLayout = HeldLayoutState(
        client: Self.client,
        handle: Self.handle,
        path: Self.bytes("data/set.bin"),
        ioMode: .readWrite,
        range: ByteRange(from: 4096),
        stateID: Self.stateID,
        ageMilliseconds: 60_000,
        isRecalled: true
    )

    private static let waiting = WaitingState(
        id: 17,
        handle: Self.handle,
        path: Self.bytes("data/set.bin"),
        operation: .insertRange,
        range: ByteRange(from: 4096),
        client: ClientID(0),
        pid: 4321,
        command: "xfs_io",
        call: "fallocate",
        ageMilliseconds: 120,
        isRunning: false,
        waitsFor: [Self.client, ClientID(2)]
    )

    private static let recallState = RecallState(
        id: RecallID(9),
        client: Self.client,
        handle: Self.handle,
        path: Self.bytes("data/set.bin"),
        operation: .insertRange,
        range: ByteRange(from: 4096),
        ageMilliseconds: 120,
        leftMilliseconds: -20,
        isAnswered: true,
        fenceAttempts: 1
    )

    private static let blockedState = BlockedState(
        handle: Self.handle,
        path: Self.bytes("data/set.bin"),
        reason: "an insert was interrupted"
    )

    static let operators: [Sample] = [
        .call("state", .state(StateArguments(kind: .waiting, cookie: 0, maxRecords: 100))),
        Self.state("state-server", .server(Self.server)),
        Self.state("state-clients", .clients([Self.clientState]), next: 99),
        Self.state("state-layouts", .layouts([Self.heldLayout])),
        Self.state("state-waiting", .waiting([Self.waiting])),
        Self.state("state-recalls", .recalls([Self.recallState])),
        Self.state("state-blocked", .blocked([Self.blockedState])),
        .failure("state", .state, .access, "only root may ask; uid is 1000"),
        .call("revoke", .revoke(RevokeArguments(client: Self.client, handle: .root))),
        .reply("revoke", .revoke, .void),
        .failure("revoke", .revoke, .notSupported, "REVOKE is reserved"),
        .call("unblock", .unblock(Self.handle)),
        .reply("unblock", .unblock, .void),
        .failure("unblock", .unblock, .noEntry, "the file is not blocked"),
    ]

    private static let callbackSequence = CallbackSequence(
        session: Self.session,
        sequence: 12,
        slot: 0,
        highestSlot: 3
    )

    static let callbacks: [Sample] = [
        Sample(name: "cb-null-call", message: .callback(.null)),
        Sample(
            name: "cb-layoutrecall-call",
            message: .callback(
                .layoutRecall(
                    Self.callbackSequence,
                    LayoutRecall(
                        id: RecallID(9),
                        handle: Self.handle,
                        stateID: Self.stateID,
                        ioMode: .any,
                        range: ByteRange(from: 4096),
                        reason: .unmap,
                        operation: .insertRange,
                        operationRange: Self.range(4096, 12_288),
                        deadlineMilliseconds: 10_000,
                        requester: ClientID(0),
                        requesterPID: 4321,
                        requesterCommand: "fallocate"
                    )
                )
            )
        ),
        Sample(name: "cb-layoutrecall-reply", message: .callbackReply(.layoutRecall, .ok)),
        Sample(name: "cb-layoutrecall-error", message: .callbackReply(.layoutRecall, .noMatchingLayout)),
        Sample(name: "cb-recall-any-call", message: .callback(.recallAny(Self.callbackSequence, keep: 16))),
        Sample(name: "cb-recall-any-reply", message: .callbackReply(.recallAny, .ok)),
        Sample(name: "cb-notify-deviceid-call", message: .callback(.notifyDeviceID(Self.callbackSequence))),
        Sample(name: "cb-notify-deviceid-reply", message: .callbackReply(.notifyDeviceID, .delay)),
    ]
}
