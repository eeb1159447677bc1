import Glibc
import LayoutCore
import LayoutServer
import LayoutXDR
import LinuxFiles
import Recovery
import Synchronization
import TestSupport
import Testing

/// What becomes of a change whose server ended before, in, or after it.
@Suite struct ExactlyOnceTests {
    /// A client that makes one call of its choice under a slot of its own, again and again.
    private struct Caller {
        let client: WireClient
        let request: Request

        /// The first call on a slot that nothing else uses.
        func send() async throws -> LayoutReply {
            try await self.client.reply(
                to: self.request,
                under: SequenceArguments(
                    session: self.client.session,
                    sequence: 1,
                    slot: 9,
                    highestSlot: 9,
                    cacheThis: true
                )
            )
        }

        /// The same call, to the next server.
        func retry(_ world: RestartWorld) async throws -> LayoutReply {
            try await self.client.reopen(world.address)
            return try await self.send()
        }
    }

    private static func insert(_ file: FileHandle, _ operation: MappingOperation = .insertRange) -> Request {
        .change(
            ChangeArguments(
                operation: operation,
                handle: file,
                offset: 65536,
                length: 65536,
                waitMilliseconds: 0,
                keepSize: false
            )
        )
    }

    private static func shortLease(_ configuration: inout ServerConfiguration) {
        configuration.lease = .milliseconds(300)
        configuration.enforcedLeaseMargin = .milliseconds(100)
    }

    /// A client with a file of 1 MiB, each of whose 64 KiB are filled with their number.
    private func makeFile(_ world: RestartWorld) async throws -> (client: WireClient, file: FileHandle) {
        let client = try await WireClient.connect(world.address, .init("caller"))
        let file = try await client.open("data").handle
        for part in 0..<16 {
            let bytes = [UInt8](repeating: UInt8(part), count: 65536)
            _ = try await client.write(bytes, at: UInt64(part) * 65536, to: file)
        }
        return (client, file)
    }

    /// The numbers that the parts of the file are filled with.
    private func parts(_ world: RestartWorld) throws -> [UInt8] {
        let export = try ExportRoot(path: world.directory.path)
        let file = try export.open(Array("data".utf8), for: .read)
        let size = try FileFacts(of: file).size
        return try stride(from: 0, to: size, by: 65536).map { try FileInputOutput.read(1, at: $0, of: file)[0] }
    }

    private static let before = (0..<16).map { UInt8($0) }
    private static let inserted: [UInt8] = [0, 0] + (1..<16)
    private static let collapsed: [UInt8] = [0] + (2..<16)

    @Test(
        "A24: the retry of an answered insert gets the same answer from the next life",
        arguments: TestFileSystems.images
    )
    func answered(on fileSystem: TestFileSystem) async throws {
        try await RestartWorld.run(on: fileSystem) { world, _ in
            let (client, file) = try await self.makeFile(world)
            let caller = Caller(client: client, request: Self.insert(file))
            let reply = try await caller.send()
            #expect(reply.status == .ok)
            for _ in 0..<2 {
                try await world.restart()
                #expect(try await caller.retry(world) == reply)
                #expect(try self.parts(world) == Self.inserted)
            }
        }
    }

    @Test(
        "A24, D6: an insert or collapse that was made and not answered is answered by the next life, and made once",
        arguments: TestFileSystems.images,
        [MappingOperation.insertRange, .collapseRange]
    )
    func made(on fileSystem: TestFileSystem, _ operation: MappingOperation) async throws {
        try await RestartWorld.run(on: fileSystem) { world, _ in
            let (client, file) = try await self.makeFile(world)
            let caller = Caller(client: client, request: Self.insert(file, operation))
            world.store.set(.endBeforeReply)
            // The server may not answer, so it ends the connection.
            await #expect(throws: (any Error).self) { try await caller.send() }
            #expect(world.failures.withLock { $0.count } == 1)
            try await world.restart()
            let reply = try await caller.retry(world)
            guard case .success(.change(let result)) = reply.result else {
                Issue.record("\(reply)")
                return
            }
            let parts = operation == .insertRange ? Self.inserted : Self.collapsed
            #expect(try self.parts(world) == parts)
            #expect(result.size == UInt64(parts.count) * 65536)
            // The shift is in the log of the file.
            let next = try await WireClient.connect(world.address, .init("next"))
            let layout = try await next.layoutGet(file, .read)
            #expect(layout.epoch == result.epoch)
            #expect(try await caller.retry(world) == reply)
            #expect(world.store.memory.written.intents.isEmpty)
        }
    }

    @Test("A24: a shift that was not begun gets DEADSESSION, and can be sent anew", arguments: TestFileSystems.images)
    func notMade(on fileSystem: TestFileSystem) async throws {
        try await RestartWorld.run(on: fileSystem) { world, _ in
            let (client, file) = try await self.makeFile(world)
            let caller = Caller(client: client, request: Self.insert(file))
            world.store.set(.endAfterIntent)
            #expect(try await caller.send().status == .serverFault)
            #expect(try self.parts(world) == Self.before)
            try await world.restart()
            #expect(try await caller.retry(world).sequence?.status == .deadSession)
            #expect(try self.parts(world) == Self.before)
            let next = try await WireClient.connect(world.address, .init("caller"))
            _ = try await next.change(.insertRange, file, offset: 65536, length: 65536)
            #expect(try self.parts(world) == Self.inserted)
        }
    }

    @Test(
        "a shift that is neither made nor undone blocks the file until somebody has looked",
        arguments: TestFileSystems.images
    )
    func neither(on fileSystem: TestFileSystem) async throws {
        try await RestartWorld.run(on: fileSystem) { world, _ in
            let (client, file) = try await self.makeFile(world)
            let caller = Caller(client: client, request: Self.insert(file))
            world.store.set(.endAfterIntent)
            _ = try await caller.send()
            await world.crash()
            // What a power cut could leave: the size is the new one, and nothing has moved.
            let export = try ExportRoot(path: world.directory.path)
            try MappingCalls.truncate(to: 17 * 65536, try export.open(Array("data".utf8), for: .readWrite))
            try await world.start()
            for _ in 0..<2 {
                #expect(try await caller.retry(world).status == .outcomeUnknown)
                let next = try await WireClient.connect(world.address, .init("next"))
                try await next.expect(.outcomeUnknown) { _ = try await $0.layoutGet(file) }
                try await next.expect(.outcomeUnknown) { _ = try await $0.write([1], at: 0, to: file) }
                try await next.expect(.outcomeUnknown) { try await $0.remove("data") }
                #expect(try await next.read(1, at: 65536, of: file).data == [1])
                guard case .blocked(let blocked) = try await next.state(.blocked) else { return }
                #expect(blocked.map(\.handle) == [file])
                #expect(blocked.first?.path == Array("data".utf8))
                #expect(try await next.serverState().blockedFiles == 1)
                try await world.restart()
            }
            let operatorClient = try await WireClient.connect(world.address, .init("operator"))
            try await operatorClient.call(.unblock(file))
            try await operatorClient.expect(.noEntry) { try await $0.call(.unblock(file)) }
            _ = try await operatorClient.layoutGet(file)
            try await world.restart()
            let last = try await WireClient.connect(world.address, .init("last"))
            #expect(try await last.serverState().blockedFiles == 0)
        }
    }

    @Test(
        "A24: what can be made twice is made again by the next life",
        arguments: [MappingOperation.punchHole, .zeroRange, .allocate]
    )
    func madeAgain(_ operation: MappingOperation) async throws {
        guard let fileSystem = TestFileSystems.images.first else { return }
        try await RestartWorld.run(on: fileSystem) { world, _ in
            let (client, file) = try await self.makeFile(world)
            let caller = Caller(client: client, request: Self.insert(file, operation))
            world.store.set(.endAfterIntent)
            _ = try await caller.send()
            #expect(try self.parts(world) == Self.before)
            try await world.restart()
            #expect(try await caller.retry(world).status == .ok)
            var parts = Self.before
            if operation != .allocate { parts[1] = 0 }
            #expect(try self.parts(world) == parts)
        }
    }

    @Test("a truncate is told from the size, and never made over what came since", arguments: [true, false])
    func truncate(_ isMade: Bool) async throws {
        try await RestartWorld.run(on: .plain) { world, _ in
            let (client, file) = try await self.makeFile(world)
            let arguments = OpenArguments(
                directory: .root,
                path: Array("data".utf8),
                flags: [.write, .truncate],
                mode: 0,
                waitMilliseconds: 0
            )
            let caller = Caller(client: client, request: .open(arguments))
            world.store.set(isMade ? .endBeforeReply : .endAfterIntent)
            _ = try? await caller.send()
            await world.crash()
            let export = try ExportRoot(path: world.directory.path)
            try await world.start()
            let reply = try await caller.retry(world)
            if isMade {
                guard case .success(.object(let object)) = reply.result else {
                    Issue.record("\(reply)")
                    return
                }
                #expect(object.handle == file)
                #expect(object.attributes.size == 0)
            } else {
                #expect(reply.sequence?.status == .deadSession)
                #expect(try FileFacts(of: export.open(Array("data".utf8), for: .read)).size == 1 << 20)
            }
        }
    }

    /// Calls by name, and how to see whether they took effect.
    private static var names: [Request] {
        func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
        let exclusive = OpenArguments(
            directory: .root,
            path: bytes("made"),
            flags: [.read, .write, .create, .exclusive],
            mode: 0o600,
            waitMilliseconds: 0
        )
        return [
            .createDirectory(PathArguments(directory: .root, path: bytes("made"), mode: 0o700)),
            .open(exclusive),
            .remove(PathArguments(directory: .root, path: bytes("data"), waitMilliseconds: 0)),
            .rename(
                RenameArguments(
                    fromDirectory: .root,
                    from: bytes("data"),
                    toDirectory: .root,
                    to: bytes("made"),
                    waitMilliseconds: 0
                )
            ),
        ]
    }

    /// Whether the names are as they were.
    private func names(_ world: RestartWorld) throws -> [String] {
        let export = try ExportRoot(path: world.directory.path)
        let listing = try ExportRoot.entries(of: try export.openDirectory([]), after: 0, limit: 10)
        return listing.entries.map { String(decoding: $0.name, as: UTF8.self) }.sorted()
    }

    @Test("A24: names are made, removed and given exactly once", arguments: 0..<4)
    func names(_ index: Int) async throws {
        for isMade in [true, false] {
            try await RestartWorld.run(on: .plain) { world, _ in
                let (client, _) = try await self.makeFile(world)
                let caller = Caller(client: client, request: Self.names[index])
                world.store.set(isMade ? .endBeforeReply : .endAfterIntent)
                _ = try? await caller.send()
                let after = try self.names(world)
                #expect((after == ["data"]) == !isMade)
                try await world.restart()
                let reply = try await caller.retry(world)
                if isMade {
                    #expect(reply.status == .ok)
                } else {
                    #expect(reply.sequence?.status == .deadSession)
                }
                #expect(try self.names(world) == after)
                #expect(world.store.memory.written.intents.isEmpty)
            }
        }
    }

    @Test("D7: without room in the store nothing is done, and with room it goes on")
    func fullStore() async throws {
        try await RestartWorld.run(on: .plain) { world, _ in
            let (client, file) = try await self.makeFile(world)
            world.store.set(.full)
            try await client.expect(.resource) { _ = try await $0.change(.truncate, file, offset: 0, length: 0) }
            try await client.expect(.resource) { _ = try await $0.open("new") }
            try await client.expect(.resource) { try await $0.remove("data") }
            try await client.expect(.resource) { _ = try await $0.layoutGet(file) }
            #expect(try self.names(world) == ["data"])
            #expect(try self.parts(world) == Self.before)
            #expect(try await client.serverState().layouts == 0)
            // What reads, reads.
            #expect(try await client.read(1, at: 65536, of: file).data == [1])
            world.store.set(.none)
            _ = try await client.layoutGet(file)
            try await client.remove("data")
            #expect(try self.names(world) == [])
            #expect(world.failures.withLock { $0.isEmpty })
        }
    }

    @Test("a write's answer is found by its retry, and a client that comes back after its time finds nothing")
    func writes() async throws {
        try await RestartWorld.run(on: .plain, adjust: Self.shortLease) { world, _ in
            let (client, file) = try await self.makeFile(world)
            let arguments = WriteArguments(
                handle: file,
                offset: 0,
                isStable: true,
                waitMilliseconds: 0,
                data: [7, 7]
            )
            let caller = Caller(client: client, request: .write(arguments))
            let reply = try await caller.send()
            try await world.restart()
            #expect(try await caller.retry(world) == reply)
            let other = try await WireClient.connect(world.address, .init("other"))
            try await other.eventually { try await $0.serverState().clients == 1 }
            #expect(try await caller.retry(world).sequence?.status == .badSession)
            #expect(world.store.memory.written.clients.map(\.id) == [other.id])
        }
    }
}
