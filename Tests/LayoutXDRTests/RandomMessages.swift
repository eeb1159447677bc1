import LayoutCore
import LayoutXDR

// Every message that can be sent, at random. Nothing here is cut or repaired on its way.

extension SeededGenerator {
    mutating func message(_ kind: Message.Kind) -> Message {
        switch kind {
        case .call(let procedure):
            .call(
                LayoutCall(
                    sequence: procedure.carriesSequence ? self.sequenceArguments() : nil,
                    request: self.request(procedure)
                )
            )
        case .reply(let procedure): .reply(procedure, self.reply(procedure))
        case .callback(let procedure): .callback(self.callback(procedure))
        case .callbackReply(let procedure): .callbackReply(procedure, LayoutStatus(rawValue: self.number()))
        }
    }

    mutating func request(_ procedure: Procedure) -> Request {
        if let operation = procedure.changeOperation { return .change(self.changeArguments(operation)) }
        switch procedure {
        case .null: return .null
        case .exchangeID: return .exchangeID(self.exchangeIDArguments())
        case .createSession: return .createSession(self.createSessionArguments())
        case .bindConnectionToSession: return .bindConnectionToSession(self.bindConnection())
        case .sequence: return .sequence
        case .reclaimComplete: return .reclaimComplete
        case .destroySession: return .destroySession(self.session())
        case .destroyClientID: return .destroyClientID(self.client())
        case .lookup: return .lookup(PathArguments(directory: self.handle(), path: self.path()))
        case .open: return .open(self.openArguments())
        case .close: return .close(self.handle())
        case .getAttributes: return .getAttributes(self.handle())
        case .setAttributes: return .setAttributes(self.setAttributesArguments())
        case .readDirectory: return .readDirectory(self.readDirectoryArguments())
        case .createDirectory:
            return .createDirectory(PathArguments(directory: self.handle(), path: self.path(), mode: self.number()))
        case .remove:
            return .remove(
                PathArguments(directory: self.handle(), path: self.path(), waitMilliseconds: self.number())
            )
        case .rename: return .rename(self.renameArguments())
        case .layoutGet: return .layoutGet(self.layoutGetArguments())
        case .layoutCommit: return .layoutCommit(self.layoutCommitArguments())
        case .layoutReturn: return .layoutReturn(self.layoutReturnArguments())
        case .getDeviceInfo: return .getDeviceInfo(DeviceID(self.opaque()))
        case .cloneRange: return .cloneRange(self.cloneArguments())
        case .read:
            return .read(ReadArguments(handle: self.handle(), offset: self.number(), count: self.number()))
        case .write: return .write(self.writeArguments())
        case .commit:
            return .commit(CommitArguments(handle: self.handle(), offset: self.number(), length: self.number()))
        case .state:
            return .state(
                StateArguments(
                    kind: self.element([.server, .clients, .layouts, .waiting, .recalls, .blocked]),
                    cookie: self.number(),
                    maxRecords: self.number()
                )
            )
        case .revoke: return .revoke(RevokeArguments(client: self.client(), handle: self.handle()))
        case .unblock: return .unblock(self.handle())
        case .allocate, .punchHole, .zeroRange, .collapseRange, .insertRange, .truncate:
            preconditionFailure("\(procedure) has an operation")
        }
    }

    mutating func reply(_ procedure: Procedure) -> LayoutReply {
        guard procedure != .null else { return LayoutReply(sequence: nil, result: .success(.void)) }
        let result: Result<Response, Failure> =
            Int.random(in: 0..<4, using: &self) == 0
            ? .failure(Failure(self.failureStatus(), self.text(upTo: ProtocolLimits.detail)))
            : .success(self.response(procedure))
        guard procedure.carriesSequence else { return LayoutReply(sequence: nil, result: result) }
        var sequence = self.sequenceResult()
        sequence.status = .ok
        if case .failure(let failure) = result, self.bool() { sequence.status = failure.status }
        return LayoutReply(sequence: sequence, result: result)
    }

    mutating func response(_ procedure: Procedure) -> Response {
        switch procedure {
        case .null, .sequence, .reclaimComplete, .destroySession, .destroyClientID, .close, .remove, .rename, .commit,
            .revoke, .unblock:
            .void
        case .exchangeID: .exchangeID(self.exchangeIDResult())
        case .createSession: .createSession(self.createSessionResult())
        case .bindConnectionToSession: .bindConnectionToSession(self.bindConnection())
        case .lookup, .open, .getAttributes, .setAttributes, .createDirectory:
            .object(ObjectResult(handle: self.handle(), attributes: self.attributes()))
        case .readDirectory: .readDirectory(self.readDirectoryResult())
        case .layoutGet: .layoutGet(self.grant())
        case .layoutCommit: .layoutCommit(size: self.number())
        case .layoutReturn:
            .layoutReturn(
                LayoutReturnResult(
                    stateID: self.bool() ? self.stateID() : nil,
                    token: DescriptorToken(self.opaque())
                )
            )
        case .getDeviceInfo: .getDeviceInfo(self.deviceInfo())
        case .allocate, .punchHole, .zeroRange, .collapseRange, .insertRange, .truncate, .cloneRange:
            .change(
                ChangeResult(
                    size: self.number(),
                    change: self.number(),
                    epoch: self.number(),
                    stateID: self.bool() ? self.stateID() : nil,
                    recalled: self.number()
                )
            )
        case .read: .read(ReadResult(isAtEnd: self.bool(), data: self.data()))
        case .write:
            .write(WriteResult(count: self.number(), size: self.number(), verifier: self.number()))
        case .state: .state(StateResult(records: self.records(), nextCookie: self.number()))
        }
    }

    mutating func callback(_ procedure: CallbackProcedure) -> CallbackRequest {
        let sequence = CallbackSequence(
            session: self.session(),
            sequence: self.number(),
            slot: self.number(),
            highestSlot: self.number()
        )
        switch procedure {
        case .null: return .null
        case .layoutRecall: return .layoutRecall(sequence, self.recall())
        case .recallAny: return .recallAny(sequence, keep: self.number())
        case .notifyDeviceID: return .notifyDeviceID(sequence)
        }
    }
}
