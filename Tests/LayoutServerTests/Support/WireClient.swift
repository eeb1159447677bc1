import LayoutCore
import LayoutServer
import LayoutXDR
import NIOCore
import NIOPosix
import ONCRPC
import Sessions
import Testing

/// A client of the protocol made by hand: one connection, one session, whatever calls a test makes of them.
final class WireClient: Sendable {
    /// The client as the server named it.
    let id: ClientID
    let session: SessionID
    /// Recalls in the order in which they came.
    let recalls: AsyncStream<LayoutRecall>
    private let state: NIOLoopBound<State>

    private init(id: ClientID, session: SessionID, recalls: AsyncStream<LayoutRecall>, state: NIOLoopBound<State>) {
        self.id = id
        self.session = session
        self.recalls = recalls
        self.state = state
    }

    /// How a test's client behaves.
    struct Options: Sendable {
        var owner: String
        var verifier: UInt64 = 1
        var slots: UInt32 = 16
        var hasBackChannel = true
        /// What recalls are answered with.
        var recallAnswer = LayoutStatus.ok
        var credential = RPCCredential.none

        init(_ owner: String) { self.owner = owner }
    }

    /// What lives on the event loop.
    private final class State: RPCConnectionDelegate {
        let options: Options
        let recalls: AsyncStream<LayoutRecall>.Continuation
        var connection: RPCConnection?
        var connector: RPCClientConnector?
        var slots = SlotCaller(count: 1)
        /// Recalls are noted and not answered.
        var isSilent = false
        /// Under which slots and sequences recalls came.
        var sequences: [CallbackSequence] = []

        init(_ options: Options, _ recalls: AsyncStream<LayoutRecall>.Continuation) {
            self.options = options
            self.recalls = recalls
        }

        func connectionOpened(_ connection: RPCConnection) {}

        func connectionClosed(_ connection: RPCConnection, reason: RPCCloseReason) {}

        func received(_ call: RPCCall, on connection: RPCConnection) {
            guard let procedure = CallbackProcedure(rawValue: call.procedure),
                let request = try? LayoutCodec.decodeCallback(procedure: procedure, call.body)
            else { return connection.reject(call.id, .garbageArguments) }
            var body = ByteBuffer()
            switch request {
            case .null: break
            case .layoutRecall(let sequence, let recall):
                self.sequences.append(sequence)
                self.recalls.yield(recall)
                guard !self.isSilent else { return }
                LayoutCodec.encodeCallbackReply(self.options.recallAnswer, into: &body)
            case .recallAny, .notifyDeviceID:
                LayoutCodec.encodeCallbackReply(.ok, into: &body)
            }
            connection.reply(to: call.id, body: body)
        }
    }

    private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    /// Connects and sets a session up.
    static func connect(_ address: ServerAddress, _ options: Options) async throws -> WireClient {
        let eventLoop = Self.group.any()
        let (recalls, continuation) = AsyncStream.makeStream(of: LayoutRecall.self)
        let state = try await eventLoop.submit {
            NIOLoopBound(State(options, continuation), eventLoop: eventLoop)
        }.get()
        try await Self.open(address, state, on: eventLoop)
        let exchanged = try await Self.send(
            .exchangeID(
                ExchangeIDArguments(verifier: options.verifier, owner: Array(options.owner.utf8), flags: 0)
            ),
            sequence: nil,
            state,
            on: eventLoop
        ).result.get()
        guard case .exchangeID(let identity) = exchanged else { throw UnexpectedReply(exchanged) }
        let channel = ChannelAttributes(
            maxRequest: 1 << 20,
            maxResponse: 1 << 20,
            maxResponseCached: 4096,
            maxSlots: options.slots
        )
        let created = try await Self.send(
            .createSession(
                CreateSessionArguments(
                    client: identity.client,
                    sequence: identity.sequence,
                    flags: options.hasBackChannel ? CreateSessionArguments.backChannelFlag : 0,
                    fore: channel,
                    back: channel,
                    callbackProgram: 0x2000_4c43
                )
            ),
            sequence: nil,
            state,
            on: eventLoop
        ).result.get()
        guard case .createSession(let session) = created else { throw UnexpectedReply(created) }
        try await eventLoop.submit { state.value.slots = SlotCaller(count: Int(session.fore.maxSlots)) }.get()
        return WireClient(id: identity.client, session: session.session, recalls: recalls, state: state)
    }

    private static func open(
        _ address: ServerAddress,
        _ state: NIOLoopBound<State>,
        on eventLoop: any EventLoop
    ) async throws {
        let target: RPCServerAddress =
            switch address {
            case .unix(let path): .unix(path: path)
            case .tcp(let host, let port): .tcp(host: host, port: port)
            }
        let opened = eventLoop.makePromise(of: Void.self)
        eventLoop.execute {
            let connector = RPCClientConnector(eventLoop: eventLoop, delegate: state.value)
            state.value.connector = connector
            connector.connect(to: target, timeout: .seconds(5)) { result in
                state.value.connection = try? result.get()
                switch result {
                case .success: opened.succeed()
                case .failure(let error): opened.fail(error)
                }
            }
        }
        try await opened.futureResult.get()
    }

    private var eventLoop: any EventLoop { Self.group.any() }

    // MARK: Calls

    /// Makes a call on a free slot, and returns its whole reply.
    func reply(to request: Request, cacheThis: Bool = true) async throws -> LayoutReply {
        let (state, session) = (self.state, self.session)
        let ticket = try #require(try await self.eventLoop.submit { state.value.slots.take() }.get(), "no slot is free")
        let sequence = SequenceArguments(
            session: session,
            sequence: ticket.sequence,
            slot: ticket.slot,
            highestSlot: ticket.highestSlot,
            cacheThis: cacheThis
        )
        let reply = try await Self.send(request, sequence: sequence, state, on: self.eventLoop)
        try await self.eventLoop.submit {
            state.value.slots.release(ticket, wasSequenced: reply.sequence?.status == .ok)
        }.get()
        return reply
    }

    /// Makes a call under a slot and sequence of the test's choice.
    func reply(to request: Request, under sequence: SequenceArguments) async throws -> LayoutReply {
        try await Self.send(request, sequence: sequence, self.state, on: self.eventLoop)
    }

    /// Makes a call, and returns what it answers, or throws its failure.
    @discardableResult
    func call(_ request: Request) async throws -> Response { try await self.reply(to: request).result.get() }

    private static func send(
        _ request: Request,
        sequence: SequenceArguments?,
        _ state: NIOLoopBound<State>,
        on eventLoop: any EventLoop
    ) async throws -> LayoutReply {
        let answered = eventLoop.makePromise(of: LayoutReply.self)
        eventLoop.execute {
            guard let connection = state.value.connection else { return answered.fail(NotConnected()) }
            var body = ByteBuffer()
            LayoutCodec.encode(LayoutCall(sequence: sequence, request: request), into: &body)
            let procedure = LayoutCodec.procedure(of: request)
            connection.call(
                program: LayoutProgram.number,
                version: LayoutProgram.version,
                procedure: procedure.rawValue,
                credential: state.value.options.credential,
                body: body,
                deadline: .now() + .seconds(30)
            ) { result in
                answered.completeWith(
                    Result { try LayoutCodec.decodeReply(procedure: procedure, try result.get()) }
                )
            }
        }
        return try await answered.futureResult.get()
    }

    /// The next recall; fails the test if none comes in time.
    func nextRecall() async throws -> LayoutRecall {
        try await withThrowingTaskGroup(of: LayoutRecall?.self) { group in
            group.addTask { await self.recalls.first { _ in true } }
            group.addTask {
                try await Task.sleep(for: .seconds(10))
                return nil
            }
            let first = try await group.next() ?? nil
            group.cancelAll()
            return try #require(first, "no recall came")
        }
    }

    /// Breaks the connection, without a goodbye.
    func disconnect() async throws {
        let state = self.state
        try await self.eventLoop.submit { state.value.connection?.close("the test ends it") }.get()
    }

    /// Whether recalls are left without an answer from now on.
    func answerNoRecalls(_ isSilent: Bool) async throws {
        let state = self.state
        try await self.eventLoop.submit { state.value.isSilent = isSilent }.get()
    }

    /// Under which slots and sequences recalls came so far.
    func callbackSequences() async throws -> [CallbackSequence] {
        let state = self.state
        return try await self.eventLoop.submit { state.value.sequences }.get()
    }

    /// Connects again, and leaves it at that.
    func reopen(_ address: ServerAddress) async throws {
        try await Self.open(address, self.state, on: self.eventLoop)
    }

    /// Connects again, and binds the new connection to the session in both directions.
    func reconnect(_ address: ServerAddress) async throws {
        try await Self.open(address, self.state, on: self.eventLoop)
        let bound = try await Self.send(
            .bindConnectionToSession(BindConnectionArguments(session: self.session, direction: .foreOrBoth)),
            sequence: nil,
            self.state,
            on: self.eventLoop
        ).result.get()
        guard case .bindConnectionToSession(let result) = bound, result.direction == .foreOrBoth else {
            throw UnexpectedReply(bound)
        }
    }

    struct NotConnected: Error {}

    struct UnexpectedReply: Error {
        let response: Response
        init(_ response: Response) { self.response = response }
    }
}
