import LayoutCore
import LayoutXDR
import NIOCore

/// Single calls over a blocking socket, and the server's own calls that come between.
final class NeutralCaller {
    let socket: RecordSocket
    private var transaction: UInt32 = 0
    /// Ends access to what is recalled, and makes the LAYOUTRETURN that follows the answer; `nil` if nothing is held.
    var recalled: ((LayoutRecall) throws -> LayoutCall?)?

    /// Connects to a server.
    init(_ endpoint: Endpoint, capacity: Int = 1 << 16) throws {
        self.socket = try RecordSocket(endpoint, capacity: capacity)
    }

    /// Makes a call and decodes the answer.
    ///
    /// - Throws: ``BenchError`` if there is no answer, or it is a refusal.
    func ask(_ call: LayoutCall) throws -> Response {
        let transaction = try self.send(call)
        repeat { try self.socket.receive() } while try self.takeOther(than: transaction)
        let reply = try LayoutCodec.decodeReply(
            procedure: LayoutCodec.procedure(of: call.request),
            ByteBuffer(bytes: self.socket.bytes(from: 24))
        )
        if let sequence = reply.sequence, sequence.status != .ok {
            throw BenchError("layoutd refused the session's call: \(sequence.status)")
        }
        switch reply.result {
        case .success(let response): return response
        case .failure(let failure):
            throw BenchError("layoutd refused a call: \(failure.status): \(failure.detail)")
        }
    }

    /// Makes a call whose answer is left to ``takeWaiting()``.
    @discardableResult
    func send(_ call: LayoutCall) throws -> UInt32 {
        var record = CallRecord(call)
        self.transaction &+= 1
        record.patch(self.transaction, at: CallRecord.Offset.transaction)
        try self.socket.send(record.bytes)
        return self.transaction
    }

    /// Takes what the server has sent, once the socket is readable.
    func takeWaiting() throws {
        repeat {
            try self.socket.receive()
            _ = try self.takeOther(than: nil)
        } while self.socket.hasNextRecord
    }

    /// Deals with the last record unless it is the answer to `transaction`; false if it is.
    private func takeOther(than transaction: UInt32?) throws -> Bool {
        let socket = self.socket
        guard socket.word(at: 4) == 0 else {
            guard (2..<6).allSatisfy({ socket.word(at: $0 * 4) == 0 }) else {
                throw BenchError("a call was not accepted by a server: look for its message above")
            }
            if socket.word(at: 0) == transaction { return false }
            // An answer that nobody waits for: its call's statuses must be good all the same.
            guard socket.word(at: 24) == 0, socket.word(at: 48) == 0 else {
                throw BenchError("layoutd refused a call with the statuses of layout.x at its words 6 and 12")
            }
            return true
        }
        try self.takeCall()
        return true
    }

    /// Answers a call of the server's.
    private func takeCall() throws {
        let socket = self.socket
        func padded(_ length: UInt32) -> Int { (Int(length) + 3) & ~3 }
        let verifier = 32 + padded(socket.word(at: 28))
        let body = verifier + 8 + padded(socket.word(at: verifier + 4))
        let transaction = socket.word(at: 0)
        guard let procedure = CallbackProcedure(rawValue: socket.word(at: 20)) else {
            throw BenchError("layoutd called an unknown procedure of its client")
        }
        var (status, call) = (LayoutStatus.ok, LayoutCall?.none)
        if case .layoutRecall(_, let recall) = try LayoutCodec.decodeCallback(
            procedure: procedure,
            ByteBuffer(bytes: socket.bytes(from: body))
        ) {
            call = try self.recalled?(recall)
            if call == nil { status = .noMatchingLayout }
        }
        var answer = ByteBuffer()
        LayoutCodec.encodeCallbackReply(status, into: &answer)
        try socket.send(CallRecord(answering: transaction, body: answer).bytes)
        if let call { try self.send(call) }
    }
}
