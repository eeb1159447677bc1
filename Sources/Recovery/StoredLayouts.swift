package import LayoutCore

/// A file as a later life finds it again.
package struct StoredFile: Hashable, Sendable {
    package var handle: FileHandle
    /// Made and read by the server: identity, kernel handle, path.
    package var locator: [UInt8]
    /// The file's mapping epoch.
    package var epoch: UInt64
    /// The epoch before the oldest shift that is remembered.
    package var logStart: UInt64
    /// The latest shifts, oldest first.
    package var shifts: [LoggedShift]

    package init(handle: FileHandle, locator: [UInt8], epoch: UInt64, logStart: UInt64, shifts: [LoggedShift]) {
        self.handle = handle
        self.locator = locator
        self.epoch = epoch
        self.logStart = logStart
        self.shifts = shifts
    }
}

/// A held range.
package struct StoredSegment: Hashable, Sendable {
    package var range: ByteRange
    package var ioMode: IOMode
    package var breaksOnWrite: Bool
    package var isExclusive: Bool

    package init(range: ByteRange, ioMode: IOMode, breaksOnWrite: Bool, isExclusive: Bool) {
        self.range = range
        self.ioMode = ioMode
        self.breaksOnWrite = breaksOnWrite
        self.isExclusive = isExclusive
    }
}

/// The process that fetched one of a holder's open file descriptions.
///
/// Good as long as the host is not booted again.
package struct StoredPeer: Hashable, Sendable {
    /// The number of the description's lock byte.
    package var lock: UInt64
    package var pid: Int32
    /// When it started, in clock ticks of the host's boot clock: a later process of its number has another one.
    package var startTime: UInt64
    /// The user that it was.
    package var uid: UInt32

    package init(lock: UInt64, pid: Int32, startTime: UInt64, uid: UInt32) {
        self.lock = lock
        self.pid = pid
        self.startTime = startTime
        self.uid = uid
    }
}

/// One client's claim on one file.
package struct StoredHolder: Hashable, Sendable {
    /// The number in its stateid, unique over all lives.
    package var number: UInt64
    package var client: ClientID
    package var file: FileHandle
    package var seqid: UInt32
    /// Disjoint, in order.
    package var segments: [StoredSegment]
    /// The numbers of the lock bytes of its open file descriptions.
    package var locks: [UInt64]
    /// Who fetched those of its descriptions that were fetched, as far as it is known.
    package var peers: [StoredPeer]

    package init(
        number: UInt64,
        client: ClientID,
        file: FileHandle,
        seqid: UInt32,
        segments: [StoredSegment],
        locks: [UInt64],
        peers: [StoredPeer] = []
    ) {
        self.number = number
        self.client = client
        self.file = file
        self.seqid = seqid
        self.segments = segments
        self.locks = locks
        self.peers = peers
    }
}

/// Layouts that were taken from a client that has yet to learn of it.
package struct StoredRevocation: Hashable, Sendable {
    package var client: ClientID
    package var file: FileHandle

    package init(client: ClientID, file: FileHandle) {
        self.client = client
        self.file = file
    }
}

/// A file whose interrupted change was neither undone nor done: nobody may use it until an operator has looked.
package struct StoredBlock: Hashable, Sendable {
    package var file: FileHandle
    /// What was found, for people.
    package var reason: String

    package init(file: FileHandle, reason: String) {
        self.file = file
        self.reason = reason
    }
}

/// Which filesystem and directory a store belongs to.
package struct StoreIdentity: Hashable, Sendable {
    package var fileSystem: UInt64
    package var exportInode: UInt64
    package var exportGeneration: UInt64

    package init(fileSystem: UInt64, exportInode: UInt64, exportGeneration: UInt64) {
        self.fileSystem = fileSystem
        self.exportInode = exportInode
        self.exportGeneration = exportGeneration
    }
}

/// One life of the server, from its start to its end.
package struct StoredLife: Hashable, Sendable {
    /// 1 for the first; 1 more with every start.
    package var number: UInt32
    /// The boot ID of the host: another one means that no process of that life's clients is left.
    package var hostBoot: String
    /// The longest lease that any client was told.
    package var longestLease: Duration
    /// What file handles are made with: the same in every life, so that handles stay good.
    package var handleKey: Opaque16

    package init(number: UInt32, hostBoot: String, longestLease: Duration, handleKey: Opaque16) {
        self.number = number
        self.hostBoot = hostBoot
        self.longestLease = longestLease
        self.handleKey = handleKey
    }
}
