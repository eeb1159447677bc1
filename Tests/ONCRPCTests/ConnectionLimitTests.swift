import Glibc
import NIOCore
import NIOPosix
import Testing

@testable import ONCRPC

@Suite("Connection limits")
struct ConnectionLimitTests {
    private static var limits: RPCLimits {
        var limits = RPCLimits()
        limits.connections = 4
        return limits
    }

    @Test("bad-input 3: at the cap, peers that never called give way first, oldest first, then the longest idle")
    func eviction() throws {
        try TestServer.run(Self.limits) { server in
            let address = try server.listen()
            var sockets: [RawSocket] = []
            for index in 0..<4 {
                sockets.append(try RawSocket(to: address))
                #expect(try server.eventually { $0.service.opened.count == index + 1 })
            }
            // 0 and 2 call, in this order; 1 and 3 never do.
            for index in [0, 2] {
                #expect(try sockets[index].roundTrip(Wire.call(xid: 1)) == Wire.reply(xid: 1))
            }
            for (round, victim) in [1, 3, 0, 2].enumerated() {
                let next = try RawSocket(to: address)
                #expect(try next.roundTrip(Wire.call(xid: 1)) == Wire.reply(xid: 1))
                #expect(sockets[victim].readToEnd())
                sockets.append(next)
                let statistics = try server.statistics()
                #expect(statistics.connectionsEvicted == UInt64(round + 1))
                #expect(statistics.connectionsOpen == 4)
            }
        }
    }

    @Test("Connections with calls in flight, or that the delegate holds on to, are not evicted: the new one is refused")
    func refusal() throws {
        try TestServer.run(Self.limits) { server in
            let address = try server.listen()
            let sockets = try (0..<4).map { _ in try RawSocket(to: address) }
            for socket in sockets.prefix(2) { try socket.send(Wire.record(Wire.call(xid: 1, procedure: 2))) }
            for socket in sockets.suffix(2) { _ = try socket.roundTrip(Wire.call(xid: 1)) }
            #expect(try server.eventually { $0.service.parked.count == 2 })
            try server.on { parts in for connection in parts.service.opened { connection.isEvictable = false } }
            let refused = try RawSocket(to: address)
            #expect(refused.readToEnd())
            #expect(try server.statistics().connectionsRefused == 1)
            try server.on { parts in for connection in parts.service.opened { connection.isEvictable = true } }
            let accepted = try RawSocket(to: address)
            #expect(try accepted.roundTrip(Wire.call(xid: 2)) == Wire.reply(xid: 2))
            for socket in sockets.prefix(2) {
                #expect(try socket.roundTrip(Wire.call(xid: 3)) == Wire.reply(xid: 3))
            }
        }
    }

    @Test("bad-input 3: 300 idle connections cost no more than their descriptors, and delay nobody")
    func idle() throws {
        try TestServer.run { server in
            let address = try server.listen()
            let idle = try (0..<300).map { _ in try RawSocket(to: address) }
            let socket = try RawSocket(to: address)
            let start = ContinuousClock.now
            #expect(try socket.roundTrip(Wire.call(xid: 1)) == Wire.reply(xid: 1))
            #expect(start.duration(to: .now) < .milliseconds(250))
            #expect(try server.eventually { $0.service.opened.count == 301 })
            let held = try server.on { parts in
                parts.service.opened.map { $0.reader.capacity + $0.output.storageCapacity }.reduce(0, +)
            }
            #expect(held == 0)
            withExtendedLifetime(idle) {}
        }
    }

    @Test("The cap leaves the reserve of the process's open files; too few are an error that says what to do")
    func descriptorLimit() async {
        await #expect(processExitsWith: .success) {
            var descriptors = rlimit(rlim_cur: 100, rlim_max: 1000)
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors)
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            let loop = group.next()
            try await loop.submit {
                var limits = RPCLimits()
                limits.descriptorReserve = 40
                let server = try RPCServer(eventLoop: loop, limits: limits, delegate: TestService())
                precondition(server.connectionLimit == 60)
                limits.descriptorReserve = 100
                do throws(RPCTransportError) {
                    _ = try RPCServer(eventLoop: loop, limits: limits, delegate: TestService())
                    preconditionFailure("no descriptors are left")
                } catch {
                    precondition(error.code == .descriptorLimit && error.message.contains("LimitNOFILE"))
                }
            }.get()
        }
    }

    @Test("bad-input 3: out of descriptors, accepting pauses instead of spinning, and goes on when there are some")
    func exhaustion() async {
        await #expect(processExitsWith: .success) {
            try ConnectionLimitTests.exhaust()
        }
    }

    /// Runs in a process of its own, whose limit of open files it lowers below what the server was told.
    private static func exhaust() throws {
        try TestServer.run { server in
            let address = try server.listen()
            let claimed = try RawSocket(to: address)
            let reply = try claimed.roundTrip(Wire.call(xid: 1))
            precondition(reply == Wire.reply(xid: 1), "the first call was not answered")
            try server.on { $0.service.opened[0].isEvictable = false }
            // The clients get their descriptors first, so that only the server is short of them.
            let clients = try (0..<3).map { _ in try UnconnectedSocket() }
            let lowest = dup(0)
            close(lowest)
            var descriptors = rlimit(rlim_cur: rlim_t(lowest), rlim_max: 4096)
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors)
            for client in clients { try client.connect(to: address) }

            let before = clock()
            try server.loop.scheduleTask(in: .seconds(1)) {}.futureResult.wait()
            let used = Double(clock() - before) / Double(CLOCKS_PER_SEC)
            precondition(used < 0.1, "accepting used \(used) s of CPU time in one second")
            let pauses = try server.statistics().acceptPauses
            precondition((2...10).contains(pauses), "\(pauses) pauses")
            // Those that are connected are served all the while.
            let again = try claimed.roundTrip(Wire.call(xid: 2))
            precondition(again == Wire.reply(xid: 2), "the connected client was not served")

            descriptors.rlim_cur = 1024
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors)
            let recovered = try server.eventually { $0.service.opened.count == 4 }
            precondition(recovered, "accepting did not go on")
        }
    }

    /// A Unix socket that has its descriptor before it connects.
    private final class UnconnectedSocket {
        let descriptor: CInt

        init() throws {
            self.descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
            if self.descriptor < 0 { throw RawSocket.Failure(what: "socket", number: errno) }
        }

        deinit { close(self.descriptor) }

        func connect(to address: SocketAddress) throws {
            let result = unsafe address.withSockAddr { unsafe Glibc.connect(self.descriptor, $0, socklen_t($1)) }
            if result != 0 { throw RawSocket.Failure(what: "connect", number: errno) }
        }
    }
}
