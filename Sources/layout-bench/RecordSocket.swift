import Glibc

/// A blocking stream socket that carries RPC records (RFC 5531 §11): one `send(2)` and, as a rule, one `recv(2)` per
/// call, and nothing else that takes time.
///
/// One thread at a time. Safe, as every offset into the buffer is checked.
@safe final class RecordSocket {
    private static var capacity: Int { 1 << 16 }

    private let descriptor: CInt
    private let buffer: UnsafeMutableRawBufferPointer
    /// Bytes of the last record, without its mark.
    private var recordSize = 0

    /// Connects to a Unix socket.
    ///
    /// - Throws: ``BenchError`` if nobody listens there, or the path does not fit.
    init(path: String) throws {
        self.descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        unsafe self.buffer = .allocate(byteCount: Self.capacity, alignment: 8)
        guard self.descriptor >= 0 else { throw BenchError("make a socket", errno: errno, "raise the limit of files") }
        var address = sockaddr_un()
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw BenchError("cannot connect to '\(path)': a socket's path has at most 107 bytes; use --directory")
        }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe connect(self.descriptor, pointer, size)
            }
        }
        guard result == 0 else { throw BenchError("connect to '\(path)'", errno: errno, "check that the server runs") }
        // A server that stops answering ends the benchmark instead of stopping it.
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        let width = socklen_t(MemoryLayout<timeval>.size)
        unsafe setsockopt(self.descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, width)
    }

    deinit {
        unsafe self.buffer.deallocate()
        if self.descriptor >= 0 { close(self.descriptor) }
    }

    /// Sends a record, mark included.
    func send(_ record: [UInt8]) throws {
        let sent = unsafe Glibc.send(self.descriptor, record, record.count, CInt(MSG_NOSIGNAL))
        guard sent == record.count else {
            throw BenchError("send \(record.count) bytes to a server", errno: errno, "look for its message above")
        }
    }

    /// Receives one record: whole, since no answer here is so long that a server would split it.
    func receive() throws {
        try self.fill(to: 4)
        let mark = self.rawWord(at: 0)
        let size = Int(mark & 0x7fff_ffff)
        guard mark & 0x8000_0000 != 0, size <= Self.capacity - 4 else {
            throw BenchError("a server answered with a record in parts, or of \(size) bytes; none should be so long")
        }
        try self.fill(to: 4 + size)
        guard self.received == 4 + size else {
            throw BenchError("a server sent more than one answer to one call")
        }
        self.received = 0
        self.recordSize = size
    }

    /// Bytes in the buffer that no record was made of yet.
    private var received = 0

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

    /// Copies bytes of the last record into a call.
    func copy(_ range: Range<Int>, to record: inout [UInt8], at offset: Int) {
        precondition(range.upperBound <= self.recordSize, "bytes \(range) of a record of \(self.recordSize)")
        for index in range { record[offset + index - range.lowerBound] = unsafe self.buffer[4 + index] }
    }

    private func rawWord(at offset: Int) -> UInt32 {
        UInt32(bigEndian: unsafe self.buffer.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}
