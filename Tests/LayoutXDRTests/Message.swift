import LayoutCore
import LayoutXDR
import NIOCore

/// Any message of the protocol, for tests that treat all of them alike.
enum Message: Hashable, Sendable {
    case call(LayoutCall)
    case reply(Procedure, LayoutReply)
    case callback(CallbackRequest)
    case callbackReply(CallbackProcedure, LayoutStatus)

    /// Which message: program, procedure and direction.
    enum Kind: Hashable, Sendable, CustomStringConvertible {
        case call(Procedure)
        case reply(Procedure)
        case callback(CallbackProcedure)
        case callbackReply(CallbackProcedure)

        static var all: [Kind] {
            Procedure.allCases.map(Kind.call) + Procedure.allCases.map(Kind.reply)
                + CallbackProcedure.allCases.map(Kind.callback)
                + CallbackProcedure.allCases.filter { $0 != .null }.map(Kind.callbackReply)
        }

        var description: String {
            switch self {
            case .call(let procedure): "\(procedure) call"
            case .reply(let procedure): "\(procedure) reply"
            case .callback(let procedure): "\(procedure) callback"
            case .callbackReply(let procedure): "\(procedure) callback reply"
            }
        }

        /// As vectors name it.
        var heading: String {
            switch self {
            case .call(let procedure): "LAYOUT_PROGRAM \(procedure.rawValue) call"
            case .reply(let procedure): "LAYOUT_PROGRAM \(procedure.rawValue) reply"
            case .callback(let procedure): "LAYOUT_CALLBACK_PROGRAM \(procedure.rawValue) call"
            case .callbackReply(let procedure): "LAYOUT_CALLBACK_PROGRAM \(procedure.rawValue) reply"
            }
        }

        /// The type in `layout.x`.
        func type(in schema: Schema) throws -> String {
            switch self {
            case .call(let procedure): try schema.procedure("LAYOUT_PROGRAM", procedure.rawValue).arguments
            case .reply(let procedure): try schema.procedure("LAYOUT_PROGRAM", procedure.rawValue).results
            case .callback(let procedure): try schema.procedure("LAYOUT_CALLBACK_PROGRAM", procedure.rawValue).arguments
            case .callbackReply(let procedure):
                try schema.procedure("LAYOUT_CALLBACK_PROGRAM", procedure.rawValue).results
            }
        }
    }

    var kind: Kind {
        switch self {
        case .call(let call): .call(LayoutCodec.procedure(of: call.request))
        case .reply(let procedure, _): .reply(procedure)
        case .callback(let request): .callback(LayoutCodec.procedure(of: request))
        case .callbackReply(let procedure, _): .callbackReply(procedure)
        }
    }

    func encode(into buffer: inout ByteBuffer) {
        switch self {
        case .call(let call): LayoutCodec.encode(call, into: &buffer)
        case .reply(let procedure, let reply): LayoutCodec.encode(reply, for: procedure, into: &buffer)
        case .callback(let request): LayoutCodec.encode(request, into: &buffer)
        case .callbackReply(_, let status): LayoutCodec.encodeCallbackReply(status, into: &buffer)
        }
    }

    var encoded: [UInt8] {
        var buffer = ByteBuffer()
        self.encode(into: &buffer)
        return Array(buffer.readableBytesView)
    }

    static func decode(_ kind: Kind, _ bytes: [UInt8]) throws(CodecError) -> Message {
        try Self.decode(kind, ByteBuffer(bytes: bytes))
    }

    static func decode(_ kind: Kind, _ body: ByteBuffer) throws(CodecError) -> Message {
        switch kind {
        case .call(let procedure): .call(try LayoutCodec.decodeCall(procedure: procedure, body))
        case .reply(let procedure): .reply(procedure, try LayoutCodec.decodeReply(procedure: procedure, body))
        case .callback(let procedure): .callback(try LayoutCodec.decodeCallback(procedure: procedure, body))
        case .callbackReply(let procedure): .callbackReply(procedure, try LayoutCodec.decodeCallbackReply(body))
        }
    }
}
