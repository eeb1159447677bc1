import LinuxFiles

/// What the file `last-write` says: up to where the database has answered for.
///
/// SQLite takes a write-ahead log that is torn or flipped for one that ends there, and a database without its log for an
/// older one: both would come back, without an error, with fewer holders than there are. So the number of the latest
/// transaction is kept apart, rewritten in place after each of them, before its caller hears of it.
struct LastWrite: Equatable {
    /// The latest transaction; 0 while the store is being made.
    var sequence: UInt64 = 0
    /// The latest one that was on stable storage before this was written.
    var synced: UInt64 = 0
    /// The host's boot in which it was written, 36 bytes of text: after another one, what was not synced may be lost.
    var hostBoot: String

    /// How long the file is, in bytes; one write of so few, at the start of a file, is never torn.
    static var length: Int { 76 }
    private static var magic: UInt64 { 0x3177_6c74_7579_616c }  // "layutlw1"

    init(hostBoot: String) { self.hostBoot = hostBoot }

    /// Takes the file's bytes apart; `nil` for anything that was not written as one.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.length else { return nil }
        func word(_ start: Int) -> UInt64 {
            bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard word(0) == Self.magic, word(Self.length - 8) == Self.code(of: bytes.dropLast(8)),
            let boot = String(validating: bytes[24..<60], as: UTF8.self)
        else { return nil }
        self.init(hostBoot: boot)
        (self.sequence, self.synced) = (word(8), word(16))
    }

    /// The file's bytes.
    var bytes: [UInt8] {
        func bytes(_ word: UInt64) -> [UInt8] { (0..<8).map { UInt8(word >> (8 * $0) & 0xff) } }
        var result = bytes(Self.magic) + bytes(self.sequence) + bytes(self.synced)
        result += self.hostBoot.utf8.prefix(36)
        result += [UInt8](repeating: 0, count: Self.length - 8 - result.count)
        return result + bytes(Self.code(of: result[...]))
    }

    /// The first transaction that a database must have seen, for a server in the boot `hostBoot`.
    func required(in hostBoot: String) -> UInt64 { hostBoot == self.hostBoot ? self.sequence : self.synced }

    private static func code(of bytes: ArraySlice<UInt8>) -> UInt64 {
        var hash = SipHash(key: SipHash.Key(0, 0))
        hash.combine(bytes)
        return hash.finish()
    }
}
