package import LayoutCore

/// A change that a local program waits for, or runs; unique in one life of the guard.
package struct GuardedCallID: Hashable, Comparable, Sendable {
    package let rawValue: UInt64

    /// Wraps a number.
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static func < (left: GuardedCallID, right: GuardedCallID) -> Bool { left.rawValue < right.rawValue }
}

/// A thread, which no other thread is ever taken for.
package struct GuardedThread: Hashable, Sendable {
    /// Its number.
    package var number: Int32
    /// When it began, in the kernel's clock ticks since boot.
    package var start: UInt64

    /// Makes a thread.
    package init(number: Int32, start: UInt64) {
        self.number = number
        self.start = start
    }
}

/// A local program's call that may change the mapping of a file with layouts.
package struct GuardedCall: Hashable, Sendable {
    package let id: GuardedCallID
    /// The file, as its owner named it to ``MappingGuard/watch(_:as:)``.
    package let file: FileID
    package let thread: GuardedThread
    /// The process; 0 if it cannot be seen from here.
    package let process: Int32
    /// For people: its command name.
    package let command: String
    /// The registers, where they could be seen.
    package let call: BlockedCall?
    /// For people: the call's name, or its number.
    package let callName: String
    package let change: GuardedChange
    /// The file's size when the call arrived, in bytes.
    package let size: UInt64
    /// Since when it waits.
    package let arrived: Instant
    /// Whether an earlier life of the server had it in hand.
    package let isRecovered: Bool

    /// Makes a call.
    package init(
        id: GuardedCallID,
        file: FileID,
        thread: GuardedThread,
        process: Int32,
        command: String,
        call: BlockedCall?,
        callName: String,
        change: GuardedChange,
        size: UInt64,
        arrived: Instant,
        isRecovered: Bool = false
    ) {
        self.id = id
        self.file = file
        self.thread = thread
        self.process = process
        self.command = command
        self.call = call
        self.callName = callName
        self.change = change
        self.size = size
        self.arrived = arrived
        self.isRecovered = isRecovered
    }

    /// Whether an `io_uring` runs the operation, whose own end tells the kernel's result to the ring alone.
    var isOfRing: Bool { self.callName == KnownCall.ioUringEnter.rawValue }

    /// Whether the kernel asks twice for one operation, once for each side.
    var hasTwoSides: Bool {
        self.callName == KnownCall.ioctl.rawValue || self.callName == KnownCall.copyFileRange.rawValue
    }

    /// The bytes that it may touch, not rounded to blocks.
    var touched: ByteRange { self.change.touched(size: self.size) }
}

/// How a call that was let through ended.
package enum CallOutcome: Hashable, Sendable {
    /// It was done; with the call's result where that is known.
    case succeeded(Int64?)
    /// Nothing was done, or not all; with the errno where that is known.
    case failed(Int32?)
    /// The caller died or was interrupted before it was let through.
    case withdrawn
    /// The thread has left the call, or was given up on: whether the change happened is not known.
    case unknown
}

/// What a guard tells its owner.
package enum GuardReport: Hashable, Sendable {
    /// A call waits; it is to be answered with ``MappingGuard/allow(_:)`` or ``MappingGuard/deny(_:errno:)``.
    case arrived(GuardedCall)
    /// A call of an earlier life was let through there, and may still run: nothing may be granted before it has ended.
    case runs(GuardedCall)
    /// A call is over, or its caller is gone; the mapping is to be read again.
    case ended(GuardedCallID, CallOutcome)
    /// The guard is less than it should be.
    case trouble(GuardTrouble)
}

/// What is wrong with a guard.
package enum GuardTrouble: Hashable, Sendable {
    /// The kernel has let calls through unseen, since its queue was full.
    case overflow
    /// So many events wait to be read that programs notice.
    case behind(events: Int)
    /// There is no room for one more waiting call; it was refused with `EBUSY`.
    case noRoom
    /// A call was given up on without knowing its end; for one of an `io_uring` the kernel does not tell it.
    case endNotSeen(GuardedCallID)
    /// The keeper is gone: if the server dies now, local programs go unguarded.
    case keeperLost
    /// The kernel refused to wait for a call's end, which is now looked for by hand.
    case noTrace(errno: Int32)
}
