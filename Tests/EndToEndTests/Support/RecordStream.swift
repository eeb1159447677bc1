import Glibc
import LayoutCore
import LinuxFiles
import TestSupport

/// A blocking connection that carries RPC records (RFC 5531 §11), each in one fragment, as layoutd sends them.
///
/// One thread at a time.
final class RecordStream {
    /// The other side has closed the connection, or broken it.
    struct Closed: Error {}

    private let descriptor: CInt

    /// Connects to a Unix socket.
    ///
    /// - Throws: ``Closed`` if nobody listens there.
    init(path: String) throws {
        self.descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard self.descriptor >= 0 else { throw TestFailure("socket: errno \(errno)") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8.prefix(107)) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            close(self.descriptor)
            throw Closed()
        }
    }

    deinit { close(self.descriptor) }

    /// Ends the connection without a goodbye.
    func shutDown() { shutdown(self.descriptor, CInt(SHUT_RDWR)) }

    /// Sends a record.
    func send(_ record: [UInt8]) throws {
        let mark = UInt32(record.count) | 0x8000_0000
        let bytes = Self.words(mark) + record
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes[sent...].withUnsafeBytes {
                unsafe Glibc.send(self.descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Closed() }
            sent += count
        }
    }

    /// The next record; `nil` if none begins before `deadline`.
    func receive(before deadline: Instant) throws -> [UInt8]? {
        guard self.isReadable(before: deadline) else { return nil }
        let mark = Self.word(try self.receive(count: 4))
        guard mark >> 31 == 1 else { throw TestFailure("a record in more than one fragment") }
        return try self.receive(count: Int(mark & 0x7fff_ffff))
    }

    private func isReadable(before deadline: Instant) -> Bool {
        var wanted = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let left = max(.zero, deadline.duration(since: Host.now))
            let ready = unsafe poll(
                &wanted,
                1,
                CInt(
                    clamping: left.components.seconds * 1000 + 1
                        + left.components.attoseconds / 1_000_000_000_000_000
                )
            )
            if ready < 0, errno == EINTR { continue }
            return ready > 0
        }
    }

    /// The rest of a record that has begun: layoutd writes records whole, so it does not take long.
    private func receive(count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var received = 0
        while received < count {
            guard self.isReadable(before: Host.now.advanced(by: .seconds(10))) else { throw Closed() }
            let part = unsafe bytes[received...].withUnsafeMutableBytes {
                unsafe recv(self.descriptor, $0.baseAddress, $0.count, 0)
            }
            guard part > 0 else { throw Closed() }
            received += part
        }
        return bytes
    }

    /// Numbers as XDR writes them (RFC 4506 §4.2).
    static func words(_ words: UInt32...) -> [UInt8] {
        words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } }
    }

    /// The number in the first four bytes.
    static func word(_ bytes: some Collection<UInt8>) -> UInt32 { bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }
}
