import CLayoutXDR
import CTIRPC
import LayoutCore

extension ClientState {
    init(_ wire: ll_state_client) throws(CodecError) {
        self.init(
            client: ClientID(UInt64(unsafe wire.clientid)),
            owner: unsafe [UInt8](wire: wire.owner.owner_val, wire.owner.owner_len),
            address: unsafe wire.address.text,
            uid: unsafe wire.uid,
            pid: unsafe wire.pid,
            sessions: unsafe wire.sessions,
            layouts: UInt64(unsafe wire.layouts),
            leaseLeftMilliseconds: Int64(unsafe wire.lease_left_ms),
            hasBackChannel: Bool(wire: unsafe wire.back_channel),
            isOverdue: Bool(wire: unsafe wire.overdue),
            isReclaiming: Bool(wire: unsafe wire.reclaiming)
        )
    }

    func wire(_ arena: inout WireArena) -> ll_state_client {
        var wire = unsafe ll_state_client()
        unsafe wire.clientid = UInt(self.client.rawValue)
        unsafe (wire.owner.owner_val, wire.owner.owner_len) = arena.bytes(self.owner)
        unsafe wire.address = ll_name(self.address, &arena)
        unsafe wire.uid = self.uid
        unsafe wire.pid = self.pid
        unsafe wire.sessions = self.sessions
        unsafe wire.layouts = UInt(self.layouts)
        unsafe wire.lease_left_ms = quad_t(self.leaseLeftMilliseconds)
        unsafe wire.back_channel = self.hasBackChannel.wire
        unsafe wire.overdue = self.isOverdue.wire
        unsafe wire.reclaiming = self.isReclaiming.wire
        return unsafe wire
    }
}

extension HeldLayoutState {
    init(_ wire: ll_state_layout) throws(CodecError) {
        self.init(
            client: ClientID(UInt64(unsafe wire.clientid)),
            handle: FileHandle(wire: unsafe wire.fh),
            path: unsafe wire.path.bytes,
            ioMode: try IOMode(wire: unsafe wire.iomode.rawValue, "ll_iomode"),
            range: unsafe try ByteRange(wire: wire.offset, wire.length, "ll_state_layout"),
            stateID: StateID(wire: unsafe wire.stateid),
            ageMilliseconds: UInt64(unsafe wire.age_ms),
            isRecalled: Bool(wire: unsafe wire.recalled)
        )
    }

    func wire(_ arena: inout WireArena) -> ll_state_layout {
        let (offset, length) = self.range.wire
        return unsafe ll_state_layout(
            clientid: UInt(self.client.rawValue),
            fh: self.handle.wire,
            path: ll_path(self.path, limit: ProtocolLimits.path, &arena),
            iomode: ll_iomode(rawValue: self.ioMode.rawValue),
            offset: offset,
            length: length,
            stateid: self.stateID.wire,
            age_ms: UInt(self.ageMilliseconds),
            recalled: self.isRecalled.wire
        )
    }
}

extension WaitingState {
    init(_ wire: ll_state_waiting) throws(CodecError) {
        self.init(
            id: UInt64(unsafe wire.id),
            handle: FileHandle(wire: unsafe wire.fh),
            path: unsafe wire.path.bytes,
            operation: try MappingOperation(wire: unsafe wire.operation.rawValue, "ll_operation"),
            range: unsafe try ByteRange(wire: wire.offset, wire.length, "ll_state_waiting"),
            client: ClientID(UInt64(unsafe wire.clientid)),
            pid: unsafe wire.pid,
            command: unsafe wire.command.text,
            call: unsafe wire.call.text,
            ageMilliseconds: UInt64(unsafe wire.age_ms),
            isRunning: Bool(wire: unsafe wire.running),
            waitsFor: unsafe try [ClientID](wire: wire.waits_for.waits_for_val, wire.waits_for.waits_for_len) {
                ClientID(UInt64($0))
            }
        )
    }

    func wire(_ arena: inout WireArena) -> ll_state_waiting {
        var wire = unsafe ll_state_waiting()
        unsafe wire.id = UInt(self.id)
        unsafe wire.fh = self.handle.wire
        unsafe wire.path = ll_path(self.path, limit: ProtocolLimits.path, &arena)
        unsafe wire.operation = ll_operation(rawValue: self.operation.rawValue)
        unsafe (wire.offset, wire.length) = self.range.wire
        unsafe wire.clientid = UInt(self.client.rawValue)
        unsafe wire.pid = self.pid
        unsafe wire.command = ll_name(self.command, &arena)
        unsafe wire.call = ll_name(self.call, &arena)
        unsafe wire.age_ms = UInt(self.ageMilliseconds)
        unsafe wire.running = self.isRunning.wire
        // Whom else it waits for shows up once the first of them have gone.
        let first = Array(self.waitsFor.prefix(ProtocolLimits.waitsFor))
        unsafe (wire.waits_for.waits_for_val, wire.waits_for.waits_for_len) = arena.array(first) { client, _ in
            ll_clientid(client.rawValue)
        }
        return unsafe wire
    }
}

extension RecallState {
    init(_ wire: ll_state_recall) throws(CodecError) {
        self.init(
            id: RecallID(UInt64(unsafe wire.id)),
            client: ClientID(UInt64(unsafe wire.clientid)),
            handle: FileHandle(wire: unsafe wire.fh),
            path: unsafe wire.path.bytes,
            operation: try MappingOperation(wire: unsafe wire.operation.rawValue, "ll_operation"),
            range: unsafe try ByteRange(wire: wire.offset, wire.length, "ll_state_recall"),
            ageMilliseconds: UInt64(unsafe wire.age_ms),
            leftMilliseconds: Int64(unsafe wire.left_ms),
            isAnswered: Bool(wire: unsafe wire.answered),
            fenceAttempts: unsafe wire.fence_attempts
        )
    }

    func wire(_ arena: inout WireArena) -> ll_state_recall {
        let (offset, length) = self.range.wire
        return unsafe ll_state_recall(
            id: UInt(self.id.rawValue),
            clientid: UInt(self.client.rawValue),
            fh: self.handle.wire,
            path: ll_path(self.path, limit: ProtocolLimits.path, &arena),
            operation: ll_operation(rawValue: self.operation.rawValue),
            offset: offset,
            length: length,
            age_ms: UInt(self.ageMilliseconds),
            left_ms: quad_t(self.leftMilliseconds),
            answered: self.isAnswered.wire,
            fence_attempts: self.fenceAttempts
        )
    }
}

extension BlockedState {
    init(_ wire: ll_state_blocked) throws(CodecError) {
        self.init(
            handle: FileHandle(wire: unsafe wire.fh),
            path: unsafe wire.path.bytes,
            reason: unsafe wire.reason.text
        )
    }

    func wire(_ arena: inout WireArena) -> ll_state_blocked {
        unsafe ll_state_blocked(
            fh: self.handle.wire,
            path: ll_path(self.path, limit: ProtocolLimits.path, &arena),
            reason: ll_detail(self.reason, &arena)
        )
    }
}
