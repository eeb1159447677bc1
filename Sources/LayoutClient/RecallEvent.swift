/// The server has asked for layouts back.
///
/// A recall announces what somebody intends. It says nothing about what will happen: the change may fail or be given up.
public struct RecallEvent: Hashable, Sendable {
    /// The path that the file was opened by.
    public let path: String
    /// What somebody wants to do.
    public let operation: MappingOperation
    /// Why it breaks layouts.
    public let reason: BreakReason
    /// The bytes whose layouts are asked for.
    public let range: ByteRange
    /// The operation's own bytes: an insert at x by n is `x ..< x + n`; of a truncate the lower bound is the new size.
    public let argument: ByteRange
    /// Where bytes will go if it succeeds; `nil` for what moves none.
    public let shift: Shift?
    /// The client that asked; `nil` for a local program that does not speak the protocol.
    public let requester: ClientID?
    /// The process that asked; `nil` if the server does not say.
    public let requesterPID: UInt32?
    /// That process's name; empty if the server does not say.
    public let requesterCommand: String
    /// How long the server waits for the return, from the arrival of the event.
    public let timeLeft: Duration
    /// When it arrived, on the boot-time clock.
    public let time: Instant
}

extension RecallEvent: CustomStringConvertible {
    /// One line for a person.
    public var description: String {
        var who = self.requesterCommand
        if let pid = self.requesterPID { who += who.isEmpty ? "process \(pid)" : " (process \(pid))" }
        if let client = self.requester {
            who += who.isEmpty ? "client \(client.rawValue)" : ", client \(client.rawValue)"
        }
        return "\(self.path): \(self.operation) of \(self.argument) asks for \(self.range) back"
            + (who.isEmpty ? "" : ", for \(who)")
    }
}
