import Glibc
import LayoutClient
import LayoutCore
import LayoutXDR
import TestSupport
import Testing

/// A server's numbers are checked: nothing that it answers ends the process, or is believed where it cannot be.
@Suite("A hostile server")
struct HostileServerTests {
    @Test("a session with more slots than were asked for, none, or without a back channel is not taken [F5]")
    func sessions() async throws {
        let forgeries: [@Sendable (inout CreateSessionResult) -> Void] = [
            { $0.fore.maxSlots = .max }, { $0.back.maxSlots = .max }, { $0.fore.maxSlots = 0 },
            { $0.back.maxSlots = 0 },
            { $0.flags = 0 },
        ]
        for forgery in forgeries {
            let server = try await ScriptedServer()
            try await server.with { core in
                core.forge = { _, reply in
                    guard case .success(.createSession(var result)) = reply.result else { return }
                    forgery(&result)
                    reply.result = .success(.createSession(result))
                }
            }
            let error = await #expect(throws: LayoutError.self) {
                _ = try await server.connect { $0.connectTimeout = .milliseconds(300) }
            }
            #expect(error?.code == .unreachable)
            #expect(error?.message.contains("slots") == true)
            await server.stop()
        }
    }

    @Test("a reply for another slot or sequence ends the session; the call is made again in the next [F5]")
    func slots() async throws {
        let forgeries: [@Sendable (inout SequenceResult) -> Void] = [
            { $0.slot = .max }, { $0.sequence &+= 1 }, { $0.status = .sequenceMisordered },
        ]
        for forgery in forgeries {
            let server = try await ScriptedServer()
            let client = try await server.connect()
            try await server.with { core in
                core.forge = { [weak core] request, reply in
                    guard case .lookup = request, var sequence = reply.sequence else { return }
                    core?.forge = nil
                    forgery(&sequence)
                    reply.sequence = sequence
                    if sequence.status != .ok { reply.result = .failure(Failure(sequence.status)) }
                }
            }
            #expect(try await client.stat("file").size == 65536)
            try await eventually("it is counted") { client.statistics.sessionsLost == 1 }
            await client.close()
            await server.stop()
        }
    }

    @Test("a grant that is not what was asked for is not used, and access never begins [F5]")
    func grants() async throws {
        let forgeries: [@Sendable (inout LayoutGetResult) -> Void] = [
            { $0.ioMode = .read },
            { grant in
                guard let range = ByteRange(32768, 65536) else { return }
                grant.range = range
                grant.extents = [Extent(range: range, storageOffset: 0, state: .data)]
            },
            { $0.extents = [] },
            { $0.extents += $0.extents },
            { $0.token = DescriptorToken(Opaque16(low: 1, high: 1)) },
            {
                $0.device = DeviceID(Opaque16(low: 0, high: 0))
                $0.fileSize = 0
            },
            {
                $0.shifts = [
                    LoggedShift(epoch: .max, shift: Shift(isInsert: false, offset: .max - 1, length: .max - 1))
                ]
            },
        ]
        for (index, forgery) in forgeries.enumerated() {
            let server = try await ScriptedServer()
            let client = try await server.connect { $0.patience = .milliseconds(400) }
            let file = try await client.open("file", .readWrite)
            try await server.with { core in
                core.forge = { _, reply in
                    guard case .success(.layoutGet(var grant)) = reply.result else { return }
                    forgery(&grant)
                    reply.result = .success(.layoutGet(grant))
                }
            }
            await #expect(throws: LayoutError.self, "\(index)") { _ = try await file.map(0..<16384, .readWrite) }
            #expect(client.statistics.windowsGranted == 0, "\(index)")
            // With a server that has come to its senses all is well.
            try await server.with { core in
                core.forge = nil
                core.shifts = []
            }
            let region = try await file.map(0..<16384, .readWrite)
            #expect(try await onThread { unsafe region.bytes[4096] } == 2)
            await client.close()
            await server.stop()
        }
    }

    @Test(
        "sizes that no file has, and shifts that lead nowhere, end in an error or SIGBUS, never in the process's end [F5]"
    )
    func sizes() async throws {
        for size in [UInt64.max, UInt64(Int64.max) + 1] {
            let server = try await ScriptedServer()
            let client = try await server.connect()
            let file = try await client.open("file", .readWrite)
            let region = try await file.map(0..<8192, .readWrite, following: .content)
            try await file.returnLayouts()
            try await server.with { core in
                core.epoch = 9
                core.shifts = [
                    LoggedShift(epoch: 9, shift: Shift(isInsert: true, offset: 0, length: UInt64(Int64.max)))
                ]
                core.forge = { _, reply in
                    guard case .success(.layoutGet(var grant)) = reply.result else { return }
                    grant.fileSize = size
                    reply.result = .success(.layoutGet(grant))
                }
            }
            let error = await #expect(throws: LayoutError.self) { try await region.prepare() }
            #expect(error?.code == .noSuchAddress)
            await client.close()
            await server.stop()
        }
    }

    @Test("a directory that never ends is given up, and one whose cookies go in circles [F5]")
    func directories() async throws {
        let server = try await ScriptedServer()
        let client = try await server.connect()
        try await server.with { core in
            core.answer = { request in
                guard case .readDirectory = request else { return nil }
                let entry = DirectoryEntry(cookie: 5, fileNumber: 1, type: .regular, size: 0, name: Array("x".utf8))
                return .success(.readDirectory(ReadDirectoryResult(entries: [entry], isAtEnd: false)))
            }
        }
        let error = await #expect(throws: LayoutError.self) { _ = try await client.list() }
        #expect(error?.code == .serverFault)
        await client.close()
        await server.stop()
    }

    @Test("more bytes than were asked for, or written than were sent, are an error [F5]")
    func data() async throws {
        let server = try await ScriptedServer()
        let client = try await server.connect { $0.readsAndWritesDirectly = false }
        let file = try await client.open("file", .readWrite)
        try await server.with { core in
            core.answer = { request in
                switch request {
                case .read(let arguments):
                    let data = [UInt8](repeating: 1, count: Int(arguments.count) + 1)
                    return .success(.read(ReadResult(isAtEnd: false, data: data)))
                case .write(let arguments):
                    let count = UInt32(arguments.data.count + 1)
                    return .success(.write(WriteResult(count: count, size: 1, verifier: 1)))
                default:
                    return nil
                }
            }
        }
        await #expect(throws: LayoutError.self) { _ = try await file.read(100, at: 0) }
        await #expect(throws: LayoutError.self) { try await file.write([1, 2, 3], at: 0) }
        await client.close()
        await server.stop()
    }

    @Test("replies to nobody, for ever, do not move the time at which a call is given up [F5]")
    func junk() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 4)
            let proxy = try Proxy(world.socket)
            let client = try await world.connect(to: proxy.url) { $0.answerTimeout = .milliseconds(400) }
            proxy.setLosesReplies(true)
            let flood = proxy.floodWithReplies()
            let start = ContinuousClock.now
            let error = await #expect(throws: LayoutError.self) { _ = try await client.stat("a") }
            #expect(error?.code == .timedOut || error?.code == .unreachable)
            #expect(ContinuousClock.now - start < .seconds(4))
            _ = flood.stop()
            proxy.setLosesReplies(false)
            proxy.breakConnections()
            #expect(try await client.stat("a").size == 16384)
            await client.close()
            proxy.stop()
        }
    }
}
