/// How a call to the peer failed.
package enum RPCError: Error, Hashable, Sendable {
    /// The connection closed before the reply came: the peer may or may not have executed the call.
    case connectionClosed(RPCCloseReason)
    /// No reply came before the deadline: the peer may or may not have executed the call.
    case deadlineExceeded
    /// The peer refused the call and has not executed it.
    case rejected(RPCRejection)
    /// A reply came whose header cannot be decoded.
    case malformedReply
    /// ``RPCLimits/callsOutstanding`` calls wait for their replies; the call was not sent.
    case tooManyCalls
    /// The credential exceeds a bound of AUTH_SYS; the call was not sent.
    case invalidCredential
    /// The arguments exceed the longest possible fragment, 2^31 - 1 bytes; the call was not sent.
    case bodyTooLong
}

/// Why a connection ended.
package enum RPCCloseReason: Hashable, Sendable {
    /// The peer closed it in an orderly way.
    case peerClosed
    /// The transport failed, for example with a reset. The text is the system's.
    case transportFailed(String)
    /// The peer announced a record longer than ``RPCLimits/recordLength``.
    case recordTooLong(announced: Int)
    /// A record had more than ``RPCLimits/fragmentsPerRecord`` fragments.
    case tooManyFragments
    /// A record is no RPC message.
    case malformedMessage
    /// A record was not complete within ``RPCLimits/partialRecord``.
    case partialRecordDeadline
    /// No well-formed call came within ``RPCLimits/firstCall``.
    case firstCallDeadline
    /// The peer did not read for ``RPCLimits/writeStall``.
    case writeStalled
    /// The peer kept sending after it had stopped reading, more than this side is willing to hold.
    case inputOverrun
    /// More replies than ``RPCLimits/unmatchedReplies`` matched no call.
    case unmatchedReplies
    /// The server was at its cap and needed the place for another connection.
    case evicted
    /// The server shuts down.
    case shutdown
    /// This side asked for it; the text says why.
    case requested(String)
}

extension RPCCloseReason: CustomStringConvertible {
    /// What happened, in words for a log.
    package var description: String {
        switch self {
        case .peerClosed: "the peer closed the connection"
        case .transportFailed(let text): "the transport failed: \(text)"
        case .recordTooLong(let announced): "the peer announced a record of \(announced) bytes, more than the limit"
        case .tooManyFragments: "the peer sent a record in more fragments than the limit"
        case .malformedMessage: "the peer sent a record that is no RPC message"
        case .partialRecordDeadline: "the peer did not finish a record in time"
        case .firstCallDeadline: "the peer did not make a first call in time"
        case .writeStalled: "the peer did not read its replies in time"
        case .inputOverrun: "the peer sent more while it did not read its replies than can be held"
        case .unmatchedReplies: "the peer sent too many replies that match no call"
        case .evicted: "the connection gave way to another one, as the server is at its connection limit"
        case .shutdown: "the server shuts down"
        case .requested(let text): text
        }
    }
}

extension RPCError: CustomStringConvertible {
    /// What happened, and what is known about the call.
    package var description: String {
        switch self {
        case .connectionClosed(let reason): "no reply: \(reason); the call may have been executed"
        case .deadlineExceeded: "no reply before the deadline; the call may have been executed"
        case .rejected(let rejection): "the peer refused the call: \(rejection)"
        case .malformedReply: "the peer's reply cannot be decoded"
        case .tooManyCalls: "too many calls wait for their replies on this connection; wait for some of them"
        case .invalidCredential:
            "an AUTH_SYS credential has at most \(RPCSystemCredential.groupsMax) groups and a machine name of at most"
                + " \(RPCSystemCredential.machineNameLengthMax) bytes without NUL"
        case .bodyTooLong: "the arguments of a call cannot be longer than 2 GiB"
        }
    }
}
