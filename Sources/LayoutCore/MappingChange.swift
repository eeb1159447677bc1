/// How a layout may be used (RFC 8881 §3.3.20).
///
/// `ANY` exists in returns and recalls only, as ``IOModeSelector``.
public enum IOMode: UInt32, Hashable, Sendable {
    /// Loads only.
    case read = 1
    /// Loads and stores.
    case readWrite = 2
}

/// Which layouts a return or recall means.
public enum IOModeSelector: UInt32, Hashable, Sendable {
    /// Read layouts.
    case read = 1
    /// Read-write layouts.
    case readWrite = 2
    /// Both.
    case any = 3

    /// Whether a layout of `ioMode` is meant.
    public func matches(_ ioMode: IOMode) -> Bool {
        switch self {
        case .read: ioMode == .read
        case .readWrite: ioMode == .readWrite
        case .any: true
        }
    }
}

/// Why the filesystem breaks a layout (the kernel's `BREAK_WRITE` and `BREAK_UNMAP`).
public enum BreakReason: UInt32, Hashable, Sendable {
    /// Data is about to be written behind the holder.
    case write = 1
    /// Blocks are about to move or go.
    case unmap = 2
}

/// What is done to a file (`ll_operation`).
public enum MappingOperation: UInt32, Hashable, Sendable, CaseIterable {
    /// Nothing: a LAYOUTGET in a list of those who wait.
    case none = 0
    /// Bytes are overwritten.
    case write = 1
    /// Holes become unwritten blocks.
    case allocate = 2
    /// Blocks are freed; the bytes read as zeros.
    case punchHole = 3
    /// The bytes read as zeros; blocks may stay.
    case zeroRange = 4
    /// Bytes are removed and the rest moves down.
    case collapseRange = 5
    /// A hole is inserted and the rest moves up.
    case insertRange = 6
    /// The size is set.
    case truncate = 7
    /// Blocks of another file are shared into this one.
    case cloneTo = 8
    /// Blocks of this file become shared with another one.
    case cloneFrom = 9
    /// The file goes away.
    case remove = 10
    /// An attribute that changes how the file is mapped is set.
    case attribute = 11
    /// The server is shutting down.
    case shutdown = 12
    /// An operator revokes layouts.
    case revoke = 13
    /// A local program's call that could not be told apart.
    case unknown = 14
}

extension MappingOperation: CustomStringConvertible {
    /// The name for people: `insert`, `punch`, ...
    public var description: String {
        switch self {
        case .none: "layoutget"
        case .write: "write"
        case .allocate: "allocate"
        case .punchHole: "punch"
        case .zeroRange: "zero"
        case .collapseRange: "collapse"
        case .insertRange: "insert"
        case .truncate: "truncate"
        case .cloneTo: "clone-to"
        case .cloneFrom: "clone-from"
        case .remove: "remove"
        case .attribute: "attribute"
        case .shutdown: "shutdown"
        case .revoke: "revoke"
        case .unknown: "unknown"
        }
    }
}

/// Which layouts stand in the way of a mapping change.
public enum BreakRule: Hashable, Sendable {
    /// None: the change moves no byte that anybody holds.
    case nobody
    /// Those whose holder asked for it at LAYOUTGET (`LL_LAYOUTGET_BREAK_WRITE`).
    case holdersAskingForWrite
    /// Read-write ones; a downgrade to read is enough.
    case readWriteHolders
    /// All of them.
    case everyone
}

/// A change to a file's mapping, as it is asked for.
///
/// Design §4, "Affected range": punch and zero affect their range with its edge blocks; insert and collapse everything
/// from their offset on; truncate, either way, everything from the block of the smaller size on.
public struct MappingChange: Hashable, Sendable {
    /// The file whose mapping changes.
    public var file: FileID
    /// What is done.
    public var operation: MappingOperation
    /// The operation's own arguments.
    ///
    /// For truncate, the new size is the lower bound.
    public var argument: ByteRange
    /// The bytes whose mapping may change, rounded out to filesystem blocks.
    public var affected: ByteRange
    /// Whose layouts stand in the way.
    public var breaks: BreakRule

    /// Makes a change.
    public init(
        file: FileID,
        operation: MappingOperation,
        argument: ByteRange,
        affected: ByteRange,
        breaks: BreakRule
    ) {
        self.file = file
        self.operation = operation
        self.argument = argument
        self.affected = affected
        self.breaks = breaks
    }

    /// Why layouts are broken.
    public var reason: BreakReason { self.operation == .write ? .write : .unmap }

    /// The shift that this change is once it is done, or `nil` if bytes stay where they are.
    public var shift: Shift? {
        switch self.operation {
        case .insertRange, .collapseRange:
            Shift(
                isInsert: self.operation == .insertRange,
                offset: self.argument.lowerBound,
                length: self.argument.wireLength
            )
        case .none, .write, .allocate, .punchHole, .zeroRange, .truncate, .cloneTo, .cloneFrom, .remove, .attribute,
            .shutdown, .revoke, .unknown:
            nil
        }
    }
}

/// A move of bytes: what was at or after `offset` moves up by `length` (insert), or what was at or after
/// `offset + length` moves down by it (collapse).
public struct Shift: Hashable, Sendable {
    /// Whether bytes move up.
    public let isInsert: Bool
    /// Where the shift starts.
    public let offset: UInt64
    /// By how many bytes.
    public let length: UInt64

    /// Makes a shift.
    public init(isInsert: Bool, offset: UInt64, length: UInt64) {
        self.isInsert = isInsert
        self.offset = offset
        self.length = length
    }
}

/// A completed shift and the mapping epoch of the file once it was done.
public struct LoggedShift: Hashable, Sendable {
    /// The epoch that the shift led to: greater than every earlier one, and of this file alone.
    public let epoch: UInt64
    /// The move.
    public let shift: Shift

    /// Makes a log entry.
    public init(epoch: UInt64, shift: Shift) {
        self.epoch = epoch
        self.shift = shift
    }
}

/// What a run of file bytes is on storage (`ll_extent_state`).
public enum ExtentState: UInt32, Hashable, Sendable {
    /// Allocated and written.
    case data = 0
    /// Allocated; reads as zeros.
    case unwritten = 1
    /// Not allocated; reads as zeros.
    case hole = 2
}

/// A run of file bytes in one state, contiguous on storage.
public struct Extent: Hashable, Sendable {
    /// The file bytes.
    public let range: ByteRange
    /// Where they are on the device; 0 for a hole.
    ///
    /// Advisory in `file` addressing.
    public let storageOffset: UInt64
    /// What they are.
    public let state: ExtentState

    /// Makes an extent.
    public init(range: ByteRange, storageOffset: UInt64, state: ExtentState) {
        self.range = range
        self.storageOffset = storageOffset
        self.state = state
    }
}

/// How bytes are reached (`ll_addressing`).
public enum Addressing: UInt32, Hashable, Sendable {
    /// Through a passed descriptor of the file.
    case file = 1
    /// On a shared block device, by physical address: reserved.
    case device = 2
}

/// What stands behind a grant (`LL_CAP_` bits).
public struct LayoutCapabilities: OptionSet, Hashable, Sendable {
    /// The bits on the wire.
    public let rawValue: UInt32

    /// Makes a set from its bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Changes by local programs are held back until layouts are returned.
    public static var guarded: LayoutCapabilities { LayoutCapabilities(rawValue: 0x1) }
    /// What ``guarded`` promises ends with the server: local programs go on while it is dead.
    public static var guardFailsOpen: LayoutCapabilities { LayoutCapabilities(rawValue: 0x2) }
    /// A change waits until the holder is proven gone.
    public static var fenceWait: LayoutCapabilities { LayoutCapabilities(rawValue: 0x10) }
    /// A holder that misses a deadline is killed.
    public static var fenceKill: LayoutCapabilities { LayoutCapabilities(rawValue: 0x20) }
    /// An operator's program deals with a holder that misses a deadline.
    public static var fenceHook: LayoutCapabilities { LayoutCapabilities(rawValue: 0x40) }
    /// Only the holder's own deadline stops it.
    public static var fenceCooperative: LayoutCapabilities { LayoutCapabilities(rawValue: 0x80) }
    /// Stores are durable once flushed from the CPU's caches (`MAP_SYNC`).
    public static var synchronous: LayoutCapabilities { LayoutCapabilities(rawValue: 0x100) }
}
