import LayoutCore
import LayoutHolder
import LayoutXDR
import LinuxFiles

/// LAYOUTRETURN: one range, or all that the server may believe to be held.
extension FileCore {
    func sendReturn(_ id: LayoutHolder.ReturnID, _ range: ByteRange, _ ioMode: IOModeSelector, _ stateID: StateID) {
        self.returnsInFlight += 1
        self.client.counters.count(\.returns)
        self.submitReturn(range, ioMode, stateID) { [self] result in
            self.returnsInFlight -= 1
            switch result {
            case .success(.layoutReturn(let left)):
                if let stateID = left.stateID { self.note(stateID) }
                self.handle(.returnEnded(id, left.stateID))
            case .failure(let failure) where failure.status == .badStateID || failure.status == .expired:
                // Nothing was held under it any more.
                self.handle(.returnEnded(id, nil))
            case .failure(let failure) where failure.status == .deadSession:
                // What is not reclaimed the server takes as returned.
                self.handle(.returnEnded(id, nil))
            case .success, .failure:
                self.handle(.returnEnded(id, nil))
                self.startReset()
            }
        }
    }

    private func submitReturn(
        _ range: ByteRange,
        _ ioMode: IOModeSelector,
        _ stateID: StateID,
        _ completion: @escaping (Result<Response, Failure>) -> Void
    ) {
        let arguments = LayoutReturnArguments(
            type: .file,
            handle: self.handle,
            stateID: stateID,
            ioMode: ioMode,
            offset: range.lowerBound,
            length: range.wireLength,
            isDowngrade: false,
            ioError: 0
        )
        let timeout = self.client.configuration.answerTimeout * 4
        self.client.link.submit(
            .layoutReturn(arguments),
            loss: .sessionBound,
            kind: .urgent,
            timeout: timeout,
            completion: completion
        )
    }

    // MARK: Starting over

    /// Ends all access to the file, gives back whatever the server believes to be held, and lets windows ask again.
    ///
    /// The way out when the two sides may not agree: a call without an answer, a descriptor that is missing.
    func startReset() {
        guard self.client.standing.holds, self.reset.begin() else { return }
        self.handle(.leaseLost)
        self.grants = []
        self.continueReset()
    }

    func continueReset() {
        // A LAYOUTGET under way could be granted after the return.
        guard self.reset.isWaiting, self.getsInFlight == 0, self.client.standing.allowsReturns else { return }
        guard self.latestStateID != .none else { return self.endReset() }
        let number = self.reset.send()
        self.submitReturn(.all, .any, self.latestStateID) { [self] result in
            guard self.reset.awaits(number) else { return }
            if case .failure(let failure) = result, failure.status == .badSession {
                // Whether it was executed is not known: once more, in the next session.
                self.reset.sendAgain()
                return self.continueReset()
            }
            self.endReset()
        }
    }

    /// Everything has been given back.
    func endReset() {
        self.reset.end()
        self.latestStateID = .none
        if self.client.hasLease { self.handle(.leaseRegained) }
    }

    /// The client's lease is in force again.
    func leaseRegained() {
        if self.isResolved, !self.reset.isUnderWay { self.handle(.leaseRegained) }
        self.continueReset()
    }

    /// The client's lease is over: with it everything that was held of this file.
    func leaseLost() {
        self.handle(.leaseLost)
        self.grants = []
        self.reset.end()
        self.latestStateID = .none
    }
}
