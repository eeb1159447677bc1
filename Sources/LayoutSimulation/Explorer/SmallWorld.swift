import LayoutCore
import LayoutHolder
import LeaseEngine
import Recovery

/// A server and its clients, small enough that every state they can reach can be visited.
///
/// One file of a few blocks. The lease engine and the holders are the real ones; what stands in for their owners does each
/// thing that they are asked for as a step of its own, so that every order of steps comes up. Time stands still but for
/// ``Step/timePasses``, which goes to the engine's next deadline.
package struct SmallWorld: Hashable, Sendable {
    /// How often things may happen of their own accord, in all; what follows from them is not counted.
    package struct Budget: Hashable, Sendable {
        /// Touches of a window without access.
        package var touches = 2
        /// Holes punched by a local program.
        package var localChanges = 1
        /// Holes punched by the first client.
        package var ownChanges = 0
        /// Deaths of clients.
        package var deaths = 0
        /// Back channels that break.
        package var breaks = 0
        /// Deadlines that pass while there is something else to do.
        package var deadlines = 0
        /// Restarts of the server.
        package var restarts = 0

        package init() {}
    }

    /// A mistake to plant, so that a test can show that it is found.
    package enum Fault: String, Hashable, Sendable, CaseIterable {
        /// A window counts as closed while it can be accessed.
        case keepsAccess
        /// A holder counts as proven gone whatever the lock says.
        case trustsDeadlines
        /// A change runs without the engine's permission.
        case asksNobody
        /// The next life begins without the holders of the last.
        case forgetsHolders
        /// Recalls are taken for sent and are not.
        case losesRecalls
        /// What was not fetched can be fetched after the layout was taken back.
        case keepsTokens
    }

    /// A thing that can happen next.
    package enum Step: Hashable, Sendable {
        case touch(client: Int)
        case changeLocally
        case changeOwn
        case die(client: Int, leavesChild: Bool)
        case breakBackChannel(client: Int)
        case restart
        case timePasses
        /// The oldest call of a client arrives.
        case call(client: Int)
        /// A reply arrives; replies overtake each other.
        case reply(client: Int, index: Int)
        /// The oldest recall arrives; recalls and replies overtake each other.
        case recall(client: Int)
        case retry(client: Int)
        case readExtents(index: Int)
        case finishChange(index: Int)
        case look(index: Int)
        case childEnds(client: Int)
        case bindBackChannel(client: Int)
        case reconnect(client: Int)

        /// Whether it follows from what happened before.
        ///
        /// Everything must come to rest by such steps alone.
        package var isProgress: Bool {
            switch self {
            case .touch, .changeLocally, .changeOwn, .die, .breakBackChannel, .restart, .timePasses: false
            case .call, .reply, .recall, .retry, .readExtents, .finishChange, .look, .childEnds, .bindBackChannel,
                .reconnect:
                true
            }
        }
    }

    /// A call, from its sending to the answer.
    struct Call: Hashable, Sendable {
        enum Request: Hashable, Sendable {
            case get(LayoutHolder.GetID, ByteRange, IOMode, StateID, knownEpoch: UInt64, isReclaim: Bool)
            case giveBack(LayoutHolder.ReturnID, ByteRange, IOModeSelector, StateID)
            case change(LayoutHolder.OwnChangeID, ByteRange)
            case reclaimComplete
        }
        var number: UInt64
        var request: Request
    }

    /// What the server says to a client on the fore channel.
    enum Reply: Hashable, Sendable {
        case granted(Call, LeaseEngine.Grant)
        case refused(Call, LayoutStatus)
        case returned(Call, StateID?)
        case changed(Call, LeaseEngine.ChangeOutcome)
        case done(Call)
        case revoked

        /// The call that it answers, if it does.
        var call: Call? {
            switch self {
            case .granted(let call, _), .refused(let call, _), .returned(let call, _), .changed(let call, _),
                .done(let call):
                call
            case .revoked: nil
            }
        }
    }

    struct Client: Hashable, Sendable {
        var holder = LayoutHolder(blockSize: SmallWorld.blockSize)
        var isDead = false
        /// Which life of the server it talks to.
        var life: UInt32 = 1
        var hasBackChannel = true
        var calls: [Call] = []
        /// Calls without an answer, also those that are still on their way.
        var outstanding: [Call] = []
        var replies: [Reply] = []
        var recalls: [LeaseEngine.Recall] = []
        /// Which holder's descriptor is open in it or its child.
        var descriptor: UInt64?
        /// What its window shows, while it can be accessed, with the version of each block.
        var shown: [Block: UInt64] = [:]
        var isParked = false
        var retries = 0
        var waitsToRetry = false
        /// It has found a new life, and has yet to say that all is reclaimed.
        var mustComplete = false
    }

    /// A block of the file.
    typealias Block = Int

    struct RunningChange: Hashable, Sendable {
        var affected: ByteRange
        var caller: (client: Int, call: Call)?
        var isRunning = false

        static func == (left: Self, right: Self) -> Bool {
            left.affected == right.affected && left.isRunning == right.isRunning
                && left.caller?.client == right.caller?.client && left.caller?.call == right.caller?.call
        }

        func hash(into hasher: inout Hasher) {
            hasher.combine(self.affected)
            hasher.combine(self.isRunning)
            hasher.combine(self.caller?.call)
        }
    }

    static let blockSize: UInt64 = 4096
    static let file = FileID(1)

    let fault: Fault?
    /// What each client's window shows.
    let windows: [ByteRange]
    /// What every change affects.
    let changed: ByteRange
    var budget: Budget
    var now = Instant(nanoseconds: 1_000_000_000)
    var life: UInt32 = 1
    var engine: LeaseEngine
    var clients: [Client]
    /// How often each block was changed.
    var versions: [UInt64]
    var resolving: [Waiting] = []
    var changes: [ChangeID: RunningChange] = [:]
    /// The changes whose system call is under way.
    var running: [ChangeID] = []
    var fences: [LeaseEngine.Fence] = []
    /// Holders whose descriptors can be fetched.
    var tokens: Set<UInt64> = []
    /// Recalls of this life that have ended.
    var endedRecalls: Set<RecallID> = []
    /// What is kept for the next life.
    var stored: [LeaseEngine.HolderID: LeaseEngine.HolderRecord] = [:]
    var callers: [CallID: Caller] = [:]
    var lastNumber: UInt64 = 0
    /// How many deadlines have passed because there was nothing else to do.
    var waits = 0
    /// What went wrong first.
    package var violation: String?

    struct Waiting: Hashable, Sendable {
        var call: CallID
        var request: LeaseEngine.LayoutRequest
    }

    struct Caller: Hashable, Sendable {
        var client: Int
        var call: Call
    }

    /// Makes a world: a file of so many blocks, one client for each window, and changes that punch out the same blocks.
    ///
    /// Windows and changes are ranges of blocks.
    package init(blocks: Int, windows: [Range<Int>], changed: Range<Int>, budget: Budget, fault: Fault? = nil) {
        self.fault = fault
        self.budget = budget
        self.windows = windows.map(Self.bytes)
        self.changed = Self.bytes(changed)
        self.versions = Array(repeating: 0, count: blocks)
        self.engine = LeaseEngine(configuration: Self.configuration(life: 1))
        self.clients = Array(repeating: Client(), count: windows.count)
        for client in self.clients.indices {
            _ = self.engine.handle(.clientEstablished(Self.id(client)), at: self.now)
            _ = self.engine.handle(.backChannelChanged(Self.id(client), isUp: true), at: self.now)
            let window = LayoutHolder.Window(self.windows[client], .readWrite, followsContent: false)
            _ = self.clients[client].holder.handle(.windowAdded(Self.window, window))
        }
    }

    static let window = LayoutHolder.WindowID(1)

    static func id(_ client: Int) -> ClientID { ClientID(UInt64(client) + 1) }

    static func client(_ id: ClientID) -> Int { Int(id.rawValue) - 1 }

    static func bytes(_ blocks: Range<Int>) -> ByteRange {
        guard let range = ByteRange(UInt64(blocks.lowerBound) * blockSize, UInt64(blocks.upperBound) * blockSize) else {
            preconditionFailure("no blocks")
        }
        return range
    }

    static func blocks(_ range: ByteRange) -> Range<Int> {
        Int(range.lowerBound / blockSize)..<Int(range.upperBound / blockSize)
    }

    static func configuration(life: UInt32) -> LeaseEngine.Configuration {
        var configuration = LeaseEngine.Configuration()
        configuration.boot = life
        return configuration
    }

    mutating func nextNumber() -> UInt64 {
        self.lastNumber += 1
        return self.lastNumber
    }

    mutating func violate(_ text: String) { if self.violation == nil { self.violation = text } }

    /// Whether nothing waits for anything.
    ///
    /// A thread may wait in vain where its client was told to ask again and has no tries left.
    package var isQuiet: Bool {
        self.resolving.isEmpty && self.changes.isEmpty && self.fences.isEmpty && self.engine.pendingRecalls().isEmpty
            && self.callers.isEmpty && !self.engine.isInGrace
            && self.clients.allSatisfy { client in
                client.isDead && client.descriptor == nil
                    || !client.isDead && client.calls.isEmpty && client.replies.isEmpty && client.recalls.isEmpty
                        && !client.waitsToRetry && client.life == self.life && client.hasBackChannel
                        && (!client.isParked || client.retries >= SmallWorld.retriesMax)
            }
    }

    /// How many deadlines may pass with nothing else to do before something counts as waiting for ever.
    static let waitsMax = 12

    /// How often a client asks again after it was refused.
    static let retriesMax = 2
}
