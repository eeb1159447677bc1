import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles
import Sessions

/// A session with layoutd over a blocking socket, whose file's layout is held: what the round trips are made on.
///
/// The connection is the back channel too, as LAYOUTGET demands; nobody changes the file, so no recall comes.
final class NeutralSession {
    let caller: NeutralCaller
    private let session: SessionID
    private var slots = SlotCaller(count: 1)
    private var sequenceCall: CallRecord
    private var layoutCall: CallRecord
    /// Keeps the layout's description alive, as a client does that maps the file.
    private let descriptor: OwnedDescriptor

    /// Connects, makes a session, opens a file of the export and gets a layout of its first 4 KiB.
    init(server: LayoutdProcess, file: String) throws {
        let caller = try NeutralCaller(path: server.socketPath)
        self.caller = caller
        let session = try Self.makeSession(caller)
        self.session = session
        var slots = SlotCaller(count: 1)
        _ = try Self.ask(.reclaimComplete, caller, session, &slots)
        let open = OpenArguments(directory: .root, path: Array(file.utf8), flags: .read, mode: 0, waitMilliseconds: 0)
        guard case .object(let object) = try Self.ask(.open(open), caller, session, &slots) else {
            throw BenchError("OPEN was answered with something else")
        }
        var get = LayoutGetArguments(
            handle: object.handle,
            stateID: .none,
            addressing: Addressing.file.rawValue,
            ioMode: IOMode.read.rawValue,
            offset: 0,
            length: 4096,
            minLength: 4096,
            maxCount: 4096,
            flags: [],
            waitMilliseconds: 0,
            knownEpoch: 0
        )
        guard case .layoutGet(let grant) = try Self.ask(.layoutGet(get), caller, session, &slots) else {
            throw BenchError("LAYOUTGET was answered with something else")
        }
        self.descriptor = try DescriptorSocket.redeem(
            grant.token,
            socketPath: server.descriptorSocketPath,
            timeout: .seconds(10)
        )
        get.stateID = grant.stateID
        get.knownEpoch = grant.epoch
        let sequence = SequenceArguments(session: session, sequence: 0, slot: 0, highestSlot: 0, cacheThis: false)
        self.sequenceCall = CallRecord(LayoutCall(sequence: sequence, request: .sequence))
        self.layoutCall = CallRecord(LayoutCall(sequence: sequence, request: .layoutGet(get)))
        self.slots = slots
        try Self.checkOffsets(session, get)
    }

    private static func makeSession(_ caller: NeutralCaller) throws -> SessionID {
        let owner = Array("layout-bench \(getpid())".utf8)
        let exchange = ExchangeIDArguments(verifier: 1, owner: owner, flags: 0)
        guard case .exchangeID(let client) = try caller.ask(LayoutCall(sequence: nil, request: .exchangeID(exchange)))
        else { throw BenchError("EXCHANGE_ID was answered with something else") }
        let channel = ChannelAttributes(maxRequest: 65536, maxResponse: 65536, maxResponseCached: 4096, maxSlots: 4)
        let create = CreateSessionArguments(
            client: client.client,
            sequence: client.sequence,
            flags: CreateSessionArguments.backChannelFlag,
            fore: channel,
            back: channel,
            callbackProgram: 0x2000_4c4d
        )
        guard
            case .createSession(let made) = try caller.ask(LayoutCall(sequence: nil, request: .createSession(create))),
            made.flags & CreateSessionArguments.backChannelFlag != 0
        else { throw BenchError("CREATE_SESSION gave no back channel, without which nothing is granted") }
        return made.session
    }

    private static func ask(
        _ request: Request,
        _ caller: NeutralCaller,
        _ session: SessionID,
        _ slots: inout SlotCaller
    ) throws -> Response {
        guard let ticket = slots.take() else { preconditionFailure("one call at a time needs one slot") }
        let arguments = SequenceArguments(
            session: session,
            sequence: ticket.sequence,
            slot: ticket.slot,
            highestSlot: ticket.highestSlot,
            cacheThis: false
        )
        let response = try caller.ask(LayoutCall(sequence: arguments, request: request))
        slots.release(ticket, wasSequenced: true)
        return response
    }

    /// Whether patching a record is the same as encoding it anew: the offsets are those of `layout.x`.
    private static func checkOffsets(_ session: SessionID, _ get: LayoutGetArguments) throws {
        func record(_ number: UInt32, _ seqid: UInt32) -> CallRecord {
            var get = get
            get.stateID.seqid = seqid
            let sequence = SequenceArguments(
                session: session,
                sequence: number,
                slot: 0,
                highestSlot: 0,
                cacheThis: false
            )
            return CallRecord(LayoutCall(sequence: sequence, request: .layoutGet(get)))
        }
        var patched = record(1, 2)
        patched.patch(0x0102_0304, at: CallRecord.Offset.sequence)
        patched.patch(0x0506_0708, at: CallRecord.Offset.layoutStateID)
        guard patched.bytes == record(0x0102_0304, 0x0506_0708).bytes else {
            throw BenchError("layout.x has changed: LAYOUTGET's fields are elsewhere; adapt CallRecord.Offset")
        }
    }

    /// Gives the layout back, as it is to be done before the connection ends.
    func end() throws {
        let all = LayoutReturnArguments(
            type: .all,
            handle: .root,
            stateID: .none,
            ioMode: .any,
            offset: 0,
            length: .max,
            isDowngrade: false,
            ioError: 0
        )
        _ = try Self.ask(.layoutReturn(all), self.caller, self.session, &self.slots)
    }

    // MARK: Timed calls

    /// SEQUENCE; nanoseconds.
    func sequence() throws -> Double {
        let time = try self.timed(&self.sequenceCall)
        try self.checkStatus("SEQUENCE")
        return time
    }

    /// LAYOUTGET of the range that is held; nanoseconds.
    func layoutGet() throws -> Double {
        let time = try self.timed(&self.layoutCall)
        try self.checkStatus("LAYOUTGET")
        self.layoutCall.patch(
            NeutralCaller.Offset.layoutStateID,
            of: self.caller.socket,
            at: CallRecord.Offset.layoutStateID
        )
        return time
    }

    private func timed(_ record: inout CallRecord) throws -> Double {
        guard let ticket = self.slots.take() else { preconditionFailure("one call at a time needs one slot") }
        record.patch(ticket.sequence, at: CallRecord.Offset.sequence)
        let time = try self.caller.call(&record)
        self.slots.release(ticket, wasSequenced: true)
        return time
    }

    private func checkStatus(_ call: String) throws {
        let socket = self.caller.socket
        let statuses = [socket.word(at: NeutralCaller.Offset.body), socket.word(at: NeutralCaller.Offset.status)]
        guard statuses == [0, 0] else {
            throw BenchError("\(call) was refused with the statuses \(statuses) of layout.x")
        }
    }
}
