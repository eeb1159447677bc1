package import LayoutCore

/// `ll_state_kind`.
package enum StateKind: UInt32, Hashable, Sendable {
    /// One record about the server.
    case server = 0
    /// The clients.
    case clients = 1
    /// The layouts that are held.
    case layouts = 2
    /// Changes and LAYOUTGETs that wait or run.
    case waiting = 3
    /// Recalls without an end yet.
    case recalls = 4
    /// Files that nobody may use until an operator has looked.
    case blocked = 5
}

/// `LL_STATEargs` without its sequence.
package struct StateArguments: Hashable, Sendable {
    /// What is asked about.
    package var kind: StateKind
    /// 0 to begin, else the last reply's `nextCookie`.
    package var cookie: UInt64
    /// Records that the caller wants at most.
    package var maxRecords: UInt32

    /// Makes the value from its parts.
    package init(kind: StateKind, cookie: UInt64, maxRecords: UInt32) {
        self.kind = kind
        self.cookie = cookie
        self.maxRecords = maxRecords
    }
}

/// `ll_state_resok`.
package struct StateResult: Hashable, Sendable {
    /// Of the kind that was asked for.
    package var records: StateRecords
    /// Where to go on; 0: that was all.
    package var nextCookie: UInt64

    /// Makes the value from its parts.
    package init(records: StateRecords, nextCookie: UInt64) {
        self.records = records
        self.nextCookie = nextCookie
    }
}

/// At most 256 records each.
package enum StateRecords: Hashable, Sendable {
    /// About the server.
    case server(ServerState)
    /// Clients.
    case clients([ClientState])
    /// Layouts that are held.
    case layouts([HeldLayoutState])
    /// Changes and LAYOUTGETs that wait or run.
    case waiting([WaitingState])
    /// Recalls without an end yet.
    case recalls([RecallState])
    /// Files that nobody may use until an operator has looked.
    case blocked([BlockedState])
}

/// `ll_state_server`.
package struct ServerState: Hashable, Sendable {
    /// Milliseconds since the server started.
    package var uptimeMilliseconds: UInt64 = 0
    /// Clients now.
    package var clients: UInt64 = 0
    /// Sessions now.
    package var sessions: UInt64 = 0
    /// Layouts held now.
    package var layouts: UInt64 = 0
    /// Recalls since the start.
    package var recallsSent: UInt64 = 0
    /// Of them, those that ended in a return.
    package var recallsReturned: UInt64 = 0
    /// Of them, those that ended in a revocation.
    package var recallsRevoked: UInt64 = 0
    /// Mapping changes that ran.
    package var changesDone: UInt64 = 0
    /// Mapping changes that the filesystem or a check refused.
    package var changesFailed: UInt64 = 0
    /// Mapping changes that ran out of their caller's patience.
    package var changesDelayed: UInt64 = 0
    /// Mapping changes that wait now.
    package var changesWaiting: UInt64 = 0
    /// Layouts granted since the start.
    package var grants: UInt64 = 0
    /// LAYOUTGETs that wait now.
    package var grantsWaiting: UInt64 = 0
    /// READ calls: data that went through the server.
    package var deviceReads: UInt64 = 0
    /// WRITE calls: data that went through the server.
    package var deviceWrites: UInt64 = 0
    /// The number of this start of the server.
    package var life: UInt64 = 0
    /// Milliseconds until grace ends at the latest; 0 if there is none.
    package var graceLeftMilliseconds: UInt64 = 0
    /// Clients of an earlier life that hold layouts and have not reclaimed them yet.
    package var clientsMissing: UInt64 = 0
    /// Files that nobody may use until an operator has looked.
    package var blockedFiles: UInt64 = 0

    /// All zero.
    package init() {}
}

/// `LL_REVOKEargs` without its sequence.
package struct RevokeArguments: Hashable, Sendable {
    /// Whose layouts.
    package var client: ClientID
    /// The file; the root for every file.
    package var handle: FileHandle

    /// Makes the value from its parts.
    package init(client: ClientID, handle: FileHandle) {
        self.client = client
        self.handle = handle
    }
}
