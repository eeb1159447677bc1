import Glibc
import Synchronization
import TestSupport

/// A Unix socket in front of a server's, whose connections can be broken, and whose replies can be held back.
final class Proxy: Sendable {
    /// Where clients connect.
    let path: String
    private let target: String
    private let listener: CInt
    private let state = Mutex(State())

    private struct State {
        var sockets: [CInt] = []
        var isEnded = false
        /// Nothing is passed on.
        var isStalled = false
        /// Replies are read and thrown away.
        var losesReplies = false
        /// New connections are closed at once.
        var refuses = false
        var connections = 0
    }

    var url: String { "layout+unix://\(self.path)" }

    /// How many connections there were.
    var connections: Int { self.state.withLock { $0.connections } }

    init(_ target: String) throws {
        self.target = target
        self.path = target + ".proxy"
        self.listener = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard self.listener >= 0, unsafe Self.withAddress(self.path, { unsafe bind(self.listener, $0, $1) }) == 0,
            listen(self.listener, 16) == 0
        else { throw TestFailure("cannot listen at \(self.path)") }
        startThread { [self] in self.accept() }
    }

    /// Breaks all connections.
    func breakConnections() {
        self.state.withLock { state in
            for socket in state.sockets { shutdown(socket, CInt(SHUT_RDWR)) }
            state.sockets = []
        }
    }

    func setStalled(_ isStalled: Bool) { self.state.withLock { $0.isStalled = isStalled } }

    func setLosesReplies(_ loses: Bool) { self.state.withLock { $0.losesReplies = loses } }

    func setRefuses(_ refuses: Bool) { self.state.withLock { $0.refuses = refuses } }

    /// Sends each client reply upon reply that nobody has asked for, until it is stopped.
    func floodWithReplies() -> BusyThread {
        startBusyThread { [self] in
            // A record of 24 bytes: accepted and executed, under an xid that no client uses.
            let xid = UInt8.random(in: 0...255)
            let reply: [UInt8] = [0x80, 0, 0, 24, 0xff, 0xff, 0xff, xid, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 16)
            // Clients' sockets and the server's take turns in the list.
            let sockets = self.state.withLock { $0.sockets }
            for index in stride(from: 0, to: sockets.count, by: 2) {
                _ = unsafe send(sockets[index], reply, reply.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
            }
            usleep(200)
        }
    }

    func stop() {
        self.state.withLock { $0.isEnded = true }
        shutdown(self.listener, CInt(SHUT_RDWR))
        self.breakConnections()
    }

    private func accept() {
        while true {
            let client = accept4(self.listener)
            if client < 0 {
                close(self.listener)
                return
            }
            let server = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            let isWanted = self.state.withLock { state in
                guard !state.refuses, !state.isEnded else { return false }
                state.connections += 1
                state.sockets += [client, server]
                return true
            }
            guard isWanted, unsafe Self.withAddress(self.target, { unsafe connect(server, $0, $1) }) == 0 else {
                close(client)
                close(server)
                continue
            }
            startThread { [self] in self.pass(client, server, isReply: false) }
            startThread { [self] in
                self.pass(server, client, isReply: true)
                // Both directions have ended by now or end with the shutdown of the other; numbers are not used again
                // while a thread may still read from them, as they stay open until the process ends.
            }
        }
    }

    private func pass(_ from: CInt, _ to: CInt, isReply: Bool) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = unsafe read(from, &buffer, buffer.count)
            if count <= 0 { break }
            while self.state.withLock({ $0.isStalled }) { usleep(2000) }
            if isReply, self.state.withLock({ $0.losesReplies }) { continue }
            var done = 0
            while done < count {
                let written = unsafe buffer[done..<count].withUnsafeBytes { bytes in
                    unsafe send(to, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL))
                }
                if written <= 0 { break }
                done += written
            }
        }
        shutdown(from, CInt(SHUT_RDWR))
        shutdown(to, CInt(SHUT_RDWR))
    }

    private static func withAddress(
        _ path: String,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private func accept4(_ listener: CInt) -> CInt { Glibc.accept(listener, nil, nil) }
}
