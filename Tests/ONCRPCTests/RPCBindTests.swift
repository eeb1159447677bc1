import Glibc
import NIOCore
import Testing

@testable import ONCRPC

/// Against the real rpcbind, which is started for the test and asked through a connection of this module.
///
/// Needs root and port 111; left out where rpcbind is not installed.
@Suite("rpcbind", .serialized, .enabled(if: RPCBindProcess.canRun, "needs root, and rpcbind in /usr/sbin"))
struct RPCBindTests {
    private static let program: UInt32 = 0x2000_7779

    @Test(
        "Registrations reach rpcbind, replace older ones, and are taken back; without rpcbind the error says to start it"
    )
    func registration() throws {
        let v4 = try SocketAddress(ipAddress: "0.0.0.0", port: 40_001)
        let v6 = try SocketAddress(ipAddress: "::", port: 40_002)
        var rpcbind: RPCBindProcess?
        if !RPCBindProcess.isRunning {
            let error = #expect(throws: RPCBind.Failure.self) {
                try RPCBind.register(program: Self.program, version: 1, address: v4)
            }
            #expect(error?.code == .notRunning)
            #expect(error?.message.contains("start rpcbind") == true)
            let unregistered = #expect(throws: RPCBind.Failure.self) {
                try RPCBind.unregister(program: Self.program, version: 1, transport: .tcp)
            }
            #expect(unregistered?.code == .notRunning)
            rpcbind = try RPCBindProcess()
        }
        defer { rpcbind?.stop() }
        #expect(try Self.port("tcp") == nil)
        try RPCBind.register(program: Self.program, version: 1, address: v4)
        try RPCBind.register(program: Self.program, version: 1, address: v6)
        #expect(try Self.port("tcp") == 40_001)
        #expect(try Self.port("tcp6") == 40_002)
        // What a killed server left behind.
        try RPCBind.register(
            program: Self.program,
            version: 1,
            address: SocketAddress(ipAddress: "0.0.0.0", port: 40_003)
        )
        #expect(try Self.port("tcp") == 40_003)
        for transport in RPCBind.Transport.allCases {
            try RPCBind.unregister(program: Self.program, version: 1, transport: transport)
            #expect(try Self.port(transport.rawValue) == nil)
            try RPCBind.unregister(program: Self.program, version: 1, transport: transport)
        }
        let unix = try SocketAddress(unixDomainSocketPath: "/tmp/x")
        let error = #expect(throws: RPCBind.Failure.self) {
            try RPCBind.register(program: Self.program, version: 1, address: unix)
        }
        #expect(error?.code == .noTransport)
    }

    /// The port that rpcbind tells for the program (RPCBPROC_GETADDR, RFC 1833 §2.2.1); `nil` if there is none.
    private static func port(_ transport: String) throws -> Int? {
        let host = transport == "tcp6" ? "::1" : "127.0.0.1"
        let socket = try RawSocket(to: SocketAddress(ipAddress: host, port: 111))
        func string(_ text: String) -> [UInt8] {
            let padding = [UInt8](repeating: 0, count: (4 - text.utf8.count % 4) % 4)
            return Wire.words(UInt32(text.utf8.count)) + Array(text.utf8) + padding
        }
        let body = Wire.words(self.program, 1) + string(transport) + string("") + string("")
        let reply = try socket.roundTrip(Wire.call(xid: 1, program: 100_000, version: 3, procedure: 3, body: body))
        #expect(Array(reply.prefix(24)) == Wire.reply(xid: 1))
        let length = Int(Wire.word(reply[24...]))
        if length == 0 { return nil }
        // "h1.h2.h3.h4.p1.p2": the last two are the bytes of the port (RFC 5665 §5.2.3.3).
        let numbers = String(decoding: reply[28..<28 + length], as: UTF8.self).split(separator: ".").suffix(2)
        return numbers.compactMap { Int($0) }.reduce(0) { $0 << 8 | $1 }
    }
}

/// An rpcbind that a test has started.
private struct RPCBindProcess {
    private static let executable = "/usr/sbin/rpcbind"

    static var canRun: Bool {
        unsafe getuid() == 0 && access(self.executable, X_OK) == 0
    }

    static var isRunning: Bool {
        (try? RawSocket(to: SocketAddress(unixDomainSocketPath: "/run/rpcbind.sock"))) != nil
    }

    private static var listensOnTCP: Bool {
        ["127.0.0.1", "::1"].allSatisfy { host in
            (try? RawSocket(to: SocketAddress(ipAddress: host, port: 111))) != nil
        }
    }

    private let process: pid_t

    init() throws {
        // Test threads block signals, and the child would inherit that: SIGTERM could not end it.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var process: pid_t = 0
        let result = unsafe Self.executable.withCString { path in
            let argument = unsafe UnsafeMutablePointer(mutating: path)
            var foreground: [CChar] = [0x2d, 0x66, 0]  // "-f"
            return unsafe foreground.withUnsafeMutableBufferPointer { option in
                var arguments = unsafe [argument, option.baseAddress, nil]
                return unsafe posix_spawn(&process, path, nil, &attributes, &arguments, environ)
            }
        }
        if result != 0 { throw RawSocket.Failure(what: "posix_spawn", number: result) }
        self.process = process
        // It may first close every descriptor that it could have, and it listens on one transport after the other.
        let deadline = ContinuousClock.now + .seconds(60)
        while !(Self.isRunning && Self.listensOnTCP), ContinuousClock.now < deadline { usleep(10_000) }
    }

    func stop() {
        kill(self.process, SIGTERM)
        waitpid(self.process, nil, 0)
    }
}
