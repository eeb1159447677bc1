import Glibc
import LayoutClient
import LayoutCore
import LayoutServer
import LayoutXDR
import LeaseEngine
import Logging
import TestSupport
import Testing

/// Who is in whose way, and who goes first.
@Suite(.serialized) struct ConflictTests {
    private func withFiles(
        _ names: [String],
        on fileSystem: TestFileSystem = .plain,
        _ options: [String] = [],
        user: uid_t? = nil,
        _ body: (ServerProcess, [StampedFile]) throws -> Void
    ) throws {
        let server = try ServerProcess(on: fileSystem, options, user: user)
        let files = try names.map { try StampedFile(server.directory.file($0), pages: 16) }
        try body(server, files)
        #expect(server.stop() == 0)
    }

    @Test("C7, C11: a removal and a rename over a file recall its layouts, and say so", arguments: [true, false])
    func names(isRemoval: Bool) throws {
        try self.withFiles(["a", "b"]) { server, files in
            let holder = try RawClient(server, "holder")
            let changer = try RawClient(server, "changer")
            let (first, second) = (try holder.open("a"), try holder.open("b"))
            _ = try holder.layoutGet(first)
            _ = try holder.layoutGet(second)
            let request: Request =
                isRemoval
                ? .remove(PathArguments(directory: .root, path: Array("a".utf8), waitMilliseconds: 20_000))
                : .rename(
                    RenameArguments(
                        fromDirectory: .root,
                        from: Array("b".utf8),
                        toDirectory: .root,
                        to: Array("a".utf8),
                        waitMilliseconds: 20_000
                    )
                )
            let call = try changer.send(request)
            let recall = try holder.nextRecall()
            #expect(recall.handle == first && recall.operation == .remove && recall.range == ByteRange(0, 65536))
            #expect(files[0].exists && files[1].exists)
            try holder.giveBack(recall)
            #expect(try changer.response(to: call) == .void)
            #expect(files[0].exists == !isRemoval)
            #expect(files[1].exists == isRemoval)
            #expect(try changer.serverState().recallsSent == 1)
        }
    }

    @Test(
        "C8: a client that changes what it has mapped itself does not wait for itself",
        arguments: TestFileSystems.images
    )
    func ownLayouts(on fileSystem: TestFileSystem) async throws {
        let server = try ServerProcess(on: fileSystem)
        _ = try StampedFile(server.directory.file("data"), pages: 16)
        let client = try await LayoutClient.connect(to: server.url)
        let file = try await client.open("data", .readWrite)
        let region = try await file.map(0..<65536, .readWrite, following: .content)
        try await file.insertRange(at: 4096, length: 8192)
        try await file.collapseRange(0..<4096)
        try await region.prepare(8192..<65536)
        #expect(unsafe region.bytes.load(fromByteOffset: 8192, as: UInt64.self) == 3)
        #expect(try await file.size == 17 * 4096)
        #expect(client.statistics.recallsReceived == 0)
        await client.close()
        #expect(server.stop() == 0)
    }

    @Test("C20: two holders and a changer that all want a file get it in the order in which they asked")
    func turns() throws {
        try self.withFiles(["data"]) { server, _ in
            let holders = [try RawClient(server, "first"), try RawClient(server, "second")]
            let changer = try RawClient(server, "changer")
            let handle = try changer.open("data")
            // Each change makes the file shorter by a page.
            func size(_ turn: Int) -> UInt64 { UInt64(1 << 20 - turn * 4096) }
            _ = try changer.change(.truncate, handle, size(0))
            _ = try holders[0].layoutGet(handle)
            var change = try changer.send(RawClient.change(.truncate, handle, size(1)))
            for turn in 1...50 {
                // While a change waits for one holder, the other asks for the file, and then the changer once more.
                let recall = try holders[(turn + 1) % 2].nextRecall()
                let next = holders[turn % 2]
                let get = try next.send(RawClient.layoutGet(handle, waitMilliseconds: 20_000))
                try waitUntil("the LAYOUTGET waits") { try changer.serverState().grantsWaiting == 1 }
                let nextChange = try changer.send(RawClient.change(.truncate, handle, size(turn + 1)))
                try holders[(turn + 1) % 2].layoutReturn(handle, recall.stateID)
                #expect(try changer.changeResult(of: change).recalled == 1)
                // The first change ran before it, the second one did not.
                #expect(try next.grant(of: get).fileSize == size(turn))
                change = nextChange
            }
            try holders[0].giveBack(try holders[0].nextRecall())
            _ = try changer.changeResult(of: change)
            let state = try changer.serverState()
            #expect(state.recallsSent == 51 && state.changesDelayed == 0)
        }
    }

    @Test("changes fail at once with TXTBSY while an exclusive layout is held, and run after its return")
    func exclusive() throws {
        try self.withFiles(["data"], ["--allow-exclusive"]) { server, _ in
            let holder = try RawClient(server, "holder")
            let changer = try RawClient(server, "changer")
            let handle = try holder.open("data")
            let half = try #require(ByteRange(0, 32768))
            let grant = try holder.layoutGet(handle, half, flags: .exclusive)
            for (operation, offset) in [(MappingOperation.punchHole, 0), (.truncate, 4096), (.zeroRange, 28672)] {
                let (failure, elapsed) = timed {
                    #expect(throws: Failure.self) { try changer.change(operation, handle, UInt64(offset), 8192) }
                }
                #expect(failure?.status == .textBusy)
                #expect(elapsed < .seconds(2))
            }
            #expect(try changer.change(.punchHole, handle, 32768, 4096).recalled == 0)
            #expect(try changer.serverState().recallsSent == 0)
            #expect(try holder.change(.punchHole, handle, 0, 4096).recalled == 0, "its own holder may")
            try holder.layoutReturn(handle, grant.stateID)
            #expect(try changer.change(.truncate, handle, 4096).size == 4096)
        }
    }

    @Test("exclusive layouts are refused where the server was not told to give them, with the remedy")
    func exclusiveOff() throws {
        try self.withFiles(["data"]) { server, _ in
            let holder = try RawClient(server, "holder")
            let handle = try holder.open("data")
            let failure = #expect(throws: Failure.self) { try holder.layoutGet(handle, flags: .exclusive) }
            #expect(failure?.status == .notSupported)
            #expect(failure?.detail.contains("--allow-exclusive") == true)
        }
    }

    @Test("a client that holds too much is asked by CB_RECALL_ANY, gives back what it does not use, and goes on")
    func recallAny() async throws {
        let directory = try TestFileSystem.plain.makeDirectory()
        let sockets = try TestDirectory()
        let socket = sockets.file("layoutd.sock")
        var configuration = ServerConfiguration(exportPath: directory.path, addresses: [.unix(path: socket)])
        configuration.logger.logLevel = .error
        // No option of layoutd: its own bound is a million.
        configuration.engine.layoutsPerClientMax = 16
        let server = try await LayoutServer.start(configuration)
        let client = try await LayoutClient.connect(to: "layout+unix://\(socket)")
        var regions: [MappedRegion] = []
        for number in 0..<48 {
            _ = try StampedFile(directory.file("file\(number)"), pages: 1)
            let file = try await client.open("file\(number)", .readWrite)
            regions.append(try await file.map(0..<4096, .readWrite))
        }
        for (number, region) in regions.enumerated() {
            try await region.prepare()
            #expect(unsafe region.bytes.load(as: UInt64.self) == 1, "file \(number)")
        }
        #expect(try await client.serverState().layouts <= 16)
        await client.close()
        await server.stop()
    }

    @Test(
        "a server that is not root serves its own user's files to its own user and root, and to nobody else",
        .enabled(if: geteuid() == 0, "only root can start a server as another user")
    )
    func otherUser() throws {
        let (user, stranger): (uid_t, uid_t) = (64_123, 64_124)
        try self.withFiles(
            ["data"],
            on: TestFileSystems.images.first ?? .plain,
            ["--recall-timeout", "200ms"],
            user: user
        ) {
            server,
            files in
            // The tests' own user is root.
            let holder = try RawClient(server, "holder")
            let handle = try holder.open("data")
            let grant = try holder.layoutGet(handle)
            let storing = try StoringProcess(grant, of: server)
            defer { storing.end() }
            let insert = ["insert", "data", "--offset", "4096", "--length", "4096", "--server", server.url]
            let refused = try ServerProcess.run("layoutctl", insert, as: stranger)
            #expect(refused.status != 0 && !refused.output.isEmpty, "\(refused)")
            #expect(try files[0].content().names.count == 16)
            storing.end()
            let result = try ServerProcess.run("layoutctl", insert, as: user)
            #expect(result.status == 0, "\(result)")
            #expect(try files[0].content().names.count == 17)
            let mine = try holder.open("made by the server")
            try holder.write([1, 2, 3], at: 0, to: mine)
        }
    }
}
