package import LayoutXDR
import NIOCore

/// What the server knows, for operators (STATE).
extension LayoutClient {
    /// The server's counters.
    ///
    /// - Throws: ``LayoutError`` with ``LayoutCore/LayoutStatus/notPermitted`` for a peer that is not privileged, as all of
    ///   these.
    package func serverState() async throws(LayoutError) -> ServerState {
        guard case .server(let state) = try await self.state(.server, 0).records else {
            throw Response.unexpected("read the server's state")
        }
        return state
    }

    /// The clients.
    package func clientStates() async throws(LayoutError) -> [ClientState] {
        try await self.allStates(.clients) { if case .clients(let records) = $0 { records } else { nil } }
    }

    /// The layouts that are held.
    package func layoutStates() async throws(LayoutError) -> [HeldLayoutState] {
        try await self.allStates(.layouts) { if case .layouts(let records) = $0 { records } else { nil } }
    }

    /// Changes and LAYOUTGETs that wait or run.
    package func waitingStates() async throws(LayoutError) -> [WaitingState] {
        try await self.allStates(.waiting) { if case .waiting(let records) = $0 { records } else { nil } }
    }

    /// Recalls in flight.
    package func recallStates() async throws(LayoutError) -> [RecallState] {
        try await self.allStates(.recalls) { if case .recalls(let records) = $0 { records } else { nil } }
    }

    /// Files that nobody may use until an operator has looked at them.
    package func blockedStates() async throws(LayoutError) -> [BlockedState] {
        try await self.allStates(.blocked) { if case .blocked(let records) = $0 { records } else { nil } }
    }

    /// Lets everybody use a file again that an interrupted change had left in an unknown state.
    ///
    /// - Throws: ``LayoutError`` with ``LayoutCore/LayoutStatus/noEntry`` if the file is not there or not blocked;
    ///   ``LayoutCore/LayoutStatus/notPermitted`` for a peer that is not privileged.
    package func unblock(_ path: String) async throws(LayoutError) {
        let attempt = "unblock '\(path)'"
        let name = try Self.bytes(of: path, attempt)
        let found = try await self.call(
            .lookup(PathArguments(directory: .root, path: name)),
            loss: .repeatable,
            attempt
        )
        _ = try await self.call(.unblock(try found.object(attempt).handle), loss: .repeatable, attempt)
    }

    private func allStates<Record>(
        _ kind: StateKind,
        _ records: (StateRecords) -> [Record]?
    ) async throws(LayoutError) -> [Record] {
        var all: [Record] = []
        var cookie: UInt64 = 0
        repeat {
            let page = try await self.state(kind, cookie)
            guard let some = records(page.records), page.nextCookie == 0 || !some.isEmpty else {
                throw Response.unexpected("read the server's state")
            }
            all += some
            cookie = page.nextCookie
            // A server that never ends is not followed for ever.
        } while cookie != 0 && all.count < 1_000_000
        return all
    }

    private func state(_ kind: StateKind, _ cookie: UInt64) async throws(LayoutError) -> StateResult {
        let attempt = "read the server's state"
        let arguments = StateArguments(kind: kind, cookie: cookie, maxRecords: 256)
        let response = try await self.call(.state(arguments), loss: .repeatable, attempt)
        guard case .state(let result) = response else { throw Response.unexpected(attempt) }
        return result
    }
}

extension LayoutFile {
    /// The handle that STATE names the file by.
    package func handle() async throws(LayoutError) -> FileHandle {
        let file = self.core
        return try await self.client.perform("ask about '\(self.path)'") { _, completion in
            completion(.success(file.value.handle))
        }
    }
}

extension LayoutClient {
    /// What the server calls this client in its lists; `nil` while there is no session.
    package func clientID() async throws(LayoutError) -> ClientID? {
        try await self.perform("ask for the client's ID") { core, completion in
            completion(.success(core.link.client?.id))
        }
    }
}
