import CBenchPeer
import LayoutCore
import LayoutXDR
import NIOCore

/// Calls over a blocking socket: the same few instructions for every server.
final class NeutralCaller {
    /// Where things are in an answer that was accepted: six words of header (RFC 5531 §9, AUTH_NONE), then the results.
    enum Offset {
        static var acceptance: Int { 20 }
        static var body: Int { 24 }
        /// The status behind the 24 bytes of `ll_sequence_res`.
        static var status: Int { Self.body + 24 }
        /// `ll_layout_resok.stateid`.
        static var layoutStateID: Range<Int> { Self.status + 4..<Self.status + 20 }
    }

    let socket: RecordSocket
    private var transaction: UInt32 = 0

    /// Connects to a server's Unix socket.
    init(path: String) throws {
        self.socket = try RecordSocket(path: path)
    }

    /// Makes one call and returns the nanoseconds from before the sending to the answer.
    ///
    /// - Throws: ``BenchError`` if there is no answer, or it is an error of RPC.
    func call(_ record: inout CallRecord) throws -> Double {
        self.transaction &+= 1
        record.patch(self.transaction, at: CallRecord.Offset.transaction)
        let start = bench_now()
        try self.socket.send(record.bytes)
        try self.socket.receive()
        let end = bench_now()
        // REPLY, MSG_ACCEPTED, and no verifier, so that SUCCESS is where it is looked for.
        let header = (0..<6).map { self.socket.word(at: $0 * 4) }
        guard header == [self.transaction, 1, 0, 0, 0, 0] else {
            throw BenchError("a call was not accepted: the header of the answer is \(header)")
        }
        return Double(end - start)
    }

    /// Makes a call to layoutd once, not timed, and decodes the answer.
    func ask(_ call: LayoutCall) throws -> Response {
        var record = CallRecord(call)
        _ = try self.call(&record)
        let reply = try LayoutCodec.decodeReply(
            procedure: LayoutCodec.procedure(of: call.request),
            ByteBuffer(bytes: self.socket.bytes(from: Offset.body))
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
}
