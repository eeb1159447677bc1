import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles
import TestSupport
import Testing

/// Sessions, slots and callbacks as a client of a real server sees them.
@Suite(.serialized) struct SessionTests {
    /// A server and a file of 16 pages that two clients know.
    private func withClients(
        _ options: [String] = [],
        _ body: (_ server: ServerProcess, _ holder: RawClient, _ changer: RawClient, _ file: FileHandle) throws -> Void
    ) throws {
        let server = try ServerProcess(on: .plain, options)
        defer { server.kill() }
        _ = try StampedFile(server.directory.file("data"), pages: 16)
        let holder = try RawClient(server, "holder")
        try body(server, holder, try RawClient(server, "changer"), try holder.open("data"))
    }

    private func status(of body: () throws -> Response) -> LayoutStatus? {
        do {
            _ = try body()
            return .ok
        } catch {
            return (error as? Failure)?.status
        }
    }

    @Test("A8: a bit that is not defined is refused in every field of flags, and nothing comes of the call")
    func undefinedBits() throws {
        try self.withClients { server, holder, changer, file in
            for bit in [UInt32(1) << 31, 1 << 8] {
                let channel = ChannelAttributes(
                    maxRequest: 4096,
                    maxResponse: 4096,
                    maxResponseCached: 512,
                    maxSlots: 1
                )
                let requests: [Request] = [
                    .exchangeID(ExchangeIDArguments(verifier: 1, owner: [1], flags: bit)),
                    .createSession(
                        CreateSessionArguments(
                            client: holder.id,
                            sequence: 2,
                            flags: bit,
                            fore: channel,
                            back: channel,
                            callbackProgram: 1
                        )
                    ),
                    .open(
                        OpenArguments(
                            directory: .root,
                            path: Array("new".utf8),
                            flags: [.read, .create, OpenFlags(rawValue: bit)],
                            mode: 0o600,
                            waitMilliseconds: 0
                        )
                    ),
                    .setAttributes(
                        SetAttributesArguments(
                            handle: file,
                            which: [.mode, .init(rawValue: bit)],
                            mode: 0,
                            uid: 0,
                            gid: 0,
                            accessTime: FileTime(seconds: 0, nanoseconds: 0),
                            modificationTime: FileTime(seconds: 0, nanoseconds: 0)
                        )
                    ),
                    RawClient.layoutGet(file, flags: LayoutGetFlags(rawValue: bit)),
                ]
                for request in requests {
                    #expect(self.status { try changer.call(request) } == .invalid, "\(request)")
                }
            }
            #expect(unsafe access(server.directory.file("new"), F_OK) != 0)
            let state = try changer.serverState()
            #expect(state.layouts == 0)
        }
    }

    @Test("A20: DELAY as an outcome answers its own call only: the next call is executed, and so is the same one later")
    func delay() throws {
        try self.withClients { _, holder, changer, file in
            _ = try holder.layoutGet(file)
            let request = RawClient.change(.truncate, file, 4096, patience: .milliseconds(300))
            let sequence = changer.sequences[3]
            let first = try changer.reply(to: try changer.send(request, slot: 3, sequence: sequence))
            #expect(self.status { try first?.result.get() ?? .void } == .delay)
            // The same call again gets the same answer, and is not a new try.
            #expect(try changer.reply(to: try changer.send(request, slot: 3, sequence: sequence)) == first)
            let next = try changer.send(
                RawClient.change(.truncate, file, 4096),
                slot: 3,
                sequence: sequence &+ 1
            )
            // While the next one is being executed a copy of it is told to wait, and is no second try either.
            try waitUntil("it waits") { try holder.serverState().changesWaiting == 1 }
            let copy = try changer.send(RawClient.change(.truncate, file, 4096), slot: 3, sequence: sequence &+ 1)
            #expect(try changer.reply(to: copy)?.sequence?.status == .delay)
            try holder.giveBack(try holder.nextRecall())
            let result = try changer.changeResult(of: next)
            #expect(result.size == 4096)
            let again = try changer.send(RawClient.change(.truncate, file, 4096), slot: 3, sequence: sequence &+ 1)
            #expect(try changer.changeResult(of: again) == result)
            #expect(try changer.serverState().changesDone == 1)
        }
    }

    @Test("A21: whatever is refused, its slot is free again at once, and goes on counting")
    func refusals() throws {
        try self.withClients(["--recall-timeout", "100ms"]) { _, holder, changer, file in
            _ = try holder.layoutGet(file, .all, .read)
            let forged = FileHandle(low: file.low, high: Opaque16(low: file.high.low ^ 1, high: file.high.high))
            let nowhere = PathArguments(directory: .root, path: Array("no/such/file".utf8))
            let requests: [Request] = [
                .lookup(nowhere), .remove(nowhere), .createDirectory(nowhere), .getAttributes(forged),
                .close(forged),
                .readDirectory(
                    ReadDirectoryArguments(directory: file, path: [], cookie: 0, maxEntries: 10)
                ),
                RawClient.layoutGet(forged), RawClient.layoutGet(file, flags: .exclusive),
                RawClient.change(.insertRange, file, 1, 1), RawClient.change(.collapseRange, file, 0, 1 << 40),
                RawClient.change(.truncate, file, .max), RawClient.change(.punchHole, forged, 0, 4096),
                .read(ReadArguments(handle: forged, offset: 0, count: 1)), .getDeviceInfo(DeviceID(.zero)),
                .revoke(RevokeArguments(client: ClientID(12345), handle: .root)),
                .state(StateArguments(kind: .clients, cookie: 0, maxRecords: 0)),
            ]
            for (number, request) in requests.enumerated() {
                let call = try changer.send(request, slot: 5, sequence: UInt32(number + 1))
                let reply = try #require(try changer.reply(to: call))
                #expect(reply.sequence?.status == .ok, "\(request)")
                #expect(self.status { try reply.result.get() } != .ok, "\(request)")
            }
            let next = UInt32(requests.count + 1)
            #expect(
                try changer.reply(to: try changer.send(.sequence, slot: 5, sequence: next))?.sequence?.status == .ok
            )
        }
    }

    @Test("A22: replies fit the least room that a session can have, are cut down to it, or nothing is executed")
    func leastRoom() throws {
        try self.withClients { server, holder, _, file in
            let small = try RawClient(server, "small", hasLeastRoom: true)
            // Four hundred extents, hundreds of names and records.
            for page in 0..<400 { try holder.write([1], at: UInt64(page) * 8192, to: file) }
            for number in 0..<300 { _ = try holder.open("a rather long name of a file \(number)") }
            let grant = try small.layoutGet(file, .all, .read)
            #expect(grant.range.upperBound < 400 * 8192, "it was cut down")
            #expect(grant.extents.last?.range.upperBound == grant.range.upperBound)
            let listing = try small.call(
                .readDirectory(ReadDirectoryArguments(directory: .root, path: [], cookie: 0, maxEntries: 256))
            )
            guard case .readDirectory(let names) = listing else { throw TestFailure("READDIR") }
            #expect(!names.entries.isEmpty && names.entries.count < 256 && !names.isAtEnd)
            let read = try small.call(.read(ReadArguments(handle: file, offset: 0, count: 262_144)))
            guard case .read(let data) = read else { throw TestFailure("READ") }
            #expect(data.data.count < 4096 && !data.data.isEmpty)
            #expect(try small.clientStates().count == 3)

            // The longest failures are kept whole: a retry gets the same bytes.
            let path = [UInt8](repeating: UInt8(ascii: "x"), count: 1000)
            let request = Request.remove(PathArguments(directory: .root, path: path, waitMilliseconds: 100))
            let first = try small.reply(to: try small.send(request, slot: 2, sequence: 1))
            let again = try small.reply(to: try small.send(request, slot: 2, sequence: 1))
            #expect(again == first)
            #expect(first?.sequence?.status == .ok)
            // A change, too, whose reply is the largest that has to be kept.
            let insert = RawClient.change(.punchHole, file, 0, 4096)
            let change = try small.reply(to: try small.send(insert, slot: 2, sequence: 2))
            #expect(try small.reply(to: try small.send(insert, slot: 2, sequence: 2)) == change)
            #expect(change?.sequence?.status == .ok)
        }
    }

    @Test("C6: a recall comes also for a file that its holder has closed")
    func closedFile() throws {
        try self.withClients { _, holder, changer, file in
            _ = try holder.layoutGet(file)
            #expect(try holder.call(.close(file)) == .void)
            let truncate = try changer.send(RawClient.change(.truncate, file, 0))
            let recall = try holder.nextRecall()
            #expect(recall.handle == file)
            try holder.giveBack(recall)
            #expect(try changer.changeResult(of: truncate).recalled == 1)
        }
    }

    @Test("C14: a recall does not wait for replies that its client is slow to take")
    func recallBesideReplies() throws {
        try self.withClients { _, holder, changer, file in
            try holder.write([UInt8](repeating: 7, count: 262_144), at: 0, to: file)
            _ = try holder.layoutGet(file)
            let read = Request.read(ReadArguments(handle: file, offset: 0, count: 262_144))
            // Three megabytes that nobody takes yet: more than sockets hold.
            let reads = try (0..<12).map { _ in try holder.send(read) }
            let truncate = try changer.send(RawClient.change(.truncate, file, 4096))
            let recall = try holder.nextRecall()
            try holder.giveBack(recall)
            #expect(try changer.changeResult(of: truncate).size == 4096)
            for call in reads {
                guard case .read(let data) = try holder.response(to: call) else { throw TestFailure("READ") }
                #expect(data.data.count == 262_144)
            }
            #expect(try holder.statusFlags() == [])
        }
    }

    @Test("C18: a client that goes, by its own word or by a successor's, is forgotten in every table")
    func goodbye() throws {
        try self.withClients { server, holder, observer, file in
            for way in ["destroyed", "replaced", "dead"] {
                let client = try RawClient(server, "client \(way)")
                _ = try client.layoutGet(file)
                let change = try observer.send(RawClient.change(.truncate, file, 0, patience: .seconds(20)))
                try waitUntil("it is being recalled") { try observer.recallStates().count == 1 }
                switch way {
                case "destroyed":
                    try client.layoutReturn(file, try client.nextRecall().stateID)
                    try client.call(.destroySession(client.session))
                    try client.call(.destroyClientID(client.id))
                case "replaced":
                    _ = try RawClient(server, "client \(way)", verifier: 2)
                default:
                    client.disconnect()
                }
                #expect(try observer.changeResult(of: change).recalled == 1, "\(way)")
                let id = client.id
                try waitUntil("nothing is left of it") {
                    try observer.recallStates().isEmpty && observer.waitingStates().isEmpty
                        && observer.serverState().layouts == 0
                        && (way == "dead" || !observer.clientStates().contains { $0.client == id })
                }
                _ = try holder.change(.truncate, file, 65536)
            }
        }
    }
}
