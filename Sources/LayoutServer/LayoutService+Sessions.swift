import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import ONCRPC
import Recovery
import Sessions

/// What the server knows of a client beyond its sessions and layouts.
struct ClientRecord {
    /// Where it made its last session from, for people.
    var address: String
    var uid: UInt32
    /// Its process, if it is on this host and the transport knows it, else 0.
    var pid: UInt32
    var command: String
    /// What its sessions may carry from client to server.
    var limits: [SessionID: ChannelLimits] = [:]
    var hasCompletedReclaim = false
}

/// Clients and sessions (specification §4).
extension LayoutService {
    /// Executes a call that carries no sequence, and answers it.
    func sessionCall(_ request: Request, _ call: IncomingCall) {
        switch request {
        case .exchangeID(let arguments): self.answer(call, self.exchangeID(arguments, call))
        case .createSession(let arguments): self.createSession(arguments, call)
        case .bindConnectionToSession(let arguments): self.bindConnection(arguments, call)
        case .destroySession(let session): self.answer(call, self.destroySession(session, call))
        case .destroyClientID(let client): self.answer(call, self.destroyClient(client, call))
        default: preconditionFailure("\(request) carries a sequence")
        }
    }

    private func exchangeID(_ arguments: ExchangeIDArguments, _ call: IncomingCall) -> Result<Response, Failure> {
        let updateFlag: UInt32 = 1
        guard arguments.flags & ~updateFlag == 0 else {
            return .failure(Failure(.invalid, "unknown flags in EXCHANGE_ID: send 0, or 1 to update"))
        }
        let now = Host.now
        if self.confirmDeadline == nil {
            self.confirmDeadline = now.advanced(by: self.configuration.lease)
            self.setTimer()
        }
        return self.sessions.exchangeID(
            owner: arguments.owner,
            verifier: arguments.verifier,
            isUpdate: arguments.flags & updateFlag != 0,
            principal: call.caller.principal,
            at: now
        ).mapError { Failure($0) }.map { exchanged in
            .exchangeID(
                ExchangeIDResult(
                    client: exchanged.client,
                    sequence: exchanged.sequence,
                    confirmed: exchanged.isConfirmed,
                    leaseMilliseconds: self.configuration.lease.wholeMilliseconds,
                    recallMilliseconds: self.configuration.recallTimeout.wholeMilliseconds,
                    serverVerifier: self.verifier,
                    serverOwner: self.serverOwner
                )
            )
        }
    }

    private func createSession(_ arguments: CreateSessionArguments, _ call: IncomingCall) {
        let backFlag = CreateSessionArguments.backChannelFlag
        guard arguments.flags & ~backFlag == 0 else {
            let detail = "unknown flags in CREATE_SESSION: send 0, or 2 for a back channel"
            return self.answer(call, .failure(Failure(.invalid, detail)))
        }
        let newID: SessionID
        do throws(LinuxError) {
            newID = SessionID(try Host.randomOpaque16())
        } catch {
            return self.answer(call, .failure(Failure(.serverFault, error.message)))
        }
        let creation = self.sessions.createSession(
            client: arguments.client,
            sequence: arguments.sequence,
            usesBackChannel: arguments.flags & backFlag != 0,
            fore: ChannelLimits(arguments.fore),
            back: ChannelLimits(arguments.back),
            callbackProgram: arguments.callbackProgram,
            principal: call.caller.principal,
            connection: call.connectionID,
            newID: newID
        )
        switch creation.result {
        case .failure(let error): self.answer(call, .failure(Failure(error)))
        case .success(let created): self.keep(created, creation, arguments.client, call)
        }
    }

    /// Has a session written down before its client learns of it; a retry of the call waits for that too.
    private func keep(
        _ created: CreatedSession,
        _ creation: ServerSessions.Creation,
        _ client: ClientID,
        _ call: IncomingCall
    ) {
        var records: [RecoveryRecord] = creation.dropped.map { .sessionGone($0) }
        if !creation.isReplay {
            self.announcing.insert(created.session)
            self.sessionWasCreated(created, client, creation.replaced, call)
            if let stored = self.sessions.storedClient(client) { records.append(.client(stored)) }
            if let stored = self.sessions.storedSession(created.session) { records.append(.session(stored)) }
        }
        self.write(records, .synced) { result in
            if !creation.isReplay { self.announcing.remove(created.session) }
            switch result {
            case .failure(let error):
                self.forget(created.session, of: client)
                self.answer(call, .failure(Failure(error.status, error.refusal)))
            case .success:
                self.answer(call, .success(.createSession(CreateSessionResult(created))))
                // A callback must not overtake the reply that binds its connection.
                self.backChannelWasBound(created.session)
            }
        }
    }

    /// Nobody was told of a session, or it is over.
    private func forget(_ session: SessionID, of client: ClientID) {
        if let principal = self.sessions.identity(of: client)?.principal {
            _ = self.sessions.destroySession(session, principal: principal)
        }
        self.sessionIsGone(session, of: client)
    }

    private func sessionIsGone(_ session: SessionID, of client: ClientID) {
        self.clients[client]?.limits[session] = nil
        self.clientOfSession[session] = nil
        self.callbacks.forgetStranded(on: session)
        self.writeLater([.sessionGone(session)])
        self.backChannelMayHaveChanged(client)
    }

    private func sessionWasCreated(
        _ created: CreatedSession,
        _ client: ClientID,
        _ replaced: ClientID?,
        _ call: IncomingCall
    ) {
        call.connection.isEvictable = false
        if let replaced {
            self.clientIsLost(replaced)
        }
        var record = self.clients[client] ?? ClientRecord(address: "", uid: 0, pid: 0, command: "")
        record.address = "\(call.connection.peer)"
        record.uid = call.caller.principal.uid
        if case .unix(let pid, _, _) = call.connection.peer {
            record.pid = UInt32(clamping: pid)
            // From memory (procfs), and once per session: not worth a thread.
            record.command = Host.commandName(of: pid) ?? ""
        }
        record.limits[created.session] = created.fore
        self.clients[client] = record
        self.logger.info("session created", metadata: ["client": "\(client.rawValue)", "peer": "\(record.address)"])
        self.clientOfSession[created.session] = client
        self.missing.remove(client)
        self.submit(.clientEstablished(client))
    }

    private func bindConnection(_ arguments: BindConnectionArguments, _ call: IncomingCall) {
        let bound = self.sessions.bind(
            call.connectionID,
            to: arguments.session,
            wantsFore: arguments.direction != .back,
            wantsBack: arguments.direction != .fore,
            principal: call.caller.principal
        )
        switch bound {
        case .failure(let error):
            self.answer(call, .failure(Self.ownersOnly(error)))
        case .success(let hasBack):
            call.connection.isEvictable = false
            var result = arguments
            if hasBack {
                // What "or both" asks for is granted.
                if result.direction == .backOrBoth { result.direction = .foreOrBoth }
            } else {
                result.direction = .fore
            }
            self.answer(call, .success(.bindConnectionToSession(result)))
            // A callback must not overtake the reply that binds its connection.
            if hasBack { self.backChannelWasBound(arguments.session) }
        }
    }

    private func backChannelWasBound(_ session: SessionID) {
        self.resendStranded(on: session)
        guard let client = self.clientOfSession[session] else { return }
        self.backChannelMayHaveChanged(client)
        self.sendQueuedCallbacks(to: client)
    }

    private func destroySession(_ session: SessionID, _ call: IncomingCall) -> Result<Response, Failure> {
        switch self.sessions.destroySession(session, principal: call.caller.principal) {
        case .failure(let error):
            return .failure(Self.ownersOnly(error))
        case .success(let client):
            self.sessionIsGone(session, of: client)
            return .success(.void)
        }
    }

    private func destroyClient(_ client: ClientID, _ call: IncomingCall) -> Result<Response, Failure> {
        let owner = self.sessions.identity(of: client)?.principal
        let destroyed = self.sessions.destroyClient(
            client,
            principal: call.caller.isPrivileged ? owner ?? call.caller.principal : call.caller.principal,
            holdsLayouts: self.engine.layoutCount(of: client) > 0
        )
        switch destroyed {
        case .failure(let error):
            return .failure(Failure(error))
        case .success:
            self.clientIsLost(client)
            return .success(.void)
        }
    }

    // MARK: The engine's view of clients

    /// Tells the engine whether calls to a client can be sent, if that has changed.
    func backChannelMayHaveChanged(_ client: ClientID) {
        self.submit(.backChannelChanged(client, isUp: self.sessions.hasBackChannel(client)))
    }

    /// A client said goodbye or started again.
    func clientIsLost(_ client: ClientID) {
        self.logger.info("client is gone", metadata: ["client": "\(client.rawValue)"])
        for session in (self.clients[client]?.limits ?? [:]).keys {
            self.clientOfSession[session] = nil
            self.callbacks.forgetStranded(on: session)
        }
        self.clients[client]?.limits = [:]
        self.submit(.clientLost(client))
    }

    /// The engine knows nothing more of a client that was lost.
    func clientIsForgotten(_ client: ClientID) {
        self.sessions.forget(client)
        self.notices.forget(client)
        self.callbacks.forget(client)
        self.clients[client] = nil
        self.reclaiming.remove(client)
        self.missing.remove(client)
        self.writeLater([.clientGone(client)])
    }

    /// Another user's session or client (R4.3-2, R4.5-3).
    private static func ownersOnly(_ error: SessionError) -> Failure {
        error.status == .access ? Failure(.notPermitted, error.detail) : Failure(error)
    }
}

extension Failure {
    init(_ error: SessionError) { self.init(error.status, error.detail) }
}

extension CreateSessionResult {
    init(_ created: CreatedSession) {
        self.init(
            session: created.session,
            sequence: created.sequence,
            flags: created.usesBackChannel ? CreateSessionArguments.backChannelFlag : 0,
            fore: ChannelAttributes(created.fore),
            back: ChannelAttributes(created.back)
        )
    }
}

extension ChannelLimits {
    init(_ attributes: ChannelAttributes) {
        self.init(
            maxRequest: attributes.maxRequest,
            maxResponse: attributes.maxResponse,
            maxResponseCached: attributes.maxResponseCached,
            maxSlots: attributes.maxSlots
        )
    }
}

extension ChannelAttributes {
    init(_ limits: ChannelLimits) {
        self.init(
            maxRequest: limits.maxRequest,
            maxResponse: limits.maxResponse,
            maxResponseCached: limits.maxResponseCached,
            maxSlots: limits.maxSlots
        )
    }
}
