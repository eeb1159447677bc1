import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles

/// A client with one session on one blocking socket, which does nothing of its own accord.
///
/// The connection is the back channel too, as LAYOUTGET demands. One thread at a time.
final class NeutralSession {
    let caller: NeutralCaller
    let client: ClientID
    private let session: SessionID
    /// The last sequence number on each slot; the first slot is for single calls.
    private var sequences: [UInt32]
    /// Descriptors that came with grants, kept as a client keeps what it has mapped.
    private var descriptors: [SharedDescriptor] = []

    /// Makes a client, told from others of this process by `name`, and its session of up to 64 slots; no answer may have
    /// more than `capacity` bytes.
    init(_ endpoint: Endpoint, name: String, slots: Int = 4, capacity: Int = 1 << 16) throws {
        let caller = try NeutralCaller(endpoint, capacity: capacity)
        let owner = Array("layout-bench \(getpid()) \(name)".utf8)
        let exchange = ExchangeIDArguments(verifier: 1, owner: owner, flags: 0)
        guard case .exchangeID(let client) = try caller.ask(LayoutCall(sequence: nil, request: .exchangeID(exchange)))
        else { throw Self.unexpected("EXCHANGE_ID") }
        let channel = ChannelAttributes(
            maxRequest: 65536,
            maxResponse: UInt32(capacity),
            maxResponseCached: 4096,
            maxSlots: UInt32(slots)
        )
        let create = CreateSessionArguments(
            client: client.client,
            sequence: client.sequence,
            flags: CreateSessionArguments.backChannelFlag,
            fore: channel,
            back: channel,
            callbackProgram: 0x2000_4c43
        )
        guard
            case .createSession(let made) = try caller.ask(LayoutCall(sequence: nil, request: .createSession(create))),
            made.flags & CreateSessionArguments.backChannelFlag != 0, made.fore.maxSlots == slots
        else { throw BenchError("CREATE_SESSION gave no back channel, or less than \(slots) slots") }
        self.caller = caller
        self.client = client.client
        self.session = made.session
        self.sequences = [UInt32](repeating: 0, count: slots)
        _ = try self.ask(.reclaimComplete)
    }

    /// Makes a call on the first slot, and waits for its answer.
    func ask(_ request: Request) throws -> Response { try self.caller.ask(self.call(request, slot: 0)) }

    /// A call to be made at once, before any other on its slot.
    func call(_ request: Request, slot: Int) -> LayoutCall {
        LayoutCall(sequence: self.nextSequence(slot), request: request)
    }

    /// A call to be made by a ``Load``, to which the slot belongs from now on.
    func timedCall(_ request: Request, slot: Int, step: UInt64 = 0) -> TimedCall {
        TimedCall(request, self.nextSequence(slot), step: step)
    }

    private func nextSequence(_ slot: Int) -> SequenceArguments {
        self.sequences[slot] += 1
        return SequenceArguments(
            session: self.session,
            sequence: self.sequences[slot],
            slot: UInt32(slot),
            highestSlot: UInt32(self.sequences.count - 1),
            cacheThis: false
        )
    }

    // MARK: Files

    /// Opens a file of the export.
    func open(_ file: String, flags: OpenFlags = .read) throws -> FileHandle {
        let open = OpenArguments(directory: .root, path: Array(file.utf8), flags: flags, mode: 0, waitMilliseconds: 0)
        guard case .object(let object) = try self.ask(.open(open)) else { throw Self.unexpected("OPEN") }
        return object.handle
    }

    /// Gets a layout to read.
    func layoutGet(_ arguments: LayoutGetArguments) throws -> LayoutGetResult {
        guard case .layoutGet(let grant) = try self.ask(.layoutGet(arguments)) else {
            throw Self.unexpected("LAYOUTGET")
        }
        return grant
    }

    /// Gets a layout of a file that none is held of, and returns the arguments that get the same range again.
    ///
    /// Its descriptor is fetched from `server` and kept, as it is by who maps the file; over TCP that is `nil`, as there
    /// the server does not know that who fetches it is who asked.
    func hold(
        _ handle: FileHandle,
        _ range: Range<UInt64>,
        fetchingFrom server: LayoutdProcess?
    ) throws -> LayoutGetArguments {
        var arguments = LayoutGetArguments(reading: range, of: handle)
        let grant = try self.layoutGet(arguments)
        if let server { self.descriptors.append(try Self.redeem(grant, server.descriptorSocketPath)) }
        arguments.stateID = grant.stateID
        arguments.knownEpoch = grant.epoch
        return arguments
    }

    /// Fetches the descriptor of a grant.
    static func redeem(_ grant: LayoutGetResult, _ socketPath: String) throws -> SharedDescriptor {
        try DescriptorSocket.redeem(grant.token, socketPath: socketPath, timeout: .seconds(30)).shared()
    }

    /// The server answered with the results of another procedure.
    static func unexpected(_ call: String) -> BenchError { BenchError("\(call) was answered with something else") }
}

extension LayoutGetArguments {
    /// Asks for all of a range, to read, without waiting and without a layout that is held.
    init(reading range: Range<UInt64>, of handle: FileHandle) {
        self.init(
            handle: handle,
            stateID: .none,
            addressing: Addressing.file.rawValue,
            ioMode: IOMode.read.rawValue,
            offset: range.lowerBound,
            length: range.upperBound - range.lowerBound,
            minLength: range.upperBound - range.lowerBound,
            maxCount: 4096,
            flags: [],
            waitMilliseconds: 0,
            knownEpoch: 0
        )
    }
}
