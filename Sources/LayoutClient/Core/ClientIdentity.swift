import Glibc
import LayoutXDR
import LinuxFiles
import ONCRPC

/// Who a client is to the server: unique in the world, so that nobody else's record is taken for this one's.
struct ClientIdentity: Sendable {
    /// A name that no other process, and no other client of this one, uses.
    var owner: [UInt8]
    /// New with every client.
    var verifier: UInt64
    /// The process's user, for servers that cannot ask the kernel.
    var credential: RPCCredential

    init(name: String) throws(LayoutError) {
        let random: [UInt8]
        do {
            random = try Host.randomBytes(16)
        } catch {
            throw LayoutError(error, attempt: "make a name for this client")
        }
        let hex = random.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }
        let label = name.isEmpty ? Host.commandName(of: getpid()) ?? "client" : name
        self.owner = Array("\(label) \(getpid()) \(hex.joined())".utf8.suffix(ProtocolLimits.owner))
        self.verifier = random.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        let groups = Self.groups().filter { $0 != getegid() }.prefix(RPCSystemCredential.groupsMax)
        self.credential = .sys(RPCSystemCredential(uid: geteuid(), gid: getegid(), gids: Array(groups)))
    }

    private static func groups() -> [gid_t] {
        let count = getgroups(0, nil)
        guard count > 0 else { return [] }
        var groups = [gid_t](repeating: 0, count: Int(count))
        let filled = unsafe getgroups(count, &groups)
        return Array(groups.prefix(Int(max(filled, 0))))
    }
}
