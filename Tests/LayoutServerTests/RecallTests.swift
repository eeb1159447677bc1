import LayoutCore
import LayoutServer
import LayoutXDR
import LinuxFiles
import TestSupport
import Testing

/// The whole way of a recall, over real sockets and on real filesystems.
@Suite struct RecallTests {
    private static var mebibyte: UInt64 { 1 << 20 }

    /// A file of 1 MiB that two clients know.
    private func withHolder(
        on fileSystem: TestFileSystem,
        recallTimeout: Duration = .seconds(10),
        _ body: (_ holder: WireClient, _ changer: WireClient, _ file: FileHandle, _ server: LayoutServer) async throws
            -> Void
    ) async throws {
        try await withServer(on: fileSystem, recallTimeout: recallTimeout) { server, _ in
            let holder = try await WireClient.connect(server.addresses[0], .init("holder"))
            let changer = try await WireClient.connect(server.addresses[0], .init("changer"))
            let file = try await holder.open("data").handle
            for part in 0..<4 {
                let bytes = [UInt8](repeating: UInt8(part + 1), count: 262_144)
                #expect(try await holder.write(bytes, at: UInt64(part) * 262_144, to: file).count == 262_144)
            }
            try await body(holder, changer, file, server)
        }
    }

    @Test(arguments: TestFileSystems.images)
    func `an insert waits until the overlapping layout is back`(on fileSystem: TestFileSystem) async throws {
        try await self.withHolder(on: fileSystem) { holder, changer, file, server in
            let layout = try await holder.layoutGet(file)
            #expect(layout.range == ByteRange(0, Self.mebibyte))
            #expect(layout.fileSize == Self.mebibyte)
            #expect(layout.capabilities == .fenceWait)
            #expect(layout.extents.first?.range.lowerBound == 0)
            #expect(layout.extents.last?.range.upperBound == Self.mebibyte)
            let descriptor = try DescriptorSocket.redeem(
                layout.token,
                socketPath: server.descriptorSocketPath,
                timeout: .seconds(5)
            )
            #expect(try FileFacts(of: descriptor).size == Self.mebibyte)

            async let inserted = changer.change(.insertRange, file, offset: 262_144, length: 65536)
            let recall = try await holder.nextRecall()
            #expect(recall.handle == file)
            #expect(recall.range == ByteRange(262_144, Self.mebibyte))
            #expect(recall.operation == .insertRange)
            #expect(recall.reason == .unmap)
            #expect(recall.requester == changer.id)
            #expect(recall.stateID.other == layout.stateID.other)
            // Nothing has moved while the layout is out.
            #expect(try FileFacts(of: descriptor).size == Self.mebibyte)
            let left = try await holder.layoutReturn(
                file,
                recall.stateID,
                offset: recall.range.lowerBound,
                length: recall.range.wireLength
            )
            #expect(left.stateID != nil)
            let result = try await inserted
            #expect(result.size == Self.mebibyte + 65536)
            #expect(result.recalled == 1)
            #expect(result.epoch > layout.epoch)
            #expect(try FileFacts(of: descriptor).size == Self.mebibyte + 65536)

            // The next grant tells the shift, and comes with no descriptor, as the holder still has one.
            let again = try await holder.layoutGet(file, stateID: left.stateID ?? .none, knownEpoch: layout.epoch)
            #expect(again.shifts?.map(\.shift) == [Shift(isInsert: true, offset: 262_144, length: 65536)])
            #expect(again.token == .none)
            #expect(again.range == ByteRange(0, Self.mebibyte + 65536))
            let data = try await changer.read(4, at: 262_144 + 65536, of: file).data
            #expect(data == [2, 2, 2, 2])
        }
    }

    @Test(arguments: TestFileSystems.images)
    func `a punch beside the layout recalls nobody`(on fileSystem: TestFileSystem) async throws {
        try await self.withHolder(on: fileSystem) { holder, changer, file, _ in
            let layout = try await holder.layoutGet(file, offset: 0, length: 65536)
            #expect(layout.range == ByteRange(0, 65536))
            let result = try await changer.change(.punchHole, file, offset: 65536, length: 65536)
            #expect(result.recalled == 0)
            #expect(try await changer.serverState().recallsSent == 0)
            #expect(try await changer.read(4, at: 65536, of: file).data == [0, 0, 0, 0])
        }
    }

    @Test func `a change that nobody makes room for is answered DELAY and not done`() async throws {
        try await self.withHolder(on: .plain, recallTimeout: .milliseconds(200)) {
            holder,
            changer,
            file,
            server in
            let layout = try await holder.layoutGet(file)
            // The descriptor is open in this process: the holder is not gone.
            let descriptor = try DescriptorSocket.redeem(
                layout.token,
                socketPath: server.descriptorSocketPath,
                timeout: .seconds(5)
            )
            let failure = await #expect(throws: Failure.self) {
                try await changer.change(.truncate, file, offset: 0, length: 0, waitMilliseconds: 500)
            }
            #expect(failure?.status == .delay)
            #expect(try FileFacts(of: descriptor).size == Self.mebibyte)
            let flags = try await holder.reply(to: .sequence).sequence?.flags
            #expect(flags?.contains(.recallOverdue) == true)
            guard case .recalls(let recalls) = try await changer.state(.recalls) else { return }
            #expect(recalls.first?.client == holder.id)
            #expect((recalls.first?.fenceAttempts ?? 0) > 0)
        }
    }

    @Test func `a holder whose descriptor is closed is proven gone`() async throws {
        try await self.withHolder(on: .plain, recallTimeout: .milliseconds(200)) {
            holder,
            changer,
            file,
            server in
            let layout = try await holder.layoutGet(file)
            do {
                // Fetched, and closed again without a return.
                _ = try DescriptorSocket.redeem(
                    layout.token,
                    socketPath: server.descriptorSocketPath,
                    timeout: .seconds(5)
                )
            }
            let result = try await changer.change(.truncate, file, offset: 4096, length: 0)
            #expect(result.size == 4096)
            let sequence = try await holder.reply(to: .sequence).sequence
            #expect(sequence?.flags.contains(.allRevoked) == true)
            let failure = await #expect(throws: Failure.self) {
                try await holder.layoutReturn(file, layout.stateID)
            }
            #expect(failure?.status == .badStateID)
        }
    }

    @Test func `the caller's own layout goes back with its change`() async throws {
        try await self.withHolder(on: .plain) { holder, _, file, _ in
            let layout = try await holder.layoutGet(file)
            let result = try await holder.change(.punchHole, file, offset: 0, length: 65536)
            #expect(result.recalled == 0)
            #expect(result.stateID?.other == layout.stateID.other)
            guard case .layouts(let held) = try await holder.state(.layouts) else { return }
            #expect(held.map(\.range) == [ByteRange(65536, Self.mebibyte)])
        }
    }

    @Test func `a retry of a change gets the first answer and changes nothing`() async throws {
        try await self.withHolder(on: .plain) { holder, changer, file, _ in
            _ = holder
            let request = Request.change(
                ChangeArguments(
                    operation: .truncate,
                    handle: file,
                    offset: 4096,
                    length: 0,
                    waitMilliseconds: 0,
                    keepSize: false
                )
            )
            let sequence = SequenceArguments(
                session: changer.session,
                sequence: 1,
                slot: 3,
                highestSlot: 3,
                cacheThis: true
            )
            let first = try await changer.reply(to: request, under: sequence)
            #expect(try await changer.change(.truncate, file, offset: 8192, length: 0).size == 8192)
            let second = try await changer.reply(to: request, under: sequence)
            #expect(first == second)
            #expect(try await changer.read(1, at: 8191, of: file).data.count == 1)
        }
    }
}
