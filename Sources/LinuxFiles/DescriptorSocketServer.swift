import CLinuxFiles
import Glibc
package import LayoutCore
import Synchronization

/// The server's side of ``DescriptorSocket``: one thread, which waits for no peer.
///
/// A peer that sends anything but one token of 16 bytes, sends descriptors, cannot take the answer at once, or sends
/// nothing for the idle deadline, is dropped; descriptors that it sent are never even opened here. Beyond
/// ``Configuration/connectionsMax`` the peer that has waited longest is dropped: an honest one sends its token at once,
/// and is served as soon as it is accepted.
package final class DescriptorSocketServer: Sendable {
    /// What a token stands for.
    package struct Grant: Sendable {
        /// The descriptor to pass.
        ///
        /// The server's copy is closed when nobody else refers to it.
        package let descriptor: SharedDescriptor
        /// Called on the service's thread with whether the descriptor is on its way; must not block.
        package let finished: (@Sendable (Bool) -> Void)?

        /// Makes a grant.
        package init(_ descriptor: SharedDescriptor, finished: (@Sendable (Bool) -> Void)? = nil) {
            self.descriptor = descriptor
            self.finished = finished
        }
    }

    /// Bounds of the service.
    package struct Configuration: Hashable, Sendable {
        /// Connections that may wait at a time.
        package var connectionsMax: Int
        /// How long a connection may be silent.
        package var idle: Duration
        /// Permission bits of the socket.
        ///
        /// The token is the secret, so that everybody may connect.
        package var mode: UInt32

        /// Makes bounds.
        package init(connectionsMax: Int = 256, idle: Duration = .seconds(5), mode: UInt32 = 0o666) {
            self.connectionsMax = connectionsMax
            self.idle = idle
            self.mode = mode
        }
    }

    /// Where the socket is.
    package let path: String
    private let wakeUp: SharedDescriptor
    private let identity: (device: DeviceNumber, inode: UInt64)
    private let thread: Mutex<KernelThread?>

    /// Makes the socket and starts to serve it.
    ///
    /// A socket at `path` that nobody serves any more is replaced.
    /// - Parameters:
    ///   - path: Trusted, at most 107 bytes.
    ///   - configuration: Bounds.
    ///   - grant: Says what a token stands for, `nil` for nothing. Called on the service's thread, once per request; every
    ///     other peer waits meanwhile, so it must not block.
    /// - Throws: ``LayoutCore/LayoutStatus/exists`` if something else, or a running service, is at `path`;
    ///   ``LayoutCore/LayoutStatus/nameTooLong``; ``LayoutCore/LayoutStatus/access``.
    package init(
        path: String,
        configuration: Configuration = Configuration(),
        grant: @escaping @Sendable (DescriptorToken, PeerCredentials) -> Grant?
    ) throws(LinuxError) {
        let attempt = "serve descriptors at '\(path)'"
        guard path.utf8.count <= Int(LF_SOCKET_PATH_MAX) else {
            throw LinuxError(
                refusing: .nameTooLong,
                "cannot \(attempt): a socket's path has at most \(LF_SOCKET_PATH_MAX) bytes; use a shorter one"
            )
        }
        try Self.removeUnserved(path, attempt)
        let listening = unsafe lf_listen(path, configuration.mode, 128)
        if listening == -Int64(EADDRINUSE) {
            throw LinuxError(
                errno: EADDRINUSE,
                call: "bind",
                attempt: attempt,
                status: .exists,
                remedy: "another server runs, or a file has the name; stop the one or remove the other"
            )
        }
        let listener = OwnedDescriptor(adopting: try checked(listening, "bind", attempt))
        let facts = try FileFacts(directory: AT_FDCWD, name: Array(path.utf8) + [0], attempt)
        let wakeUp = OwnedDescriptor(adopting: try checked(lf_eventfd(), "eventfd", attempt)).shared()
        let loop = try DescriptorSocketLoop(
            listener: listener.shared(),
            wakeUp: wakeUp,
            configuration: configuration,
            grant: grant
        )
        self.path = path
        self.wakeUp = wakeUp
        self.identity = (facts.device, facts.inode)
        self.thread = Mutex(try KernelThread(name: "layout-fd") { loop.run() })
    }

    deinit { self.stop() }

    /// Drops all peers, waits for the thread, and removes the socket.
    ///
    /// A second call does nothing. Not to be called from the closure that grants.
    package func stop() {
        guard let thread = self.thread.withLock({ $0.take() }) else { return }
        _ = lf_eventfd_signal(self.wakeUp.number)
        thread.join()
        // Only if it is still this server's: another one may have taken the place.
        let name = Array(self.path.utf8) + [0]
        if let facts = try? FileFacts(directory: AT_FDCWD, name: name, "look at '\(self.path)'"),
            facts.device == self.identity.device, facts.inode == self.identity.inode
        {
            _ = unsafe lf_unlinkat(AT_FDCWD, name, 0)
        }
    }

    /// Removes a socket that a server left behind when it was killed.
    private static func removeUnserved(_ path: String, _ attempt: String) throws(LinuxError) {
        let name = Array(path.utf8) + [0]
        guard let facts = try? FileFacts(directory: AT_FDCWD, name: name, attempt), facts.type == .socket else {
            return
        }
        let connected = unsafe lf_connect(path, 1)
        if connected >= 0 { _ = OwnedDescriptor(adopting: connected) }
        guard connected == -Int64(ECONNREFUSED) else { return }
        try checked(unsafe lf_unlinkat(AT_FDCWD, name, 0), "unlinkat", attempt)
    }
}
