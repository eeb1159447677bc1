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

    @Test func `a recall waits for a client that connects again`() async throws {
        try await self.withHolder(on: .plain) { holder, changer, file, server in
            let layout = try await holder.layoutGet(file)
            let descriptor = try DescriptorSocket.redeem(
                layout.token,
                socketPath: server.descriptorSocketPath,
                timeout: .seconds(5)
            )
            try await holder.disconnect()
            async let truncated = changer.change(.truncate, file, offset: 4096, length: 0)
            // The descriptor is still open: the holder is not gone, only out of reach.
            try await Task.sleep(for: .milliseconds(100))
            #expect(try FileFacts(of: descriptor).size == Self.mebibyte)
            try await holder.reconnect(server.addresses[0])
            let recall = try await holder.nextRecall()
            #expect(recall.range == ByteRange(4096, Self.mebibyte))
            _ = try await holder.layoutReturn(file, recall.stateID)
            #expect(try await truncated.size == 4096)
        }
    }

    @Test func `a recall that breaks with its connection is sent again as the same call`() async throws {
        try await self.withHolder(on: .plain) { holder, changer, file, server in
            let layout = try await holder.layoutGet(file)
            let descriptor = try DescriptorSocket.redeem(
                layout.token,
                socketPath: server.descriptorSocketPath,
                timeout: .seconds(5)
            )
            try await holder.answerNoRecalls(true)
            async let truncated = changer.change(.truncate, file, offset: 4096, length: 0)
            let first = try await holder.nextRecall()
            try await holder.disconnect()
            try await holder.answerNoRecalls(false)
            try await holder.reconnect(server.addresses[0])
            let second = try await holder.nextRecall()
            #expect(second.id == first.id)
            #expect(second.deadlineMilliseconds <= first.deadlineMilliseconds)
            let sequences = try await holder.callbackSequences()
            #expect(sequences.count == 2)
            #expect(sequences.first?.slot == sequences.last?.slot)
            #expect(sequences.first?.sequence == sequences.last?.sequence)
            _ = try await holder.layoutReturn(file, second.stateID)
            #expect(try await truncated.recalled == 1)
            _ = descriptor
        }
    }

    @Test func `a layout that is asked for behind a change is granted after it`() async throws {
        try await self.withHolder(on: .plain) { holder, changer, file, server in
            let reader = try await WireClient.connect(server.addresses[0], .init("reader"))
            let layout = try await holder.layoutGet(file)
            async let truncated = changer.change(.truncate, file, offset: 65536, length: 0)
            let recall = try await holder.nextRecall()
            let conflict = await #expect(throws: Failure.self) { try await reader.layoutGet(file, .read) }
            #expect(conflict?.status == .recallConflict)
            async let parked = reader.layoutGet(file, .read, waitMilliseconds: 10000)
            try await Task.sleep(for: .milliseconds(50))
            #expect(try await reader.serverState().grantsWaiting == 1)
            _ = try await holder.layoutReturn(file, recall.stateID)
            #expect(try await truncated.size == 65536)
            let granted = try await parked
            #expect(granted.range == ByteRange(0, 65536))
            #expect(granted.fileSize == 65536)
            #expect(granted.stateID.other != layout.stateID.other)
        }
    }

    @Test func `a downgraded holder gets a descriptor that can only read`() async throws {
        try await self.withHolder(on: .plain) { holder, _, file, server in
            let layout = try await holder.layoutGet(file)
            let left = try await holder.layoutReturn(file, layout.stateID, .readWrite, isDowngrade: true)
            #expect(left.token != .none)
            let descriptor = try DescriptorSocket.redeem(
                left.token,
                socketPath: server.descriptorSocketPath,
                timeout: .seconds(5)
            )
            #expect(throws: LinuxError.self) { try FileInputOutput.write([1], at: 0, to: descriptor) }
            #expect(try FileInputOutput.read(1, at: 0, of: descriptor) == [1])
            // The descriptor for stores is closed by now, so a new layout brings a new one.
            let again = try await holder.layoutGet(file, stateID: left.stateID ?? .none)
            #expect(again.token != .none)
        }
    }

    @Test func `a holder that keeps its layout is killed where the policy says so`() async throws {
        try await withServer(on: .plain, recallTimeout: .milliseconds(200), fence: .kill) { server, _ in
            let holder = try await WireClient.connect(server.addresses[0], .init("holder"))
            let changer = try await WireClient.connect(server.addresses[0], .init("changer"))
            let file = try await holder.open("data").handle
            _ = try await holder.write([UInt8](repeating: 1, count: 8192), at: 0, to: file)
            let layout = try await holder.layoutGet(file)
            #expect(layout.capabilities == .fenceKill)
            let script = """
                import socket, sys, time
                s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                s.connect(sys.argv[1])
                s.send(bytes.fromhex(sys.argv[2]))
                message, ancillary, _, _ = s.recvmsg(1, socket.CMSG_LEN(4))
                print(message[0], len(ancillary), flush=True)
                time.sleep(60)
                """
            let child = try ChildProcess(
                "python3",
                ["-c", script, server.descriptorSocketPath, layout.token.hexadecimal]
            )
            #expect(child.readLine().hasPrefix("0 1"))
            let result = try await changer.change(.truncate, file, offset: 4096, length: 0)
            #expect(result.size == 4096)
            #expect(result.recalled == 1)
            #expect(child.wait().status != 0)
            #expect(try await changer.serverState().recallsRevoked == 1)
        }
    }
}

extension DescriptorToken {
    /// The bytes as they travel.
    fileprivate var hexadecimal: String {
        [self.rawValue.low, self.rawValue.high].map { half in
            (0..<8).map { index in
                let byte = UInt8(truncatingIfNeeded: half >> (index * 8))
                return (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }.joined()
        }.joined()
    }
}
