/// The procedures of `LAYOUT_PROGRAM` version 1 (`Protocol/layout.x`).
package enum Procedure: UInt32, Hashable, Sendable, CaseIterable {
    /// NULL.
    case null = 0
    /// EXCHANGE_ID.
    case exchangeID = 1
    /// CREATE_SESSION.
    case createSession = 2
    /// BIND_CONN_TO_SESSION.
    case bindConnectionToSession = 3
    /// SEQUENCE.
    case sequence = 4
    /// RECLAIM_COMPLETE.
    case reclaimComplete = 5
    /// DESTROY_SESSION.
    case destroySession = 6
    /// DESTROY_CLIENTID.
    case destroyClientID = 7
    /// LOOKUP.
    case lookup = 10
    /// OPEN.
    case open = 11
    /// CLOSE.
    case close = 12
    /// GETATTR.
    case getAttributes = 13
    /// SETATTR.
    case setAttributes = 14
    /// READDIR.
    case readDirectory = 15
    /// CREATE.
    case createDirectory = 16
    /// REMOVE.
    case remove = 17
    /// RENAME.
    case rename = 18
    /// LAYOUTGET.
    case layoutGet = 30
    /// LAYOUTCOMMIT.
    case layoutCommit = 31
    /// LAYOUTRETURN.
    case layoutReturn = 32
    /// GETDEVICEINFO.
    case getDeviceInfo = 33
    /// ALLOCATE.
    case allocate = 40
    /// PUNCH_HOLE.
    case punchHole = 41
    /// ZERO_RANGE.
    case zeroRange = 42
    /// COLLAPSE_RANGE.
    case collapseRange = 43
    /// INSERT_RANGE.
    case insertRange = 44
    /// TRUNCATE.
    case truncate = 45
    /// CLONE_RANGE.
    case cloneRange = 46
    /// READ.
    case read = 50
    /// WRITE.
    case write = 51
    /// COMMIT.
    case commit = 52
    /// STATE.
    case state = 60
    /// REVOKE.
    case revoke = 61
    /// UNBLOCK.
    case unblock = 62
}

/// The procedures of `LAYOUT_CALLBACK_PROGRAM` version 1.
package enum CallbackProcedure: UInt32, Hashable, Sendable, CaseIterable {
    /// CB_NULL.
    case null = 0
    /// CB_LAYOUTRECALL.
    case layoutRecall = 1
    /// CB_RECALL_ANY.
    case recallAny = 2
    /// CB_NOTIFY_DEVICEID.
    case notifyDeviceID = 3
}
