import LayoutCore

extension LayoutHolder {
    /// A window and what is going on with it.
    struct WindowState: Hashable, Sendable {
        enum Phase: Hashable, Sendable {
            /// No access. Next: `mapping`, once all of it is held and it is wanted.
            case closed
            /// The owner maps it; access may be possible any moment. Next: `open`, or `draining`.
            case mapping(generation: UInt64)
            /// Access is possible. Next: `draining`.
            case open
            /// Access was taken away; pins may be left. Next: `closed`.
            case draining
            /// Lost for good: a touch is a SIGBUS.
            case failed
        }
        var window: Window
        var phase = Phase.closed
        /// A thread waits for it.
        var isWanted = false
        /// What is mapped there, without access, is what it should show.
        var isMapCurrent = false
        /// Why it is `failed`.
        var failure: LayoutStatus?
        /// A retry is under way: no LAYOUTGET before it is due.
        var isWaitingToRetry = false
        /// LAYOUTGETs in a row that were refused for now.
        var refusals = 0

        var hasAccess: Bool {
            switch self.phase {
            case .mapping, .open: true
            case .closed, .draining, .failed: false
            }
        }
        var isFailed: Bool { self.phase == .failed }
    }

    /// A LAYOUTGET that is under way.
    struct Get: Hashable, Sendable {
        var id: GetID
        var window: WindowID
        var range: ByteRange
        /// Ranges that were given back while it was under way.
        var voids: [VoidRange] = []
    }

    /// A range that was given back while a LAYOUTGET was under way: the return may have taken the grant with it.
    struct VoidRange: Hashable, Sendable {
        var range: ByteRange
        /// The stateid of the recall that was returned: a grant with a later one was made after the return.
        ///
        /// `nil`: there is no telling.
        var recall: StateID?

        func applies(to grant: StateID) -> Bool {
            guard let recall, recall.other == grant.other else { return self.recall == nil }
            return StateID.distance(from: recall.seqid, to: grant.seqid) <= 0
        }
    }

    /// A LAYOUTRETURN that is not acknowledged yet.
    struct PendingReturn: Hashable, Sendable {
        var id: ReturnID
        var range: ByteRange
    }

    /// A recall that is not returned yet.
    struct PendingRecall: Hashable, Sendable {
        var recall: IncomingRecall
        /// Windows whose pins it waits for, in order.
        var draining: [WindowID]
    }

    /// A LAYOUTGET that reclaims what was held in the server's earlier life.
    struct PendingReclaim: Hashable, Sendable {
        var id: GetID
        var range: ByteRange
        var ioMode: IOMode
    }

    /// A change that the client asked for itself.
    struct OwnChange: Hashable, Sendable {
        enum Phase: Hashable, Sendable {
            /// Windows are draining, or LAYOUTGETs are under way. Next: `sent`.
            case waiting
            /// The call is under way. Next: the end.
            case sent
        }
        var intent: ChangeIntent
        var affected: ByteRange?
        var phase = Phase.waiting
        var draining: [WindowID] = []

        /// Where no LAYOUTGET may be under way together with the change.
        ///
        /// What a truncate takes depends on the size when the server begins with it: a grant of bytes that this side thinks
        /// untouched could be behind that.
        var closedToGets: ByteRange? {
            switch self.intent.operation {
            case .truncate: .all
            case .none, .write, .allocate, .punchHole, .zeroRange, .collapseRange, .insertRange, .cloneTo, .cloneFrom,
                .remove, .attribute, .shutdown, .revoke, .unknown:
                self.affected
            }
        }
    }
}
