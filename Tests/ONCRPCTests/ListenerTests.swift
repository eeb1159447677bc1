import Glibc
import NIOCore
import Testing

@testable import ONCRPC

@Suite("Listeners and peers")
struct ListenerTests {
    private func path() -> String {
        guard case .unix(let path, _) = Transport.unix.listenAddress else { preconditionFailure("not a path") }
        return path
    }

    private func permissions(_ path: String) -> mode_t? {
        var status = stat()
        return unsafe lstat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
    }

    @Test(
        "A Unix socket file has the mode asked for, whatever the umask, and goes with the server",
        arguments: [0o600, 0o666, 0o660]
    )
    func mode(mode: UInt32) throws {
        let path = self.path()
        try TestServer.run { server in
            _ = try server.listen(on: .unix(path: path, mode: mode))
            #expect(self.permissions(path) == mode_t(mode))
        }
        #expect(self.permissions(path) == nil)
    }

    @Test("A socket file on which nobody answers is replaced, one on which a server answers is not")
    func stale() throws {
        let path = self.path()
        try TestServer.run { server in
            _ = try server.listen(on: .unix(path: path, mode: 0o600))
            try TestServer.run { other in
                let error = #expect(throws: RPCTransportError.self) {
                    _ = try other.listen(on: .unix(path: path, mode: 0o600))
                }
                #expect(error?.code == .addressInUse)
            }
            // The probe of the other server is a connection that came and went.
            let socket = try RawSocket(to: SocketAddress(unixDomainSocketPath: path))
            #expect(try socket.roundTrip(Wire.call(xid: 1)) == Wire.reply(xid: 1))
        }
        do {
            // A file that a killed server leaves behind.
            let listener = try UnixListener(path: path, mode: 0o600, backlog: 1)
            close(listener.descriptor)
        }
        #expect(self.permissions(path) != nil)
        try TestServer.run { server in
            let socket = try RawSocket(to: server.listen(on: .unix(path: path, mode: 0o600)))
            #expect(try socket.roundTrip(Wire.call(xid: 1)) == Wire.reply(xid: 1))
        }
    }

    @Test("A file that took the socket's place is left alone at the end")
    func replaced() throws {
        let path = self.path()
        try TestServer.run { server in
            _ = try server.listen(on: .unix(path: path, mode: 0o600))
            unsafe unlink(path)
            close(unsafe open(path, O_CREAT | O_WRONLY, 0o640))
        }
        #expect(self.permissions(path) != nil)
        unsafe unlink(path)
    }

    @Test("What cannot be listened on is an error that names it")
    func errors() throws {
        let file = self.path()
        close(unsafe open(file, O_CREAT | O_WRONLY, 0o640))
        defer { unsafe unlink(file) }
        let cases: [(RPCListenAddress, RPCTransportError.Code)] = [
            (.unix(path: file, mode: 0o600), .invalidAddress),
            (.unix(path: "/tmp/" + String(repeating: "x", count: 110), mode: 0o600), .invalidAddress),
            (.unix(path: "/nowhere/at/all.sock", mode: 0o600), .system),
            (.tcp(host: "localhost", port: 0), .invalidAddress),
            (.tcp(host: "127.0.0.1", port: 65_536), .invalidAddress),
            (.tcp(host: "192.0.2.1", port: 0), .system),
        ]
        try TestServer.run { server in
            for (address, code) in cases {
                let error = #expect(throws: RPCTransportError.self) { _ = try server.listen(on: address) }
                #expect(error?.code == code)
                #expect(error?.message.contains("\(address)") == true)
            }
            let taken = try server.listen(.tcp4)
            let error = #expect(throws: RPCTransportError.self) {
                _ = try server.listen(on: .tcp(host: "127.0.0.1", port: taken.port ?? 0))
            }
            #expect(error?.code == .addressInUse)
        }
    }

    @Test("One port is served on IPv4 and IPv6 side by side")
    func bothFamilies() throws {
        try TestServer.run { server in
            let port = try #require(server.listen(on: .tcp(host: "::", port: 0)).port)
            _ = try server.listen(on: .tcp(host: "0.0.0.0", port: port))
            for host in ["127.0.0.1", "::1"] {
                let socket = try RawSocket(to: SocketAddress(ipAddress: host, port: port))
                #expect(try socket.roundTrip(Wire.call(xid: 1)) == Wire.reply(xid: 1))
            }
            #expect(try server.on { $0.service.opened.allSatisfy { $0.peer.isSameHost } })
        }
    }

    @Test("Both ends know who the other one is")
    func peers() throws {
        try TestServer.run { server in
            let me = RPCPeer.unix(pid: getpid(), uid: getuid(), gid: getgid())
            try TestClient.run(to: server.listen(.unix).serverAddress) { client in
                let server = try client.withConnection { $0.peer }
                #expect(server == me)
            }
            #expect(try server.eventually { $0.service.opened.first?.peer == me })
            for transport in [Transport.tcp4, .tcp6] {
                try TestClient.run(to: server.listen(transport).serverAddress) { client in
                    _ = try client.call(.null)
                    let theirs = try #require(try server.on { $0.service.opened.last?.peer })
                    let ours = try client.withConnection { $0.peer }
                    guard case .tcp(let local, let remote) = ours, case .tcp(let theirLocal, let theirRemote) = theirs
                    else {
                        Issue.record("not TCP: \(ours), \(theirs)")
                        return
                    }
                    #expect(local == theirRemote)
                    #expect(remote == theirLocal)
                    #expect(ours.isSameHost)
                }
            }
        }
    }

    @Test("One host is told from two by their addresses")
    func sameHost() throws {
        let cases = [
            ("127.0.0.1", "127.0.0.2", true), ("::1", "::1", true), ("192.0.2.7", "192.0.2.7", true),
            ("::ffff:192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false),
            ("2001:db8::1", "2001:db8::2", false),
            ("127.0.0.1", "192.0.2.7", false),
        ]
        for (local, remote, isSame) in cases {
            let peer = RPCPeer.tcp(
                local: try SocketAddress(ipAddress: local, port: 1),
                remote: try SocketAddress(ipAddress: remote, port: 2)
            )
            #expect(peer.isSameHost == isSame, "\(local), \(remote)")
        }
        #expect(RPCPeer.unix(pid: 1, uid: 0, gid: 0).isSameHost)
    }

    @Test("Small messages are not held back: TCP_NODELAY is set at both ends")
    func noDelay() throws {
        try TestServer.run { server in
            try TestClient.run(to: server.listen(.tcp4).serverAddress) { client in
                _ = try client.call(.null)
                let atClient = try client.on { parts in
                    try #require(parts.connection?.context).channel.getOption(.tcpOption(.tcp_nodelay))
                }.wait()
                let atServer = try server.on { parts in
                    try #require(parts.service.opened[0].context).channel.getOption(.tcpOption(.tcp_nodelay))
                }.wait()
                #expect(atClient != 0)
                #expect(atServer != 0)
            }
        }
    }
}
