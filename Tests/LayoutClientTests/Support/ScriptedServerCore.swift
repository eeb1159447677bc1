import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles
import NIOCore
import ONCRPC
import Synchronization
import TestSupport

/// The tokens that stand for descriptors of the one file.
final class ScriptedTokens: Sendable {
    private let path: String
    private let tokens = Mutex<[DescriptorToken: IOMode]>([:])

    init(path: String) { self.path = path }

    func make(_ ioMode: IOMode) -> DescriptorToken {
        self.tokens.withLock { tokens in
            let token = DescriptorToken(Opaque16(low: UInt64.random(in: 1 ... .max), high: 7))
            tokens[token] = ioMode
            return token
        }
    }

    func redeem(_ token: DescriptorToken) -> DescriptorSocketServer.Grant? {
        guard let ioMode = self.tokens.withLock({ $0.removeValue(forKey: token) }) else { return nil }
        let number = unsafe open(self.path, (ioMode == .read ? O_RDONLY : O_RDWR) | O_CLOEXEC)
        guard number >= 0 else { return nil }
        return DescriptorSocketServer.Grant(OwnedDescriptor(adopting: number).shared())
    }

    func forgetAll() { self.tokens.withLock { $0 = [:] } }
}

/// A ``ScriptedServer``, as its event loop sees it.
final class ScriptedServerCore: RPCConnectionDelegate {
    struct Held: Hashable, Sendable {
        var range: ByteRange
        var ioMode: IOMode
    }

    struct Session {
        struct Slot {
            var sequence: UInt32
            var isChange: Bool
            /// `nil` while the call is not answered.
            var reply: [UInt8]?
        }

        var slots: [UInt32: Slot] = [:]
        var isDead = false
    }

    // What a test looks at.
    private(set) var executed: [Procedure] = []
    private(set) var gets: [LayoutGetArguments] = []
    private(set) var held: [Held] = []
    /// What the life before had given, and nobody has reclaimed.
    private(set) var recovered: [Held] = []

    // What a test sets.
    /// Answers instead of what would be done; nothing is executed then.
    var answer: ((Request) -> Result<Response, Failure>?)?
    /// Calls that are executed and never answered.
    var swallowsReplies: Set<Procedure> = []
    /// Calls that never arrive.
    var swallowsCalls: Set<Procedure> = []
    /// Changes a reply as it goes out.
    var forge: ((Request, inout LayoutReply) -> Void)?
    var flags: SequenceStatusFlags = []
    /// Both as they are to be from the beginning of the next life.
    var nextFlags: SequenceStatusFlags = []
    var nextSwallowsCalls: Set<Procedure> = []
    var leaseMilliseconds: UInt32 = 30_000
    var epoch: UInt64 = 1
    var shifts: [LoggedShift]? = []
    var isInGrace = false

    var transport: RPCServer?
    let loop: any EventLoop
    private let tokens: ScriptedTokens
    private let device: DeviceInfo
    private var size: UInt64
    private var life: UInt64 = 0
    private var client: (id: ClientID, owner: [UInt8], isConfirmed: Bool)?
    private var sessions: [SessionID: Session] = [:]
    private var lastNumber: UInt64 = 0
    private var stateID = StateID.none
    private var described: Set<IOMode> = []

    init(loop: any EventLoop, tokens: ScriptedTokens, size: UInt64, device: DeviceInfo) {
        self.loop = loop
        self.tokens = tokens
        self.size = size
        self.device = device
    }

    private func nextNumber() -> UInt64 {
        self.lastNumber += 1
        return self.lastNumber
    }

    /// A new life.
    func begin(_ memory: ScriptedServer.Memory) {
        self.life += 1
        (self.flags, self.swallowsCalls, self.swallowsReplies) = (self.nextFlags, self.nextSwallowsCalls, [])
        (self.nextFlags, self.nextSwallowsCalls) = ([], [])
        self.tokens.forgetAll()
        (self.recovered, self.held) = (memory == .everything ? self.held : [], [])
        switch memory {
        case .everything, .clients:
            self.isInGrace = self.client != nil
            self.sessions = self.sessions.mapValues { session in
                // Of a call that was under way nothing is known.
                Session(slots: session.slots.filter { $1.isChange && $1.reply != nil }, isDead: true)
            }
        case .nothing:
            (self.client, self.sessions, self.isInGrace) = (nil, [:], false)
            (self.stateID, self.described) = (.none, [])
        }
    }

    /// What the store still says was held.
    func remember(_ held: [Held]) { self.held = held }

    /// What was held is not any more.
    func revokeEverything() {
        self.held = []
        (self.stateID, self.described) = (.none, [])
    }

    /// Sessions end, for no reason that the client knows.
    func forgetSessions() { self.sessions = [:] }

    // MARK: Calls

    func connectionOpened(_ connection: RPCConnection) {}

    func connectionClosed(_ connection: RPCConnection, reason: RPCCloseReason) {}

    func received(_ call: RPCCall, on connection: RPCConnection) {
        guard let procedure = Procedure(rawValue: call.procedure),
            let decoded = try? LayoutCodec.decodeCall(procedure: procedure, call.body)
        else { return connection.reject(call.id, .garbageArguments) }
        guard !self.swallowsCalls.contains(procedure) else { return }
        guard let sequence = decoded.sequence else {
            let result = self.answer?(decoded.request) ?? self.sessionCall(decoded.request)
            var reply = LayoutReply(sequence: nil, result: result)
            self.forge?(decoded.request, &reply)
            return connection.reply(to: call.id, body: Self.encoded(reply, procedure))
        }
        guard let bytes = self.execute(decoded.request, procedure, sequence) else { return }
        connection.reply(to: call.id, body: ByteBuffer(bytes: bytes))
    }

    /// The reply of a call with a sequence; `nil` for none.
    private func execute(_ request: Request, _ procedure: Procedure, _ sequence: SequenceArguments) -> [UInt8]? {
        let refuse = { (status: LayoutStatus) in
            let reply = LayoutReply(
                sequence: self.sequenceResult(sequence, status),
                result: .failure(Failure(status, "refused"))
            )
            return Array(Self.encoded(reply, procedure).readableBytesView)
        }
        guard let session = self.sessions[sequence.session] else { return refuse(.badSession) }
        if let slot = session.slots[sequence.slot], slot.sequence == sequence.sequence {
            return slot.reply ?? refuse(.delay)
        }
        guard !session.isDead else { return refuse(.deadSession) }
        let isChange = if case .change = request { true } else { false }
        self.executed.append(procedure)
        var reply = LayoutReply(
            sequence: self.sequenceResult(sequence, .ok),
            result: self.answer?(request) ?? self.result(of: request)
        )
        self.forge?(request, &reply)
        let bytes = Array(Self.encoded(reply, procedure).readableBytesView)
        self.sessions[sequence.session]?.slots[sequence.slot] = Session.Slot(
            sequence: sequence.sequence,
            isChange: isChange,
            reply: bytes
        )
        return self.swallowsReplies.contains(procedure) ? nil : bytes
    }

    private func sequenceResult(_ arguments: SequenceArguments, _ status: LayoutStatus) -> SequenceResult {
        SequenceResult(
            status: status,
            sequence: arguments.sequence,
            slot: arguments.slot,
            highestSlot: 31,
            targetHighestSlot: 31,
            flags: self.flags
        )
    }

    private static func encoded(_ reply: LayoutReply, _ procedure: Procedure) -> ByteBuffer {
        var buffer = ByteBuffer()
        LayoutCodec.encode(reply, for: procedure, into: &buffer)
        return buffer
    }

    private func sessionCall(_ request: Request) -> Result<Response, Failure> {
        switch request {
        case .exchangeID(let arguments):
            if self.client?.owner != arguments.owner {
                self.client = (ClientID(self.life << 32 | self.nextNumber()), arguments.owner, false)
            }
            guard let client = self.client else { return .failure(Failure(.serverFault)) }
            return .success(
                .exchangeID(
                    ExchangeIDResult(
                        client: client.id,
                        sequence: 1,
                        confirmed: client.isConfirmed,
                        leaseMilliseconds: self.leaseMilliseconds,
                        recallMilliseconds: 5000,
                        serverVerifier: self.life,
                        serverOwner: Array("scripted".utf8)
                    )
                )
            )
        case .createSession(let arguments):
            self.client?.isConfirmed = true
            let id = SessionID(Opaque16(low: self.life, high: self.nextNumber()))
            self.sessions[id] = Session()
            return .success(
                .createSession(
                    CreateSessionResult(
                        session: id,
                        sequence: arguments.sequence,
                        flags: arguments.flags,
                        fore: arguments.fore,
                        back: arguments.back
                    )
                )
            )
        case .bindConnectionToSession(let arguments):
            guard self.sessions[arguments.session] != nil else { return .failure(Failure(.badSession)) }
            return .success(
                .bindConnectionToSession(BindConnectionArguments(session: arguments.session, direction: .foreOrBoth))
            )
        case .destroySession(let id):
            self.sessions[id] = nil
            return .success(.void)
        default:
            return .success(.void)
        }
    }

    private func result(of request: Request) -> Result<Response, Failure> {
        switch request {
        case .lookup, .open, .getAttributes:
            return .success(.object(self.object))
        case .getDeviceInfo:
            return .success(.getDeviceInfo(self.device))
        case .layoutGet(let arguments):
            self.gets.append(arguments)
            return self.grant(arguments)
        case .layoutReturn(let arguments):
            if arguments.type == .all { self.flags.subtract([.someRevoked, .allRevoked]) }
            let range = ByteRange(offset: arguments.offset, length: arguments.length) ?? .all
            self.held.removeAll { arguments.type == .all || range.contains($0.range) }
            if self.held.isEmpty { (self.stateID, self.described) = (.none, []) }
            let left = self.held.isEmpty ? nil : self.nextStateID()
            return .success(.layoutReturn(LayoutReturnResult(stateID: left, token: .none)))
        case .change:
            guard !self.isInGrace else { return .failure(Failure(.grace, "reclaims first")) }
            self.epoch += 1
            return .success(
                .change(ChangeResult(size: self.size, change: 1, epoch: self.epoch, stateID: nil, recalled: 0))
            )
        case .reclaimComplete:
            (self.recovered, self.isInGrace) = ([], false)
            return .success(.void)
        default:
            return .success(.void)
        }
    }

    private var object: ObjectResult {
        let time = LayoutXDR.FileTime(seconds: 0, nanoseconds: 0)
        return ObjectResult(
            handle: FileHandle(low: Opaque16(low: 1, high: 2), high: Opaque16(low: 3, high: 4)),
            attributes: FileAttributes(
                type: .regular,
                mode: 0o666,
                linkCount: 1,
                uid: 0,
                gid: 0,
                blockSize: 4096,
                flags: [],
                fileNumber: 77,
                size: self.size,
                used: self.size,
                change: 1,
                epoch: self.epoch,
                accessTime: time,
                modificationTime: time,
                changeTime: time
            )
        )
    }

    private func nextStateID() -> StateID {
        if self.stateID == .none {
            self.stateID = StateID(seqid: 0, other: StateIDOther(number: self.nextNumber(), boot: UInt32(self.life)))
        }
        self.stateID = StateID(seqid: self.stateID.seqid &+ 1, other: self.stateID.other)
        return self.stateID
    }

    private func grant(_ arguments: LayoutGetArguments) -> Result<Response, Failure> {
        guard let asked = ByteRange(offset: arguments.offset, length: arguments.length),
            let ioMode = IOMode(rawValue: arguments.ioMode),
            let range = ByteRange(0, self.size).flatMap({ asked.intersection($0) })
        else { return .failure(Failure(.layoutUnavailable, "past the end")) }
        let isReclaim = arguments.flags.contains(.reclaim)
        if isReclaim {
            guard self.recovered.contains(where: { $0.range.contains(range) && $0.ioMode == ioMode }) else {
                return .failure(Failure(.noGrace, "not held before"))
            }
        } else if self.isInGrace {
            return .failure(Failure(.grace, "reclaims first"))
        }
        self.held.append(Held(range: range, ioMode: ioMode))
        let isNew = !isReclaim && self.described.insert(ioMode).inserted
        return .success(
            .layoutGet(
                LayoutGetResult(
                    stateID: self.nextStateID(),
                    range: range,
                    ioMode: ioMode,
                    returnOnClose: false,
                    device: DeviceID(Opaque16(low: self.life, high: 5)),
                    token: isNew ? self.tokens.make(ioMode) : .none,
                    capabilities: LayoutCapabilities(),
                    fileSize: self.size,
                    epoch: self.epoch,
                    shifts: self.shifts,
                    extents: [Extent(range: range, storageOffset: 0, state: .data)]
                )
            )
        )
    }
}
