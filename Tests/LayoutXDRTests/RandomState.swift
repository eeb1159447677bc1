import LayoutCore
import LayoutXDR

extension SeededGenerator {
    mutating func records() -> StateRecords {
        let limit = ProtocolLimits.records
        return switch Int.random(in: 0..<6, using: &self) {
        case 0: .server(self.serverState())
        case 1: .clients(self.array(upTo: limit) { $0.clientState() })
        case 2: .layouts(self.array(upTo: limit) { $0.heldLayoutState() })
        case 3: .waiting(self.array(upTo: limit) { $0.waitingState() })
        case 4: .recalls(self.array(upTo: limit) { $0.recallState() })
        default: .blocked(self.array(upTo: limit) { $0.blockedState() })
        }
    }

    private mutating func serverState() -> ServerState {
        var state = ServerState()
        state.uptimeMilliseconds = self.number()
        state.clients = self.number()
        state.sessions = self.number()
        state.layouts = self.number()
        state.recallsSent = self.number()
        state.recallsReturned = self.number()
        state.recallsRevoked = self.number()
        state.changesDone = self.number()
        state.changesFailed = self.number()
        state.changesDelayed = self.number()
        state.changesWaiting = self.number()
        state.grants = self.number()
        state.grantsWaiting = self.number()
        state.deviceReads = self.number()
        state.deviceWrites = self.number()
        state.life = self.number()
        state.graceLeftMilliseconds = self.number()
        state.clientsMissing = self.number()
        state.blockedFiles = self.number()
        return state
    }

    private mutating func clientState() -> ClientState {
        ClientState(
            client: self.client(),
            owner: self.bytes(upTo: ProtocolLimits.owner),
            address: self.text(upTo: ProtocolLimits.name),
            uid: self.number(),
            pid: self.number(),
            sessions: self.number(),
            layouts: self.number(),
            leaseLeftMilliseconds: self.signed(),
            hasBackChannel: self.bool(),
            isOverdue: self.bool(),
            isReclaiming: self.bool()
        )
    }

    private mutating func heldLayoutState() -> HeldLayoutState {
        HeldLayoutState(
            client: self.client(),
            handle: self.handle(),
            path: self.path(),
            ioMode: self.ioMode(),
            range: self.range(),
            stateID: self.stateID(),
            ageMilliseconds: self.number(),
            isRecalled: self.bool()
        )
    }

    private mutating func waitingState() -> WaitingState {
        WaitingState(
            id: self.number(),
            handle: self.handle(),
            path: self.path(),
            operation: self.operation(),
            range: self.range(),
            client: self.client(),
            pid: self.number(),
            command: self.text(upTo: ProtocolLimits.name),
            call: self.text(upTo: ProtocolLimits.name),
            ageMilliseconds: self.number(),
            isRunning: self.bool(),
            waitsFor: self.array(upTo: ProtocolLimits.waitsFor) { $0.client() }
        )
    }

    private mutating func blockedState() -> BlockedState {
        BlockedState(handle: self.handle(), path: self.path(), reason: self.text(upTo: ProtocolLimits.detail))
    }

    private mutating func recallState() -> RecallState {
        RecallState(
            id: RecallID(self.number()),
            client: self.client(),
            handle: self.handle(),
            path: self.path(),
            operation: self.operation(),
            range: self.range(),
            ageMilliseconds: self.number(),
            leftMilliseconds: self.signed(),
            isAnswered: self.bool(),
            fenceAttempts: self.number()
        )
    }
}
