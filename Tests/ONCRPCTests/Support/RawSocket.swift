import Glibc
import NIOCore

/// A blocking stream socket: a peer that sends whatever bytes a test wants.
final class RawSocket {
    struct Failure: Error {
        var what: String
        var number: CInt
    }

    let descriptor: CInt

    /// Connects.
    ///
    /// Sends and receives fail after `patience`.
    init(to address: SocketAddress, patience: Duration = .seconds(5), receiveBuffer: CInt? = nil) throws {
        let family: CInt
        switch address {
        case .v4: family = AF_INET
        case .v6: family = AF_INET6
        case .unixDomainSocket: family = AF_UNIX
        }
        self.descriptor = socket(family, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        if self.descriptor < 0 { throw Failure(what: "socket", number: errno) }
        var time = timeval(tv_sec: Int(patience.components.seconds), tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            unsafe setsockopt(self.descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        if var receiveBuffer {
            let size = socklen_t(MemoryLayout<CInt>.size)
            unsafe setsockopt(self.descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, size)
        }
        let result = unsafe address.withSockAddr { unsafe connect(self.descriptor, $0, socklen_t($1)) }
        if result != 0 { throw Failure(what: "connect", number: errno) }
    }

    deinit {
        close(self.descriptor)
    }

    /// Sends all bytes.
    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { memory in
                unsafe Glibc.send(
                    self.descriptor,
                    memory.baseAddress.map { unsafe $0 + sent },
                    memory.count - sent,
                    CInt(MSG_NOSIGNAL)
                )
            }
            if count <= 0 { throw Failure(what: "send", number: errno) }
            sent += count
        }
    }

    /// Sends without waiting.
    ///
    /// Returns how many bytes went.
    func sendSome(_ bytes: [UInt8]) -> Int {
        let flags = CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)
        return unsafe bytes.withUnsafeBytes { unsafe Glibc.send(self.descriptor, $0.baseAddress, $0.count, flags) }
    }

    /// Receives exactly so many bytes.
    func receive(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var received = 0
        while received < count {
            let part = unsafe bytes.withUnsafeMutableBytes { memory in
                unsafe recv(
                    self.descriptor,
                    memory.baseAddress.map { unsafe $0 + received },
                    memory.count - received,
                    0
                )
            }
            if part <= 0 { throw Failure(what: part == 0 ? "closed" : "recv", number: part == 0 ? 0 : errno) }
            received += part
        }
        return bytes
    }

    /// Receives one record of one fragment.
    func receiveRecord() throws -> [UInt8] {
        let mark = Wire.word(try self.receive(4))
        if mark >> 31 != 1 { throw Failure(what: "more than one fragment", number: 0) }
        return try self.receive(Int(mark & 0x7fff_ffff))
    }

    /// Sends a call and receives the next record.
    func roundTrip(_ message: [UInt8]) throws -> [UInt8] {
        try self.send(Wire.record(message))
        return try self.receiveRecord()
    }

    /// Reads to the end of the stream, or to a reset.
    ///
    /// False if it does not end within the socket's patience.
    func readToEnd() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(self.descriptor, $0.baseAddress, $0.count, 0)
            }
            if count == 0 || count < 0 && errno == ECONNRESET { return true }
            if count < 0 { return false }
        }
    }

    /// Makes the close a reset, with everything in flight lost.
    func resetOnClose() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        let size = socklen_t(MemoryLayout.size(ofValue: linger))
        unsafe setsockopt(self.descriptor, SOL_SOCKET, SO_LINGER, &linger, size)
    }
}
