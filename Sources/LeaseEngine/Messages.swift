package import LayoutCore

extension LeaseEngine {
    /// One client's claim on one file: the number in its layout stateid.
    ///
    /// Never reused.
    package struct HolderID: Hashable, Comparable, Sendable {
        package let rawValue: UInt64
        package init(_ rawValue: UInt64) { self.rawValue = rawValue }
        package static func < (left: HolderID, right: HolderID) -> Bool { left.rawValue < right.rawValue }
    }

    /// A LAYOUTGET, its arguments checked for sense but not against any state.
    package struct LayoutRequest: Hashable, Sendable {
        package var file: FileID
        /// The stateid that the caller named; ``StateID/none`` if it holds nothing.
        package var stateID: StateID
        package var range: ByteRange
        /// The bytes from `range.lowerBound` on that a grant must cover, at least; for the owner to check.
        package var minLength: UInt64
        package var ioMode: IOMode
        /// Recall also before WRITE calls change the bytes.
        package var breaksOnWrite: Bool
        /// Others' changes fail instead of recalling this layout.
        ///
        /// The owner has checked the privilege.
        package var isExclusive: Bool
        /// How long to wait behind a change; zero: answer at once.
        package var patience: Duration
        /// The mapping epoch that the caller knows; 0 for none.
        package var knownEpoch: UInt64
        /// The caller held the range when the server's last life ended, under the stateid that it names.
        package var isReclaim: Bool

        package init(
            file: FileID,
            stateID: StateID,
            range: ByteRange,
            minLength: UInt64,
            ioMode: IOMode,
            breaksOnWrite: Bool = false,
            isExclusive: Bool = false,
            patience: Duration = .zero,
            knownEpoch: UInt64 = 0,
            isReclaim: Bool = false
        ) {
            self.file = file
            self.stateID = stateID
            self.range = range
            self.minLength = minLength
            self.ioMode = ioMode
            self.breaksOnWrite = breaksOnWrite
            self.isExclusive = isExclusive
            self.patience = patience
            self.knownEpoch = knownEpoch
            self.isReclaim = isReclaim
        }
    }

    /// A granted LAYOUTGET.
    package struct Grant: Hashable, Sendable {
        package var holder: HolderID
        package var client: ClientID
        package var file: FileID
        package var stateID: StateID
        package var range: ByteRange
        package var ioMode: IOMode
        /// The file's mapping epoch.
        package var epoch: UInt64
        /// The shifts since the epoch that the caller knew, oldest first; `nil` if they are forgotten.
        package var shifts: [LoggedShift]?
    }

    /// A LAYOUTRETURN.
    package enum ReturnRequest: Hashable, Sendable {
        /// A range of one file. `isDowngrade`: read-write layouts become read layouts instead of ending.
        case file(FileID, StateID, IOModeSelector, ByteRange, isDowngrade: Bool)
        /// Everything that the client holds.
        case all
    }

    /// Why a call fails, and what its caller can do about it.
    package struct Refusal: Error, Hashable, Sendable {
        package var status: LayoutStatus
        package var detail: String
        package init(_ status: LayoutStatus, _ detail: String) {
            self.status = status
            self.detail = detail
        }
    }

    /// Who asks for a change.
    package enum Requester: Hashable, Sendable {
        /// A client; its own layouts in the affected range count as returned with the call.
        case client(ClientID)
        /// A local program, or the server itself (pid 0).
        case local(pid: UInt32, command: String)

        /// The client that asks, or `nil`.
        package var client: ClientID? {
            switch self {
            case .client(let client): client
            case .local: nil
            }
        }
    }

    /// A change that is asked for.
    ///
    /// A clone has two parts, everything else one.
    package struct ChangeRequest: Hashable, Sendable {
        package var parts: [MappingChange]
        package var requester: Requester
        /// How long to wait for layouts to come back, at most.
        package var patience: Duration
        /// Whether the change may wait at all; if not and it would have to, it is refused with `.delay`.
        package var mayWait: Bool
        /// Whether it waits for the end of grace, and its patience begins there; if not, it is refused with `.grace`.
        ///
        /// For callers that cannot be asked to come again.
        package var waitsForGrace: Bool

        package init(
            parts: [MappingChange],
            requester: Requester,
            patience: Duration,
            mayWait: Bool = true,
            waitsForGrace: Bool = false
        ) {
            self.parts = parts
            self.requester = requester
            self.patience = patience
            self.mayWait = mayWait
            self.waitsForGrace = waitsForGrace
        }
    }

    /// A change that finished.
    package struct ChangeOutcome: Hashable, Sendable {
        /// The mapping epoch of the first part's file.
        package var epoch: UInt64
        /// The stateid of what the requester still holds of that file, if anything.
        package var stateID: StateID?
        /// Holders that gave layouts back for it.
        package var recalled: Int
    }

    /// One CB_LAYOUTRECALL (RFC 8881 §20.3).
    package struct Recall: Hashable, Sendable {
        package var id: RecallID
        package var holder: HolderID
        package var client: ClientID
        package var file: FileID
        package var stateID: StateID
        /// `.readWrite`: a downgrade is enough.
        package var ioMode: IOModeSelector
        package var range: ByteRange
        package var reason: BreakReason
        package var operation: MappingOperation
        /// The intended change's own arguments.
        package var argument: ByteRange
        package var requester: Requester
    }

    /// How a recall ended: every recall ends in exactly one way.
    package enum RecallOutcome: Hashable, Sendable {
        /// The holder gave the range back, or downgraded it.
        case returned
        /// The client says that it holds nothing there.
        case nothingMatched
        /// The holder was fenced or proven gone.
        case revoked
        /// The lease ran out, and the policy trusts that the holder has stopped (`cooperative`).
        case expired
    }

    /// A holder to be dealt with.
    package struct Fence: Hashable, Sendable {
        /// What is to be done about it.
        package enum Method: Hashable, Sendable {
            /// Only look whether it can still reach the file.
            case prove
            /// Apply the policy, then look.
            case enforce
        }
        package var holder: HolderID
        package var client: ClientID
        package var file: FileID
        package var method: Method
        /// 1 for the first try.
        package var attempt: Int
    }

    /// Counters since the start; never reset.
    package struct Statistics: Hashable, Sendable {
        package var grants: UInt64 = 0
        package var recallsSent: UInt64 = 0
        package var recallsReturned: UInt64 = 0
        package var recallsRevoked: UInt64 = 0
        package var changesDone: UInt64 = 0
        package var changesFailed: UInt64 = 0
        package var changesDelayed: UInt64 = 0
        package init() {}
    }
}
