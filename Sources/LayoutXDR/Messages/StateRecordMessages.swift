package import LayoutCore

/// `ll_state_client`.
package struct ClientState: Hashable, Sendable {
    /// The client.
    package var client: ClientID
    /// What the client calls itself; at most 256 bytes.
    package var owner: [UInt8]
    /// Where it is connected from; at most 255 bytes travel.
    package var address: String
    /// The user.
    package var uid: UInt32
    /// The process; 0 if it is not on this host.
    package var pid: UInt32
    /// Its sessions.
    package var sessions: UInt32
    /// Its layouts.
    package var layouts: UInt64
    /// Milliseconds; negative if it has been silent for that long beyond its lease.
    package var leaseLeftMilliseconds: Int64
    /// Whether recalls can reach it.
    package var hasBackChannel: Bool
    /// Whether a recall is past its deadline.
    package var isOverdue: Bool
    /// Whether it is one of an earlier life that has not said yet that it has reclaimed everything.
    package var isReclaiming: Bool

    /// Makes the value from its parts.
    package init(
        client: ClientID,
        owner: [UInt8],
        address: String,
        uid: UInt32,
        pid: UInt32,
        sessions: UInt32,
        layouts: UInt64,
        leaseLeftMilliseconds: Int64,
        hasBackChannel: Bool,
        isOverdue: Bool,
        isReclaiming: Bool
    ) {
        self.client = client
        self.owner = owner
        self.address = address
        self.uid = uid
        self.pid = pid
        self.sessions = sessions
        self.layouts = layouts
        self.leaseLeftMilliseconds = leaseLeftMilliseconds
        self.hasBackChannel = hasBackChannel
        self.isOverdue = isOverdue
        self.isReclaiming = isReclaiming
    }
}

/// `ll_state_layout`.
package struct HeldLayoutState: Hashable, Sendable {
    /// Who holds it.
    package var client: ClientID
    /// The file.
    package var handle: FileHandle
    /// A path of the file, cut at 1,023 bytes.
    package var path: [UInt8]
    /// How it may be used.
    package var ioMode: IOMode
    /// The bytes that are held.
    package var range: ByteRange
    /// Its stateid.
    package var stateID: StateID
    /// Milliseconds since it began.
    package var ageMilliseconds: UInt64
    /// Whether a part of it is being recalled.
    package var isRecalled: Bool

    /// Makes the value from its parts.
    package init(
        client: ClientID,
        handle: FileHandle,
        path: [UInt8],
        ioMode: IOMode,
        range: ByteRange,
        stateID: StateID,
        ageMilliseconds: UInt64,
        isRecalled: Bool
    ) {
        self.client = client
        self.handle = handle
        self.path = path
        self.ioMode = ioMode
        self.range = range
        self.stateID = stateID
        self.ageMilliseconds = ageMilliseconds
        self.isRecalled = isRecalled
    }
}

/// `ll_state_waiting`: a change or LAYOUTGET that waits, and for whom.
package struct WaitingState: Hashable, Sendable {
    /// Its number, never reused while the server runs.
    package var id: UInt64
    /// The file.
    package var handle: FileHandle
    /// A path of the file, cut at 1,023 bytes.
    package var path: [UInt8]
    /// What is to be done; ``MappingOperation/none`` for a LAYOUTGET.
    package var operation: MappingOperation
    /// The bytes that are affected, or asked for.
    package var range: ByteRange
    /// Who asked; 0 for a local program.
    package var client: ClientID
    /// The process; 0 if it is not on this host.
    package var pid: UInt32
    /// The program's name; at most 255 bytes travel.
    package var command: String
    /// The system call that a local program waits in; at most 255 bytes travel.
    package var call: String
    /// Milliseconds since it began.
    package var ageMilliseconds: UInt64
    /// Whether it runs, so that nobody is waited for.
    package var isRunning: Bool
    /// At most 16 travel.
    package var waitsFor: [ClientID]

    /// Makes the value from its parts.
    package init(
        id: UInt64,
        handle: FileHandle,
        path: [UInt8],
        operation: MappingOperation,
        range: ByteRange,
        client: ClientID,
        pid: UInt32,
        command: String,
        call: String,
        ageMilliseconds: UInt64,
        isRunning: Bool,
        waitsFor: [ClientID]
    ) {
        self.id = id
        self.handle = handle
        self.path = path
        self.operation = operation
        self.range = range
        self.client = client
        self.pid = pid
        self.command = command
        self.call = call
        self.ageMilliseconds = ageMilliseconds
        self.isRunning = isRunning
        self.waitsFor = waitsFor
    }
}

/// `ll_state_recall`.
package struct RecallState: Hashable, Sendable {
    /// The recall.
    package var id: RecallID
    /// Whose layouts are recalled.
    package var client: ClientID
    /// The file.
    package var handle: FileHandle
    /// A path of the file, cut at 1,023 bytes.
    package var path: [UInt8]
    /// What is waiting for it.
    package var operation: MappingOperation
    /// The bytes that are recalled.
    package var range: ByteRange
    /// Milliseconds since it began.
    package var ageMilliseconds: UInt64
    /// Milliseconds to the deadline; negative if it has passed.
    package var leftMilliseconds: Int64
    /// Whether the client has answered the callback; the return comes later.
    package var isAnswered: Bool
    /// How often the server has tried to fence the client.
    package var fenceAttempts: UInt32

    /// Makes the value from its parts.
    package init(
        id: RecallID,
        client: ClientID,
        handle: FileHandle,
        path: [UInt8],
        operation: MappingOperation,
        range: ByteRange,
        ageMilliseconds: UInt64,
        leftMilliseconds: Int64,
        isAnswered: Bool,
        fenceAttempts: UInt32
    ) {
        self.id = id
        self.client = client
        self.handle = handle
        self.path = path
        self.operation = operation
        self.range = range
        self.ageMilliseconds = ageMilliseconds
        self.leftMilliseconds = leftMilliseconds
        self.isAnswered = isAnswered
        self.fenceAttempts = fenceAttempts
    }
}

/// `ll_state_blocked`: a file whose interrupted change was neither undone nor done.
package struct BlockedState: Hashable, Sendable {
    /// The file.
    package var handle: FileHandle
    /// A path of the file, cut at 1,023 bytes; empty if it is not known.
    package var path: [UInt8]
    /// What was found; at most 512 bytes travel.
    package var reason: String

    /// Makes the value from its parts.
    package init(handle: FileHandle, path: [UInt8], reason: String) {
        self.handle = handle
        self.path = path
        self.reason = reason
    }
}
