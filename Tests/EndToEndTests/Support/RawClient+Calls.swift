import LayoutCore
import LayoutXDR
import TestSupport

/// The calls that tests make most.
extension RawClient {
    /// Opens a file below the root, and makes it if it is not there.
    func open(_ path: String) throws -> FileHandle {
        let arguments = OpenArguments(
            directory: .root,
            path: Array(path.utf8),
            flags: [.read, .write, .create],
            mode: 0o644,
            waitMilliseconds: 0
        )
        guard case .object(let object) = try self.call(.open(arguments)) else { throw TestFailure("OPEN") }
        return object.handle
    }

    func write(_ bytes: [UInt8], at offset: UInt64, to file: FileHandle) throws {
        let arguments = WriteArguments(
            handle: file,
            offset: offset,
            isStable: true,
            waitMilliseconds: 0,
            data: bytes
        )
        guard case .write(let result) = try self.call(.write(arguments)), result.count == bytes.count else {
            throw TestFailure("WRITE")
        }
    }

    func layoutGet(
        _ file: FileHandle,
        _ range: ByteRange = .all,
        _ ioMode: IOMode = .readWrite,
        stateID: StateID = .none,
        flags: LayoutGetFlags = []
    ) throws -> LayoutGetResult {
        try self.grant(of: try self.send(Self.layoutGet(file, range, ioMode, stateID: stateID, flags: flags)))
    }

    static func layoutGet(
        _ file: FileHandle,
        _ range: ByteRange = .all,
        _ ioMode: IOMode = .readWrite,
        stateID: StateID = .none,
        flags: LayoutGetFlags = [],
        waitMilliseconds: UInt32 = 0
    ) -> Request {
        .layoutGet(
            LayoutGetArguments(
                handle: file,
                stateID: stateID,
                addressing: Addressing.file.rawValue,
                ioMode: ioMode.rawValue,
                offset: range.lowerBound,
                length: range.wireLength,
                minLength: 1,
                maxCount: 4096,
                flags: flags,
                waitMilliseconds: waitMilliseconds,
                knownEpoch: 0
            )
        )
    }

    func grant(of call: Pending) throws -> LayoutGetResult {
        guard case .layoutGet(let result) = try self.response(to: call) else { throw TestFailure("LAYOUTGET") }
        return result
    }

    /// Gives back a range of a file.
    @discardableResult
    func layoutReturn(_ file: FileHandle, _ stateID: StateID, _ range: ByteRange = .all) throws -> StateID? {
        let arguments = LayoutReturnArguments(
            type: .file,
            handle: file,
            stateID: stateID,
            ioMode: .any,
            offset: range.lowerBound,
            length: range.wireLength,
            isDowngrade: false,
            ioError: 0
        )
        guard case .layoutReturn(let result) = try self.call(.layoutReturn(arguments)) else {
            throw TestFailure("LAYOUTRETURN")
        }
        return result.stateID
    }

    /// Gives back what a recall names.
    @discardableResult
    func giveBack(_ recall: LayoutRecall) throws -> StateID? {
        try self.layoutReturn(recall.handle, recall.stateID, recall.range)
    }

    func change(
        _ operation: MappingOperation,
        _ file: FileHandle,
        _ offset: UInt64,
        _ length: UInt64 = 0,
        patience: Duration = .seconds(20)
    ) throws -> ChangeResult {
        let call = try self.send(Self.change(operation, file, offset, length, patience: patience))
        return try self.changeResult(of: call)
    }

    static func change(
        _ operation: MappingOperation,
        _ file: FileHandle,
        _ offset: UInt64,
        _ length: UInt64 = 0,
        patience: Duration = .seconds(20)
    ) -> Request {
        let milliseconds = patience.components.seconds * 1000 + patience.components.attoseconds / 1_000_000_000_000_000
        return .change(
            ChangeArguments(
                operation: operation,
                handle: file,
                offset: offset,
                length: length,
                waitMilliseconds: UInt32(clamping: milliseconds),
                keepSize: false
            )
        )
    }

    func changeResult(of call: Pending) throws -> ChangeResult {
        guard case .change(let result) = try self.response(to: call) else { throw TestFailure("\(call.procedure)") }
        return result
    }

    /// All records of a kind.
    func state(_ kind: StateKind) throws -> [StateRecords] {
        var pages: [StateRecords] = []
        var cookie: UInt64 = 0
        repeat {
            let arguments = StateArguments(kind: kind, cookie: cookie, maxRecords: 256)
            guard case .state(let page) = try self.call(.state(arguments)) else { throw TestFailure("STATE") }
            pages.append(page.records)
            cookie = page.nextCookie
        } while cookie != 0
        return pages
    }

    func recallStates() throws -> [RecallState] {
        var all: [RecallState] = []
        for case .recalls(let records) in try self.state(.recalls) { all += records }
        return all
    }

    func clientStates() throws -> [ClientState] {
        var all: [ClientState] = []
        for case .clients(let records) in try self.state(.clients) { all += records }
        return all
    }

    func waitingStates() throws -> [WaitingState] {
        var all: [WaitingState] = []
        for case .waiting(let records) in try self.state(.waiting) { all += records }
        return all
    }

    func serverState() throws -> ServerState {
        guard case .server(let state) = try self.state(.server).first else { throw TestFailure("STATE") }
        return state
    }
}

extension DescriptorToken {
    /// The bytes as they travel.
    var hexadecimal: String {
        [self.rawValue.low, self.rawValue.high].flatMap { half in
            (0..<8).map { index in
                let byte = UInt8(truncatingIfNeeded: half >> (index * 8))
                return (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }.joined()
    }
}
