import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import MappingGuard
import NIOCore
import NIOPosix
import ONCRPC
import Recovery
import Sessions

/// The server's state and the one place where all of it comes together.
///
/// Bound to one event loop: the transport calls it there, work of other threads comes back there, timers fire there. So
/// nothing in it is locked, and nothing in it may block. It decides nothing that the pure modules decide: it turns
/// calls into their events, and their actions into system calls, callbacks and replies.
final class LayoutService: RPCConnectionDelegate {
    let configuration: ServerConfiguration
    let eventLoop: any EventLoop
    let logger: Logger
    let policy: AuthenticationPolicy
    let export: ExportRoot
    let support: MappingSupport

    // Clients: LayoutService+Sessions.swift.
    var sessions: ServerSessions
    var connections: [ConnectionID: RPCConnection] = [:]
    var clients: [ClientID: ClientRecord] = [:]
    var clientOfSession: [SessionID: ClientID] = [:]
    /// Sessions whose CREATE_SESSION is being written down: a callback must not overtake the reply that binds its
    /// connection (specification R4.3-4).
    var announcing: Set<SessionID> = []
    /// When the next client that has not been confirmed is forgotten.
    var confirmDeadline: Instant?
    var notices = RevocationNotices()
    /// New with every start.
    let verifier: UInt64
    let serverOwner: [UInt8]

    // Layouts and changes: LayoutService+Engine.swift and its neighbours.
    var engine: LeaseEngine
    var steps = FIFO<Step>()
    var isAtSteps = false
    let timer: DeadlineTimer
    /// Numbers calls and changes, so that both share one row in the operator's list.
    var lastNumber: UInt64 = 0
    var gets: [CallID: PendingGet] = [:]
    var returns: [CallID: PendingReturn] = [:]
    var changes: [ChangeID: PendingChange] = [:]
    var callbacks = CallbackTable()

    // Local programs: LayoutService+Guard.swift and LayoutService+LocalChanges.swift.
    /// `nil` if the export is not guarded, or the guard has ended.
    var guardian: MappingGuard?
    /// The kernel has let calls through unseen.
    var guardMissesCalls = false
    var localChanges: [ChangeID: LocalChange] = [:]
    var changeOfLocalCall: [GuardedCallID: ChangeID] = [:]

    // Files: LayoutService+Files.swift.
    let files: FileTable
    var opened = DescriptorCache(limit: 512)
    var extentCount = 0
    let work: FileWork
    let fencing: Fencing
    var descriptions: HolderDescriptions
    let device: DeviceID
    let bootID: [UInt8]
    let descriptorSocketPath: String

    // What outlives the server: LayoutService+Recording.swift and LayoutService+Recovery.swift.
    let journal: RecoveryJournal
    /// Changes that were made and are not answered.
    var unanswered: [CallSlot: UnansweredChange] = [:]
    /// Set once what was done could not be written down: nothing is answered any more.
    var hasFailed = false
    /// Set once the end has come: what is written no more, nobody is told either.
    var hasEnded = false
    /// The number of this start.
    let life: UInt32
    /// Clients of earlier lives that hold layouts, until they have said what they go on using.
    var reclaiming: Set<ClientID> = []
    /// Clients of earlier lives that have not been heard of.
    var missing: Set<ClientID> = []
    /// When those of them that hold nothing are forgotten.
    var missingDeadline: Instant?
    /// Holders, by number, whose records are on their way to the store, and how many.
    var holdersBeingWritten: [UInt64: Int] = [:]
    /// Files that nobody may use until a person has looked.
    var blocked: [FileHandle: BlockedFile] = [:]

    let startedAt: Instant
    var deviceReads: UInt64 = 0
    var deviceWrites: UInt64 = 0
    /// Set once the end has begun: nothing is granted any more.
    var shutdown: Shutdown?

    /// What the service is made of, prepared where blocking is allowed.
    struct Parts {
        var configuration: ServerConfiguration
        var policy: AuthenticationPolicy
        var export: ExportRoot
        var support: MappingSupport
        var root: FoundFile
        var device: Opaque16
        var restart: Restart
        var bootID: String
        var tokens: TokenTable
        var descriptorSocketPath: String
        var guarding: ExportGuard?
    }

    init(
        _ parts: Parts,
        journal: RecoveryJournal,
        eventLoop: any EventLoop,
        pool: NIOThreadPool,
        fencePool: NIOThreadPool
    ) {
        eventLoop.preconditionInEventLoop()
        self.configuration = parts.configuration
        self.eventLoop = eventLoop
        self.logger = parts.configuration.logger
        self.policy = parts.policy
        self.export = parts.export
        self.support = parts.support
        var sessions = ServerSessions.Configuration()
        sessions.confirmTime = parts.configuration.lease
        let (life, state) = (parts.restart.life, parts.restart.state)
        // Client IDs of two starts do not meet: the start is their upper half.
        self.sessions = ServerSessions(
            configuration: sessions,
            firstClientNumber: UInt64(life.number) << 32,
            recovered: state.clients,
            sessions: state.sessions,
            replies: state.replies
        )
        self.verifier = parts.restart.verifier
        self.serverOwner = Array("layoutd@\(parts.bootID)".utf8)
        self.journal = journal
        self.guardian = parts.guarding?.guardian
        self.life = life.number
        self.timer = DeadlineTimer(eventLoop: eventLoop)
        let files = FileTable(
            root: parts.root,
            codec: FileHandleCodec(key: life.handleKey),
            limit: parts.configuration.filesMax
        )
        self.files = files
        self.startedAt = Host.now
        self.engine = LeaseEngine(
            configuration: parts.configuration.engineConfiguration(boot: life.number),
            recovered: parts.restart.recovered(in: files),
            at: self.startedAt
        )
        self.work = FileWork(eventLoop: eventLoop, pool: pool)
        self.fencing = Fencing(eventLoop: eventLoop, work: FileWork(eventLoop: eventLoop, pool: fencePool))
        self.descriptions = HolderDescriptions(life: parts.restart.lockSpace, tokens: parts.tokens)
        self.device = DeviceID(parts.device)
        self.bootID = Array(parts.bootID.utf8)
        self.descriptorSocketPath = parts.descriptorSocketPath
        self.timer.fire = { [weak self] in self?.deadlinePassed() }
        self.files.dropped = { [weak self] entry in self?.fileWasDropped(entry) }
        self.recover(parts.restart)
    }

    func nextNumber() -> UInt64 {
        self.lastNumber += 1
        return self.lastNumber
    }

    // MARK: Connections

    func connectionOpened(_ connection: RPCConnection) {
        self.connections[ConnectionID(connection.id.rawValue)] = connection
        self.logger.debug(
            "connection opened",
            metadata: ["connection": "\(connection.id.rawValue)", "peer": "\(connection.peer)"]
        )
    }

    func connectionClosed(_ connection: RPCConnection, reason: RPCCloseReason) {
        let id = ConnectionID(connection.id.rawValue)
        self.connections[id] = nil
        self.logger.debug(
            "connection closed",
            metadata: ["connection": "\(connection.id.rawValue)", "reason": "\(reason)"]
        )
        for client in self.sessions.connectionClosed(id) { self.backChannelMayHaveChanged(client) }
    }

    // MARK: Calls

    func received(_ call: RPCCall, on connection: RPCConnection) {
        guard !self.hasFailed else { return connection.close("the recovery store has failed") }
        guard call.program == LayoutProgram.number else { return connection.reject(call.id, .programUnavailable) }
        guard call.version == LayoutProgram.version else {
            let version = LayoutProgram.version
            return connection.reject(call.id, .programMismatch(low: version, high: version))
        }
        guard let procedure = Procedure(rawValue: call.procedure) else {
            return connection.reject(call.id, .procedureUnavailable)
        }
        let decoded: LayoutCall
        do throws(CodecError) {
            decoded = try LayoutCodec.decodeCall(procedure: procedure, call.body)
        } catch {
            self.logger.debug(
                "call refused: its arguments cannot be decoded",
                metadata: ["procedure": "\(procedure)", "peer": "\(connection.peer)", "error": "\(error)"]
            )
            return connection.reject(call.id, .garbageArguments)
        }
        guard procedure != .null else { return connection.reply(to: call.id, body: ByteBuffer()) }
        switch self.policy.caller(of: call.credential, from: connection.peer) {
        case .failure(let status):
            self.logger.info(
                "call refused: a server that is not root serves only its own user and root, over Unix sockets",
                metadata: ["peer": "\(connection.peer)"]
            )
            connection.reject(call.id, .authError(status))
        case .success(let caller):
            let incoming = IncomingCall(connection: connection, id: call.id, procedure: procedure, caller: caller)
            if let sequence = decoded.sequence {
                self.begin(incoming, sequence, decoded.request, call.body)
            } else {
                self.sessionCall(decoded.request, incoming)
            }
        }
    }

    /// Answers a call that carries no sequence.
    func answer(_ call: IncomingCall, _ result: Result<Response, Failure>) {
        var body = ByteBuffer()
        LayoutCodec.encode(LayoutReply(sequence: nil, result: result), for: call.procedure, into: &body)
        call.connection.reply(to: call.id, body: body)
    }
}

/// A call as it came, and who made it.
struct IncomingCall {
    let connection: RPCConnection
    let id: RPCCallID
    let procedure: Procedure
    let caller: Caller

    var connectionID: ConnectionID { ConnectionID(self.connection.id.rawValue) }
}
