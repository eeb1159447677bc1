import CLinuxFiles
import Glibc
import LayoutCore

/// What the thread of ``DescriptorSocketServer`` does.
struct DescriptorSocketLoop: Sendable {
    private let listener: SharedDescriptor
    private let wakeUp: SharedDescriptor
    private let epoll: SharedDescriptor
    private let configuration: DescriptorSocketServer.Configuration
    private let grant: @Sendable (DescriptorToken, PeerCredentials) -> DescriptorSocketServer.Grant?

    /// A peer that has not sent its token yet.
    private struct Peer {
        var socket: SharedDescriptor
        var deadline: Instant
    }

    /// What becomes of a peer that was looked at.
    private enum Progress {
        case waiting
        case finished
    }

    /// How long no connection is accepted when this process has no descriptor left.
    private static var pause: Duration { .milliseconds(100) }

    init(
        listener: SharedDescriptor,
        wakeUp: SharedDescriptor,
        configuration: DescriptorSocketServer.Configuration,
        grant: @escaping @Sendable (DescriptorToken, PeerCredentials) -> DescriptorSocketServer.Grant?
    ) throws(LinuxError) {
        let attempt = "wait for peers"
        let epoll = OwnedDescriptor(adopting: try checked(lf_epoll_create(), "epoll_create1", attempt))
        try checked(lf_epoll_add(epoll.number, wakeUp.number), "epoll_ctl", attempt)
        try checked(lf_epoll_add(epoll.number, listener.number), "epoll_ctl", attempt)
        self.listener = listener
        self.wakeUp = wakeUp
        self.epoll = epoll.shared()
        self.configuration = configuration
        self.grant = grant
    }

    /// Serves until it is woken to stop.
    func run() {
        // In the order of arrival, so the first has the nearest deadline; at most `connectionsMax`.
        var peers: [Peer] = []
        var paused: Instant?
        var ready = [CInt](repeating: -1, count: 64)
        while true {
            let wait = self.milliseconds(to: [peers.first?.deadline, paused].compactMap { $0 }.min())
            let count = uninterrupted { unsafe lf_epoll_wait(self.epoll.number, &ready, CInt(ready.count), wait) }
            // The only errors that are left are of this code's own making (epoll_wait(2)).
            precondition(count >= 0, "epoll_wait: \(LinuxError.name(of: CInt(clamping: -count)))")
            let now = Host.now
            for number in ready[..<Int(count)] where number != self.listener.number {
                if number == self.wakeUp.number { return }
                guard let index = peers.firstIndex(where: { $0.socket.number == number }) else { continue }
                if case .finished = self.serve(peers[index].socket) { peers.remove(at: index) }
            }
            peers.removeAll { $0.deadline <= now }
            if let end = paused, end <= now {
                paused = nil
                _ = lf_epoll_add(self.epoll.number, self.listener.number)
            }
            // After the others, so that a number that was just closed is not taken for the one that was ready.
            if ready[..<Int(count)].contains(self.listener.number), !self.accept(&peers, now) {
                _ = lf_epoll_remove(self.epoll.number, self.listener.number)
                paused = now.advanced(by: Self.pause)
            }
        }
    }

    /// Accepts those who wait; `false` if this process has no room for them.
    private func accept(_ peers: inout [Peer], _ now: Instant) -> Bool {
        // A bound, so that a flood of connections cannot keep the others waiting.
        for _ in 0..<64 {
            let accepted = uninterrupted { lf_accept(self.listener.number) }
            if accepted < 0 {
                return ![EMFILE, ENFILE, ENOMEM, ENOBUFS].contains(CInt(clamping: -accepted))
            }
            let socket = OwnedDescriptor(adopting: accepted).shared()
            guard case .waiting = self.serve(socket) else { continue }
            if peers.count >= max(1, self.configuration.connectionsMax) { peers.removeFirst() }
            guard lf_epoll_add(self.epoll.number, socket.number) >= 0 else { continue }
            peers.append(Peer(socket: socket, deadline: now.advanced(by: self.configuration.idle)))
        }
        return true
    }

    /// Answers a peer that has sent its token.
    private func serve(_ socket: SharedDescriptor) -> Progress {
        var buffer = [UInt8](repeating: 0, count: DescriptorSocket.tokenSize)
        var isTruncated: CInt = 0
        let count = uninterrupted { unsafe lf_receive(socket.number, &buffer, buffer.count, &isTruncated) }
        if count == -Int64(EAGAIN) { return .waiting }
        // Closed, broken, too long, or with descriptors: the kernel has closed those, as there was no room for them.
        guard count > 0, isTruncated == 0, let token = DescriptorSocket.token(from: buffer[..<Int(count)]),
            let credentials = try? PeerCredentials(ofSocket: socket.number)
        else { return .finished }
        if let grant = self.grant(token, credentials) {
            let sent = lf_send_descriptor(socket.number, DescriptorSocket.Answer.granted, grant.descriptor.number)
            grant.finished?(sent == 1)
        } else {
            _ = lf_send_descriptor(socket.number, DescriptorSocket.Answer.refused, -1)
        }
        return .finished
    }

    /// What `epoll_wait` takes: rounded up, so that it does not wake too early; -1 for ever.
    private func milliseconds(to deadline: Instant?) -> CInt {
        guard let deadline else { return -1 }
        return CInt(clamping: Int(deadline.duration(since: Host.now).wholeMilliseconds) + 1)
    }
}
