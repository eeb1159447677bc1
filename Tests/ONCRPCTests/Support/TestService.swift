import NIOCore

@testable import ONCRPC

/// Serves a small program, and notes what happens.
///
/// Bound to the event loop.
final class TestService: RPCConnectionDelegate {
    /// The procedures of `Wire.program`.
    enum Procedure: UInt32 {
        case null = 0
        /// Answers with the arguments.
        case echo = 1
        /// Is answered when the test says so.
        case park = 2
        /// Answers with as many bytes as the argument, a word, says.
        case fill = 3
        /// Calls the caller's echo with the arguments, and answers with what comes back.
        case echoThroughCaller = 4
        /// Describes the credential.
        case whoAmI = 5
        /// Accepts exactly four bytes.
        case fourBytes = 6
        /// Closes the connection.
        case close = 7
    }

    var opened: [RPCConnection] = []
    var closed: [RPCConnection.ID: RPCCloseReason] = [:]
    var parked: [(call: RPCCall, connection: RPCConnection)] = []
    var callbackErrors: [RPCError] = []
    /// The order in which calls arrived.
    var xids: [UInt32] = []
    var callbackPatience = TimeAmount.seconds(5)

    func connectionOpened(_ connection: RPCConnection) {
        self.opened.append(connection)
    }

    func connectionClosed(_ connection: RPCConnection, reason: RPCCloseReason) {
        precondition(self.closed[connection.id] == nil, "closed twice")
        self.closed[connection.id] = reason
    }

    func received(_ call: RPCCall, on connection: RPCConnection) {
        self.xids.append(call.id.xid)
        guard call.program == Wire.program else { return connection.reject(call.id, .programUnavailable) }
        guard call.version == Wire.version else {
            return connection.reject(call.id, .programMismatch(low: Wire.version, high: Wire.version))
        }
        switch Procedure(rawValue: call.procedure) {
        case .null: connection.reply(to: call.id, body: ByteBuffer())
        case .echo: connection.reply(to: call.id, body: call.body)
        case .park: self.parked.append((call, connection))
        case .fill: self.fill(call, connection)
        case .echoThroughCaller: self.echoThroughCaller(call, connection)
        case .whoAmI: connection.reply(to: call.id, body: ByteBuffer(string: "\(call.credential)"))
        case .fourBytes:
            guard call.body.readableBytes == 4 else { return connection.reject(call.id, .garbageArguments) }
            connection.reply(to: call.id, body: call.body)
        case .close:
            connection.close("asked to")
            precondition(self.closed[connection.id] == nil, "re-entered")
        case nil: connection.reject(call.id, .procedureUnavailable)
        }
    }

    private func fill(_ call: RPCCall, _ connection: RPCConnection) {
        var body = call.body
        guard let length = body.readInteger(as: UInt32.self) else {
            return connection.reject(call.id, .garbageArguments)
        }
        connection.reply(to: call.id, body: ByteBuffer(repeating: 0x5a, count: Int(length)))
    }

    private func echoThroughCaller(_ call: RPCCall, _ connection: RPCConnection) {
        connection.call(
            program: Wire.program,
            version: Wire.version,
            procedure: Procedure.echo.rawValue,
            body: call.body,
            deadline: .now() + self.callbackPatience
        ) { result in
            switch result {
            case .success(let body):
                connection.reply(to: call.id, body: body)
            case .failure(let error):
                self.callbackErrors.append(error)
                connection.reject(call.id, .systemError)
            }
        }
    }
}
