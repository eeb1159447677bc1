import CLayoutXDR
import CTIRPC
import LayoutCore

extension StateArguments {
    init(_ wire: LL_STATEargs) throws(CodecError) {
        self.init(
            kind: try StateKind(wire: wire.kind.rawValue, "ll_state_kind"),
            cookie: UInt64(wire.cookie),
            maxRecords: wire.max_records
        )
    }

    func wire(_ sequence: ll_sequence_args) -> LL_STATEargs {
        LL_STATEargs(
            sequence: sequence,
            kind: ll_state_kind(rawValue: self.kind.rawValue),
            cookie: UInt(self.cookie),
            max_records: self.maxRecords
        )
    }
}

extension RevokeArguments {
    init(_ wire: LL_REVOKEargs) {
        self.init(client: ClientID(UInt64(wire.clientid)), handle: FileHandle(wire: wire.fh))
    }

    func wire(_ sequence: ll_sequence_args) -> LL_REVOKEargs {
        LL_REVOKEargs(sequence: sequence, clientid: UInt(self.client.rawValue), fh: self.handle.wire)
    }
}

extension StateResult {
    init(_ wire: ll_state_resok) throws(CodecError) {
        self.init(
            records: unsafe try StateRecords(wire.records),
            nextCookie: UInt64(unsafe wire.next_cookie)
        )
    }

    func wire(_ arena: inout WireArena) -> ll_state_resok {
        unsafe ll_state_resok(records: self.records.wire(&arena), next_cookie: UInt(self.nextCookie))
    }
}

extension StateRecords {
    init(_ wire: ll_state_records) throws(CodecError) {
        let arm = unsafe wire.ll_state_records_u
        switch try StateKind(wire: unsafe wire.kind.rawValue, "ll_state_kind") {
        case .server:
            self = .server(ServerState(unsafe arm.server))
        case .clients:
            self = .clients(
                unsafe try [ClientState](wire: arm.clients.clients_val, arm.clients.clients_len, ClientState.init)
            )
        case .layouts:
            self = .layouts(
                unsafe try [HeldLayoutState](
                    wire: arm.layouts.layouts_val,
                    arm.layouts.layouts_len,
                    HeldLayoutState.init
                )
            )
        case .waiting:
            self = .waiting(
                unsafe try [WaitingState](wire: arm.waiting.waiting_val, arm.waiting.waiting_len, WaitingState.init)
            )
        case .recalls:
            self = .recalls(
                unsafe try [RecallState](wire: arm.recalls.recalls_val, arm.recalls.recalls_len, RecallState.init)
            )
        case .blocked:
            self = .blocked(
                unsafe try [BlockedState](wire: arm.blocked.blocked_val, arm.blocked.blocked_len, BlockedState.init)
            )
        }
    }

    func wire(_ arena: inout WireArena) -> ll_state_records {
        var wire = unsafe ll_state_records()
        switch self {
        case .server(let server):
            unsafe wire.kind = LL_STATE_SERVER
            unsafe wire.ll_state_records_u.server = server.wire
        case .clients(let clients):
            Self.check(clients.count)
            let array = unsafe arena.array(clients) { unsafe $0.wire(&$1) }
            unsafe wire.kind = LL_STATE_CLIENTS
            unsafe wire.ll_state_records_u.clients.clients_val = array.pointer
            unsafe wire.ll_state_records_u.clients.clients_len = array.count
        case .layouts(let layouts):
            Self.check(layouts.count)
            let array = unsafe arena.array(layouts) { unsafe $0.wire(&$1) }
            unsafe wire.kind = LL_STATE_LAYOUTS
            unsafe wire.ll_state_records_u.layouts.layouts_val = array.pointer
            unsafe wire.ll_state_records_u.layouts.layouts_len = array.count
        case .waiting(let waiting):
            Self.check(waiting.count)
            let array = unsafe arena.array(waiting) { unsafe $0.wire(&$1) }
            unsafe wire.kind = LL_STATE_WAITING
            unsafe wire.ll_state_records_u.waiting.waiting_val = array.pointer
            unsafe wire.ll_state_records_u.waiting.waiting_len = array.count
        case .recalls(let recalls):
            Self.check(recalls.count)
            let array = unsafe arena.array(recalls) { unsafe $0.wire(&$1) }
            unsafe wire.kind = LL_STATE_RECALLS
            unsafe wire.ll_state_records_u.recalls.recalls_val = array.pointer
            unsafe wire.ll_state_records_u.recalls.recalls_len = array.count
        case .blocked(let blocked):
            Self.check(blocked.count)
            let array = unsafe arena.array(blocked) { unsafe $0.wire(&$1) }
            unsafe wire.kind = LL_STATE_BLOCKED
            unsafe wire.ll_state_records_u.blocked.blocked_val = array.pointer
            unsafe wire.ll_state_records_u.blocked.blocked_len = array.count
        }
        return unsafe wire
    }

    private static func check(_ count: Int) {
        precondition(count <= ProtocolLimits.records, "\(count) records in one STATE reply")
    }
}

extension ServerState {
    init(_ wire: ll_state_server) {
        self.init()
        self.uptimeMilliseconds = UInt64(wire.uptime_ms)
        self.clients = UInt64(wire.clients)
        self.sessions = UInt64(wire.sessions)
        self.layouts = UInt64(wire.layouts)
        self.recallsSent = UInt64(wire.recalls_sent)
        self.recallsReturned = UInt64(wire.recalls_returned)
        self.recallsRevoked = UInt64(wire.recalls_revoked)
        self.changesDone = UInt64(wire.changes_done)
        self.changesFailed = UInt64(wire.changes_failed)
        self.changesDelayed = UInt64(wire.changes_delayed)
        self.changesWaiting = UInt64(wire.changes_waiting)
        self.grants = UInt64(wire.grants)
        self.grantsWaiting = UInt64(wire.grants_waiting)
        self.deviceReads = UInt64(wire.device_reads)
        self.deviceWrites = UInt64(wire.device_writes)
        self.life = UInt64(wire.life)
        self.graceLeftMilliseconds = UInt64(wire.grace_left_ms)
        self.clientsMissing = UInt64(wire.clients_missing)
        self.blockedFiles = UInt64(wire.blocked_files)
    }

    var wire: ll_state_server {
        ll_state_server(
            uptime_ms: UInt(self.uptimeMilliseconds),
            clients: UInt(self.clients),
            sessions: UInt(self.sessions),
            layouts: UInt(self.layouts),
            recalls_sent: UInt(self.recallsSent),
            recalls_returned: UInt(self.recallsReturned),
            recalls_revoked: UInt(self.recallsRevoked),
            changes_done: UInt(self.changesDone),
            changes_failed: UInt(self.changesFailed),
            changes_delayed: UInt(self.changesDelayed),
            changes_waiting: UInt(self.changesWaiting),
            grants: UInt(self.grants),
            grants_waiting: UInt(self.grantsWaiting),
            device_reads: UInt(self.deviceReads),
            device_writes: UInt(self.deviceWrites),
            life: UInt(self.life),
            grace_left_ms: UInt(self.graceLeftMilliseconds),
            clients_missing: UInt(self.clientsMissing),
            blocked_files: UInt(self.blockedFiles)
        )
    }
}
