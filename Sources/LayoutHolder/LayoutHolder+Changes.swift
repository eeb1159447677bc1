import LayoutCore

extension LayoutHolder {
    mutating func changeWanted(_ intent: ChangeIntent, _ actions: inout [Action]) {
        let affected = self.affected(by: intent)
        var change = OwnChange(intent: intent, affected: affected)
        if let affected { change.draining = self.closeWindows(over: affected, &actions) }
        self.changes.append(change)
    }

    /// The bytes whose layouts the server takes back with the call, or more; `nil` if it takes none.
    private func affected(by intent: ChangeIntent) -> ByteRange? {
        let start = intent.argument.lowerBound
        switch intent.operation {
        case .none, .allocate, .shutdown, .revoke:
            return nil
        case .write:
            // This library never asks for BREAK_WRITE; a write that extends the file moves no block.
            return nil
        case .punchHole, .zeroRange, .cloneTo, .cloneFrom:
            return intent.argument.roundedOut(to: self.blockSize)
        case .collapseRange, .insertRange:
            return ByteRange(from: start).roundedOut(to: self.blockSize)
        case .truncate:
            // From the block of the smaller size on. The old size is not known here, but it is not below the block in
            // which the last held byte is, once no LAYOUTGET is under way.
            let lastHeld = self.held.end.map { $0 - 1 } ?? start
            return ByteRange(from: min(start, lastHeld)).roundedOut(to: self.blockSize)
        case .remove, .attribute, .unknown:
            return .all
        }
    }

    /// Sends the changes that no window, LAYOUTGET or earlier own change stands in the way of.
    mutating func sendChangesThatCan(_ actions: inout [Action]) {
        guard self.reclaims == nil else { return }
        for index in self.changes.indices {
            let change = self.changes[index]
            guard change.phase == .waiting, change.draining.isEmpty else { continue }
            if let closed = change.closedToGets {
                if self.gets.contains(where: { $0.range.overlaps(closed) }) { continue }
                if !self.closeWhatWasGrantedMeanwhile(index, &actions) { continue }
            }
            if let affected = self.changes[index].affected {
                let isBehind = self.changes[..<index].contains { $0.affected?.overlaps(affected) == true }
                if isBehind { continue }
                // It goes back with the call. What the server does not take after all it hands out again.
                let ioMode: IOModeSelector = change.intent.operation == .cloneFrom ? .readWrite : .any
                self.letGo(affected, ioMode, &actions)
            }
            self.changes[index].phase = .sent
            actions.append(.permitChange(change.intent.id))
        }
    }

    /// Grants that were under way when a truncate was wanted may reach beyond what was held then.
    ///
    /// Returns whether no window is in the way any more.
    private mutating func closeWhatWasGrantedMeanwhile(_ index: Int, _ actions: inout [Action]) -> Bool {
        let affected = self.affected(by: self.changes[index].intent)
        guard let affected, affected != self.changes[index].affected else { return true }
        self.changes[index].affected = affected
        self.changes[index].draining = self.closeWindows(over: affected, &actions)
        return self.changes[index].draining.isEmpty
    }

    mutating func changeEnded(_ id: OwnChangeID, _ outcome: ChangeOutcome, _ actions: inout [Action]) {
        guard let index = self.changes.firstIndex(where: { $0.intent.id == id }) else { return }
        let change = self.changes.remove(at: index)
        switch outcome {
        case .done(_, let stateID):
            if let stateID, stateID.other == self.stateID.other { self.learn(stateID) }
            self.forgetSize()
            self.reviveWindows(after: change.intent.operation, &actions)
        case .failed:
            break
        }
    }

    /// The file may have grown: windows that were past its end may show something now.
    private mutating func reviveWindows(after operation: MappingOperation, _ actions: inout [Action]) {
        switch operation {
        case .truncate, .write, .allocate, .insertRange:
            for id in self.windows.keys.sorted() where self.windows[id]?.failure == .noSuchAddress {
                guard case .offset = self.windows[id]?.window.place else { continue }
                self.windows[id]?.phase = .draining
                self.windows[id]?.failure = nil
                actions.append(.revoke(id, isForced: false))
            }
        case .none, .punchHole, .zeroRange, .collapseRange, .cloneTo, .cloneFrom, .remove, .attribute, .shutdown,
            .revoke, .unknown:
            break
        }
    }
}
