import Glibc

/// Tells the service manager how the server is doing (`sd_notify(3)`).
///
/// The protocol is one datagram to the socket in `NOTIFY_SOCKET`; without that variable nobody wants to know.
enum ReadyNotice {
    /// Sends a state such as `READY=1`.
    static func send(_ state: String) {
        guard let path = unsafe getenv("NOTIFY_SOCKET").map({ unsafe String(cString: $0) }), !path.isEmpty else {
            return
        }
        var address = sockaddr_un()
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { place in
            unsafe place.copyBytes(from: bytes)
            // '@' stands for the abstract namespace, whose names begin with a zero byte.
            if bytes.first == UInt8(ascii: "@") { unsafe place[0] = 0 }
        }
        let socket = Glibc.socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        let header = MemoryLayout<sa_family_t>.size
        let length = socklen_t(header + bytes.count + (bytes.first == UInt8(ascii: "@") ? 0 : 1))
        let message = Array(state.utf8)
        _ = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe sendto(socket, message, message.count, CInt(MSG_NOSIGNAL), pointer, length)
            }
        }
    }
}
