package import LayoutCore

/// Bits of LAYOUTGET (`LL_LAYOUTGET_`).
package struct LayoutGetFlags: OptionSet, Hashable, Sendable {
    /// The bits on the wire; unknown ones survive.
    package let rawValue: UInt32
    /// Makes a set from its bits.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Recall the layout also before WRITE calls change the bytes.
    package static var breakWrite: Self { Self(rawValue: 0x1) }
    /// Unbreakable: others' changes fail with TXTBSY; privileged.
    package static var exclusive: Self { Self(rawValue: 0x2) }
    /// After a server restart, in grace: the layout was held before.
    package static var reclaim: Self { Self(rawValue: 0x4) }
    /// All flags of this version.
    package static var known: Self { Self(rawValue: 0x7) }
}

/// `LL_LAYOUTGETargs` without its sequence (RFC 8881 §18.43).
package struct LayoutGetArguments: Hashable, Sendable {
    /// The file.
    package var handle: FileHandle
    /// The caller's layout stateid; ``StateID/none`` if it holds no layout of the file yet.
    package var stateID: StateID
    /// The number on the wire: the receiver checks whether it knows it.
    package var addressing: UInt32
    /// The number on the wire: `ANY` and unknown ones are refused by the receiver.
    package var ioMode: UInt32
    /// The first byte; raw, as the client sent it.
    package var offset: UInt64
    /// Bytes; all ones for "to the end"; raw, as the client sent it.
    package var length: UInt64
    /// Bytes from `offset` on that the grant must hold at least.
    package var minLength: UInt64
    /// Bytes of reply that the caller takes.
    package var maxCount: UInt32
    /// What kind of layout is asked for.
    package var flags: LayoutGetFlags
    /// How long the call may be parked behind a change; 0: answer at once.
    package var waitMilliseconds: UInt32
    /// The mapping epoch that the caller last saw for the file; 0: none.
    package var knownEpoch: UInt64

    /// Makes the value from its parts.
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

/// `ll_layout_resok`: a grant.
package struct LayoutGetResult: Hashable, Sendable {
    /// The caller's layout stateid from now on.
    package var stateID: StateID
    /// The bytes that are granted.
    package var range: ByteRange
    /// How they may be used.
    package var ioMode: IOMode
    /// Whether CLOSE gives the layout back.
    package var returnOnClose: Bool
    /// Where the bytes are.
    package var device: DeviceID
    /// To be redeemed for the descriptor; none if it was redeemed before.
    package var token: DescriptorToken
    /// What stands behind the grant.
    package var capabilities: LayoutCapabilities
    /// Bytes of the file.
    package var fileSize: UInt64
    /// The mapping epoch that the extents belong to.
    package var epoch: UInt64
    /// The shifts since the epoch that the caller knew, at most 256; `nil` if they are no longer known.
    package var shifts: [LoggedShift]?
    /// Sorted, without gaps, covering `range`; at most 8,192.
    package var extents: [Extent]

    /// Makes the value from its parts.
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

/// `LL_LAYOUTCOMMITargs` without its sequence (RFC 8881 §18.42).
package struct LayoutCommitArguments: Hashable, Sendable {
    /// The file.
    package var handle: FileHandle
    /// The caller's layout stateid.
    package var stateID: StateID
    /// The first byte; raw, as the client sent it.
    package var offset: UInt64
    /// Bytes; all ones for "to the end"; raw, as the client sent it.
    package var length: UInt64
    /// The last byte written and one more, if it may be beyond the size; a commit never shrinks a file.
    package var newSize: UInt64?

    /// Makes the value from its parts.
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
    /// A range of one file.
    case file = 1
    /// Everything that the client holds.
    case all = 3
}

/// `LL_LAYOUTRETURNargs` without its sequence (RFC 8881 §18.44).
package struct LayoutReturnArguments: Hashable, Sendable {
    /// What is given back.
    package var type: LayoutReturnType
    /// The file; the root with ``LayoutReturnType/all``.
    package var handle: FileHandle
    /// The caller's layout stateid; ``StateID/none`` if it holds no layout of the file yet.
    package var stateID: StateID
    /// Which layouts are meant.
    package var ioMode: IOModeSelector
    /// The first byte; raw, as the client sent it.
    package var offset: UInt64
    /// Bytes; all ones for "to the end"; raw, as the client sent it.
    package var length: UInt64
    /// Whether the caller keeps reading: read-write becomes read.
    package var isDowngrade: Bool
    /// A Linux errno if the holder met one, else 0; it is counted and logged.
    package var ioError: UInt32

    /// Makes the value from its parts.
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

/// `ll_layoutreturn_resok`.
package struct LayoutReturnResult: Hashable, Sendable {
    /// The caller's stateid, or `nil` if it holds nothing of the file any more.
    package var stateID: StateID?
    /// After a downgrade: for the read-only descriptor; else none.
    package var token: DescriptorToken

    /// Makes the value from its parts.
    package init(stateID: StateID?, token: DescriptorToken) {
        self.stateID = stateID
        self.token = token
    }
}

/// `ll_device`: how a device is reached.
package enum DeviceInfo: Hashable, Sendable {
    /// `file` addressing: on the host that booted as `bootID` (36 bytes), at this socket.
    case file(bootID: [UInt8], descriptorSocket: [UInt8])
    /// A shared block device: reserved.
    case device
}
