package import LayoutCore

extension LayoutHolder {
    /// A window: a run of address space that shows parts of the file.
    package struct WindowID: Hashable, Comparable, Sendable {
        package let rawValue: UInt64
        package init(_ rawValue: UInt64) { self.rawValue = rawValue }
        package static func < (left: WindowID, right: WindowID) -> Bool { left.rawValue < right.rawValue }
    }

    /// A LAYOUTGET that was sent.
    package struct GetID: Hashable, Sendable {
        package let rawValue: UInt64
        package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    }

    /// A LAYOUTRETURN that was sent.
    package struct ReturnID: Hashable, Sendable {
        package let rawValue: UInt64
        package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    }

    /// A change that this client asks for.
    package struct OwnChangeID: Hashable, Sendable {
        package let rawValue: UInt64
        package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    }

    /// What a window shows.
    package enum Place: Hashable, Sendable {
        /// These file bytes, whatever they are.
        case offset(ByteRange)
        /// The content that was at these bytes when the window was made, wherever it is now.
        case content(ContentPieces)
    }

    /// A window as it is asked for.
    package struct Window: Hashable, Sendable {
        package var place: Place
        package var ioMode: IOMode
        /// Bytes of address space.
        package var size: UInt64

        /// Makes a window on a file range that does not go "to the end".
        package init(_ range: ByteRange, _ ioMode: IOMode, followsContent: Bool) {
            precondition(!range.isToEnd, "a window has a size")
            self.place = followsContent ? .content(ContentPieces(range)) : .offset(range)
            self.ioMode = ioMode
            self.size = range.wireLength
        }

        /// The pieces of the file that the window shows, in order of address.
        package var pieces: [ContentPieces.Piece] {
            switch self.place {
            case .offset(let range): [ContentPieces.Piece(windowOffset: 0, range: range)]
            case .content(let pieces): pieces.pieces
            }
        }
    }

    /// A part of a window and the file bytes to map there.
    package struct Segment: Hashable, Sendable {
        package var windowOffset: UInt64
        package var range: ByteRange
    }

    /// A granted LAYOUTGET.
    package struct GrantedLayout: Hashable, Sendable {
        package var stateID: StateID
        package var range: ByteRange
        package var ioMode: IOMode
        package var fileSize: UInt64
        package var epoch: UInt64
        /// The shifts since the epoch that the LAYOUTGET named; `nil` if some are forgotten.
        package var shifts: [LoggedShift]?

        package init(
            stateID: StateID,
            range: ByteRange,
            ioMode: IOMode,
            fileSize: UInt64,
            epoch: UInt64,
            shifts: [LoggedShift]?
        ) {
            self.stateID = stateID
            self.range = range
            self.ioMode = ioMode
            self.fileSize = fileSize
            self.epoch = epoch
            self.shifts = shifts
        }
    }

    /// A recall as it came in.
    package struct IncomingRecall: Hashable, Sendable {
        package var id: RecallID
        package var stateID: StateID
        package var ioMode: IOModeSelector
        package var range: ByteRange

        package init(id: RecallID, stateID: StateID, ioMode: IOModeSelector, range: ByteRange) {
            self.id = id
            self.stateID = stateID
            self.ioMode = ioMode
            self.range = range
        }
    }

    /// A change that this client is about to ask for.
    package struct ChangeIntent: Hashable, Sendable {
        package var id: OwnChangeID
        package var operation: MappingOperation
        /// The operation's own arguments; for truncate the new size is the lower bound.
        package var argument: ByteRange

        package init(id: OwnChangeID, operation: MappingOperation, argument: ByteRange) {
            self.id = id
            self.operation = operation
            self.argument = argument
        }
    }

    /// How an own change ended.
    package enum ChangeOutcome: Hashable, Sendable {
        /// Done; the file is at this mapping epoch now, and this is left of the client's layouts.
        case done(epoch: UInt64, stateID: StateID?)
        /// Refused, or its outcome is not known.
        case failed
    }

    /// What the holder is told.
    package enum Event: Hashable, Sendable {
        case windowAdded(WindowID, Window)
        /// The window is unmapped; what it held stays until it is recalled or returned.
        case windowRemoved(WindowID)
        /// A thread touched the window, or its owner wants it ready.
        case windowWanted(WindowID)
        /// Answers ``Action/sendGet(_:_:_:_:knownEpoch:)`` or ``Action/sendReclaim(_:_:_:_:knownEpoch:)``.
        case granted(GetID, GrantedLayout)
        /// Answers ``Action/sendGet(_:_:_:_:knownEpoch:)`` or ``Action/sendReclaim(_:_:_:_:knownEpoch:)``.
        case refused(GetID, LayoutStatus)
        /// Answers ``Action/retryLater(_:milliseconds:)``.
        case retryDue(WindowID)
        /// Answers ``Action/map(_:generation:_:_:)``: access is possible, or it failed, or a revoke came first.
        case mapFinished(WindowID, generation: UInt64, isMapped: Bool)
        /// Answers ``Action/revoke(_:isForced:)``: no access is possible, and the last pin is gone.
        case drained(WindowID)
        case recallReceived(IncomingRecall)
        /// Answers ``Action/sendReturn(_:_:_:_:)``: the stateid of what is left, or `nil`.
        case returnEnded(ReturnID, StateID?)
        /// The client wants to send a mapping change.
        case changeWanted(ChangeIntent)
        /// Answers ``Action/permitChange(_:)``.
        case changeEnded(OwnChangeID, ChangeOutcome)
        /// The client wants to give everything back.
        case returnAllWanted
        /// The server took the client's layouts of this file away.
        case layoutsRevoked
        /// What was held is void, or has to be taken as void: nothing is held any more.
        case leaseLost
        /// The holder's own deadline passed while the server is down: access ends, and what is held stays held until the
        /// server says otherwise (specification §6.5, "suspended").
        case leaseSuspended
        /// What is held may be used, and layouts may be asked for.
        case leaseRegained
        /// The server has restarted and knows of this client: what is held has to be reclaimed. Until ``reclaimEnded``
        /// nothing is returned, changed or asked for anew.
        case serverRestarted
        /// The server has been told that all is reclaimed.
        case reclaimEnded
        /// There will be none: every touch from now on is a SIGBUS.
        case leaseGivenUp(LayoutStatus)
    }

    /// What the holder's owner is to do, in order.
    package enum Action: Hashable, Sendable {
        /// Send LAYOUTGET for the range.
        case sendGet(GetID, ByteRange, IOMode, StateID, knownEpoch: UInt64)
        /// Send LAYOUTGET with the flag RECLAIM for the range, which is held already.
        case sendReclaim(GetID, ByteRange, IOMode, StateID, knownEpoch: UInt64)
        /// Map the segments into the window and make them accessible, unless a revoke comes first. Parts of the window
        /// without a segment are past the end of the file or gone: a touch there becomes SIGBUS. With `isCurrent` the
        /// window maps just that already, and access only has to be switched on.
        case map(WindowID, generation: UInt64, [Segment], isCurrent: Bool)
        /// Close the window to new pins now, take access away when the last pin is gone, and tell then. With `isForced`
        /// the right to the bytes is over already: take access away at once, pins or not. A window that failed becomes
        /// one that parks again.
        case revoke(WindowID, isForced: Bool)
        /// Make every touch of the window a SIGBUS.
        case fail(WindowID, LayoutStatus)
        /// Answer the callback.
        case answerRecall(RecallID, LayoutStatus)
        /// Send LAYOUTRETURN.
        case sendReturn(ReturnID, ByteRange, IOModeSelector, StateID)
        /// Send the change.
        case permitChange(OwnChangeID)
        /// Tell ``Event/retryDue(_:)`` after that time.
        case retryLater(WindowID, milliseconds: UInt64)
        /// Nothing is held: drop the descriptors, and what windows without access still map.
        case dropDescriptors
    }
}
