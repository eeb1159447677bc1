import LayoutCore
import LayoutServer
import LayoutXDR

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

    func serverState() async throws -> ServerState {
        guard case .server(let state) = try await self.state(.server) else {
            throw UnexpectedReply(.void)
        }
        return state
    }
}
