import CBenchPeer
import Glibc

/// Calls that are made over and over on connections to one server, by code that is the same for every server.
///
/// One thread at a time.
@safe final class Load {
    private let load: OpaquePointer
    private var sockets: [RecordSocket] = []

    /// What a run took.
    struct Result {
        /// Nanoseconds of the whole.
        let elapsed: Double
        /// Nanoseconds of each call.
        let latencies: [Double]
    }

    /// A load of one connection with the given calls in flight.
    convenience init(_ socket: RecordSocket, _ calls: [TimedCall]) throws {
        try self.init()
        try self.add(socket, calls)
    }

    /// A load without connections.
    init() throws {
        guard let load = unsafe bench_load_create() else {
            throw BenchError("make an epoll descriptor", errno: errno, "raise the limit of files")
        }
        unsafe self.load = load
    }

    deinit { unsafe bench_load_destroy(self.load) }

    /// Adds a connection, and the calls that may be in flight on it at a time.
    func add(_ socket: RecordSocket, _ calls: [TimedCall]) throws {
        try Self.check(unsafe bench_load_connect(self.load, socket.descriptor))
        self.sockets.append(socket)
        for call in calls {
            let bytes = call.record.bytes
            try Self.check(unsafe bench_load_add(self.load, bytes, bytes.count, call.numbers))
        }
    }

    /// Makes calls, and waits for their answers.
    ///
    /// - Throws: ``BenchError`` if one is refused, or there is no answer.
    func run(_ calls: Int) throws -> Result {
        var times = [UInt64](repeating: 0, count: calls)
        var elapsed: UInt64 = 0
        try Self.check(unsafe bench_load_run(self.load, UInt64(calls), &times, &elapsed))
        return Result(elapsed: Double(elapsed), latencies: times.map { Double($0) })
    }

    private static func check(_ result: CInt) throws {
        switch result {
        case 0: return
        case -EBADMSG: throw BenchError("a server refused a call, or did not answer in RPC: look for its message above")
        default: throw BenchError("make calls", errno: -result, "look for a server's message above")
        }
    }
}
