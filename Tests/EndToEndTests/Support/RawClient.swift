import LayoutCore
import LayoutXDR
import LinuxFiles
import NIOCore
import TestSupport

/// A client of the protocol that is driven call by call over a blocking socket, and breaks any rule that a test wants.
///
/// One thread at a time. Callbacks are looked at whenever something is received, and answered as ``answer`` says.
final class RawClient {
    /// How a recall is answered.
    enum RecallAnswer: Hashable, Sendable {
        case status(LayoutStatus)
        /// Not at all.
        case nothing
        /// With these bytes as results.
        case results([UInt8])
        /// With this as the whole message behind the transaction's number.
        case message([UInt8])
    }

    /// A call on its way.
    struct Pending {
        let xid: UInt32
        let procedure: Procedure
        let slot: UInt32?
    }

    private static var program: UInt32 { 0x2000_4c4c }
    private static var callbackProgram: UInt32 { 0x2000_4c43 }

    private(set) var id: ClientID
    private(set) var session: SessionID
    /// The next sequence of each slot.
    private(set) var sequences: [UInt32]
    var answer: RecallAnswer
    private let path: String
    private let identity: ExchangeIDArguments
    private let hasBackChannel: Bool
    private let channel: ChannelAttributes
    private var stream: RecordStream
    private var busySlots: Set<UInt32> = []
    private var lastTransaction: UInt32 = 0
    private var replies: [UInt32: [UInt8]] = [:]
    /// Recalls in the order in which they came, without those that ``nextRecall(within:)`` has returned.
    private var recalls: [LayoutRecall] = []
    /// What CB_RECALL_ANY asked to keep, in the order in which it came.
    private(set) var recallsOfAny: [UInt32] = []

    /// Connects and makes a session.
    init(
        _ server: ServerProcess,
        _ owner: String,
        verifier: UInt64 = 1,
        hasBackChannel: Bool = true,
        slots: UInt32 = 16,
        hasLeastRoom: Bool = false,
        answer: RecallAnswer = .status(.ok)
    ) throws {
        self.path = server.socket
        self.identity = ExchangeIDArguments(verifier: verifier, owner: Array(owner.utf8), flags: 0)
        self.hasBackChannel = hasBackChannel
        // The least that a server has to take, or plenty.
        self.channel = ChannelAttributes(
            maxRequest: hasLeastRoom ? 4096 : 1 << 20,
            maxResponse: hasLeastRoom ? 4096 : 1 << 20,
            maxResponseCached: hasLeastRoom ? 512 : 4096,
            maxSlots: slots
        )
        self.answer = answer
        self.stream = try RecordStream(path: server.socket)
        self.id = ClientID(0)
        self.session = SessionID(.zero)
        self.sequences = []
        try self.startSession()
    }

    /// Makes a session, and forgets the one before.
    func startSession() throws {
        guard case .exchangeID(let identity) = try self.call(.exchangeID(self.identity)) else {
            throw Self.odd("EXCHANGE_ID")
        }
        let create = CreateSessionArguments(
            client: identity.client,
            sequence: identity.sequence,
            flags: self.hasBackChannel ? CreateSessionArguments.backChannelFlag : 0,
            fore: self.channel,
            back: self.channel,
            callbackProgram: Self.callbackProgram
        )
        guard case .createSession(let made) = try self.call(.createSession(create)) else {
            throw Self.odd("CREATE_SESSION")
        }
        self.id = identity.client
        self.session = made.session
        self.sequences = Array(repeating: 1, count: Int(made.fore.maxSlots))
        self.busySlots = []
    }

    private static func odd(_ procedure: String) -> TestFailure { TestFailure("an odd answer to \(procedure)") }

    /// Breaks the connection, without a goodbye.
    func disconnect() { self.stream.shutDown() }

    /// Connects again, and binds the new connection to the session in both directions.
    ///
    /// Calls on their way stay outstanding: ``send(_:slot:sequence:)`` them again under their slot and sequence.
    func reconnect() throws {
        self.stream = try RecordStream(path: self.path)
        let arguments = BindConnectionArguments(session: self.session, direction: .foreOrBoth)
        guard case .bindConnectionToSession = try self.call(.bindConnectionToSession(arguments)) else {
            throw Self.odd("BIND_CONN_TO_SESSION")
        }
    }

    /// Connects to another life of the server, and makes a session there.
    func comeBack() throws {
        self.stream = try RecordStream(path: self.path)
        try self.startSession()
    }

    // MARK: Calls

    /// Sends a call without waiting for its reply, in the lowest free slot and under its next number, or in `slot` and
    /// under `sequence`.
    func send(_ request: Request, slot: UInt32? = nil, sequence: UInt32? = nil) throws -> Pending {
        let procedure = LayoutCodec.procedure(of: request)
        var arguments: SequenceArguments?
        if procedure.carriesSequence {
            guard
                let slot = slot
                    ?? self.sequences.indices.lazy.map({ UInt32($0) }).first(where: { !self.busySlots.contains($0) })
            else { throw TestFailure("no slot is free") }
            self.busySlots.insert(slot)
            arguments = SequenceArguments(
                session: self.session,
                sequence: sequence ?? self.sequences[Int(slot)],
                slot: slot,
                highestSlot: UInt32(self.sequences.count - 1),
                cacheThis: ![.read, .readDirectory, .state].contains(procedure)
            )
        }
        self.lastTransaction += 1
        var body = ByteBuffer()
        LayoutCodec.encode(LayoutCall(sequence: arguments, request: request), into: &body)
        // A call (RFC 5531 §9) with AUTH_NONE: who is who comes from the socket.
        let header = RecordStream.words(
            self.lastTransaction,
            0,
            2,
            Self.program,
            1,
            procedure.rawValue,
            0,
            0,
            0,
            0
        )
        try self.stream.send(header + Array(body.readableBytesView))
        return Pending(xid: self.lastTransaction, procedure: procedure, slot: arguments?.slot)
    }

    /// The reply to a call; `nil` if it does not come within `patience`.
    func reply(to call: Pending, within patience: Duration = .seconds(40)) throws -> LayoutReply? {
        let deadline = Host.now.advanced(by: patience)
        while self.replies[call.xid] == nil {
            guard try self.receive(before: deadline) else { return nil }
        }
        guard let record = self.replies.removeValue(forKey: call.xid) else { return nil }
        // REPLY, MSG_ACCEPTED, no verifier, SUCCESS.
        guard record.count >= 24, record[4..<24] == RecordStream.words(1, 0, 0, 0, 0)[...] else {
            throw TestFailure("\(call.procedure) was not accepted: \(record.prefix(32))")
        }
        let reply = try LayoutCodec.decodeReply(procedure: call.procedure, ByteBuffer(bytes: record[24...]))
        if let slot = call.slot {
            self.busySlots.remove(slot)
            if reply.sequence?.status == .ok { self.sequences[Int(slot)] &+= 1 }
        }
        return reply
    }

    /// What a call answers; throws its failure.
    func response(to call: Pending) throws -> Response {
        guard let reply = try self.reply(to: call) else { throw TestFailure("no reply to \(call.procedure)") }
        return try reply.result.get()
    }

    /// Makes a call and returns what it answers, or throws its failure.
    @discardableResult
    func call(_ request: Request) throws -> Response { try self.response(to: try self.send(request)) }

    /// Renews the lease, and returns what the server has to say.
    func statusFlags() throws -> SequenceStatusFlags {
        guard let sequence = try self.reply(to: try self.send(.sequence))?.sequence else { throw Self.odd("SEQUENCE") }
        return sequence.flags
    }

    // MARK: Callbacks

    /// The next recall; throws if none comes in time.
    func nextRecall(within patience: Duration = .seconds(20)) throws -> LayoutRecall {
        let deadline = Host.now.advanced(by: patience)
        while self.recalls.isEmpty {
            guard try self.receive(before: deadline) else { throw TestFailure("no recall came") }
        }
        return self.recalls.removeFirst()
    }

    /// Receives what comes until `deadline`, and answers it.
    func serve(before deadline: Instant) throws { while try self.receive(before: deadline) {} }

    /// Takes one record; `false` if none comes in time.
    private func receive(before deadline: Instant) throws -> Bool {
        guard let record = try self.stream.receive(before: deadline) else { return false }
        let xid = RecordStream.word(record)
        guard RecordStream.word(record[4...]) == 0 else {
            self.replies[xid] = record
            return true
        }
        // Ten words of header, as layoutd's callbacks carry no credential.
        guard let procedure = CallbackProcedure(rawValue: RecordStream.word(record[20...])) else {
            throw TestFailure("an unknown callback")
        }
        switch try LayoutCodec.decodeCallback(procedure: procedure, ByteBuffer(bytes: record[40...])) {
        case .layoutRecall(_, let recall):
            self.recalls.append(recall)
            try self.reply(xid, self.answer)
        case .recallAny(_, let keep):
            self.recallsOfAny.append(keep)
            try self.reply(xid, .status(.ok))
        case .null, .notifyDeviceID:
            try self.reply(xid, .status(.ok))
        }
        return true
    }

    private func reply(_ xid: UInt32, _ answer: RecallAnswer) throws {
        let accepted = RecordStream.words(xid, 1, 0, 0, 0, 0)
        switch answer {
        case .nothing: break
        case .status(let status):
            var body = ByteBuffer()
            LayoutCodec.encodeCallbackReply(status, into: &body)
            try self.stream.send(accepted + Array(body.readableBytesView))
        case .results(let bytes): try self.stream.send(accepted + bytes)
        case .message(let bytes): try self.stream.send(RecordStream.words(xid) + bytes)
        }
    }
}
