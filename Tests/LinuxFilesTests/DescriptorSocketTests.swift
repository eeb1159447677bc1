import Glibc
import LayoutCore
import Synchronization
import TestSupport
import Testing

@testable import LinuxFiles

@Suite struct DescriptorSocketTests {
    private let token = DescriptorToken(Opaque16(low: 0x0807_0605_0403_0201, high: 0xffee_ddcc_bbaa_9988))

    /// A service that grants `token` once per entry in `grants`, and what it was asked.
    private final class Service: Sendable {
        let directory: TestDirectory
        let export: Export
        let server: DescriptorSocketServer
        let asked: Asked

        final class Asked: Sendable {
            let peers = Mutex<[PeerCredentials]>([])
            let outcomes = Mutex<[Bool]>([])
        }

        var path: String { self.directory.file("socket") }
        var file: String { self.export.directory.file("file") }

        init(_ token: DescriptorToken, _ configuration: DescriptorSocketServer.Configuration = .init()) throws {
            self.directory = try TestDirectory(in: "/tmp")
            let export = try Export(.plain)
            try export.make("file", bytes("content"))
            let asked = Asked()
            self.export = export
            self.asked = asked
            self.server = try DescriptorSocketServer(
                path: self.directory.file("socket"),
                configuration: configuration
            ) { shown, peer in
                asked.peers.withLock { $0.append(peer) }
                guard shown == token, let file = try? export.root.open(bytes("file"), for: .read) else { return nil }
                return .init(file.shared()) { isSent in asked.outcomes.withLock { $0.append(isSent) } }
            }
        }

        deinit { self.server.stop() }
    }

    private func redeem(_ token: DescriptorToken, _ path: String, _ timeout: Duration = .seconds(10)) throws -> [UInt8]
    {
        let file = try DescriptorSocket.redeem(token, socketPath: path, timeout: timeout)
        #expect(fcntl(file.number, F_GETFD) & FD_CLOEXEC != 0)
        return try FileInputOutput.read(100, at: 0, of: file)
    }

    @Test func tokensBecomeDescriptors() throws {
        let service = try Service(token)
        for _ in 0..<50 { #expect(try redeem(token, service.path) == bytes("content")) }
        let peer = try #require(service.asked.peers.withLock { $0.first })
        #expect(peer.startTime != nil && peer.startTime == ProcessState(of: getpid())?.startTime)
        #expect(peer.pid == getpid() && peer.uid == geteuid() && peer.gid == getegid())
        // SO_PEERPIDFD came with Linux 6.5.
        #expect(peer.process != nil || !kernelIsAtLeast(6, 5))
        service.server.stop()
        #expect(service.asked.outcomes.withLock { $0 } == [Bool](repeating: true, count: 50))
        #expect(openDescriptorCount(to: service.file) == 0)
    }

    @Test func wrongTokensAreRefused() throws {
        let service = try Service(token)
        let wrong = DescriptorToken(Opaque16(low: token.rawValue.low ^ 1, high: token.rawValue.high))
        let error = failure { () throws(LinuxError) in
            _ = try DescriptorSocket.redeem(wrong, socketPath: service.path, timeout: .seconds(10))
        }
        #expect(error?.status == .stale)
        #expect(DescriptorSocket.bytes(of: token).prefix(9) == [1, 2, 3, 4, 5, 6, 7, 8, 0x88])
        #expect(DescriptorSocket.token(from: DescriptorSocket.bytes(of: token)[...]) == token)
    }

    @Test func manyThreadsAreServed() throws {
        let service = try Service(token)
        let failures = Atomic<Int>(0)
        let token = self.token
        let threads = try (0..<8).map { number in
            try KernelThread(name: "client-\(number)") {
                for _ in 0..<100 {
                    do throws(LinuxError) {
                        let file = try DescriptorSocket.redeem(token, socketPath: service.path, timeout: .seconds(30))
                        if try FileInputOutput.read(7, at: 0, of: file) != bytes("content") {
                            failures.add(1, ordering: .relaxed)
                        }
                    } catch {
                        failures.add(1, ordering: .relaxed)
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(failures.load(ordering: .relaxed) == 0)
    }

    @Test func descriptorsThatArriveAreNotKept() throws {
        let service = try Service(token)
        let sent = try Export(.plain)
        let mine = try sent.make("mine")
        for count in [1, 2, 253] {
            for content in [
                DescriptorSocket.bytes(of: token), [1, 2, 3], bytes("garbage that is longer than a token"),
            ] {
                let socket = try PacketSocket.connected(to: service.path)
                try PacketSocket.send(content, [CInt](repeating: mine.number, count: count), over: socket)
                #expect(PacketSocket.isDropped(socket))
                close(socket)
            }
        }
        #expect(service.asked.peers.withLock { $0.count } == 0)
        #expect(openDescriptorCount(to: sent.directory.file("mine")) == 1)
        #expect(try redeem(token, service.path) == bytes("content"))
    }

    @Test func garbageIsDropped() throws {
        let service = try Service(token)
        let good = DescriptorSocket.bytes(of: token)
        for content in [[0], Array(good.dropLast()), good + [0], [UInt8](repeating: 1, count: 60_000)] {
            let socket = try PacketSocket.connected(to: service.path)
            try PacketSocket.send(content, [], over: socket)
            #expect(PacketSocket.isDropped(socket))
            close(socket)
        }
        // A stream of connections that leave at once.
        for _ in 0..<500 { close(try PacketSocket.connected(to: service.path)) }
        #expect(service.asked.peers.withLock { $0.count } == 0)
        #expect(try redeem(token, service.path) == bytes("content"))
    }

    @Test func theSilentAreDroppedAndKeepNobodyOut() throws {
        let service = try Service(token, .init(connectionsMax: 4, idle: .milliseconds(300)))
        let silent = try (0..<20).map { _ in try PacketSocket.connected(to: service.path) }
        defer { for socket in silent { close(socket) } }
        #expect(try redeem(token, service.path) == bytes("content"))
        // Else it would wait for ever.
        for socket in silent { #expect(PacketSocket.isDropped(socket)) }
        #expect(try redeem(token, service.path) == bytes("content"))
    }

    @Test func aServerThatIsSilentIsNotWaitedFor() throws {
        let directory = try TestDirectory(in: "/tmp")
        let path = directory.file("socket")
        let listener = try PacketSocket.listening(at: path)
        defer { close(listener) }
        let start = Host.now
        let error = failure { () throws(LinuxError) in
            _ = try DescriptorSocket.redeem(token, socketPath: path, timeout: .milliseconds(200))
        }
        #expect(error?.status == .delay)
        #expect(Host.now.duration(since: start) < .seconds(10))
    }

    @Test func nobodyServes() throws {
        let directory = try TestDirectory(in: "/tmp")
        func status(_ path: String) -> LayoutStatus? {
            failure { () throws(LinuxError) in
                _ = try DescriptorSocket.redeem(token, socketPath: path, timeout: .seconds(1))
            }?.status
        }
        #expect(status(directory.file("none")) == .noEntry)
        #expect(status(String(repeating: "x", count: 108)) == .nameTooLong)
        #expect(status("") == .nameTooLong)
        try mustRun("touch", [directory.file("file")])
        #expect(status(directory.file("file")) == .serverFault)
    }

    @Test func placesAreTakenOverOnlyFromTheDead() throws {
        let service = try Service(token)
        let grantNothing: @Sendable (DescriptorToken, PeerCredentials) -> DescriptorSocketServer.Grant? = { _, _ in nil
        }
        let second = failure { () throws(LinuxError) in
            _ = try DescriptorSocketServer(path: service.path, grant: grantNothing)
        }
        #expect(second?.status == .exists)
        #expect(try redeem(token, service.path) == bytes("content"))
        service.server.stop()
        service.server.stop()
        #expect(unsafe access(service.path, F_OK) != 0, "removed")

        // A socket that nobody listens on any more, as after a kill.
        close(try PacketSocket.listening(at: service.path))
        // A program that another test starts right now has a copy of the descriptor until it runs.
        var again: DescriptorSocketServer?
        let deadline = Host.now.advanced(by: .seconds(10))
        while again == nil, Host.now < deadline {
            again = try? DescriptorSocketServer(path: service.path, grant: grantNothing)
        }
        try #require(again).stop()

        try mustRun("touch", [service.path])
        let file = failure { () throws(LinuxError) in
            _ = try DescriptorSocketServer(path: service.path, grant: grantNothing)
        }
        #expect(file?.status == .exists, "a file is not a socket that was left behind")
        let long = failure { () throws(LinuxError) in
            _ = try DescriptorSocketServer(path: "/tmp/" + String(repeating: "x", count: 200), grant: grantNothing)
        }
        #expect(long?.status == .nameTooLong)
    }
}
