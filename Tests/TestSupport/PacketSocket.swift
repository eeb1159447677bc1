import Glibc

/// Unix sockets that keep packets apart (`SOCK_SEQPACKET`), for tests that speak to a service as its clients would not.
package enum PacketSocket {
    private static var type: CInt { CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue) }

    /// Two sockets that are connected; the caller closes them.
    package static func pair() throws -> (CInt, CInt) {
        var ends: [CInt] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, Self.type, 0, &ends) == 0 else {
            throw TestFailure("socketpair: errno \(errno)")
        }
        return (ends[0], ends[1])
    }

    /// A socket that is connected to a service; the caller closes it.
    package static func connected(to path: String) throws -> CInt {
        try unsafe Self.make(path) { unsafe connect($0, $1, $2) }
    }

    /// A socket to connect to, which nothing accepts from; the caller closes it.
    package static func listening(at path: String) throws -> CInt {
        try unsafe Self.make(path) { socket, address, size in
            unsafe bind(socket, address, size) == 0 ? listen(socket, 1) : -1
        }
    }

    /// Sends a packet of bytes and descriptors, at most 253 (`unix(7)`).
    package static func send(_ content: [UInt8], _ descriptors: [CInt] = [], over socket: CInt) throws {
        var content = content
        // A cmsghdr: the length with the header, the level, the type (SCM_RIGHTS), and the descriptors.
        let size = 16 + 4 * descriptors.count
        var control = [UInt64](repeating: 0, count: (size + 7) / 8)
        let result = unsafe control.withUnsafeMutableBytes { control in
            unsafe control.storeBytes(of: UInt64(size), toByteOffset: 0, as: UInt64.self)
            unsafe control.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: CInt.self)
            unsafe control.storeBytes(of: 1, toByteOffset: 12, as: CInt.self)
            for (index, descriptor) in descriptors.enumerated() {
                unsafe control.storeBytes(of: descriptor, toByteOffset: 16 + 4 * index, as: CInt.self)
            }
            return unsafe content.withUnsafeMutableBytes { content in
                var vector = unsafe iovec(iov_base: content.baseAddress, iov_len: content.count)
                return unsafe withUnsafeMutablePointer(to: &vector) { vector in
                    var message = unsafe msghdr()
                    unsafe message.msg_iov = vector
                    unsafe message.msg_iovlen = 1
                    if !descriptors.isEmpty {
                        unsafe message.msg_control = control.baseAddress
                        unsafe message.msg_controllen = control.count
                    }
                    return unsafe sendmsg(socket, &message, CInt(MSG_NOSIGNAL))
                }
            }
        }
        guard result == content.count else { throw TestFailure("sendmsg: \(result), errno \(errno)") }
    }

    /// Whether the other end hangs up without having sent anything; waits for that.
    package static func isDropped(_ socket: CInt) -> Bool {
        var byte: UInt8 = 0
        let count = unsafe recv(socket, &byte, 1, 0)
        return count == 0 || count < 0 && errno == ECONNRESET
    }

    private static func make(
        _ path: String,
        _ join: (CInt, UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) throws -> CInt {
        let made = socket(AF_UNIX, Self.type, 0)
        guard made >= 0 else { throw TestFailure("socket: errno \(errno)") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8.prefix(107)) }
        let result = unsafe withUnsafeBytes(of: &address) { bytes in
            let base = unsafe bytes.assumingMemoryBound(to: sockaddr.self).baseAddress
            return unsafe base.map { unsafe join(made, $0, socklen_t(bytes.count)) } ?? -1
        }
        guard result == 0 else {
            let error = errno
            close(made)
            throw TestFailure("'\(path)': errno \(error)")
        }
        return made
    }
}
