package import LayoutCore

/// A call that failed: its status and, for a person, what to do about it.
package struct Failure: Error, Hashable, Sendable {
    /// Why; never OK.
    package var status: LayoutStatus
    /// At most 512 bytes travel.
    package var detail: String

    /// Makes a failure.
    package init(_ status: LayoutStatus, _ detail: String = "") {
        self.status = status
        self.detail = detail
    }
}

/// One call's arguments, decoded.
package struct LayoutCall: Hashable, Sendable {
    /// `nil` for the procedures that set sessions up and for NULL.
    package var sequence: SequenceArguments?
    /// What is asked for.
    package var request: Request

    /// Makes the value from its parts.
    package init(sequence: SequenceArguments?, request: Request) {
        self.sequence = sequence
        self.request = request
    }
}

/// One call's results.
package struct LayoutReply: Hashable, Sendable {
    /// `nil` for the procedures that carry no sequence.
    package var sequence: SequenceResult?
    /// Meaningful only if `sequence` is `nil` or its status is `.ok`; else it repeats the sequence's failure.
    package var result: Result<Response, Failure>

    /// Makes the value from its parts.
    package init(sequence: SequenceResult?, result: Result<Response, Failure>) {
        self.sequence = sequence
        self.result = result
    }
}

/// What a call asks for.
///
/// Mapping changes share one case; their procedure is in `ChangeArguments.operation`.
package enum Request: Hashable, Sendable {
    /// NULL.
    case null
    /// EXCHANGE_ID.
    case exchangeID(ExchangeIDArguments)
    /// CREATE_SESSION.
    case createSession(CreateSessionArguments)
    /// BIND_CONN_TO_SESSION.
    case bindConnectionToSession(BindConnectionArguments)
    /// SEQUENCE.
    case sequence
    /// RECLAIM_COMPLETE.
    case reclaimComplete
    /// DESTROY_SESSION.
    case destroySession(SessionID)
    /// DESTROY_CLIENTID.
    case destroyClientID(ClientID)
    /// LOOKUP.
    case lookup(PathArguments)
    /// OPEN.
    case open(OpenArguments)
    /// CLOSE.
    case close(FileHandle)
    /// GETATTR.
    case getAttributes(FileHandle)
    /// SETATTR.
    case setAttributes(SetAttributesArguments)
    /// READDIR.
    case readDirectory(ReadDirectoryArguments)
    /// CREATE.
    case createDirectory(PathArguments)
    /// REMOVE.
    case remove(PathArguments)
    /// RENAME.
    case rename(RenameArguments)
    /// LAYOUTGET.
    case layoutGet(LayoutGetArguments)
    /// LAYOUTCOMMIT.
    case layoutCommit(LayoutCommitArguments)
    /// LAYOUTRETURN.
    case layoutReturn(LayoutReturnArguments)
    /// GETDEVICEINFO.
    case getDeviceInfo(DeviceID)
    /// ALLOCATE, PUNCH_HOLE, ZERO_RANGE, COLLAPSE_RANGE, INSERT_RANGE, TRUNCATE.
    case change(ChangeArguments)
    /// CLONE_RANGE.
    case cloneRange(CloneArguments)
    /// READ.
    case read(ReadArguments)
    /// WRITE.
    case write(WriteArguments)
    /// COMMIT.
    case commit(CommitArguments)
    /// STATE.
    case state(StateArguments)
    /// REVOKE.
    case revoke(RevokeArguments)
    /// UNBLOCK.
    case unblock(FileHandle)
}

/// What a successful call answers.
package enum Response: Hashable, Sendable {
    /// Nothing but its status: NULL, SEQUENCE, RECLAIM_COMPLETE, DESTROY_*, CLOSE, REMOVE, RENAME, COMMIT, REVOKE,
    /// UNBLOCK.
    case void
    /// EXCHANGE_ID.
    case exchangeID(ExchangeIDResult)
    /// CREATE_SESSION.
    case createSession(CreateSessionResult)
    /// BIND_CONN_TO_SESSION.
    case bindConnectionToSession(BindConnectionArguments)
    /// LOOKUP, OPEN, GETATTR, SETATTR, CREATE.
    case object(ObjectResult)
    /// READDIR.
    case readDirectory(ReadDirectoryResult)
    /// LAYOUTGET.
    case layoutGet(LayoutGetResult)
    /// LAYOUTCOMMIT: the size of the file afterwards.
    case layoutCommit(size: UInt64)
    /// LAYOUTRETURN.
    case layoutReturn(LayoutReturnResult)
    /// GETDEVICEINFO.
    case getDeviceInfo(DeviceInfo)
    /// ALLOCATE, PUNCH_HOLE, ZERO_RANGE, COLLAPSE_RANGE, INSERT_RANGE, TRUNCATE, CLONE_RANGE.
    case change(ChangeResult)
    /// READ.
    case read(ReadResult)
    /// WRITE.
    case write(WriteResult)
    /// STATE.
    case state(StateResult)
}
