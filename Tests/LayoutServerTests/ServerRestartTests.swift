import LayoutCore
import LayoutServer
import LayoutXDR
import LinuxFiles
import Recovery
import TestSupport
import Testing

/// What holders of layouts and others meet after a server has ended like `kill -9` and was started again.
@Suite struct ServerRestartTests {
    private static func shortTimes(_ configuration: inout ServerConfiguration) {
        configuration.lease = .milliseconds(600)
        configuration.enforcedLeaseMargin = .milliseconds(200)
        configuration.recallTimeout = .milliseconds(300)
    }

    @Test("D1: a holder reclaims what it held, under its descriptor")
    func reclaim() async throws {
        try await RestartWorld.run(on: .plain) { world, _ in
            let holding = try await Holding.make("holder", of: "data", at: world)
            let stateID = holding.layout.stateID
            try await world.restart()
            let client = try await WireClient.connect(world.address, .init("holder"))
            #expect(client.id == holding.client.id)
            #expect(try await client.statusFlags().contains(.restartReclaim))
            let reclaimed = try await client.reclaim(holding.file, holding.layout)
            #expect(reclaimed.stateID.other == stateID.other)
            #expect(StateID.distance(from: stateID.seqid, to: reclaimed.stateID.seqid) > 0)
            #expect(reclaimed.range == holding.layout.range)
            #expect(reclaimed.token == .none)
            #expect(reclaimed.epoch == holding.layout.epoch)
            try await client.call(.reclaimComplete)
            #expect(try await client.statusFlags() == [])
            // It holds again as if nothing had been.
            _ = try await client.layoutReturn(holding.file, reclaimed.stateID)
            #expect(try await client.serverState().layouts == 0)
        }
    }

    @Test("D1: two restarts in a row, the second in grace")
    func twice() async throws {
        try await RestartWorld.run(on: .plain) { world, _ in
            let one = try await Holding.make("one", of: "data", at: world)
            let two = try await Holding.make("two", of: "other", at: world)
            try await world.restart()
            let first = try await WireClient.connect(world.address, .init("one"))
            _ = try await first.reclaim(one.file, one.layout)
            try await first.call(.reclaimComplete)
            try await world.restart()
            // Who had reclaimed has to do it again, and who had not can still do it.
            let (again, late) = (
                try await WireClient.connect(world.address, .init("one")),
                try await WireClient.connect(world.address, .init("two"))
            )
            _ = try await again.reclaim(one.file, one.layout)
            #expect(try await again.serverState().graceLeftMilliseconds > 0)
            _ = try await late.reclaim(two.file, two.layout)
            try await again.call(.reclaimComplete)
            try await late.call(.reclaimComplete)
            #expect(try await late.serverState().graceLeftMilliseconds == 0)
            #expect(try await late.serverState().layouts == 2)
        }
    }

    @Test("D3, D5: in grace nothing new is granted and nothing changes, and GRACE uses up its sequence")
    func grace() async throws {
        try await RestartWorld.run(on: .plain) { world, _ in
            let holding = try await Holding.make("holder", of: "data", at: world)
            let file = holding.file
            try await world.restart()
            let other = try await WireClient.connect(world.address, .init("other"))
            try await other.expect(.grace) { _ = try await $0.layoutGet(file) }
            try await other.expect(.grace) { _ = try await $0.change(.truncate, file, offset: 0, length: 0) }
            try await other.expect(.grace) { _ = try await $0.write([1], at: 0, to: file) }
            try await other.expect(.grace) { try await $0.remove("data") }
            // A retry gets the same answer, the next call another.
            let sequence = SequenceArguments(
                session: other.session,
                sequence: 1,
                slot: 9,
                highestSlot: 9,
                cacheThis: true
            )
            let request = Request.layoutGet(.everything(of: file))
            let refused = try await other.reply(to: request, under: sequence)
            #expect(refused.sequence?.status == .ok)
            #expect(refused.status == .grace)
            #expect(try await other.reply(to: request, under: sequence) == refused)
            // What has nothing to do with mappings goes on.
            #expect(try await other.read(4, at: 0, of: file).data == [1, 1, 1, 1])
            _ = try await other.open("new")
            let holder = try await WireClient.connect(world.address, .init("holder"))
            try await holder.expect(.grace) { _ = try await $0.layoutGet(file) }
            _ = try await holder.reclaim(file, holding.layout, .read)
            try await holder.call(.reclaimComplete)
            // The client that was waited for is back: grace is over, and what was not reclaimed is returned.
            #expect(try await other.layoutGet(file, .read).range == holding.layout.range)
            #expect(try await other.reply(to: request, under: sequence) == refused)
        }
    }

    @Test("D2, D3: what was not held cannot be reclaimed, nor by whom")
    func badReclaims() async throws {
        try await RestartWorld.run(on: .plain) { world, _ in
            let holding = try await Holding.make("holder", of: "data", at: world, .read)
            let (file, stateID) = (holding.file, holding.layout.stateID)
            let before = try await WireClient.connect(world.address, .init("before"))
            try await before.expect(.noGrace) { _ = try await $0.reclaim(file, stateID, .read) }
            try await world.restart()
            let other = try await WireClient.connect(world.address, .init("other"))
            try await other.expect(.noGrace) { _ = try await $0.reclaim(file, stateID, .read) }
            let holder = try await WireClient.connect(world.address, .init("holder"))
            try await holder.expect(.reclaimBad) { _ = try await $0.reclaim(file, stateID, .readWrite) }
            try await holder.expect(.reclaimBad) {
                _ = try await $0.reclaim(file, StateID(seqid: 1, other: StateIDOther(number: 7, boot: 7)), .read)
            }
            try await holder.expect(.reclaimBad) { _ = try await $0.reclaim(file, stateID, length: 1 << 30, .read) }
            _ = try await holder.reclaim(file, stateID, length: 4096, .read)
            try await holder.call(.reclaimComplete)
            try await holder.expect(.completeAlready) { try await $0.call(.reclaimComplete) }
            try await holder.expect(.noGrace) { _ = try await $0.reclaim(file, stateID, .read) }
        }
    }

    @Test("D6: a holder that is gone when the server starts is waited for by nobody")
    func deadHolder() async throws {
        try await RestartWorld.run(on: .plain) { world, _ in
            let holding = try await Holding.make("holder", of: "data", at: world)
            let file = holding.file
            await world.crash()
            // Its process has ended: nothing refers to the description any more.
            _ = consume holding
            try await world.start()
            let other = try await WireClient.connect(world.address, .init("other"))
            try await other.eventually { try await $0.serverState().graceLeftMilliseconds == 0 }
            #expect(try await other.change(.truncate, file, offset: 0, length: 0).size == 0)
        }
    }

    @Test("D6: no change runs before a holder that lives has returned, whether it comes back or not")
    func livingHolder() async throws {
        try await RestartWorld.run(on: .plain, adjust: Self.shortTimes) { world, _ in
            let holding = try await Holding.make("holder", of: "data", at: world)
            let file = holding.file
            try await world.restart()
            let other = try await WireClient.connect(world.address, .init("other"))
            try await other.eventually { try await $0.serverState().graceLeftMilliseconds == 0 }
            // A latecomer may still reclaim what is there, as long as nothing conflicts.
            let late = try await WireClient.connect(world.address, .init("holder"))
            _ = try await late.reclaim(file, holding.layout, .read)
            try await late.disconnect()
            // Grace is over and the holder silent: the change waits for the proof all the same.
            try await other.expect(.delay) {
                _ = try await $0.change(.truncate, file, offset: 0, length: 0, waitMilliseconds: 700)
            }
            #expect(try FileFacts(of: holding.descriptor).size == 16384)
            // A latecomer gives back what is recalled by now.
            let holder = try await WireClient.connect(world.address, .init("holder"))
            _ = try await holder.layoutReturn(file, holding.layout.stateID)
            #expect(try await other.change(.truncate, file, offset: 0, length: 0).size == 0)
        }
    }

    @Test("C19, D4: what was revoked stays revoked, and its client is told again")
    func revoked() async throws {
        try await RestartWorld.run(on: .plain, adjust: Self.shortTimes) { world, _ in
            let changer = try await WireClient.connect(world.address, .init("changer"))
            let holding = try await Holding.make("holder", of: "data", at: world)
            let (file, stateID, id) = (holding.file, holding.layout.stateID, holding.client.id)
            // The holder has lost its connection, and its process ends: another one gets the range.
            try await holding.client.disconnect()
            _ = consume holding
            _ = try await changer.change(.truncate, file, offset: 8192, length: 0)
            try await world.restart()
            let client = try await WireClient.connect(world.address, .init("holder"))
            #expect(client.id == id)
            #expect(try await client.statusFlags().contains(.allRevoked))
            try await client.expect(.noGrace) { _ = try await $0.reclaim(file, stateID) }
            // Known by now: the next life says it no more.
            try await client.returnEverything()
            try await world.restart()
            let again = try await WireClient.connect(world.address, .init("holder"))
            #expect(try await again.statusFlags() == [])
        }
    }

    @Test("a client that has started again reclaims nothing, and what it held goes when it is proven gone")
    func restartedClient() async throws {
        try await RestartWorld.run(on: .plain) { world, _ in
            let holding = try await Holding.make("holder", of: "data", at: world)
            try await world.restart()
            var options = WireClient.Options("holder")
            options.verifier = 2
            let client = try await WireClient.connect(world.address, options)
            #expect(client.id != holding.client.id)
            let (file, stateID) = (holding.file, holding.layout.stateID)
            try await client.expect(.noGrace) { _ = try await $0.reclaim(file, stateID) }
            _ = consume holding
            try await client.eventually { try await $0.serverState().layouts == 0 }
        }
    }

    @Test("handles, epochs and shifts of an earlier life stay good", arguments: TestFileSystems.images)
    func identities(on fileSystem: TestFileSystem) async throws {
        try await RestartWorld.run(on: fileSystem) { world, _ in
            let holding = try await Holding.make("holder", of: "data", size: 1 << 20, at: world)
            let (file, epoch) = (holding.file, holding.layout.epoch)
            let inserted = try await holding.client.change(.insertRange, file, offset: 65536, length: 65536)
            #expect(inserted.epoch > epoch)
            try await world.restart()
            let client = try await WireClient.connect(world.address, .init("holder"))
            try await client.call(.reclaimComplete)
            #expect(try await client.open("data", [.read]).handle == file)
            let layout = try await client.layoutGet(file, .read, knownEpoch: epoch)
            #expect(layout.epoch == inserted.epoch)
            #expect(
                layout.shifts == [
                    LoggedShift(epoch: inserted.epoch, shift: Shift(isInsert: true, offset: 65536, length: 65536))
                ]
            )
            // Epochs never come again.
            let next = try await client.change(.collapseRange, file, offset: 0, length: 65536)
            #expect(next.epoch > inserted.epoch)
        }
    }

    @Test("nobody of an earlier boot of the host is left")
    func boot() async throws {
        try await RestartWorld.run(on: .plain) { world, _ in
            let holding = try await Holding.make("holder", of: "data", at: world)
            await world.crash()
            var life = try #require(world.store.memory.written.life)
            life.hostBoot = "another boot"
            _ = try world.store.load()
            try world.store.write([.life(life)], .synced)
            try await world.start()
            let other = try await WireClient.connect(world.address, .init("other"))
            #expect(try await other.serverState().layouts == 0)
            #expect(try await other.serverState().graceLeftMilliseconds == 0)
            #expect(holding.layout.range.lowerBound == 0)
        }
    }

    @Test("D7: a store that cannot be read keeps the server from starting")
    func damagedStore() async throws {
        let world = try RestartWorld(on: .plain)
        try await world.start()
        await world.crash()
        world.store.set(.damaged)
        let error = await #expect(throws: RecoveryStoreError.self) { try await world.start() }
        #expect(error?.code == .damaged)
        // Nothing is left behind that would keep the next one from starting.
        world.store.set(.none)
        try await world.start()
        await world.crash()
    }
}
