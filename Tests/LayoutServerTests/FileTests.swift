import LayoutCore
import LayoutServer
import LayoutXDR
import LinuxFiles
import ONCRPC
import TestSupport
import Testing

/// Files, names and data through the server.
@Suite struct FileTests {
    @Test func `names are made, listed, renamed and removed`() async throws {
        try await withServer(on: .plain) { server, _ in
            let client = try await WireClient.connect(server.addresses[0], .init("names"))
            try await client.call(
                .createDirectory(PathArguments(directory: .root, path: Array("d".utf8), mode: 0o755))
            )
            let file = try await client.open("d/a")
            #expect(file.attributes.type == .regular)
            #expect(file.attributes.mode == 0o644)
            #expect(try await client.write([1, 2, 3], at: 0, to: file.handle).size == 3)
            try await client.call(
                .rename(
                    RenameArguments(
                        fromDirectory: .root,
                        from: Array("d/a".utf8),
                        toDirectory: .root,
                        to: Array("d/b".utf8),
                        waitMilliseconds: 0
                    )
                )
            )
            let listing = try await client.call(
                .readDirectory(
                    ReadDirectoryArguments(directory: .root, path: Array("d".utf8), cookie: 0, maxEntries: 10)
                )
            )
            guard case .readDirectory(let result) = listing else { throw WireClient.UnexpectedReply(listing) }
            #expect(result.entries.map(\.name) == [Array("b".utf8)])
            #expect(result.isAtEnd)
            try await client.call(.remove(PathArguments(directory: .root, path: Array("d/b".utf8))))
            let failure = await #expect(throws: Failure.self) { try await client.call(.getAttributes(file.handle)) }
            #expect(failure?.status == .stale)
        }
    }

    @Test func `a handle that the server did not make is refused`() async throws {
        try await withServer(on: .plain) { server, _ in
            let client = try await WireClient.connect(server.addresses[0], .init("forger"))
            let file = try await client.open("a").handle
            let forged = FileHandle(low: Opaque16(low: file.low.low ^ 1, high: file.low.high), high: file.high)
            let failure = await #expect(throws: Failure.self) { try await client.call(.getAttributes(forged)) }
            #expect(failure?.status == .badHandle)
        }
    }

    @Test func `a removed file's layouts are recalled first`() async throws {
        try await withServer(on: .plain) { server, directory in
            let holder = try await WireClient.connect(server.addresses[0], .init("holder"))
            let remover = try await WireClient.connect(server.addresses[0], .init("remover"))
            let file = try await holder.open("a").handle
            _ = try await holder.write([1, 2, 3], at: 0, to: file)
            let layout = try await holder.layoutGet(file, .read)
            async let removed = remover.call(.remove(PathArguments(directory: .root, path: Array("a".utf8))))
            let recall = try await holder.nextRecall()
            #expect(recall.operation == .remove)
            #expect(recall.stateID.other == layout.stateID.other)
            _ = try await holder.layoutReturn(file, recall.stateID)
            _ = try await removed
            let failure = await #expect(throws: Failure.self) { try await remover.open("a", [.read]) }
            #expect(failure?.status == .noEntry)
            _ = directory
        }
    }

    @Test func `a client over TCP is nobody and gets no permission of root`() async throws {
        try await withServer(on: .plain) { server, _ in
            let owner = try await WireClient.connect(server.addresses[0], .init("owner"))
            _ = try await owner.open("secret", mode: 0o600)
            var options = WireClient.Options("remote")
            options.credential = .sys(.init(uid: 0, gid: 0))
            let remote = try await WireClient.connect(server.addresses[1], options)
            let failure = await #expect(throws: Failure.self) { try await remote.open("secret", [.read]) }
            #expect(failure?.status == .access)
            let refused = await #expect(throws: Failure.self) { try await remote.serverState() }
            #expect(refused?.status == .notPermitted)
        }
    }

    @Test func `a second server on the same directory is refused, and a later one is not`() async throws {
        let directory = try TestFileSystem.plain.makeDirectory()
        let sockets = try TestDirectory()
        func start(_ name: String) async throws -> LayoutServer {
            let configuration = ServerConfiguration(
                exportPath: directory.path,
                addresses: [.unix(path: sockets.file(name))]
            )
            return try await LayoutServer.start(configuration)
        }
        let first = try await start("first")
        let refusal = await #expect(throws: LinuxError.self) { _ = try await start("second") }
        #expect(refusal?.status == .exists)
        await first.stop()
        let third = try await start("third")
        await third.stop()
    }

    @Test func `a change that cannot succeed recalls nobody`() async throws {
        try await withServer(on: .plain) { server, _ in
            let holder = try await WireClient.connect(server.addresses[0], .init("holder"))
            let file = try await holder.open("a").handle
            _ = try await holder.write([UInt8](repeating: 7, count: 8192), at: 0, to: file)
            _ = try await holder.layoutGet(file)
            let changer = try await WireClient.connect(server.addresses[0], .init("changer"))
            let failure = await #expect(throws: Failure.self) {
                try await changer.change(.insertRange, file, offset: 100, length: 4096)
            }
            #expect(failure?.status == .invalid || failure?.status == .notSupported)
            #expect(try await changer.serverState().recallsSent == 0)
        }
    }
}
