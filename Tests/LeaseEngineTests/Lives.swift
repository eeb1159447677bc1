import LayoutCore
import LeaseEngine

extension World {
    /// The next life of the server, of what a store would hold, with the shifts of `files` or of all.
    func restarted(
        graceTerm: Duration = .seconds(30),
        clients: [ClientID] = [alice, bob, carol],
        files: [FileID] = [file],
        _ change: (inout Engine.Configuration) -> Void = { _ in }
    ) -> World {
        var configuration = Engine.Configuration()
        change(&configuration)
        configuration.boot = self.life + 1
        let recovered = Engine.Recovered(
            clients: clients.map { client in
                let holders = self.kept.values.filter { $0.client == client }.sorted { $0.holder < $1.holder }
                return Engine.RecoveredClient(
                    id: client,
                    holders: holders.map {
                        Engine.RecoveredHolder(id: $0.holder, file: $0.file, seqid: $0.seqid, segments: $0.segments)
                    }
                )
            },
            files: files.compactMap { file in
                let epoch = self.engine.epoch(of: file)
                guard epoch != 0 else { return nil }
                let start = self.logStart[file] ?? epoch
                let shifts = self.engine.shifts(of: file, since: start) ?? []
                return Engine.RecoveredFile(file: file, epoch: epoch, logStart: start, shifts: shifts)
            },
            graceTerm: graceTerm
        )
        precondition(recovered.defect == nil, "\(recovered)")
        var world = World(Engine(configuration: configuration, recovered: recovered, at: self.now), at: self.now)
        world.life = configuration.boot
        world.kept = self.kept
        world.logStart = self.logStart
        world.engine.checkInvariants()
        world.send(.started)
        return world
    }

    /// Reclaims a range under the stateid that the client had, or has.
    @discardableResult
    mutating func reclaim(
        _ client: ClientID,
        _ range: ByteRange,
        _ ioMode: IOMode = .readWrite,
        file: FileID = file,
        stateID: StateID? = nil,
        knownEpoch: UInt64 = 0
    ) -> CallID {
        let stateID = stateID ?? self.stateID(of: client, file) ?? .none
        return self.get(
            client,
            range,
            ioMode,
            file: file,
            stateID: stateID,
            knownEpoch: knownEpoch,
            isReclaim: true
        )
    }

    /// Has a change take what a client holds, which gives it back when it is asked.
    mutating func changeAndReturn(_ client: ClientID, _ range: ByteRange) -> ChangeID {
        let change = self.change(.punchHole, range)
        self.giveBack(client)
        return change
    }
}
