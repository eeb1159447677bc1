import LayoutCore

extension LeaseEngine {
    /// Stops the program if the state breaks an invariant of `Protocol/Specification.md` §6.
    ///
    /// For tests: linear in everything.
    package func checkInvariants() {
        var layouts = 0
        for (file, state) in self.files {
            self.checkQueue(of: file, state)
            for element in state.index.elements {
                layouts += 1
                let holder = self.holders[HolderID(element.key)]
                precondition(holder?.file == file, "\(element) of \(file) has no holder")
                let isOwn = holder?.segments.contains(in: element.range) {
                    $0.range == element.range && $0.value == element.value
                }
                precondition(isOwn == true, "\(element) of \(file) is not among its holder's segments")
            }
        }
        precondition(layouts == self.layoutCount, "\(layouts) layouts counted, \(self.layoutCount) remembered")
        var segments = 0
        for (id, holder) in self.holders {
            precondition(!holder.segments.isEmpty, "\(id) holds nothing")
            precondition(self.clients[holder.client]?.holders[holder.file] == id, "\(id) is not its client's")
            segments += holder.segments.count
            var end: UInt64 = 0
            for element in holder.segments.elements {
                precondition(element.range.lowerBound >= end, "\(id) has overlapping segments")
                end = element.range.upperBound
            }
        }
        precondition(segments == layouts, "\(segments) segments of holders, \(layouts) in files")
        for (id, client) in self.clients {
            let overdue = client.recalls.filter { self.recalls[$0]?.isOverdue == true }.count
            precondition(client.overdueRecalls == overdue, "\(id) has \(overdue) overdue recalls")
        }
        self.checkReclaims()
        for (id, recall) in self.recalls {
            precondition(self.holders[recall.recall.holder]?.recalls.contains(id) == true, "\(id) has no holder")
        }
    }

    /// What is of an earlier life belongs to a client that may reclaim it or is lost, and in grace nothing changes.
    private func checkReclaims() {
        let reclaiming = self.clients.values.count { $0.isReclaiming }
        precondition(reclaiming == self.reclaimingClients, "\(reclaiming) clients reclaim")
        precondition(self.graceEnd == nil || reclaiming > 0, "grace goes on, and nobody can reclaim")
        precondition(self.reducedHolders.isEmpty, "a reduced holder was not kept for the next life")
        for (id, client) in self.clients where client.isReclaiming {
            precondition(!client.isLost && !client.holders.isEmpty, "\(id) has nothing to reclaim")
        }
        for (id, holder) in self.holders {
            let hasUnreclaimed = holder.segments.elements.contains { $0.value.unreclaimed != .nothing }
            guard hasUnreclaimed, let client = self.clients[holder.client] else { continue }
            precondition(client.isReclaiming || client.isLost, "\(id) has unreclaimed segments")
        }
        guard self.isInGrace else { return }
        for (id, change) in self.changes where change.request.changesMapping && !change.isOfEarlierLife {
            let hasBegun = change.phases.contains { $0 != .queued }
            precondition(change.request.waitsForGrace && !hasBegun, "\(id) is under way in grace")
        }
    }

    /// Invariant 1: nobody whom a running change breaks holds a layout there.
    ///
    /// Invariant 2: nobody is being given one.
    private func checkQueue(of file: FileID, _ state: File) {
        for (place, entry) in state.queue.enumerated() {
            switch entry.kind {
            case .get(_, _, let request, .resolving):
                precondition(
                    request.isReclaim || !self.isBlocked(request, before: place),
                    "extents of \(entry.range) are read while an earlier change is not finished"
                )
            case .get:
                break
            case .change(let id, let index):
                guard let change = self.changes[id] else { preconditionFailure("\(id) is queued and not known") }
                guard change.isRunning else { continue }
                let part = change.request.parts[index]
                precondition(
                    change.isOfEarlierLife || self.holdersInTheWay(of: part, change.request.requester).isEmpty,
                    "\(id) runs while layouts of \(part.affected) are held"
                )
                for other in state.queue where other.range.overlaps(part.affected) {
                    // A reclaim is refused when its extents are there and the range is held no more.
                    guard case .get(_, _, let request, .resolving) = other.kind, !request.isReclaim else { continue }
                    preconditionFailure("\(id) runs while extents of \(other.range) are read")
                }
            }
        }
    }
}
