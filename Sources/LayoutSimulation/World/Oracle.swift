import LayoutCore
import LayoutHolder
import LeaseEngine
import Recovery

/// What must be, by the disk and by what everybody was told; never by the server's own books.
final class Oracle {
    private struct Operation {
        var who: String
        /// The process that wants it; `nil` for a local program.
        var client: Client?
        /// Ran, and was not undone by a power cut.
        var hasRun = false
        /// Nobody will hear of it: it may run once, or not at all.
        var isAbandoned = false
    }

    private unowned let world: World
    /// Changes that are wanted and whose end nobody has been told.
    private var operations: [OperationID: Operation] = [:]
    /// Places that a truncate cut off: a window that followed them may show what is there instead.
    private var cutPlaces: Set<UInt64> = []
    /// Each file as the changes that ran made it, in their order.
    private var model: [[SimulatedFile.Block]] = []
    /// What the store knew when each life began.
    private var recoveredHolders: [UInt32: [StoredHolder]] = [:]
    /// Clients that lost layouts and have not been told, with how many files.
    private var untold: Set<ClientID> = []

    init(_ world: World) { self.world = world }

    func begin() { self.model = self.world.host.files.map(\.blocks) }

    // MARK: Exactly once

    /// Somebody wants a change: the number under which it is known until its end has been told.
    func begin(_ who: String, by client: Client? = nil) -> OperationID {
        let id = OperationID(self.world.nextNumber())
        self.operations[id] = Operation(who: who, client: client)
        return id
    }

    /// A change runs, now.
    func ran(_ change: SimulatedFile.Change, on file: Int, cut: [UInt64]) {
        self.world.report.changes += 1
        self.cutPlaces.formUnion(cut)
        SimulatedFile.apply(change, to: &self.model[file])
        guard let operation = self.operations[change.operation] else {
            return self.world.violation(
                "\(change.kind) of \(change.argument) runs after its caller was told of its end"
            )
        }
        if operation.hasRun {
            self.world.violation("\(change.kind) of \(change.argument), wanted by \(operation.who), ran twice")
        }
        self.operations[change.operation]?.hasRun = true
    }

    func hasRun(_ change: SimulatedFile.Change) -> Bool { self.operations[change.operation]?.hasRun == true }

    /// A power cut undid a change, or left it half done.
    func undone(_ change: SimulatedFile.Change, on file: Int) {
        if self.operations[change.operation] == nil {
            self.world.violation("the power cut undid \(change.kind) of \(change.argument), which was acknowledged")
        }
        self.operations[change.operation]?.hasRun = false
        // What is there now is the truth; whether it makes sense is checked when it is served.
        self.model[file] = self.world.host.files[file].blocks
    }

    /// Whoever wanted a change was told what came of it.
    func ended(_ id: OperationID, wasDone: Bool) {
        guard let operation = self.operations.removeValue(forKey: id) else { return }
        if operation.hasRun == wasDone { return }
        let what = wasDone ? "was told that a change is done, which it is not" : "was told that nothing was done"
        self.world.violation("\(operation.who) \(what)")
    }

    /// Nobody will be told.
    func abandon(_ id: OperationID) { self.operations[id]?.isAbandoned = true }

    /// A process is gone, and nobody will be told what it wanted.
    func abandonAll(of client: Client) {
        for (id, operation) in self.operations where operation.client === client { self.abandon(id) }
    }

    // MARK: Restarts

    /// The server is about to serve: what is half done has to be known to it.
    func recovered(_ state: RecoveredState) {
        self.recoveredHolders[self.world.life] = state.holders
        let blocked = Set(state.blocked.map { Int($0.file.low.low) - 1 })
        for (number, file) in self.world.host.files.enumerated() {
            if file.halfDone != nil, !blocked.contains(number) {
                self.world.violation("file \(number) is served, with a shift half done")
            }
            if file.halfDone == nil, blocked.contains(number) {
                self.world.violation("file \(number) is blocked, and nothing is half done in it")
            }
            if file.blocks.map(\.place) != self.model[number].map(\.place) {
                self.world.violation("file \(number) is not what the changes that ran have made of it")
            }
        }
    }

    /// A reclaim was granted by a life that may be over: of what the client held when it began, and of nothing else.
    func reclaimed(_ record: ClientRecord?, _ file: Int, _ grant: GrantedReply) {
        guard let record else { return }
        let stored = self.recoveredHolders[record.life]?.first {
            $0.client == record.client && $0.file.low.low == UInt64(file) + 1
        }
        var next = grant.range.lowerBound
        for segment in stored?.segments ?? []
        where segment.range.contains(next) && (segment.ioMode == .readWrite || grant.ioMode == .read) {
            next = segment.range.upperBound
        }
        if next < grant.range.upperBound {
            self.world.violation(
                "\(record.client) was given \(grant.range) of file \(file) as its own, which it never held"
            )
        }
    }

    /// An operator takes a file as it is.
    func accepted(_ file: Int) { self.model[file] = self.world.host.files[file].blocks }

    // MARK: Invariant 1

    /// Nobody reaches bytes that a change moves: by the page tables.
    func checkNobodyReaches(_ range: ByteRange, of file: Int, _ what: String) {
        for client in self.world.clients where client.isAlive {
            for shown in client.accessibleRanges(of: file) where shown.overlaps(range) {
                self.blame(client, "can reach \(shown) while a change of \(range) is \(what)")
                return
            }
        }
    }

    /// An access: no change runs there, the server's next life would know of the holder, and content is what it was.
    func checkAccess(_ client: Client, _ mapping: Client.Mapping) {
        self.world.report.accesses += 1
        if let server = self.world.server {
            for id in server.changeOrder {
                guard let change = server.changes[id], change.isPermitted, change.file == mapping.file,
                    !change.didChange,
                    change.failure == nil
                else { continue }
                for segment in mapping.segments where segment.range.overlaps(change.affected) {
                    return self.blame(client, "reaches \(segment.range) while \(change.change.kind) runs")
                }
            }
        }
        for call in self.world.localCalls where call.file == mapping.file && call.state == .running {
            guard !call.hasTakenEffect else { continue }
            let affected = self.world.host.files[call.file].affected(by: call.change.kind, call.change.argument)
            for segment in mapping.segments where segment.range.overlaps(affected) {
                return self.blame(client, "reaches \(segment.range) while a local program's \(call.change.kind) runs")
            }
        }
        self.checkContent(client, mapping)
        if self.world.random.oneIn(4) { self.checkStored(client, mapping) }
    }

    /// Something that must not be: unless the fence only trusts in deadlines, and the client does not keep them.
    private func blame(_ client: Client, _ what: String) {
        if self.world.swarm.policy == .cooperative, client.hasOverslept {
            self.world.mark(.cooperativeTrustBroken)
        } else {
            self.world.violation("client \(client.place) \(what)")
        }
    }

    private func checkContent(_ client: Client, _ mapping: Client.Mapping) {
        guard mapping.followsContent else { return }
        let blocks = self.world.host.files[mapping.file].blocks
        for segment in mapping.segments {
            let first = Int(segment.range.lowerBound / SimulatedFile.blockSize)
            let window = Int(segment.windowOffset / SimulatedFile.blockSize)
            for index in 0..<Int(segment.range.wireLength / SimulatedFile.blockSize) {
                guard let expected = mapping.expected[window + index] else { continue }
                let seen = first + index < blocks.count ? blocks[first + index].place : nil
                if seen != expected, !self.cutPlaces.contains(expected) {
                    return self.blame(client, "sees block \(seen ?? 0) where \(expected) must be")
                }
            }
        }
    }

    /// A server that died this moment would know that the client can reach the bytes.
    private func checkStored(_ client: Client, _ mapping: Client.Mapping) {
        guard let holder = client.files[mapping.file].descriptor?.holder, !client.isForgotten else { return }
        let stored = self.world.host.store.written.holders.first { $0.number == holder }
        for segment in mapping.segments {
            var next = segment.range.lowerBound
            for kept in stored?.segments ?? [] where kept.range.contains(next) { next = kept.range.upperBound }
            if next < segment.range.upperBound {
                return self.blame(
                    client,
                    "uses \(segment.range) of file \(mapping.file), which the store does not know"
                )
            }
        }
    }

    // MARK: Messages

    func revoked(_ client: ClientID, _ file: Int) {
        if self.world.clients.contains(where: { $0.isAlive && $0.id == client }) { self.untold.insert(client) }
    }

    func fenced(_ holder: LeaseEngine.HolderID, _ client: ClientID, _ file: Int) {
        if UInt32(truncatingIfNeeded: holder.rawValue >> 32) != self.world.life { self.world.mark(.provenGoneAtStart) }
    }

    func learntOfRevocation(_ client: ClientID) { self.untold.remove(client) }

    // MARK: Rest

    /// All is quiet: what clients believe to hold the server has to know, and whoever lost something has been told.
    func checkRest() {
        guard let server = self.world.server else { return }
        for client in self.world.clients {
            if self.untold.contains(client.id) {
                self.world.violation("client \(client.place) was never told that layouts were taken from it")
            }
            for file in self.world.host.files.indices {
                let known = server.engine.heldLayouts(of: server.fileID(file)).filter { $0.client == client.id }
                for held in client.heldRanges(of: file) {
                    var next = held.range.lowerBound
                    for layout in known where layout.range.contains(next) { next = layout.range.upperBound }
                    if next < held.range.upperBound {
                        self.world.violation(
                            "client \(client.place) believes to hold \(held.range) of file \(file), the server does not"
                        )
                    }
                }
            }
        }
        for (number, file) in self.world.host.files.enumerated()
        where file.blocks.map(\.place) != self.model[number].map(\.place) {
            self.world.violation("file \(number) is not what the changes that ran have made of it")
        }
        let open = self.operations.filter { !$0.value.isAbandoned }.min { $0.key.rawValue < $1.key.rawValue }
        if let open { self.world.violation("\(open.value.who) was never told what came of a change") }
    }
}
