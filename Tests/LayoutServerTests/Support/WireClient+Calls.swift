import LayoutCore
import LayoutServer
import LayoutXDR
import Testing

/// The calls that tests make most.
extension WireClient {
    func open(
        _ path: String,
        _ flags: OpenFlags = [.read, .write, .create],
        mode: UInt32 = 0o644
    ) async throws -> ObjectResult {
        let response = try await self.call(
            .open(
                OpenArguments(directory: .root, path: Array(path.utf8), flags: flags, mode: mode, waitMilliseconds: 0)
            )
        )
        guard case .object(let object) = response else { throw UnexpectedReply(response) }
        return object
    }

    func write(_ bytes: [UInt8], at offset: UInt64, to file: FileHandle) async throws -> WriteResult {
        let response = try await self.call(
            .write(
                WriteArguments(handle: file, offset: offset, isStable: true, waitMilliseconds: 0, data: bytes)
            )
        )
        guard case .write(let result) = response else { throw UnexpectedReply(response) }
        return result
    }

    func read(_ count: UInt32, at offset: UInt64, of file: FileHandle) async throws -> ReadResult {
        let response = try await self.reply(
            to: .read(ReadArguments(handle: file, offset: offset, count: count)),
            cacheThis: false
        ).result.get()
        guard case .read(let result) = response else { throw UnexpectedReply(response) }
        return result
    }

    func layoutGet(
        _ file: FileHandle,
        offset: UInt64 = 0,
        length: UInt64 = .max,
        _ ioMode: IOMode = .readWrite,
        stateID: StateID = .none,
        flags: LayoutGetFlags = [],
        waitMilliseconds: UInt32 = 0,
        knownEpoch: UInt64 = 0
    ) async throws -> LayoutGetResult {
        let response = try await self.call(
            .layoutGet(
                LayoutGetArguments(
                    handle: file,
                    stateID: stateID,
                    addressing: Addressing.file.rawValue,
                    ioMode: ioMode.rawValue,
                    offset: offset,
                    length: length,
                    minLength: 1,
                    maxCount: 4096,
                    flags: flags,
                    waitMilliseconds: waitMilliseconds,
                    knownEpoch: knownEpoch
                )
            )
        )
        guard case .layoutGet(let result) = response else { throw UnexpectedReply(response) }
        return result
    }

    func layoutReturn(
        _ file: FileHandle,
        _ stateID: StateID,
        offset: UInt64 = 0,
        length: UInt64 = .max,
        _ ioMode: IOModeSelector = .any,
        isDowngrade: Bool = false
    ) async throws -> LayoutReturnResult {
        let response = try await self.call(
            .layoutReturn(
                LayoutReturnArguments(
                    type: .file,
                    handle: file,
                    stateID: stateID,
                    ioMode: ioMode,
                    offset: offset,
                    length: length,
                    isDowngrade: isDowngrade,
                    ioError: 0
                )
            )
        )
        guard case .layoutReturn(let result) = response else { throw UnexpectedReply(response) }
        return result
    }

    func change(
        _ operation: MappingOperation,
        _ file: FileHandle,
        offset: UInt64,
        length: UInt64,
        waitMilliseconds: UInt32 = 0
    ) async throws -> ChangeResult {
        let response = try await self.call(
            .change(
                ChangeArguments(
                    operation: operation,
                    handle: file,
                    offset: offset,
                    length: length,
                    waitMilliseconds: waitMilliseconds,
                    keepSize: false
                )
            )
        )
        guard case .change(let result) = response else { throw UnexpectedReply(response) }
        return result
    }

    func state(_ kind: StateKind) async throws -> StateRecords {
        let response = try await self.reply(
            to: .state(StateArguments(kind: kind, cookie: 0, maxRecords: 256)),
            cacheThis: false
        ).result.get()
        guard case .state(let result) = response else { throw UnexpectedReply(response) }
        return result.records
    }

    func reclaim(
        _ file: FileHandle,
        _ stateID: StateID,
        offset: UInt64 = 0,
        length: UInt64 = .max,
        _ ioMode: IOMode = .readWrite,
        knownEpoch: UInt64 = 0
    ) async throws -> LayoutGetResult {
        try await self.layoutGet(
            file,
            offset: offset,
            length: length,
            ioMode,
            stateID: stateID,
            flags: .reclaim,
            knownEpoch: knownEpoch
        )
    }

    /// Reclaims a whole layout of an earlier life, for loads alone if it is said so.
    func reclaim(
        _ file: FileHandle,
        _ layout: LayoutGetResult,
        _ ioMode: IOMode? = nil
    ) async throws -> LayoutGetResult {
        try await self.reclaim(
            file,
            layout.stateID,
            offset: layout.range.lowerBound,
            length: layout.range.wireLength,
            ioMode ?? layout.ioMode
        )
    }

    /// The status flags of a reply to SEQUENCE.
    func statusFlags() async throws -> SequenceStatusFlags {
        try await self.reply(to: .sequence, cacheThis: false).sequence?.flags ?? []
    }

    func serverState() async throws -> ServerState {
        guard case .server(let state) = try await self.state(.server) else {
            throw UnexpectedReply(.void)
        }
        return state
    }
}

extension WireClient {
    /// Expects a call to fail with a status.
    func expect(_ status: LayoutStatus, _ call: (WireClient) async throws -> Void) async throws {
        do {
            try await call(self)
            Issue.record("it worked, and \(status) was expected")
        } catch let failure as Failure {
            #expect(failure.status == status, "\(failure.detail)")
        }
    }

    /// Waits until something is so that nobody tells about; fails the test if it does not come to that.
    func eventually(_ condition: (WireClient) async throws -> Bool) async throws {
        for _ in 0..<200 {
            if try await condition(self) { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("it did not come to that within 10 s")
    }

    func remove(_ path: String) async throws {
        try await self.call(
            .remove(PathArguments(directory: .root, path: Array(path.utf8), waitMilliseconds: 0))
        )
    }

    /// LAYOUTRETURN ALL.
    func returnEverything() async throws {
        try await self.call(
            .layoutReturn(
                LayoutReturnArguments(
                    type: .all,
                    handle: .root,
                    stateID: .none,
                    ioMode: .any,
                    offset: 0,
                    length: .max,
                    isDowngrade: false,
                    ioError: 0
                )
            )
        )
    }
}

extension LayoutReply {
    /// The status of the call.
    var status: LayoutStatus {
        switch self.result {
        case .success: .ok
        case .failure(let failure): failure.status
        }
    }
}

extension LayoutGetArguments {
    /// All of a file, to read.
    static func everything(of file: FileHandle) -> LayoutGetArguments {
        LayoutGetArguments(
            handle: file,
            stateID: .none,
            addressing: Addressing.file.rawValue,
            ioMode: IOMode.read.rawValue,
            offset: 0,
            length: .max,
            minLength: 1,
            maxCount: 4096,
            flags: [],
            waitMilliseconds: 0,
            knownEpoch: 0
        )
    }
}
