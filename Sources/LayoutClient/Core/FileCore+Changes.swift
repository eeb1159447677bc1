import LayoutCore
import LayoutHolder
import LayoutXDR
import NIOCore

/// Mapping changes that this client asks for.
extension FileCore {
    /// Ends this client's own access to what a change affects, then says that it may be sent.
    ///
    /// ``changeEnded(_:_:)`` has to follow once it was permitted.
    /// - Parameters:
    ///   - operation: What is to be done.
    ///   - argument: The operation's own bytes.
    ///   - pins: Windows that the caller itself keeps from being taken away.
    ///   - patience: How long to wait for pins of others in this process.
    ///   - completion: Called once, possibly before this returns.
    func requestChange(
        _ operation: MappingOperation,
        _ argument: ByteRange,
        pins: Set<LayoutHolder.WindowID>,
        patience: Duration,
        _ completion: @escaping (Result<LayoutHolder.OwnChangeID, Failure>) -> Void
    ) {
        let id = LayoutHolder.OwnChangeID(self.nextID())
        let intent = LayoutHolder.ChangeIntent(id: id, operation: operation, argument: argument)
        guard !self.wouldWaitForItself(intent, pins) else {
            let detail = "the caller holds a pin on bytes that it affects: end the pin first"
            return completion(.failure(Failure(.deadlock, detail)))
        }
        let timer = self.client.link.after(patience) { [self] _ in
            let failure = Failure(.delay, "pins or other calls of this process are in the way")
            self.giveUpChange(id, failure)
        }
        self.changes[id] = OwnChange(intent: intent, timer: timer, completion: completion)
        self.handle(.changeWanted(intent))
    }

    /// The holder allows a change to be sent.
    func permitChange(_ id: LayoutHolder.OwnChangeID) {
        guard let change = self.changes.removeValue(forKey: id) else { return }
        change.timer.cancel()
        change.completion(.success(id))
    }

    private func giveUpChange(_ id: LayoutHolder.OwnChangeID, _ failure: Failure) {
        guard let change = self.changes.removeValue(forKey: id) else { return }
        change.timer.cancel()
        self.handle(.changeEnded(id, .failed))
        change.completion(.failure(failure))
    }

    /// Ends the changes that were not sent yet.
    func giveUpChanges(_ failure: Failure) {
        for id in self.changes.keys.sorted(by: { $0.rawValue < $1.rawValue }) { self.giveUpChange(id, failure) }
    }

    /// Whether a change would wait for pins that its caller holds.
    private func wouldWaitForItself(_ intent: LayoutHolder.ChangeIntent, _ pins: Set<LayoutHolder.WindowID>) -> Bool {
        guard !pins.isEmpty else { return false }
        // The holder is a value: ask a copy which windows it would take.
        var trial = self.holder
        return trial.handle(.changeWanted(intent)).contains { action in
            if case .revoke(let window, _) = action { pins.contains(window) } else { false }
        } || pins.contains { self.windows[$0]?.isDraining == true }
    }

    /// Tells the holder how a permitted change ended.
    func changeEnded(_ id: LayoutHolder.OwnChangeID, _ result: Result<Response, Failure>) {
        guard case .success(let response) = result else { return self.handle(.changeEnded(id, .failed)) }
        guard case .change(let change) = response else {
            // REMOVE, RENAME, or the source of a clone.
            return self.handle(.changeEnded(id, .done(epoch: 0, stateID: nil)))
        }
        if let stateID = change.stateID { self.note(stateID) }
        self.handle(.changeEnded(id, .done(epoch: change.epoch, stateID: change.stateID)))
        // What this side has let go of and the server has not taken is given back, so that both agree.
        if change.stateID != nil, self.holder.heldRanges.isEmpty, self.getsInFlight == 0 { self.startReset() }
    }
}

extension FileCore {
    /// Bytes were written behind what was the end of the file: windows that are granted from now on show them.
    func fileGrew() {
        let id = LayoutHolder.OwnChangeID(self.nextID())
        guard let range = ByteRange(offset: self.grantedSize, length: 1) else { return }
        // A write moves nothing and takes nothing, so it is permitted at once.
        self.handle(.changeWanted(LayoutHolder.ChangeIntent(id: id, operation: .write, argument: range)))
        self.handle(.changeEnded(id, .done(epoch: 0, stateID: nil)))
    }
}
