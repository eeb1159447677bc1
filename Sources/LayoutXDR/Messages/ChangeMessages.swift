package import LayoutCore

/// `LL_CHANGEargs` without its sequence.
package struct ChangeArguments: Hashable, Sendable {
    /// Allocate, punch, zero, collapse, insert or truncate.
    package var operation: MappingOperation
    /// The file.
    package var handle: FileHandle
    /// The first byte; for TRUNCATE the new size; raw, as the client sent it.
    package var offset: UInt64
    /// Bytes; TRUNCATE does not look at it; raw, as the client sent it.
    package var length: UInt64
    /// The caller's patience in milliseconds; then DELAY, and nothing was done.
    package var waitMilliseconds: UInt32
    /// ALLOCATE and ZERO_RANGE: do not extend the file.
    package var keepSize: Bool

    /// Makes the value from its parts.
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

/// `LL_CLONEargs` without its sequence.
package struct CloneArguments: Hashable, Sendable {
    /// The file whose blocks are shared.
    package var source: FileHandle
    /// Its first byte; raw, as the client sent it.
    package var sourceOffset: UInt64
    /// The file that they are shared into.
    package var handle: FileHandle
    /// Its first byte; raw, as the client sent it.
    package var offset: UInt64
    /// Bytes; 0 for "to the end of the source"; raw, as the client sent it.
    package var length: UInt64
    /// The caller's patience in milliseconds; then DELAY, and nothing was done.
    package var waitMilliseconds: UInt32

    /// Makes the value from its parts.
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

/// `ll_change_resok`.
package struct ChangeResult: Hashable, Sendable {
    /// Bytes of the file, afterwards.
    package var size: UInt64
    /// The file's change counter, afterwards.
    package var change: UInt64
    /// The file's mapping epoch, afterwards.
    package var epoch: UInt64
    /// The caller's layout stateid, or `nil` if it holds no layout of the file any more.
    package var stateID: StateID?
    /// Holders that were recalled for this change.
    package var recalled: UInt32

    /// Makes the value from its parts.
    package init(size: UInt64, change: UInt64, epoch: UInt64, stateID: StateID?, recalled: UInt32) {
        self.size = size
        self.change = change
        self.epoch = epoch
        self.stateID = stateID
        self.recalled = recalled
    }
}

/// `LL_READargs` without its sequence.
package struct ReadArguments: Hashable, Sendable {
    /// The file.
    package var handle: FileHandle
    /// The first byte.
    package var offset: UInt64
    /// Bytes; at most 262,144 are answered.
    package var count: UInt32

    /// Makes the value from its parts.
    package init(handle: FileHandle, offset: UInt64, count: UInt32) {
        self.handle = handle
        self.offset = offset
        self.count = count
    }
}

/// `ll_read_resok`.
package struct ReadResult: Hashable, Sendable {
    /// Whether the data reach the end of the file.
    package var isAtEnd: Bool
    /// At most 262,144 bytes.
    package var data: [UInt8]

    /// Makes the value from its parts.
    package init(isAtEnd: Bool, data: [UInt8]) {
        self.isAtEnd = isAtEnd
        self.data = data
    }
}

/// `LL_WRITEargs` without its sequence.
package struct WriteArguments: Hashable, Sendable {
    /// The file.
    package var handle: FileHandle
    /// The first byte.
    package var offset: UInt64
    /// Whether the data must be on stable storage before the reply.
    package var isStable: Bool
    /// The caller's patience in milliseconds; then DELAY, and nothing was done.
    package var waitMilliseconds: UInt32
    /// At most 262,144 bytes.
    package var data: [UInt8]

    /// Makes the value from its parts.
    package init(handle: FileHandle, offset: UInt64, isStable: Bool, waitMilliseconds: UInt32, data: [UInt8]) {
        self.handle = handle
        self.offset = offset
        self.isStable = isStable
        self.waitMilliseconds = waitMilliseconds
        self.data = data
    }
}

/// `ll_write_resok`.
package struct WriteResult: Hashable, Sendable {
    /// Bytes that were written.
    package var count: UInt32
    /// Bytes of the file, afterwards.
    package var size: UInt64
    /// Of the server's start: unstable writes are lost when it changes.
    package var verifier: UInt64

    /// Makes the value from its parts.
    package init(count: UInt32, size: UInt64, verifier: UInt64) {
        self.count = count
        self.size = size
        self.verifier = verifier
    }
}

/// `LL_COMMITargs` without its sequence.
package struct CommitArguments: Hashable, Sendable {
    /// The file.
    package var handle: FileHandle
    /// The first byte; raw, as the client sent it.
    package var offset: UInt64
    /// Bytes; all ones for "to the end"; raw, as the client sent it.
    package var length: UInt64

    /// Makes the value from its parts.
    package init(handle: FileHandle, offset: UInt64, length: UInt64) {
        self.handle = handle
        self.offset = offset
        self.length = length
    }
}
