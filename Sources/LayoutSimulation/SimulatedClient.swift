import LayoutCore
import LayoutHolder

/// A client process: the production state machines, and what its page tables would say.
struct SimulatedClient {
    typealias WindowID = LayoutHolder.WindowID

    /// A window as the hardware sees it.
    struct Mapping {
        var file: Int
        var followsContent: Bool
        /// For windows that follow their content: the stamp of each block when it was first shown.
        var expected: [UInt64?]
        /// What is mapped, with or without access.
        var segments: [LayoutHolder.Segment] = []
        var hasAccess = false
        /// Counts revocations: a map that was begun before the last one must not open the window.
        var revocations = 0
        /// Accesses in flight: revoked windows drain until they end.
        var pins = 0
        var isDraining = false
        /// A thread waits for it.
        var isParked = false
        var isFailed = false

        init(file: Int, followsContent: Bool, blocks: Int) {
            self.file = file
            self.followsContent = followsContent
            self.expected = Array(repeating: nil, count: blocks)
        }
    }

    /// A call that was sent and is not answered.
    struct Outstanding {
        var number: UInt64
        var file: Int
        var request: Request
    }

    enum Request {
        case get(LayoutHolder.GetID, ByteRange, IOMode, StateID, knownEpoch: UInt64)
        case giveBack(LayoutHolder.ReturnID, ByteRange, IOModeSelector, StateID)
        case change(LayoutHolder.OwnChangeID, MappingOperation, ByteRange)
        case renew(sentAt: Instant)
    }

    let id: ClientID
    var holders: [LayoutHolder]
    var mappings: [WindowID: Mapping] = [:]
    var windowOrder: [WindowID] = []
    /// The holder number that the descriptor of each file belongs to, if there is one.
    var descriptors: [UInt64?]
    var outstanding: [Outstanding] = []
    /// Own changes that wait for permission.
    var intents: [LayoutHolder.OwnChangeID: (file: Int, operation: MappingOperation, argument: ByteRange)] = [:]
    var isDead = false
    var isConnected = true
    /// Which connection this is: messages of earlier ones are lost.
    var connection = 0
    var pausedUntil: Instant?
    /// Recalls travel on a connection of their own, and may overtake replies.
    var hasSeparateBackChannel: Bool
    /// When the last renewal that counted was sent.
    var renewedAt: Instant
    var hasLease = true

    init(id: ClientID, files: Int, hasSeparateBackChannel: Bool, now: Instant) {
        self.id = id
        self.holders = Array(repeating: LayoutHolder(blockSize: SimulatedDisk.blockSize), count: files)
        self.descriptors = Array(repeating: nil, count: files)
        self.hasSeparateBackChannel = hasSeparateBackChannel
        self.renewedAt = now
    }

    /// What the open windows of a file show of it right now.
    func accessibleRanges(of file: Int) -> [ByteRange] {
        self.windowOrder.flatMap { id -> [ByteRange] in
            guard let mapping = self.mappings[id], mapping.file == file, mapping.hasAccess else { return [] }
            return mapping.segments.map(\.range)
        }
    }
}
