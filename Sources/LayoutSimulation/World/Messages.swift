import LayoutCore
import LeaseEngine
import Sessions

/// What a client asks for on a slot.
enum Request {
    case renew
    case get(GetArguments)
    case giveBack(file: Int, ByteRange, IOModeSelector, StateID)
    case giveBackAll
    case change(ChangeArguments)
    case reclaimComplete

    /// Whether the reply has to be kept for a retry.
    var changesSomething: Bool {
        switch self {
        case .get, .giveBack, .giveBackAll, .change: true
        case .renew, .reclaimComplete: false
        }
    }
}

struct GetArguments {
    var file: Int
    var range: ByteRange
    var ioMode: IOMode
    var stateID: StateID
    var knownEpoch: UInt64
    var patience: Duration
    var isReclaim = false
    /// The caller has no descriptor for what it asks.
    var needsDescriptor: Bool
}

struct ChangeArguments {
    var operation: OperationID
    var file: Int
    var kind: MappingOperation
    var argument: ByteRange
    var patience: Duration
}

/// A call on a slot.
struct CallMessage {
    var session: SessionID
    var ticket: SlotCaller.Ticket
    /// Stands for the call: the same in every copy.
    var digest: UInt64
    var request: Request
}

/// What a call did.
enum Reply {
    case done
    case granted(GrantedReply)
    case returned(StateID?)
    case changed(epoch: UInt64, StateID?)
    case refused(LayoutStatus)
}

/// What a granted LAYOUTGET answers.
struct GrantedReply {
    /// The number in the stateid: whom the descriptor is for.
    var holder: UInt64
    var stateID: StateID
    var range: ByteRange
    var ioMode: IOMode
    var epoch: UInt64
    var shifts: [LoggedShift]?
    var fileSize: UInt64
    /// The token of a new descriptor: the number of its lock; `nil` if the caller has one.
    var lock: UInt64?
}

/// The status flags of a reply (RFC 8881 §18.46).
struct ReplyFlags {
    var isRecallOverdue = false
    var isCallbackPathDown = false
    var hasRevocations = false
}

/// An answer to a call on a slot.
enum CallAnswer {
    /// The slot let it through, now or the first time.
    case answered(Reply, ReplyFlags)
    /// The slot did not.
    case refused(LayoutStatus)
}

/// What EXCHANGE_ID answers.
struct ClientRecord {
    var client: ClientID
    var sequence: UInt32
    var life: UInt32
}

/// A callback as it travels.
struct CallbackMessage {
    var session: SessionID
    var ticket: SlotCaller.Ticket
    var recall: LeaseEngine.Recall
}

/// Replies that slots may have to send again, under the eight bytes that stand for them in slots and in the store.
struct ReplyArchive {
    private var replies: [UInt64: (Reply, ReplyFlags)] = [:]
    private var lastNumber: UInt64 = 0
    private var numbers: [Place: UInt64] = [:]

    private struct Place: Hashable {
        var session: SessionID
        var slot: UInt32
    }

    /// Keeps the latest reply of a slot; returns the bytes that stand for it.
    mutating func keep(_ reply: Reply, _ flags: ReplyFlags, _ session: SessionID, _ slot: UInt32) -> [UInt8] {
        self.lastNumber += 1
        let place = Place(session: session, slot: slot)
        if let old = self.numbers.updateValue(self.lastNumber, forKey: place) { self.replies[old] = nil }
        self.replies[self.lastNumber] = (reply, flags)
        return bytes(of: self.lastNumber)
    }

    func find(_ bytes: [UInt8]) -> (Reply, ReplyFlags)? { number(from: bytes).flatMap { self.replies[$0] } }
}

/// Eight bytes that stand for a number.
func bytes(of number: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }

/// The number that eight bytes stand for.
func number(from bytes: [UInt8]) -> UInt64? {
    guard bytes.count == 8 else { return nil }
    return bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
}
