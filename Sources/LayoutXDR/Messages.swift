package import LayoutCore

/// The procedures of `LAYOUT_PROGRAM` version 1 (`Protocol/layout.x`).
package enum Procedure: UInt32, Hashable, Sendable, CaseIterable {
    case null = 0
    case exchangeID = 1
    case createSession = 2
    case bindConnectionToSession = 3
    case sequence = 4
    case reclaimComplete = 5
    case destroySession = 6
    case destroyClientID = 7
    case lookup = 10
    case open = 11
    case close = 12
    case getAttributes = 13
    case setAttributes = 14
    case readDirectory = 15
    case createDirectory = 16
    case remove = 17
    case rename = 18
    case layoutGet = 30
    case layoutCommit = 31
    case layoutReturn = 32
    case getDeviceInfo = 33
    case allocate = 40
    case punchHole = 41
    case zeroRange = 42
    case collapseRange = 43
    case insertRange = 44
    case truncate = 45
    case cloneRange = 46
    case read = 50
    case write = 51
    case commit = 52
    case state = 60
    case revoke = 61
}

/// A call that failed: its status and, for a person, what to do about it.
package struct Failure: Error, Hashable, Sendable {
    package var status: LayoutStatus
    /// At most 512 bytes travel.
    package var detail: String

    package init(_ status: LayoutStatus, _ detail: String = "") {
        self.status = status
        self.detail = detail
    }
}

/// One call's arguments, decoded.
package struct LayoutCall: Hashable, Sendable {
    /// `nil` for the procedures that set sessions up and for NULL.
    package var sequence: SequenceArguments?
    package var request: Request

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

    package init(sequence: SequenceResult?, result: Result<Response, Failure>) {
        self.sequence = sequence
        self.result = result
    }
}

/// What a call asks for.
///
/// Mapping changes share one case; their procedure is in `ChangeArguments.operation`.
package enum Request: Hashable, Sendable {
    case null
    case exchangeID(ExchangeIDArguments)
    case createSession(CreateSessionArguments)
    case bindConnectionToSession(BindConnectionArguments)
    case sequence
    case reclaimComplete
    case destroySession(SessionID)
    case destroyClientID(ClientID)
    case lookup(PathArguments)
    case open(OpenArguments)
    case close(FileHandle)
    case getAttributes(FileHandle)
    case setAttributes(SetAttributesArguments)
    case readDirectory(ReadDirectoryArguments)
    case createDirectory(PathArguments)
    case remove(PathArguments)
    case rename(RenameArguments)
    case layoutGet(LayoutGetArguments)
    case layoutCommit(LayoutCommitArguments)
    case layoutReturn(LayoutReturnArguments)
    case getDeviceInfo(DeviceID)
    case change(ChangeArguments)
    case cloneRange(CloneArguments)
    case read(ReadArguments)
    case write(WriteArguments)
    case commit(CommitArguments)
    case state(StateArguments)
    case revoke(RevokeArguments)
}

/// What a successful call answers.
package enum Response: Hashable, Sendable {
    /// Nothing but its status: NULL, SEQUENCE, RECLAIM_COMPLETE, DESTROY_*, CLOSE, REMOVE, RENAME, COMMIT, REVOKE.
    case void
    case exchangeID(ExchangeIDResult)
    case createSession(CreateSessionResult)
    case bindConnectionToSession(BindConnectionArguments)
    /// LOOKUP, OPEN, GETATTR, SETATTR, CREATE.
    case object(ObjectResult)
    case readDirectory(ReadDirectoryResult)
    case layoutGet(LayoutGetResult)
    /// LAYOUTCOMMIT: the size of the file afterwards.
    case layoutCommit(size: UInt64)
    case layoutReturn(LayoutReturnResult)
    case getDeviceInfo(DeviceInfo)
    case change(ChangeResult)
    case read(ReadResult)
    case write(WriteResult)
    case state(StateResult)
}

// MARK: Sessions

/// `ll_sequence_args`.
package struct SequenceArguments: Hashable, Sendable {
    package var session: SessionID
    package var sequence: UInt32
    package var slot: UInt32
    package var highestSlot: UInt32
    package var cacheThis: Bool

    package init(session: SessionID, sequence: UInt32, slot: UInt32, highestSlot: UInt32, cacheThis: Bool) {
        self.session = session
        self.sequence = sequence
        self.slot = slot
        self.highestSlot = highestSlot
        self.cacheThis = cacheThis
    }
}

/// Bits of `status_flags` (`LL_STATUS_`).
package struct SequenceStatusFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static var callbackPathDown: Self { Self(rawValue: 0x1) }
    package static var allRevoked: Self { Self(rawValue: 0x8) }
    package static var someRevoked: Self { Self(rawValue: 0x40) }
    package static var restartReclaim: Self { Self(rawValue: 0x100) }
    package static var recallOverdue: Self { Self(rawValue: 0x10000) }
}

/// `ll_sequence_res`.
package struct SequenceResult: Hashable, Sendable {
    package var status: LayoutStatus
    package var sequence: UInt32
    package var slot: UInt32
    package var highestSlot: UInt32
    package var targetHighestSlot: UInt32
    package var flags: SequenceStatusFlags

    package init(
        status: LayoutStatus,
        sequence: UInt32,
        slot: UInt32,
        highestSlot: UInt32,
        targetHighestSlot: UInt32,
        flags: SequenceStatusFlags
    ) {
        self.status = status
        self.sequence = sequence
        self.slot = slot
        self.highestSlot = highestSlot
        self.targetHighestSlot = targetHighestSlot
        self.flags = flags
    }
}

package struct ExchangeIDArguments: Hashable, Sendable {
    package var verifier: UInt64
    /// At most 256 bytes.
    package var owner: [UInt8]
    package var flags: UInt32

    package init(verifier: UInt64, owner: [UInt8], flags: UInt32) {
        self.verifier = verifier
        self.owner = owner
        self.flags = flags
    }
}

package struct ExchangeIDResult: Hashable, Sendable {
    package var client: ClientID
    package var sequence: UInt32
    package var confirmed: Bool
    package var leaseMilliseconds: UInt32
    package var recallMilliseconds: UInt32
    package var serverVerifier: UInt64
    /// At most 256 bytes.
    package var serverOwner: [UInt8]

    package init(
        client: ClientID,
        sequence: UInt32,
        confirmed: Bool,
        leaseMilliseconds: UInt32,
        recallMilliseconds: UInt32,
        serverVerifier: UInt64,
        serverOwner: [UInt8]
    ) {
        self.client = client
        self.sequence = sequence
        self.confirmed = confirmed
        self.leaseMilliseconds = leaseMilliseconds
        self.recallMilliseconds = recallMilliseconds
        self.serverVerifier = serverVerifier
        self.serverOwner = serverOwner
    }
}

package struct ChannelAttributes: Hashable, Sendable {
    /// Bytes of a call's arguments.
    package var maxRequest: UInt32
    /// Bytes of a reply's results.
    package var maxResponse: UInt32
    package var maxResponseCached: UInt32
    package var maxSlots: UInt32

    package init(maxRequest: UInt32, maxResponse: UInt32, maxResponseCached: UInt32, maxSlots: UInt32) {
        self.maxRequest = maxRequest
        self.maxResponse = maxResponse
        self.maxResponseCached = maxResponseCached
        self.maxSlots = maxSlots
    }
}

package struct CreateSessionArguments: Hashable, Sendable {
    package static var backChannelFlag: UInt32 { 0x2 }

    package var client: ClientID
    package var sequence: UInt32
    package var flags: UInt32
    package var fore: ChannelAttributes
    package var back: ChannelAttributes
    package var callbackProgram: UInt32

    package init(
        client: ClientID,
        sequence: UInt32,
        flags: UInt32,
        fore: ChannelAttributes,
        back: ChannelAttributes,
        callbackProgram: UInt32
    ) {
        self.client = client
        self.sequence = sequence
        self.flags = flags
        self.fore = fore
        self.back = back
        self.callbackProgram = callbackProgram
    }
}

package struct CreateSessionResult: Hashable, Sendable {
    package var session: SessionID
    package var sequence: UInt32
    package var flags: UInt32
    package var fore: ChannelAttributes
    package var back: ChannelAttributes

    package init(
        session: SessionID,
        sequence: UInt32,
        flags: UInt32,
        fore: ChannelAttributes,
        back: ChannelAttributes
    ) {
        self.session = session
        self.sequence = sequence
        self.flags = flags
        self.fore = fore
        self.back = back
    }
}

/// `ll_channel_dir`.
package enum ChannelDirection: UInt32, Hashable, Sendable {
    case fore = 1
    case back = 2
    case foreOrBoth = 3
    case backOrBoth = 7
}

package struct BindConnectionArguments: Hashable, Sendable {
    package var session: SessionID
    package var direction: ChannelDirection

    package init(session: SessionID, direction: ChannelDirection) {
        self.session = session
        self.direction = direction
    }
}

// MARK: Files

/// `ll_ftype`.
package enum FileType: UInt32, Hashable, Sendable {
    case regular = 1
    case directory = 2
    case blockDevice = 3
    case characterDevice = 4
    case symbolicLink = 5
    case socket = 6
    case fifo = 7
}

package struct FileTime: Hashable, Sendable {
    package var seconds: Int64
    package var nanoseconds: UInt32

    package init(seconds: Int64, nanoseconds: UInt32) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
}

package struct FileFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static var dax: Self { Self(rawValue: 0x1) }
    package static var encoded: Self { Self(rawValue: 0x2) }
}

package struct FileAttributes: Hashable, Sendable {
    package var type: FileType
    package var mode: UInt32
    package var linkCount: UInt32
    package var uid: UInt32
    package var gid: UInt32
    package var blockSize: UInt32
    package var flags: FileFlags
    package var fileNumber: UInt64
    package var size: UInt64
    package var used: UInt64
    package var change: UInt64
    package var epoch: UInt64
    package var accessTime: FileTime
    package var modificationTime: FileTime
    package var changeTime: FileTime

    package init(
        type: FileType,
        mode: UInt32,
        linkCount: UInt32,
        uid: UInt32,
        gid: UInt32,
        blockSize: UInt32,
        flags: FileFlags,
        fileNumber: UInt64,
        size: UInt64,
        used: UInt64,
        change: UInt64,
        epoch: UInt64,
        accessTime: FileTime,
        modificationTime: FileTime,
        changeTime: FileTime
    ) {
        self.type = type
        self.mode = mode
        self.linkCount = linkCount
        self.uid = uid
        self.gid = gid
        self.blockSize = blockSize
        self.flags = flags
        self.fileNumber = fileNumber
        self.size = size
        self.used = used
        self.change = change
        self.epoch = epoch
        self.accessTime = accessTime
        self.modificationTime = modificationTime
        self.changeTime = changeTime
    }
}

/// LOOKUP, CREATE (`mode`), REMOVE (`waitMilliseconds`): a path below a directory, as the bytes that came.
package struct PathArguments: Hashable, Sendable {
    package var directory: FileHandle
    /// At most 1,023 bytes; may hold anything, NUL too: the receiver checks.
    package var path: [UInt8]
    package var mode: UInt32
    package var waitMilliseconds: UInt32

    package init(directory: FileHandle, path: [UInt8], mode: UInt32 = 0, waitMilliseconds: UInt32 = 0) {
        self.directory = directory
        self.path = path
        self.mode = mode
        self.waitMilliseconds = waitMilliseconds
    }
}

package struct OpenFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static var read: Self { Self(rawValue: 0x1) }
    package static var write: Self { Self(rawValue: 0x2) }
    package static var create: Self { Self(rawValue: 0x4) }
    package static var exclusive: Self { Self(rawValue: 0x8) }
    package static var truncate: Self { Self(rawValue: 0x10) }
    package static var known: Self { Self(rawValue: 0x1f) }
}

package struct OpenArguments: Hashable, Sendable {
    package var directory: FileHandle
    package var path: [UInt8]
    package var flags: OpenFlags
    package var mode: UInt32
    package var waitMilliseconds: UInt32

    package init(directory: FileHandle, path: [UInt8], flags: OpenFlags, mode: UInt32, waitMilliseconds: UInt32) {
        self.directory = directory
        self.path = path
        self.flags = flags
        self.mode = mode
        self.waitMilliseconds = waitMilliseconds
    }
}

package struct ObjectResult: Hashable, Sendable {
    package var handle: FileHandle
    package var attributes: FileAttributes

    package init(handle: FileHandle, attributes: FileAttributes) {
        self.handle = handle
        self.attributes = attributes
    }
}

package struct SetAttributesArguments: Hashable, Sendable {
    package struct Which: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static var mode: Self { Self(rawValue: 0x1) }
        package static var owner: Self { Self(rawValue: 0x2) }
        package static var accessTime: Self { Self(rawValue: 0x4) }
        package static var modificationTime: Self { Self(rawValue: 0x8) }
        package static var known: Self { Self(rawValue: 0xf) }
    }
    package var handle: FileHandle
    package var which: Which
    package var mode: UInt32
    package var uid: UInt32
    package var gid: UInt32
    package var accessTime: FileTime
    package var modificationTime: FileTime

    package init(
        handle: FileHandle,
        which: Which,
        mode: UInt32,
        uid: UInt32,
        gid: UInt32,
        accessTime: FileTime,
        modificationTime: FileTime
    ) {
        self.handle = handle
        self.which = which
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.accessTime = accessTime
        self.modificationTime = modificationTime
    }
}

package struct ReadDirectoryArguments: Hashable, Sendable {
    package var directory: FileHandle
    package var path: [UInt8]
    package var cookie: UInt64
    package var maxEntries: UInt32

    package init(directory: FileHandle, path: [UInt8], cookie: UInt64, maxEntries: UInt32) {
        self.directory = directory
        self.path = path
        self.cookie = cookie
        self.maxEntries = maxEntries
    }
}

package struct DirectoryEntry: Hashable, Sendable {
    package var cookie: UInt64
    package var fileNumber: UInt64
    package var type: FileType
    package var size: UInt64
    package var name: [UInt8]

    package init(cookie: UInt64, fileNumber: UInt64, type: FileType, size: UInt64, name: [UInt8]) {
        self.cookie = cookie
        self.fileNumber = fileNumber
        self.type = type
        self.size = size
        self.name = name
    }
}

package struct ReadDirectoryResult: Hashable, Sendable {
    /// At most 256.
    package var entries: [DirectoryEntry]
    package var isAtEnd: Bool

    package init(entries: [DirectoryEntry], isAtEnd: Bool) {
        self.entries = entries
        self.isAtEnd = isAtEnd
    }
}

package struct RenameArguments: Hashable, Sendable {
    package var fromDirectory: FileHandle
    package var from: [UInt8]
    package var toDirectory: FileHandle
    package var to: [UInt8]
    package var waitMilliseconds: UInt32

    package init(
        fromDirectory: FileHandle,
        from: [UInt8],
        toDirectory: FileHandle,
        to: [UInt8],
        waitMilliseconds: UInt32
    ) {
        self.fromDirectory = fromDirectory
        self.from = from
        self.toDirectory = toDirectory
        self.to = to
        self.waitMilliseconds = waitMilliseconds
    }
}

// MARK: Layouts

package struct LayoutGetFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static var breakWrite: Self { Self(rawValue: 0x1) }
    package static var exclusive: Self { Self(rawValue: 0x2) }
    package static var reclaim: Self { Self(rawValue: 0x4) }
    package static var known: Self { Self(rawValue: 0x7) }
}

package struct LayoutGetArguments: Hashable, Sendable {
    package var handle: FileHandle
    package var stateID: StateID
    /// The number on the wire: the receiver checks whether it knows it.
    package var addressing: UInt32
    /// The number on the wire: `ANY` and unknown ones are refused by the receiver.
    package var ioMode: UInt32
    package var offset: UInt64
    package var length: UInt64
    package var minLength: UInt64
    package var maxCount: UInt32
    package var flags: LayoutGetFlags
    package var waitMilliseconds: UInt32
    package var knownEpoch: UInt64

    package init(
        handle: FileHandle,
        stateID: StateID,
        addressing: UInt32,
        ioMode: UInt32,
        offset: UInt64,
        length: UInt64,
        minLength: UInt64,
        maxCount: UInt32,
        flags: LayoutGetFlags,
        waitMilliseconds: UInt32,
        knownEpoch: UInt64
    ) {
        self.handle = handle
        self.stateID = stateID
        self.addressing = addressing
        self.ioMode = ioMode
        self.offset = offset
        self.length = length
        self.minLength = minLength
        self.maxCount = maxCount
        self.flags = flags
        self.waitMilliseconds = waitMilliseconds
        self.knownEpoch = knownEpoch
    }
}

package struct LayoutGetResult: Hashable, Sendable {
    package var stateID: StateID
    package var range: ByteRange
    package var ioMode: IOMode
    package var returnOnClose: Bool
    package var device: DeviceID
    package var token: DescriptorToken
    package var capabilities: LayoutCapabilities
    package var fileSize: UInt64
    package var epoch: UInt64
    /// The shifts since the epoch that the caller knew, at most 256; `nil` if they are no longer known.
    package var shifts: [LoggedShift]?
    /// Sorted, without gaps, covering `range`; at most 8,192.
    package var extents: [Extent]

    package init(
        stateID: StateID,
        range: ByteRange,
        ioMode: IOMode,
        returnOnClose: Bool,
        device: DeviceID,
        token: DescriptorToken,
        capabilities: LayoutCapabilities,
        fileSize: UInt64,
        epoch: UInt64,
        shifts: [LoggedShift]?,
        extents: [Extent]
    ) {
        self.stateID = stateID
        self.range = range
        self.ioMode = ioMode
        self.returnOnClose = returnOnClose
        self.device = device
        self.token = token
        self.capabilities = capabilities
        self.fileSize = fileSize
        self.epoch = epoch
        self.shifts = shifts
        self.extents = extents
    }
}

package struct LayoutCommitArguments: Hashable, Sendable {
    package var handle: FileHandle
    package var stateID: StateID
    package var offset: UInt64
    package var length: UInt64
    package var newSize: UInt64?

    package init(handle: FileHandle, stateID: StateID, offset: UInt64, length: UInt64, newSize: UInt64?) {
        self.handle = handle
        self.stateID = stateID
        self.offset = offset
        self.length = length
        self.newSize = newSize
    }
}

/// `ll_return_type`.
package enum LayoutReturnType: UInt32, Hashable, Sendable {
    case file = 1
    case all = 3
}

package struct LayoutReturnArguments: Hashable, Sendable {
    package var type: LayoutReturnType
    package var handle: FileHandle
    package var stateID: StateID
    package var ioMode: IOModeSelector
    package var offset: UInt64
    package var length: UInt64
    package var isDowngrade: Bool
    package var ioError: UInt32

    package init(
        type: LayoutReturnType,
        handle: FileHandle,
        stateID: StateID,
        ioMode: IOModeSelector,
        offset: UInt64,
        length: UInt64,
        isDowngrade: Bool,
        ioError: UInt32
    ) {
        self.type = type
        self.handle = handle
        self.stateID = stateID
        self.ioMode = ioMode
        self.offset = offset
        self.length = length
        self.isDowngrade = isDowngrade
        self.ioError = ioError
    }
}

package struct LayoutReturnResult: Hashable, Sendable {
    /// The caller's stateid, or `nil` if it holds nothing of the file any more.
    package var stateID: StateID?
    package var token: DescriptorToken

    package init(stateID: StateID?, token: DescriptorToken) {
        self.stateID = stateID
        self.token = token
    }
}

package enum DeviceInfo: Hashable, Sendable {
    /// `file` addressing: on the host that booted as `bootID` (36 bytes), at this socket.
    case file(bootID: [UInt8], descriptorSocket: [UInt8])
    case device
}

// MARK: Mapping changes, and data through the server

package struct ChangeArguments: Hashable, Sendable {
    /// Allocate, punch, zero, collapse, insert or truncate.
    package var operation: MappingOperation
    package var handle: FileHandle
    package var offset: UInt64
    package var length: UInt64
    package var waitMilliseconds: UInt32
    package var keepSize: Bool

    package init(
        operation: MappingOperation,
        handle: FileHandle,
        offset: UInt64,
        length: UInt64,
        waitMilliseconds: UInt32,
        keepSize: Bool
    ) {
        self.operation = operation
        self.handle = handle
        self.offset = offset
        self.length = length
        self.waitMilliseconds = waitMilliseconds
        self.keepSize = keepSize
    }
}

package struct CloneArguments: Hashable, Sendable {
    package var source: FileHandle
    package var sourceOffset: UInt64
    package var handle: FileHandle
    package var offset: UInt64
    package var length: UInt64
    package var waitMilliseconds: UInt32

    package init(
        source: FileHandle,
        sourceOffset: UInt64,
        handle: FileHandle,
        offset: UInt64,
        length: UInt64,
        waitMilliseconds: UInt32
    ) {
        self.source = source
        self.sourceOffset = sourceOffset
        self.handle = handle
        self.offset = offset
        self.length = length
        self.waitMilliseconds = waitMilliseconds
    }
}

package struct ChangeResult: Hashable, Sendable {
    package var size: UInt64
    package var change: UInt64
    package var epoch: UInt64
    /// The caller's layout stateid, or `nil` if it holds no layout of the file any more.
    package var stateID: StateID?
    package var recalled: UInt32

    package init(size: UInt64, change: UInt64, epoch: UInt64, stateID: StateID?, recalled: UInt32) {
        self.size = size
        self.change = change
        self.epoch = epoch
        self.stateID = stateID
        self.recalled = recalled
    }
}

package struct ReadArguments: Hashable, Sendable {
    package var handle: FileHandle
    package var offset: UInt64
    package var count: UInt32

    package init(handle: FileHandle, offset: UInt64, count: UInt32) {
        self.handle = handle
        self.offset = offset
        self.count = count
    }
}

package struct ReadResult: Hashable, Sendable {
    package var isAtEnd: Bool
    /// At most 262,144 bytes.
    package var data: [UInt8]

    package init(isAtEnd: Bool, data: [UInt8]) {
        self.isAtEnd = isAtEnd
        self.data = data
    }
}

package struct WriteArguments: Hashable, Sendable {
    package var handle: FileHandle
    package var offset: UInt64
    package var isStable: Bool
    package var waitMilliseconds: UInt32
    package var data: [UInt8]

    package init(handle: FileHandle, offset: UInt64, isStable: Bool, waitMilliseconds: UInt32, data: [UInt8]) {
        self.handle = handle
        self.offset = offset
        self.isStable = isStable
        self.waitMilliseconds = waitMilliseconds
        self.data = data
    }
}

package struct WriteResult: Hashable, Sendable {
    package var count: UInt32
    package var size: UInt64
    package var verifier: UInt64

    package init(count: UInt32, size: UInt64, verifier: UInt64) {
        self.count = count
        self.size = size
        self.verifier = verifier
    }
}

package struct CommitArguments: Hashable, Sendable {
    package var handle: FileHandle
    package var offset: UInt64
    package var length: UInt64

    package init(handle: FileHandle, offset: UInt64, length: UInt64) {
        self.handle = handle
        self.offset = offset
        self.length = length
    }
}

// MARK: Operator

/// `ll_state_kind`.
package enum StateKind: UInt32, Hashable, Sendable {
    case server = 0
    case clients = 1
    case layouts = 2
    case waiting = 3
    case recalls = 4
}

package struct StateArguments: Hashable, Sendable {
    package var kind: StateKind
    package var cookie: UInt64
    package var maxRecords: UInt32

    package init(kind: StateKind, cookie: UInt64, maxRecords: UInt32) {
        self.kind = kind
        self.cookie = cookie
        self.maxRecords = maxRecords
    }
}

package struct StateResult: Hashable, Sendable {
    package var records: StateRecords
    package var nextCookie: UInt64

    package init(records: StateRecords, nextCookie: UInt64) {
        self.records = records
        self.nextCookie = nextCookie
    }
}

/// At most 256 records each.
package enum StateRecords: Hashable, Sendable {
    case server(ServerState)
    case clients([ClientState])
    case layouts([HeldLayoutState])
    case waiting([WaitingState])
    case recalls([RecallState])
}

package struct ServerState: Hashable, Sendable {
    package var uptimeMilliseconds: UInt64 = 0
    package var clients: UInt64 = 0
    package var sessions: UInt64 = 0
    package var layouts: UInt64 = 0
    package var recallsSent: UInt64 = 0
    package var recallsReturned: UInt64 = 0
    package var recallsRevoked: UInt64 = 0
    package var changesDone: UInt64 = 0
    package var changesFailed: UInt64 = 0
    package var changesDelayed: UInt64 = 0
    package var changesWaiting: UInt64 = 0
    package var grants: UInt64 = 0
    package var grantsWaiting: UInt64 = 0
    package var deviceReads: UInt64 = 0
    package var deviceWrites: UInt64 = 0

    package init() {}
}

package struct ClientState: Hashable, Sendable {
    package var client: ClientID
    package var owner: [UInt8]
    package var address: String
    package var uid: UInt32
    package var pid: UInt32
    package var sessions: UInt32
    package var layouts: UInt64
    package var leaseLeftMilliseconds: Int64
    package var hasBackChannel: Bool
    package var isOverdue: Bool

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
        isOverdue: Bool
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
    }
}

package struct HeldLayoutState: Hashable, Sendable {
    package var client: ClientID
    package var handle: FileHandle
    package var path: [UInt8]
    package var ioMode: IOMode
    package var range: ByteRange
    package var stateID: StateID
    package var ageMilliseconds: UInt64
    package var isRecalled: Bool

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

package struct WaitingState: Hashable, Sendable {
    package var id: UInt64
    package var handle: FileHandle
    package var path: [UInt8]
    package var operation: MappingOperation
    package var range: ByteRange
    package var client: ClientID
    package var pid: UInt32
    package var command: String
    package var ageMilliseconds: UInt64
    package var isRunning: Bool
    /// At most 16 travel.
    package var waitsFor: [ClientID]

    package init(
        id: UInt64,
        handle: FileHandle,
        path: [UInt8],
        operation: MappingOperation,
        range: ByteRange,
        client: ClientID,
        pid: UInt32,
        command: String,
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
        self.ageMilliseconds = ageMilliseconds
        self.isRunning = isRunning
        self.waitsFor = waitsFor
    }
}

package struct RecallState: Hashable, Sendable {
    package var id: RecallID
    package var client: ClientID
    package var handle: FileHandle
    package var path: [UInt8]
    package var operation: MappingOperation
    package var range: ByteRange
    package var ageMilliseconds: UInt64
    package var leftMilliseconds: Int64
    package var isAnswered: Bool
    package var fenceAttempts: UInt32

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

package struct RevokeArguments: Hashable, Sendable {
    package var client: ClientID
    package var handle: FileHandle

    package init(client: ClientID, handle: FileHandle) {
        self.client = client
        self.handle = handle
    }
}

// MARK: Calls to the client

/// The procedures of `LAYOUT_CALLBACK_PROGRAM` version 1.
package enum CallbackProcedure: UInt32, Hashable, Sendable, CaseIterable {
    case null = 0
    case layoutRecall = 1
    case recallAny = 2
    case notifyDeviceID = 3
}

/// `CB_sequence_args`.
package struct CallbackSequence: Hashable, Sendable {
    package var session: SessionID
    package var sequence: UInt32
    package var slot: UInt32
    package var highestSlot: UInt32

    package init(session: SessionID, sequence: UInt32, slot: UInt32, highestSlot: UInt32) {
        self.session = session
        self.sequence = sequence
        self.slot = slot
        self.highestSlot = highestSlot
    }
}

package enum CallbackRequest: Hashable, Sendable {
    case null
    case layoutRecall(CallbackSequence, LayoutRecall)
    case recallAny(CallbackSequence, keep: UInt32)
    case notifyDeviceID(CallbackSequence)
}

/// `CB_LAYOUTRECALLargs` without its sequence.
package struct LayoutRecall: Hashable, Sendable {
    package var id: RecallID
    package var handle: FileHandle
    package var stateID: StateID
    package var ioMode: IOModeSelector
    package var range: ByteRange
    package var reason: BreakReason
    package var operation: MappingOperation
    /// The intended change's own arguments.
    package var operationRange: ByteRange
    package var deadlineMilliseconds: UInt32
    package var requester: ClientID
    package var requesterPID: UInt32
    package var requesterCommand: String

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
