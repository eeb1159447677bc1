import CBenchPeer
import Glibc

/// A blocking stream socket that carries RPC records (RFC 5531 §11).
///
/// One thread at a time. Safe, as every offset into the buffer is checked.
@safe final class RecordSocket {
    /// For `poll(2)` and ``Load``, which use it while nothing else does.
    let descriptor: CInt
    private let buffer: UnsafeMutableRawBufferPointer
    /// Bytes in the buffer: the last record, and what came with it.
    private var received = 0
    /// Bytes of the last record, without its mark.
    private(set) var recordSize = 0
    /// The last record is to be dropped before the next is read.
    private var hasRecord = false

    /// Connects to a server.
    ///
    /// - Parameters:
    ///   - endpoint: Where the server listens.
    ///   - capacity: Bytes of the longest answer, and its mark.
    /// - Throws: ``BenchError`` if nobody listens there, or the path does not fit.
    init(_ endpoint: Endpoint, capacity: Int = 1 << 16) throws {
        let family = if case .unix = endpoint { AF_UNIX } else { AF_INET }
        self.descriptor = socket(family, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        unsafe self.buffer = .allocate(byteCount: capacity, alignment: 8)
        guard self.descriptor >= 0 else { throw BenchError("make a socket", errno: errno, "raise the limit of files") }
        guard try self.connect(endpoint) == 0 else {
            throw BenchError("connect to '\(endpoint)'", errno: errno, "check that the server runs")
        }
        bench_peer_no_delay(self.descriptor)
        // A server that stops answering ends the benchmark instead of stopping it.
        var patience = timeval(tv_sec: 60, tv_usec: 0)
        let width = socklen_t(MemoryLayout<timeval>.size)
        unsafe setsockopt(self.descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, width)
    }

    deinit {
        unsafe self.buffer.deallocate()
        if self.descriptor >= 0 { close(self.descriptor) }
    }

    private func connect(_ endpoint: Endpoint) throws -> CInt {
        switch endpoint {
        case .unix(let path):
            var address = sockaddr_un()
            let bytes = Array(path.utf8)
            guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
                throw BenchError("cannot connect to '\(path)': a socket's path has at most 107 bytes; use --directory")
            }
            address.sun_family = sa_family_t(AF_UNIX)
            unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
            return unsafe withUnsafeBytes(of: &address) { unsafe self.connect($0) }
        case .tcp(let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            return unsafe withUnsafeBytes(of: &address) { unsafe self.connect($0) }
        }
    }

    private func connect(_ address: UnsafeRawBufferPointer) -> CInt {
        guard let base = address.baseAddress else { return -1 }
        return unsafe Glibc.connect(
            self.descriptor,
            base.assumingMemoryBound(to: sockaddr.self),
            socklen_t(address.count)
        )
    }

    /// Sends a record, mark included.
    func send(_ record: [UInt8]) throws {
        let sent = unsafe Glibc.send(self.descriptor, record, record.count, CInt(MSG_NOSIGNAL))
        guard sent == record.count else {
            throw BenchError("send \(record.count) bytes to a server", errno: errno, "look for its message above")
        }
    }

    /// Receives the next record: whole, since no server here splits one.
    func receive() throws {
        if self.hasRecord {
            let rest = self.received - 4 - self.recordSize
            if rest > 0, let start = unsafe self.buffer.baseAddress {
                unsafe memmove(start, start + 4 + self.recordSize, rest)
            }
            (self.received, self.hasRecord) = (rest, false)
        }
        try self.fill(to: 4)
        let mark = self.rawWord(at: 0)
        let size = Int(mark & 0x7fff_ffff)
        guard mark & 0x8000_0000 != 0, unsafe size <= self.buffer.count - 4 else {
            throw BenchError("a server answered with a record in parts, or of \(size) bytes; none should be so long")
        }
        try self.fill(to: 4 + size)
        (self.recordSize, self.hasRecord) = (size, true)
    }

    /// Whether the record behind the last one has been received too.
    var hasNextRecord: Bool {
        let next = self.hasRecord ? 4 + self.recordSize : 0
        guard self.received >= next + 4 else { return false }
        return self.received >= next + 4 + Int(self.rawWord(at: next) & 0x7fff_ffff)
    }

    /// Receives until the buffer has at least `end` bytes.
    private func fill(to end: Int) throws {
        while self.received < end {
            let place = unsafe UnsafeMutableRawBufferPointer(rebasing: self.buffer[self.received...])
            let count = unsafe recv(self.descriptor, place.baseAddress, place.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let reason = count == 0 ? ECONNRESET : errno
                throw BenchError("receive an answer", errno: reason, "look for the server's message above")
            }
            self.received += count
        }
    }

    // MARK: The last record

    /// The big-endian number at `offset` of the last record; 0 behind its end.
    func word(at offset: Int) -> UInt32 { offset + 4 <= self.recordSize ? self.rawWord(at: offset + 4) : 0 }

    /// A copy of the last record's bytes from `offset` on.
    func bytes(from offset: Int) -> [UInt8] {
        guard offset < self.recordSize else { return [] }
        return unsafe Array(self.buffer[(4 + offset)..<(4 + self.recordSize)])
    }

    private func rawWord(at offset: Int) -> UInt32 {
        UInt32(bigEndian: unsafe self.buffer.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}
