package import LayoutCore

/// `CB_sequence_args`.
package struct CallbackSequence: Hashable, Sendable {
    /// The session.
    package var session: SessionID
    /// One more than the last on this slot (RFC 8881 §2.10.6.1).
    package var sequence: UInt32
    /// The slot.
    package var slot: UInt32
    /// The highest slot in use.
    package var highestSlot: UInt32

    /// Makes the value from its parts.
    package init(session: SessionID, sequence: UInt32, slot: UInt32, highestSlot: UInt32) {
        self.session = session
        self.sequence = sequence
        self.slot = slot
        self.highestSlot = highestSlot
    }
}

/// What the server asks of a client, with the call's sequence.
package enum CallbackRequest: Hashable, Sendable {
    /// CB_NULL.
    case null
    /// CB_LAYOUTRECALL.
    case layoutRecall(CallbackSequence, LayoutRecall)
    /// CB_RECALL_ANY; `keep` is the number of layouts that the client may keep.
    case recallAny(CallbackSequence, keep: UInt32)
    /// CB_NOTIFY_DEVICEID: reserved, what it announces is not kept.
    case notifyDeviceID(CallbackSequence)
}

/// `CB_LAYOUTRECALLargs` without its sequence.
package struct LayoutRecall: Hashable, Sendable {
    /// The same in every re-sent copy.
    package var id: RecallID
    /// The file; the root for every file.
    package var handle: FileHandle
    /// The client's layout stateid, one step on.
    package var stateID: StateID
    /// Which layouts are meant; with ``IOModeSelector/readWrite`` a downgrade is enough.
    package var ioMode: IOModeSelector
    /// The bytes to give back.
    package var range: ByteRange
    /// Why they are needed.
    package var reason: BreakReason
    /// The intended change: an intention, not yet a fact.
    package var operation: MappingOperation
    /// The intended change's own arguments.
    package var operationRange: ByteRange
    /// Milliseconds from the sending of this call.
    package var deadlineMilliseconds: UInt32
    /// Who wants the change; 0 for a local program.
    package var requester: ClientID
    /// The process of a local program or local client; else 0.
    package var requesterPID: UInt32
    /// Its program's name; at most 255 bytes travel.
    package var requesterCommand: String

    /// Makes the value from its parts.
    package init(
        id: RecallID,
        handle: FileHandle,
        stateID: StateID,
        ioMode: IOModeSelector,
        range: ByteRange,
        reason: BreakReason,
        operation: MappingOperation,
        operationRange: ByteRange,
        deadlineMilliseconds: UInt32,
        requester: ClientID,
        requesterPID: UInt32,
        requesterCommand: String
    ) {
        self.id = id
        self.handle = handle
        self.stateID = stateID
        self.ioMode = ioMode
        self.range = range
        self.reason = reason
        self.operation = operation
        self.operationRange = operationRange
        self.deadlineMilliseconds = deadlineMilliseconds
        self.requester = requester
        self.requesterPID = requesterPID
        self.requesterCommand = requesterCommand
    }
}
