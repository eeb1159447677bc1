import LayoutCore

extension LeaseEngine {
    /// What the engine knows of a client.
    struct Client: Hashable, Sendable {
        /// When the lease runs out, unless it is renewed.
        var leaseEnd: Instant
        var hasBackChannel = false
        /// Recalls past their deadline.
        ///
        /// While there are any, calls do not renew the lease.
        var overdueRecalls = 0
        /// It said goodbye or started again; what it holds ends as soon as it is proven gone.
        var isLost = false
        var holders: [FileID: HolderID] = [:]
        /// Recalls in flight, in order of age.
        var recalls: [RecallID] = []
        /// Segments over all files.
        var layoutCount = 0
        var wasToldToReduce = false
        /// It held layouts when an earlier life ended, and has yet to say which it goes on using: all it holds is of that
        /// life.
        var isReclaiming = false
        /// It has a session in this life.
        var isBack = true
    }

    /// A held range.
    struct Segment: Hashable, Sendable {
        var ioMode: IOMode
        var breaksOnWrite: Bool
        var isExclusive: Bool
        var grantedAt: Instant
        var unreclaimed = Unreclaimed.nothing

        /// The same to read only.
        var downgraded: Segment {
            var segment = self
            segment.ioMode = .read
            if segment.unreclaimed == .stores { segment.unreclaimed = .nothing }
            return segment
        }

        /// Whether a grant of `other` over this segment changes nothing.
        func includes(_ other: Segment) -> Bool {
            (self.ioMode == .readWrite || other.ioMode == .read) && (self.breaksOnWrite || !other.breaksOnWrite)
                && (self.isExclusive || !other.isExclusive)
        }

        /// Whether two neighbours can be one segment.
        func isLike(_ other: Segment) -> Bool {
            self.ioMode == other.ioMode && self.breaksOnWrite == other.breaksOnWrite
                && self.isExclusive == other.isExclusive && self.unreclaimed == other.unreclaimed
        }
    }

    /// What a client has yet to reclaim of a segment of an earlier life.
    enum Unreclaimed: Hashable, Sendable {
        case nothing
        /// A read-write segment that it has reclaimed to read only.
        case stores
        case everything
    }

    /// One client's claim on one file.
    ///
    /// It exists as long as it has a segment.
    struct Holder: Hashable, Sendable {
        let client: ClientID
        let file: FileID
        var seqid: UInt32
        /// It is of an earlier life, whose last seqid was not kept: the client's own count says more.
        var isSeqidUnknown = false
        /// Disjoint; also in the file's index.
        var segments = IntervalMap<Segment>()
        /// Recalls in flight, in order of age.
        var recalls: [RecallID] = []
        var fence: FenceState?
    }

    /// Whose claim a holder is, and on which file.
    struct HolderPlace: Hashable, Sendable {
        var client: ClientID
        var file: FileID
    }

    /// A holder being dealt with: exists from the first try until the holder is gone.
    struct FenceState: Hashable, Sendable {
        var attempt: Int
        var method: Fence.Method
        /// The owner is at it; `false` while the engine waits to try again.
        var isInFlight: Bool
        /// When the next try is due, unless one is in flight.
        var nextTry: Instant
    }

    /// The state of a file that has layouts or waiters, or had them lately.
    struct File: Hashable, Sendable {
        /// Every holder's segments.
        var index = IntervalMap<Segment>()
        /// Those who wait or are at work, in order of arrival.
        var queue: [QueueEntry] = []
        /// The mapping epoch; every completed shift leads to a new one.
        ///
        /// No two states of any file share an epoch, so that what a client remembers of a forgotten state is never taken
        /// for this one.
        var epoch: UInt64
        /// The epoch before the oldest shift that is remembered.
        var logStart: UInt64
        /// The latest shifts, oldest first.
        var shifts: [LoggedShift] = []
        /// Set while the file is idle: its place in the order in which idle files are forgotten.
        var idleStamp: UInt64?

        init(epoch: UInt64) {
            self.epoch = epoch
            self.logStart = epoch
        }

        init(_ recovered: RecoveredFile) {
            self.epoch = recovered.epoch
            self.logStart = recovered.logStart
            self.shifts = recovered.shifts
        }

        var isIdle: Bool { self.index.isEmpty && self.queue.isEmpty }
    }

    /// A LAYOUTGET or a part of a change in a file's queue.
    struct QueueEntry: Hashable, Sendable {
        enum Kind: Hashable, Sendable {
            case get(CallID, ClientID, LayoutRequest, GetPhase)
            case change(ChangeID, part: Int)
        }
        enum GetPhase: Hashable, Sendable {
            /// A change is ahead. Next: `resolving`, or refused when its patience ends.
            case waiting
            /// Its extents are being read. Next: granted or refused.
            case resolving
        }
        var range: ByteRange
        var kind: Kind

        var isGet: Bool {
            switch self.kind {
            case .get: true
            case .change: false
            }
        }
    }

    /// A change from its request to its end.
    struct Change: Hashable, Sendable {
        enum PartPhase: Hashable, Sendable {
            /// Something earlier overlaps. Next: `recalling` or `clear`.
            case queued
            /// Its turn has come; layouts are being given back. Next: `clear`.
            case recalling
            /// Nothing is in the way, and the range is closed to grants.
            case clear
        }
        var request: ChangeRequest
        var requestedAt: Instant
        var phases: [PartPhase]
        /// Recalls in flight that it waits for.
        var outstanding = 0
        /// Holders that were recalled for it.
        var recalled = 0
        /// The system call is under way.
        var isRunning = false
        /// An earlier life permitted it: what stood in its way was gone then, whatever is known of it now.
        var isOfEarlierLife = false
    }

    /// How the system call of a change ended.
    enum ChangeEnd: Hashable, Sendable {
        case done
        case failed
        case unknown
    }

    /// A recall from its first sending to its end.
    struct RecallInFlight: Hashable, Sendable {
        enum Phase: Hashable, Sendable {
            /// There is no back channel, or it broke. Next: `sent` when one is bound.
            case unsent
            /// On its way. Next: `answered`, or `unsent` when the connection breaks.
            case sent
            /// The client has it. Next: the end.
            case answered
        }
        var recall: Recall
        var phase: Phase
        var createdAt: Instant
        var deadline: Instant
        /// The deadline was moved to the time of sending; that happens once.
        var deadlineCountsFromSending = false
        var isOverdue = false
        /// Times the client asked for patience with DELAY.
        var delays = 0
        /// The changes that wait for it.
        var waiters: [ChangeID]
    }
}
