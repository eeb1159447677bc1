import CLinuxFiles
import CMappingGuard
import Glibc
import LayoutCore
import LinuxFiles

/// The connection to the process that holds the guard's descriptors while there is no server.
struct KeeperLink: Sendable {
    /// What a keeper gives a new server.
    struct Kept: Sendable {
        let link: KeeperLink
        let guardian: SharedDescriptor
        let sentinel: SharedDescriptor
        let journal: SharedDescriptor
    }

    /// The bytes of the protocol: see Sources/layoutd-keeper/main.c.
    private enum Word {
        static var take: UInt8 { UInt8(ascii: "T") }
        static var here: UInt8 { UInt8(ascii: "H") }
        static var busy: UInt8 { UInt8(ascii: "B") }
        static var end: UInt8 { UInt8(ascii: "E") }
    }

    /// Ends when the keeper does; while it is open the keeper knows that the server lives.
    let link: SharedDescriptor
    /// The keeper, if it is a child of this process.
    let process: Int32?
    private let since: Instant

    private init(link: SharedDescriptor, process: Int32?) {
        self.link = link
        self.process = process
        self.since = Host.now
    }

    /// Whether it has lived for some time.
    var isOld: Bool { Host.now.duration(since: self.since) >= .seconds(10) }

    /// Asks a keeper for what it holds; `nil` if there is none.
    static func connect(_ socket: String?) throws(LinuxError) -> Kept? {
        guard let socket else { return nil }
        let connected = unsafe lf_connect(socket, 5000)
        if connected == -Int64(ENOENT) || connected == -Int64(ECONNREFUSED) { return nil }
        let attempt = "take over the guard at '\(socket)'"
        let link = OwnedDescriptor(adopting: CInt(try GuardError.check(connected, "connect", attempt))).shared()
        try GuardError.check(mg_send(link.number, Word.take, nil, 0), "sendmsg", attempt)
        var word: UInt8 = 0
        var numbers: [CInt] = [-1, -1, -1]
        let count = try GuardError.check(
            unsafe mg_receive(link.number, &word, &numbers, numbers.count),
            "recvmsg",
            attempt
        )
        let descriptors = numbers.prefix(Int(count)).map { OwnedDescriptor(adopting: $0).shared() }
        if word == Word.busy {
            throw LinuxError(refusing: .delay, "cannot \(attempt): another server has it; end that one first")
        }
        guard word == Word.here, descriptors.count == 3 else {
            throw LinuxError(
                refusing: .serverFault,
                "cannot \(attempt): what serves it is no keeper of this version; end it, which lets all programs go on "
                    + "that wait"
            )
        }
        return Kept(
            link: KeeperLink(link: link, process: nil),
            guardian: descriptors[1],
            sentinel: descriptors[0],
            journal: descriptors[2]
        )
    }

    /// Starts a keeper.
    static func spawn(
        _ program: String,
        socket: String,
        groups: GuardGroups,
        journal: GuardJournal
    ) throws(LinuxError) -> KeeperLink {
        let attempt = "start the keeper '\(program)'"
        // Nobody listens there: that was asked before.
        unsafe unlink(socket)
        let listening = try GuardError.check(unsafe lf_listen(socket, 0o600, 4), "bind", "listen at '\(socket)'")
        let listener = OwnedDescriptor(adopting: CInt(listening))
        var ends: (CInt, CInt) = (-1, -1)
        try GuardError.check(unsafe mg_socket_pair(&ends.0, &ends.1), "socketpair", attempt)
        let link = OwnedDescriptor(adopting: ends.0).shared()
        let other = OwnedDescriptor(adopting: ends.1)
        let given = [
            listener.number, other.number, groups.sentinel.number, groups.guardian.number, journal.memory.number,
        ]
        let process = try GuardError.check(
            unsafe mg_spawn(program, given, given.count, socket),
            "posix_spawn",
            attempt,
            remedy: "install layoutd-keeper beside layoutd"
        )
        return KeeperLink(link: link, process: Int32(process))
    }

    /// Ends the keeper for good.
    func end(socket: String?) {
        _ = mg_send(self.link.number, Word.end, nil, 0)
        var word: UInt8 = 0
        // Its end of the connection goes when it does.
        _ = unsafe mg_receive(self.link.number, &word, nil, 0)
        self.reap()
        if let socket { unsafe unlink(socket) }
    }

    /// Lets the kernel forget a child that has ended.
    func reap() { if let process { _ = mg_reap(process) } }
}
