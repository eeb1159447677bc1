import LayoutCore

extension LeaseEngine {
    mutating func layoutReturn(
        _ call: CallID,
        _ client: ClientID,
        _ request: ReturnRequest,
        at now: Instant,
        _ actions: inout [Action]
    ) {
        guard let state = self.clients[client] else {
            actions.append(.refuse(call, Refusal(.staleClientID, "the client is not known: create a session first")))
            return
        }
        switch request {
        case .all:
            for file in state.holders.keys.sorted() {
                guard let holder = state.holders[file] else { continue }
                self.giveBack(.all, .any, isDowngrade: false, of: holder, at: now, &actions)
            }
            actions.append(.returned(call, nil))
            // After the answer: what it allows may be grants to the same client.
            for file in state.holders.keys.sorted() { self.advance(file, at: now, &actions) }

        case .file(let file, let stateID, let ioMode, let range, let isDowngrade):
            guard let holder = state.holders[file] else {
                let isForgetful = stateID == .none
                actions.append(
                    isForgetful
                        ? .returned(call, nil)
                        : .refuse(call, Refusal(.badStateID, "the client holds no layout of this file"))
                )
                return
            }
            if stateID != .none, let refusal = self.refusal(of: stateID, for: holder) {
                actions.append(.refuse(call, refusal))
                return
            }
            self.adoptSeqid(of: stateID, for: holder)
            let remaining = self.giveBack(range, ioMode, isDowngrade: isDowngrade, of: holder, at: now, &actions)
            actions.append(.returned(call, remaining))
            self.advance(file, at: now, &actions)
        }
    }

    /// Takes layouts from a holder that gives them up itself, and ends the recalls that this answers.
    ///
    /// Returns the stateid of what is left, or `nil` if the holder is gone with its last segment.
    @discardableResult
    mutating func giveBack(
        _ range: ByteRange,
        _ ioMode: IOModeSelector,
        isDowngrade: Bool,
        of holder: HolderID,
        at now: Instant,
        _ actions: inout [Action]
    ) -> StateID? {
        self.remove(range, ioMode, isDowngrade: isDowngrade, of: holder)
        let stateID = self.nextStateID(of: holder)
        self.endSatisfiedRecalls(of: holder, .returned, at: now, &actions)
        return self.releaseIfEmpty(holder, &actions) ? nil : stateID
    }

    /// Forgets a holder without segments.
    ///
    /// Returns whether it did.
    mutating func releaseIfEmpty(_ holder: HolderID, _ actions: inout [Action]) -> Bool {
        guard let state = self.holders[holder], state.segments.isEmpty else { return false }
        precondition(state.recalls.isEmpty, "\(holder) holds nothing and is still recalled")
        actions.append(.released(holder, state.client, state.file))
        self.forget(holder, &actions)
        self.settle(state.file)
        return true
    }

    /// Takes a holder without segments out of the tables.
    mutating func forget(_ holder: HolderID, _ actions: inout [Action]) {
        guard let state = self.holders.removeValue(forKey: holder) else { return }
        self.clients[state.client]?.holders[state.file] = nil
        if self.clients[state.client]?.holders.isEmpty == true { self.endReclaim(of: state.client) }
        self.forgetIfEmpty(state.client, &actions)
    }
}
