import CLayoutXDR
import CTIRPC
import LayoutCore

extension SequenceArguments {
    init(_ wire: ll_sequence_args) {
        self.init(
            session: SessionID(Opaque16(wire: wire.sessionid)),
            sequence: wire.sequenceid,
            slot: wire.slotid,
            highestSlot: wire.highest_slotid,
            cacheThis: Bool(wire: wire.cachethis)
        )
    }

    var wire: ll_sequence_args {
        ll_sequence_args(
            sessionid: self.session.rawValue.wire,
            sequenceid: self.sequence,
            slotid: self.slot,
            highest_slotid: self.highestSlot,
            cachethis: self.cacheThis.wire
        )
    }
}

extension SequenceResult {
    init(_ wire: ll_sequence_res) {
        self.init(
            status: LayoutStatus(rawValue: wire.status.rawValue),
            sequence: wire.sequenceid,
            slot: wire.slotid,
            highestSlot: wire.highest_slotid,
            targetHighestSlot: wire.target_highest_slotid,
            flags: SequenceStatusFlags(rawValue: wire.status_flags)
        )
    }

    var wire: ll_sequence_res {
        ll_sequence_res(
            status: ll_stat(rawValue: self.status.rawValue),
            sequenceid: self.sequence,
            slotid: self.slot,
            highest_slotid: self.highestSlot,
            target_highest_slotid: self.targetHighestSlot,
            status_flags: self.flags.rawValue
        )
    }
}

extension ExchangeIDArguments {
    init(_ wire: LL_EXCHANGE_IDargs) {
        self.init(
            verifier: UInt64(wire: unsafe wire.verifier),
            owner: unsafe [UInt8](wire: wire.ownerid.ownerid_val, wire.ownerid.ownerid_len),
            flags: unsafe wire.flags
        )
    }

    func wire(_ arena: inout WireArena) -> LL_EXCHANGE_IDargs {
        var wire = unsafe LL_EXCHANGE_IDargs()
        unsafe wire.verifier = self.verifier.wireVerifier
        unsafe (wire.ownerid.ownerid_val, wire.ownerid.ownerid_len) = arena.bytes(self.owner)
        unsafe wire.flags = self.flags
        return unsafe wire
    }
}

extension ExchangeIDResult {
    init(_ wire: ll_exchange_id_resok) {
        self.init(
            client: ClientID(UInt64(unsafe wire.clientid)),
            sequence: unsafe wire.sequenceid,
            confirmed: Bool(wire: unsafe wire.confirmed),
            leaseMilliseconds: unsafe wire.lease_ms,
            recallMilliseconds: unsafe wire.recall_ms,
            serverVerifier: UInt64(wire: unsafe wire.server_verifier),
            serverOwner: unsafe [UInt8](wire: wire.server_owner.server_owner_val, wire.server_owner.server_owner_len)
        )
    }

    func wire(_ arena: inout WireArena) -> ll_exchange_id_resok {
        var wire = unsafe ll_exchange_id_resok()
        unsafe wire.clientid = UInt(self.client.rawValue)
        unsafe wire.sequenceid = self.sequence
        unsafe wire.confirmed = self.confirmed.wire
        unsafe wire.lease_ms = self.leaseMilliseconds
        unsafe wire.recall_ms = self.recallMilliseconds
        unsafe wire.server_verifier = self.serverVerifier.wireVerifier
        unsafe (wire.server_owner.server_owner_val, wire.server_owner.server_owner_len) = arena.bytes(self.serverOwner)
        return unsafe wire
    }
}

extension ChannelAttributes {
    init(_ wire: ll_channel_attrs) {
        self.init(
            maxRequest: wire.max_request,
            maxResponse: wire.max_response,
            maxResponseCached: wire.max_response_cached,
            maxSlots: wire.max_slots
        )
    }

    var wire: ll_channel_attrs {
        ll_channel_attrs(
            max_request: self.maxRequest,
            max_response: self.maxResponse,
            max_response_cached: self.maxResponseCached,
            max_slots: self.maxSlots
        )
    }
}

extension CreateSessionArguments {
    init(_ wire: LL_CREATE_SESSIONargs) {
        self.init(
            client: ClientID(UInt64(wire.clientid)),
            sequence: wire.sequenceid,
            flags: wire.flags,
            fore: ChannelAttributes(wire.fore),
            back: ChannelAttributes(wire.back),
            callbackProgram: wire.callback_program
        )
    }

    var wire: LL_CREATE_SESSIONargs {
        LL_CREATE_SESSIONargs(
            clientid: UInt(self.client.rawValue),
            sequenceid: self.sequence,
            flags: self.flags,
            fore: self.fore.wire,
            back: self.back.wire,
            callback_program: self.callbackProgram
        )
    }
}

extension CreateSessionResult {
    init(_ wire: ll_create_session_resok) {
        self.init(
            session: SessionID(Opaque16(wire: wire.sessionid)),
            sequence: wire.sequenceid,
            flags: wire.flags,
            fore: ChannelAttributes(wire.fore),
            back: ChannelAttributes(wire.back)
        )
    }

    var wire: ll_create_session_resok {
        ll_create_session_resok(
            sessionid: self.session.rawValue.wire,
            sequenceid: self.sequence,
            flags: self.flags,
            fore: self.fore.wire,
            back: self.back.wire
        )
    }
}

extension BindConnectionArguments {
    init(_ session: ll_sessionid, _ direction: ll_channel_dir) throws(CodecError) {
        self.init(
            session: SessionID(Opaque16(wire: session)),
            direction: try ChannelDirection(wire: direction.rawValue, "ll_channel_dir")
        )
    }

    var wireArguments: LL_BIND_CONNargs {
        LL_BIND_CONNargs(
            sessionid: self.session.rawValue.wire,
            dir: ll_channel_dir(rawValue: self.direction.rawValue)
        )
    }

    var wireResult: ll_bind_conn_resok {
        ll_bind_conn_resok(
            sessionid: self.session.rawValue.wire,
            dir: ll_channel_dir(rawValue: self.direction.rawValue)
        )
    }
}
