import CLayoutXDR
import CTIRPC
import LayoutCore

extension CallbackSequence {
    init(_ wire: CB_sequence_args) {
        self.init(
            session: SessionID(Opaque16(wire: wire.sessionid)),
            sequence: wire.sequenceid,
            slot: wire.slotid,
            highestSlot: wire.highest_slotid
        )
    }

    var wire: CB_sequence_args {
        CB_sequence_args(
            sessionid: self.session.rawValue.wire,
            sequenceid: self.sequence,
            slotid: self.slot,
            highest_slotid: self.highestSlot
        )
    }
}

extension LayoutRecall {
    init(_ wire: CB_LAYOUTRECALLargs) throws(CodecError) {
        self.init(
            id: RecallID(UInt64(unsafe wire.recallid)),
            handle: FileHandle(wire: unsafe wire.fh),
            stateID: StateID(wire: unsafe wire.stateid),
            ioMode: try IOModeSelector(wire: unsafe wire.iomode.rawValue, "ll_iomode"),
            range: unsafe try ByteRange(wire: wire.offset, wire.length, "CB_LAYOUTRECALLargs"),
            reason: try BreakReason(wire: unsafe wire.reason.rawValue, "ll_break_reason"),
            operation: try MappingOperation(wire: unsafe wire.operation.rawValue, "ll_operation"),
            operationRange: unsafe try ByteRange(
                wire: wire.operation_offset,
                wire.operation_length,
                "CB_LAYOUTRECALLargs.operation"
            ),
            deadlineMilliseconds: unsafe wire.deadline_ms,
            requester: ClientID(UInt64(unsafe wire.requester)),
            requesterPID: unsafe wire.requester_pid,
            requesterCommand: unsafe wire.requester_command.text
        )
    }

    func wire(_ sequence: CallbackSequence, _ arena: inout WireArena) -> CB_LAYOUTRECALLargs {
        var wire = unsafe CB_LAYOUTRECALLargs()
        unsafe wire.sequence = sequence.wire
        unsafe wire.recallid = UInt(self.id.rawValue)
        unsafe wire.fh = self.handle.wire
        unsafe wire.stateid = self.stateID.wire
        unsafe wire.iomode = ll_iomode(rawValue: self.ioMode.rawValue)
        unsafe (wire.offset, wire.length) = self.range.wire
        unsafe wire.reason = ll_break_reason(rawValue: self.reason.rawValue)
        unsafe wire.operation = ll_operation(rawValue: self.operation.rawValue)
        unsafe (wire.operation_offset, wire.operation_length) = self.operationRange.wire
        unsafe wire.deadline_ms = self.deadlineMilliseconds
        unsafe wire.requester = UInt(self.requester.rawValue)
        unsafe wire.requester_pid = self.requesterPID
        unsafe wire.requester_command = ll_name(self.requesterCommand, &arena)
        return unsafe wire
    }
}
