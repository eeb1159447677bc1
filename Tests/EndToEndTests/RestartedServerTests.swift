import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles
import TestSupport
import Testing

/// What clients, and processes that map, see of a server that was killed and started again.
@Suite(.serialized) struct RestartedServerTests {
    /// A server with two files and, in the second one, a holder's layout.
    private struct World {
        let server: ServerProcess
        let holder: RawClient
        let changer: RawClient
        let file: FileHandle
        let grant: LayoutGetResult
        /// What shows that the holder is still there, over the server's lives.
        let descriptor: SharedDescriptor?

        init(_ options: [String] = ["--lease", "1s"], fetchesDescriptor: Bool = true) throws {
            self.server = try ServerProcess(on: .plain, options)
            _ = try StampedFile(self.server.directory.file("data"), pages: 16)
            self.holder = try RawClient(self.server, "holder")
            self.changer = try RawClient(self.server, "changer")
            self.file = try self.holder.open("data")
            self.grant = try self.holder.layoutGet(self.file, ByteRange(0, 32768) ?? .all)
            self.descriptor = fetchesDescriptor ? try Self.descriptor(self.grant, self.server) : nil
        }

        static func descriptor(_ grant: LayoutGetResult, _ server: ServerProcess) throws -> SharedDescriptor {
            let path = server.socket + ".fd"
            return SharedDescriptor(
                try DescriptorSocket.redeem(grant.token, socketPath: path, timeout: .seconds(10))
            )
        }

        func restart() throws {
            self.server.kill()
            try self.server.start()
        }

        /// The LAYOUTGET that reclaims what was granted, or a part of it.
        func reclaim(_ range: ByteRange? = nil, _ ioMode: IOMode = .readWrite, _ stateID: StateID? = nil) -> Request {
            RawClient.layoutGet(
                self.file,
                range ?? self.grant.range,
                ioMode,
                stateID: stateID ?? self.grant.stateID,
                flags: .reclaim
            )
        }
    }

    private func status(_ client: RawClient, _ request: Request) throws -> LayoutStatus {
        do {
            _ = try client.call(request)
        } catch let failure as Failure {
            return failure.status
        }
        return .ok
    }

    @Test("D1, D2, D3, D5: a holder takes back what it held, once, and until then nothing new is granted or changed")
    func reclaim() throws {
        let world = try World()
        defer { world.server.kill() }
        let (holder, changer, file) = (world.holder, world.changer, world.file)
        let truncate = RawClient.change(.truncate, file, 0, patience: .milliseconds(500))
        try world.restart()
        try holder.comeBack()
        try changer.comeBack()
        #expect(try holder.statusFlags().contains(.restartReclaim))
        // Nothing new, for nobody; and GRACE is an answer like any other: the same call again gets it again.
        #expect(try self.status(changer, truncate) == .grace)
        #expect(try self.status(changer, RawClient.layoutGet(file, .all, .read)) == .grace)
        #expect(try self.status(holder, RawClient.layoutGet(file, .all, .read)) == .grace)
        let sequence = changer.sequences[4]
        let first = try changer.reply(to: try changer.send(truncate, slot: 4, sequence: sequence))
        let again = try changer.reply(to: try changer.send(truncate, slot: 4, sequence: sequence))
        #expect(again == first && first?.sequence?.status == .ok)
        // Only what was held.
        #expect(try self.status(holder, world.reclaim(.all)) == .reclaimBad)
        #expect(try self.status(changer, world.reclaim()) != .ok)
        let other = StateID(seqid: 1, other: StateIDOther(number: 1, boot: world.grant.stateID.other.boot))
        #expect(try self.status(holder, world.reclaim(nil, .readWrite, other)) == .reclaimBad)
        let grant = try holder.grant(of: try holder.send(world.reclaim()))
        #expect(grant.range == world.grant.range && grant.stateID.other == world.grant.stateID.other)
        #expect(try self.status(holder, .reclaimComplete) == .ok)
        #expect(try self.status(holder, .reclaimComplete) == .completeAlready)
        #expect(try self.status(holder, world.reclaim()) == .noGrace)

        // Its reclaims were the last: grace is over, and the layout is one like any other.
        let change = try changer.send(RawClient.change(.truncate, file, 4096))
        let recall = try holder.nextRecall()
        #expect(recall.stateID.other == world.grant.stateID.other)
        try holder.giveBack(recall)
        #expect(try changer.changeResult(of: change).size == 4096)
    }

    @Test("D1: a hundred holders take back what they held, also after a second restart in the middle of it")
    func manyReclaim() throws {
        let server = try ServerProcess(on: .plain, ["--lease", "10s"])
        defer { server.kill() }
        _ = try StampedFile(server.directory.file("data"), pages: 4)
        let holders = try (0..<100).map { try RawClient(server, "holder \($0)") }
        let file = try holders[0].open("data")
        let grants = try holders.map { try $0.layoutGet(file, .all, .read) }
        let descriptors = try grants.map { try World.descriptor($0, server) }
        for (life, count) in [(2, 50), (3, 100)] {
            server.kill()
            try server.start()
            for (holder, grant) in zip(holders, grants).prefix(count) {
                try holder.comeBack()
                let reclaim = RawClient.layoutGet(file, grant.range, .read, stateID: grant.stateID, flags: .reclaim)
                let reclaimed = try holder.grant(of: try holder.send(reclaim))
                #expect(reclaimed.stateID.other == grant.stateID.other, "life \(life)")
                try holder.call(.reclaimComplete)
            }
        }
        let changer = try RawClient(server, "changer")
        let change = try changer.send(RawClient.change(.truncate, file, 4096))
        for holder in holders { try holder.giveBack(try holder.nextRecall()) }
        #expect(try changer.changeResult(of: change).recalled == 100)
        #expect(descriptors.count == 100)
    }

    @Test("C19, D4: what was revoked stays revoked: its client learns it from the next life, and cannot take it back")
    func revoked() throws {
        let world = try World(["--lease", "1s", "--recall-timeout", "100ms"], fetchesDescriptor: false)
        defer { world.server.kill() }
        // Cut off, its layout falls to another client, which gives its own back again.
        world.holder.disconnect()
        #expect(try world.changer.change(.punchHole, world.file, 0, 4096).recalled == 1)
        let other = try world.changer.layoutGet(world.file)
        try world.changer.layoutReturn(world.file, other.stateID)
        try world.restart()
        try world.holder.comeBack()
        #expect(try world.holder.statusFlags().contains(.allRevoked))
        #expect(try self.status(world.holder, world.reclaim()) != .ok)
        #expect(throws: Failure.self) { try world.holder.layoutReturn(world.file, world.grant.stateID) }
        try world.changer.comeBack()
        #expect(try world.changer.serverState().layouts == 0)
    }

    /// The steps of one change.
    private static let steps = ServerKeeper.steps.prefix(6)
    private static let worlds = TestFileSystems.images.flatMap { fileSystem in steps.map { (fileSystem, $0) } }

    @Test(
        "D6: killed at a step of an insert, the next life waits for who still maps, and inserts once",
        arguments: worlds
    )
    func killedInTheMiddle(on fileSystem: TestFileSystem, _ step: String) throws {
        let server = try ServerProcess(on: fileSystem, ["--lease", "1s"])
        let stamped = try StampedFile(server.directory.file("data"), pages: 32)
        let holder = try RawClient(server, "holder")
        let file = try holder.open("data")
        // It holds what comes before the insert, and stores into it all the time.
        let grant = try holder.layoutGet(file, try #require(ByteRange(0, 32768)))
        let storing = try StoringProcess(grant, of: server)
        defer {
            storing.end()
            server.kill()
        }
        // The same server, told to die.
        server.kill()
        try server.start(prefix: ["LAYOUTD_FAILPOINT=\(step)"])
        func reclaim() throws {
            try holder.comeBack()
            let reclaim = RawClient.layoutGet(file, grant.range, stateID: grant.stateID, flags: .reclaim)
            _ = try holder.grant(of: try holder.send(reclaim))
            try holder.call(.reclaimComplete)
        }
        try reclaim()
        var deaths = 0
        let changer = try StubbornClient(server, "changer") {
            guard let status = server.endedStatus() else {
                usleep(2000)
                return
            }
            try #require(status == 128 + SIGKILL)
            deaths += 1
            try server.start()
            // Before anybody has come back: whoever maps, holds.
            let early = try RawClient(server, "early")
            #expect(
                try self.status(early, RawClient.change(.truncate, file, 0, patience: .milliseconds(300))) == .grace
            )
            try reclaim()
        }
        let response = try changer.call(RawClient.change(.insertRange, file, 32768, 4096))
        guard case .change(let result) = response else { throw TestFailure("INSERT_RANGE") }
        #expect(deaths == 1, "\(step)")
        #expect(result.size == stamped.size + 4096)
        let names = (1...8).map { UInt64($0) } + [0] + (9...32).map { UInt64($0) }
        #expect(try stamped.content().names == names, "once, at its place")

        // And what it maps is still its own.
        let observer = try RawClient(server, "observer")
        let collapse = RawClient.change(.collapseRange, file, 0, 4096, patience: .milliseconds(300))
        #expect(try self.status(observer, collapse) == .delay)
        #expect(try stamped.content().names == names)
        storing.end()
        try holder.layoutReturn(file, grant.stateID)
        #expect(try self.status(observer, collapse) == .ok)
        let content = try stamped.content()
        #expect(content.names == Array(names.dropFirst()))
        #expect(content.misplaced == 0 && content.stamps > 0)
    }

    @Test(
        "D6: a holder that never comes back keeps its bytes as long as it maps them, and not a moment longer",
        arguments: TestFileSystems.images
    )
    func neverBack(on fileSystem: TestFileSystem) throws {
        let held = try HeldFile(on: fileSystem, fence: "wait", ["--lease", "1s"], processes: 2)
        defer { held.end() }
        held.server.kill()
        try held.waitForStores(of: 0..<2)
        try held.server.start()
        try held.changer.comeBack()
        #expect(try held.refusal(patience: .milliseconds(300)) == .grace)
        try waitUntil("grace is over") { try held.refusal(patience: .milliseconds(200)) == .delay }
        try held.waitForStores(of: 0..<2)
        #expect(try held.file.content().names == HeldFile.before)
        let insert = try held.sendInsert()
        held.storing.end()
        _ = try held.changer.changeResult(of: insert)
        let content = try held.file.content()
        #expect(content.names == HeldFile.after)
        #expect(content.misplaced == 0)
    }

    @Test("D6: a holder that died while the server was down holds nobody up")
    func diedMeanwhile() throws {
        let held = try HeldFile(on: TestFileSystems.images.first ?? .plain, fence: "wait")
        defer { held.end() }
        held.server.kill()
        held.storing.end()
        try held.server.start()
        try held.changer.comeBack()
        var status = LayoutStatus.grace
        let (_, elapsed) = try timed {
            try waitUntil("it is seen to be gone") {
                status = try held.refusal(patience: .seconds(10))
                return status != .grace
            }
        }
        #expect(status == .ok)
        #expect(elapsed < .seconds(5), "the lease of 15 s is not waited for")
        #expect(try held.file.content().names == HeldFile.after)
    }
}
