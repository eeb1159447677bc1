import LayoutCore
import LayoutHolder
import Testing

typealias Holder = LayoutHolder
let other = StateIDOther(number: 7, boot: 1)

func blocks(_ lower: UInt64, _ upper: UInt64) -> ByteRange {
    guard let range = ByteRange(lower * 4096, upper * 4096) else { preconditionFailure("no blocks") }
    return range
}

func stateID(_ seqid: UInt32, _ other: StateIDOther = other) -> StateID { StateID(seqid: seqid, other: other) }

/// Drives a holder; LAYOUTGETs are answered by hand.
struct World {
    var holder = Holder(blockSize: 4096)
    var actions: [Holder.Action] = []

    mutating func send(_ event: Holder.Event) { self.actions = self.holder.handle(event) }

    mutating func add(_ window: UInt64, _ range: ByteRange, _ ioMode: IOMode = .readWrite, follows: Bool = false) {
        self.send(.windowAdded(Holder.WindowID(window), Holder.Window(range, ioMode, followsContent: follows)))
    }

    /// The LAYOUTGET among the latest actions.
    var get: (id: Holder.GetID, range: ByteRange)? {
        for case .sendGet(let id, let range, _, _, _) in self.actions { return (id, range) }
        return nil
    }

    /// The reclaims among the latest actions.
    var reclaims: [(id: Holder.GetID, range: ByteRange, ioMode: IOMode, stateID: StateID, epoch: UInt64)] {
        self.actions.compactMap { action in
            if case .sendReclaim(let id, let range, let ioMode, let stateID, let epoch) = action {
                (id, range, ioMode, stateID, epoch)
            } else {
                nil
            }
        }
    }

    var map: (generation: UInt64, segments: [Holder.Segment])? {
        for case .map(_, let generation, let segments, _) in self.actions { return (generation, segments) }
        return nil
    }

    mutating func grant(
        _ id: Holder.GetID,
        _ range: ByteRange,
        seqid: UInt32,
        other: StateIDOther = other,
        ioMode: IOMode = .readWrite,
        epoch: UInt64 = 5,
        shifts: [LoggedShift]? = []
    ) {
        let layout = Holder.GrantedLayout(
            stateID: stateID(seqid, other),
            range: range,
            ioMode: ioMode,
            fileSize: 1 << 20,
            epoch: epoch,
            shifts: shifts
        )
        self.send(.granted(id, layout))
    }

    /// A window that is open on `range`.
    mutating func open(_ window: UInt64, _ range: ByteRange, seqid: UInt32, follows: Bool = false) throws {
        self.add(window, range, follows: follows)
        self.send(.windowWanted(Holder.WindowID(window)))
        let get = try #require(self.get)
        self.grant(get.id, get.range, seqid: seqid)
        let map = try #require(self.map)
        self.send(.mapFinished(Holder.WindowID(window), generation: map.generation, isMapped: true))
    }

    mutating func recall(_ range: ByteRange, seqid: UInt32, id: UInt64 = 1) {
        self.send(
            .recallReceived(
                Holder.IncomingRecall(id: RecallID(id), stateID: stateID(seqid), ioMode: .any, range: range)
            )
        )
    }
}
