package import LayoutCore

/// What an operator may see. Each list is in a fixed order and is made anew at each call: not for the path of a call.
extension LeaseEngine {
    /// A held range.
    package struct HeldLayout: Hashable, Sendable {
        package var client: ClientID
        package var file: FileID
        package var range: ByteRange
        package var ioMode: IOMode
        package var stateID: StateID
        package var grantedAt: Instant
        package var isRecalled: Bool
    }

    /// A change or LAYOUTGET that waits or is at work.
    package struct Waiting: Hashable, Sendable {
        package var id: UInt64
        package var file: FileID
        /// `.none` for a LAYOUTGET.
        package var operation: MappingOperation
        package var range: ByteRange
        package var requester: Requester
        package var requestedAt: Instant?
        package var isRunning: Bool
        /// The clients whose layouts it waits for.
        package var waitsFor: [ClientID]
    }

    /// A recall in flight.
    package struct PendingRecall: Hashable, Sendable {
        package var recall: Recall
        package var createdAt: Instant
        package var deadline: Instant
        package var isAnswered: Bool
        package var fenceAttempts: Int
    }

    /// Totals of the moment.
    package struct Totals: Hashable, Sendable {
        package var clients: Int
        package var layouts: Int
        package var changes: Int
        package var waitingGets: Int
        package var recalls: Int
    }

    package var totals: Totals {
        Totals(
            clients: self.clients.count,
            layouts: self.layoutCount,
            changes: self.changes.count,
            waitingGets: self.waitingGets,
            recalls: self.recalls.count
        )
    }

    /// The layouts of one file, or of all, in order of file, position and holder.
    package func heldLayouts(of file: FileID? = nil) -> [HeldLayout] {
        var found: [HeldLayout] = []
        for id in file.map({ [$0] }) ?? self.files.keys.sorted() {
            for element in self.files[id]?.index.elements ?? [] {
                let holder = HolderID(element.key)
                guard let state = self.holders[holder] else { continue }
                let isRecalled = state.recalls.contains {
                    self.recalls[$0]?.recall.range.overlaps(element.range) == true
                }
                found.append(
                    HeldLayout(
                        client: state.client,
                        file: id,
                        range: element.range,
                        ioMode: element.value.ioMode,
                        stateID: StateID(seqid: state.seqid, other: self.other(of: holder)),
                        grantedAt: element.value.grantedAt,
                        isRecalled: isRecalled
                    )
                )
            }
        }
        return found
    }

    /// The clients that have yet to say which layouts of earlier lives they go on using, in order.
    package func reclaimingClientIDs() -> [ClientID] {
        self.clients.keys.sorted().filter { self.clients[$0]?.isReclaiming == true }
    }

    /// Whether a client has yet to say which layouts of earlier lives it goes on using.
    package func isReclaiming(_ client: ClientID) -> Bool { self.clients[client]?.isReclaiming == true }

    /// Those of ``reclaimingClientIDs()`` without a session in this life, in order.
    package func missingClientIDs() -> [ClientID] {
        self.reclaimingClientIDs().filter { self.clients[$0]?.isBack == false }
    }

    /// The files with layouts, in order.
    package var filesWithLayouts: [FileID] {
        self.files.keys.sorted().filter { self.files[$0]?.index.isEmpty == false }
    }

    /// Whether anybody holds a layout of the file, or something waits on it: its ID must stay.
    package func isInUse(_ file: FileID) -> Bool { self.files[file]?.isIdle == false }

    /// Everything in the queues, in order of file and arrival.
    package func waiting() -> [Waiting] {
        var found: [Waiting] = []
        for file in self.files.keys.sorted() {
            for entry in self.files[file]?.queue ?? [] {
                switch entry.kind {
                case .get(let call, let client, _, let phase):
                    found.append(
                        Waiting(
                            id: call.rawValue,
                            file: file,
                            operation: .none,
                            range: entry.range,
                            requester: .client(client),
                            requestedAt: nil,
                            isRunning: phase == .resolving,
                            waitsFor: []
                        )
                    )
                case .change(let id, let part):
                    guard let change = self.changes[id] else { continue }
                    found.append(
                        Waiting(
                            id: id.rawValue,
                            file: file,
                            operation: change.request.parts[part].operation,
                            range: entry.range,
                            requester: change.request.requester,
                            requestedAt: change.requestedAt,
                            isRunning: change.isRunning,
                            waitsFor: self.waitsFor(id)
                        )
                    )
                }
            }
        }
        return found
    }

    /// The clients whose layouts a change waits for, in order of the recalls.
    func waitsFor(_ id: ChangeID) -> [ClientID] {
        var found: [ClientID] = []
        for recall in self.recalls.keys.sorted() {
            guard let state = self.recalls[recall], state.waiters.contains(id) else { continue }
            if !found.contains(state.recall.client) { found.append(state.recall.client) }
        }
        return found
    }

    /// The recalls in flight, in order of age.
    package func pendingRecalls() -> [PendingRecall] {
        self.recalls.keys.sorted().compactMap { id in
            guard let state = self.recalls[id] else { return nil }
            return PendingRecall(
                recall: state.recall,
                createdAt: state.createdAt,
                deadline: state.deadline,
                isAnswered: state.phase == .answered,
                fenceAttempts: self.holders[state.recall.holder]?.fence?.attempt ?? 0
            )
        }
    }
}
