package import NIOCore

/// Calls to the peer: a client's calls, and a server's callbacks.
extension RPCConnection {
    /// Calls a procedure of the peer.
    ///
    /// `completion` is called exactly once, on the event loop and never before this method returns: with the results,
    /// or with what went wrong. Of the errors only ``RPCError/rejected(_:)``, ``RPCError/tooManyCalls``,
    /// ``RPCError/invalidCredential`` and ``RPCError/bodyTooLong`` say that the peer has not executed the call.
    /// - Parameters:
    ///   - program: The program number.
    ///   - version: The program's version.
    ///   - procedure: The procedure.
    ///   - credential: Who makes the call.
    ///   - body: The encoded arguments.
    ///   - deadline: When to give up waiting. Nothing but the reply itself ends the wait or extends it.
    ///   - completion: Takes the results, which are not decoded. Like a call's body they are a slice of the read buffer.
    /// - Returns: The call's transaction id, for ``cancelCall(_:)``; `nil` if the call was not sent.
    @discardableResult
    package func call(
        program: UInt32,
        version: UInt32,
        procedure: UInt32,
        credential: RPCCredential = .none,
        body: ByteBuffer,
        deadline: NIODeadline,
        completion: @escaping (Result<ByteBuffer, RPCError>) -> Void
    ) -> UInt32? {
        let encoded: EncodedCredential
        let xid: UInt32
        do throws(RPCError) {
            if let reason = self.closeReason { throw .connectionClosed(reason) }
            guard body.readableBytes <= RecordWriter.recordLengthMax - RecordWriter.callHeaderLengthMax else {
                throw .bodyTooLong
            }
            encoded = try self.credentialEncoder.encode(credential)
            guard let free = self.outstanding.begin(deadline: deadline, completion: completion) else {
                throw .tooManyCalls
            }
            xid = free
        } catch {
            self.eventLoop.assumeIsolated().execute { completion(.failure(error)) }
            return nil
        }
        self.group.statistics.callsSent += 1
        self.prepareOutput()
        RecordWriter.writeCall(
            xid: xid,
            program: program,
            version: version,
            procedure: procedure,
            credential: encoded,
            bodyLength: body.readableBytes,
            into: &self.output
        )
        self.finishRecord(body)
        self.arm(deadline)
        return xid
    }

    /// Gives up waiting for a reply.
    ///
    /// The call's completion is not called any more; the peer may still execute the call.
    package func cancelCall(_ xid: UInt32) {
        guard self.outstanding.end(xid) != nil else { return }
        self.callsWereGivenUp(1)
    }

    /// Each of them may still get its reply, which must not count against the peer.
    func callsWereGivenUp(_ count: Int) {
        self.unmatchedRepliesLeft += count
        self.group.statistics.callsGivenUp += UInt64(count)
    }

    func handleReply(xid: UInt32, _ header: ReplyHeader?, _ record: ByteBuffer) {
        guard let completion = self.outstanding.end(xid) else {
            self.group.statistics.repliesUnmatched += 1
            self.unmatchedRepliesLeft -= 1
            if self.unmatchedRepliesLeft < 0 { self.close(.unmatchedReplies) }
            return
        }
        self.group.statistics.repliesReceived += 1
        guard let header else {
            completion(.failure(.malformedReply))
            return
        }
        if let rejection = header.rejection {
            completion(.failure(.rejected(rejection)))
            return
        }
        let offset = header.bodyOffset
        let body = record.getSlice(at: record.readerIndex + offset, length: record.readableBytes - offset)
        completion(body.map { .success($0) } ?? .failure(.malformedReply))
    }
}
