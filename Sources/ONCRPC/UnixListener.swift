import Glibc
import NIOCore

/// The file of a listening Unix socket (unix(7)).
struct UnixListener {
    let path: String
    /// The bound and listening socket; whoever takes it closes it.
    let descriptor: CInt
    private let device: dev_t
    private let inode: ino_t

    /// Binds and listens.
    ///
    /// A socket file on which nobody answers, left over by a process that was killed, is replaced; anything else in the
    /// way is an error. Two servers that start at the same moment are kept apart by the caller's own lock, if they
    /// can be.
    /// - Throws: ``RPCTransportError/Code/addressInUse``, ``RPCTransportError/Code/invalidAddress`` or
    ///   ``RPCTransportError/Code/system``.
    init(path: String, mode: UInt32, backlog: CInt) throws(RPCTransportError) {
        guard let address = try? SocketAddress(unixDomainSocketPath: path) else {
            throw RPCTransportError(
                code: .invalidAddress,
                message:
                    "cannot listen on '\(path)': the path of a Unix socket has 1 to 107 bytes; choose a shorter one"
            )
        }
        try Self.removeStale(path, address)
        let descriptor = try Self.socket(for: path)
        do throws(RPCTransportError) {
            // bind() takes the file's mode from the socket and masks it with the umask: nobody slips in before the
            // chmod, which only adds what the umask took away.
            guard fchmod(descriptor, mode_t(mode)) == 0 else { throw Self.failure("set the mode of", path) }
            guard unsafe Self.withAddress(address, { unsafe bind(descriptor, $0, $1) }) == 0 else {
                throw errno == EADDRINUSE ? Self.inUse(path) : Self.failure("bind to", path)
            }
            guard unsafe chmod(path, mode_t(mode)) == 0 else { throw Self.failure("set the mode of", path) }
            var status = stat()
            guard unsafe lstat(path, &status) == 0 else { throw Self.failure("look at", path) }
            guard listen(descriptor, backlog) == 0 else { throw Self.failure("listen on", path) }
            self.path = path
            self.descriptor = descriptor
            self.device = status.st_dev
            self.inode = status.st_ino
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    /// Removes the file, unless another one has taken its place.
    func removeFile() {
        var status = stat()
        guard unsafe lstat(self.path, &status) == 0, status.st_dev == self.device, status.st_ino == self.inode else {
            return
        }
        unsafe unlink(self.path)
    }

    private static func removeStale(_ path: String, _ address: SocketAddress) throws(RPCTransportError) {
        var before = stat()
        guard unsafe lstat(path, &before) == 0 else {
            if errno == ENOENT { return }
            throw Self.failure("look at", path)
        }
        guard before.st_mode & S_IFMT == S_IFSOCK else {
            throw RPCTransportError(
                code: .invalidAddress,
                message:
                    "cannot listen on '\(path)': a file that is no socket is in the way; move it, or choose another path"
            )
        }
        let probe = try Self.socket(for: path)
        defer { Glibc.close(probe) }
        // Not blocking, so a server that is alive but does not accept answers EAGAIN.
        guard unsafe Self.withAddress(address, { unsafe connect(probe, $0, $1) }) != 0, errno == ECONNREFUSED else {
            if errno == EACCES || errno == EPERM { throw Self.failure("see whether a server answers on", path) }
            throw Self.inUse(path)
        }
        var after = stat()
        guard unsafe lstat(path, &after) == 0, after.st_dev == before.st_dev, after.st_ino == before.st_ino else {
            throw Self.inUse(path)
        }
        guard unsafe unlink(path) == 0 else { throw Self.failure("replace the stale socket", path) }
    }

    private static func socket(for path: String) throws(RPCTransportError) -> CInt {
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let descriptor = Glibc.socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw Self.failure("make a socket for", path) }
        return descriptor
    }

    private static func withAddress(
        _ address: SocketAddress,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        unsafe address.withSockAddr { unsafe body($0, socklen_t($1)) }
    }

    private static func inUse(_ path: String) -> RPCTransportError {
        RPCTransportError(
            code: .addressInUse,
            message: "cannot listen on '\(path)': a server answers there; stop it, or choose another path"
        )
    }

    private static func failure(_ what: String, _ path: String) -> RPCTransportError {
        let text = unsafe String(cString: strerror(errno))
        return RPCTransportError(code: .system, message: "cannot \(what) '\(path)': \(text)")
    }
}
