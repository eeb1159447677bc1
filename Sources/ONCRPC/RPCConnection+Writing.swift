package import NIOCore

/// Answers to the peer's calls, and the output buffer.
extension RPCConnection {
    /// A longer body is written by itself: copying it would cost more than the second buffer.
    private static let mergedBodyLengthMax = 16 * 1024

    /// Answers a call with its results.
    ///
    /// Ignored if the call was answered before or the connection has closed; the statistics count it.
    /// - Precondition: `body` is shorter than 2 GiB.
    package func reply(to call: RPCCallID, body: ByteBuffer) {
        guard self.endCall(call) else { return }
        self.prepareOutput()
        RecordWriter.writeSuccess(xid: call.xid, bodyLength: body.readableBytes, into: &self.output)
        self.finishRecord(body)
    }

    /// Refuses a call, which has not been executed.
    ///
    /// Otherwise like ``reply(to:body:)``.
    package func reject(_ call: RPCCallID, _ rejection: RPCRejection) {
        guard self.endCall(call) else { return }
        self.group.statistics.rejectedByDelegate += 1
        self.writeRejection(xid: call.xid, rejection)
    }

    private func endCall(_ call: RPCCallID) -> Bool {
        guard self.isOpen, self.calls.end(call) else {
            self.group.statistics.repliesDropped += 1
            return false
        }
        return true
    }

    func writeRejection(xid: UInt32, _ rejection: RPCRejection) {
        self.prepareOutput()
        RecordWriter.writeRejection(xid: xid, rejection, into: &self.output)
        self.finishRecord(ByteBuffer())
    }

    /// Makes room for about as much as the last burst needed.
    func prepareOutput() {
        guard self.output.readableBytes == 0, self.outputLengthHint > 0 else { return }
        self.output.reserveCapacity(self.outputLengthHint)
    }

    /// Adds the body of the record whose header was just written, and sees to it that it is sent.
    func finishRecord(_ body: ByteBuffer) {
        self.group.statistics.recordsSent += 1
        if body.readableBytes <= Self.mergedBodyLengthMax {
            self.output.writeImmutableBuffer(body)
        } else {
            self.passOutput()
            self.group.statistics.bytesSent += UInt64(body.readableBytes)
            self.context?.write(NIOAny(body), promise: nil)
            self.hasUnflushedWrites = true
        }
        guard !self.isReading, !self.isFlushScheduled else { return }
        // What comes outside a burst of this connection's own input, say from the returns of another client, leaves at
        // the end of the loop's current tick: all of it in one write.
        self.isFlushScheduled = true
        self.eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            self.flush()
            self.closeIfDrained()
        }
    }

    /// Gives the output to the channel without flushing.
    private func passOutput() {
        guard self.output.readableBytes > 0 else { return }
        let output = self.output
        self.outputLengthHint = min(output.readableBytes, Self.mergedBodyLengthMax)
        self.output = ByteBuffer()
        self.group.statistics.bytesSent += UInt64(output.readableBytes)
        self.hasUnflushedWrites = true
        self.context?.write(NIOAny(output), promise: nil)
    }

    /// Sends the output as far as the socket takes it; the channel keeps the rest.
    func flush() {
        self.passOutput()
        guard self.hasUnflushedWrites else { return }
        self.hasUnflushedWrites = false
        self.context?.flush()
    }

    // MARK: Shutdown

    /// Closes the connection once its calls in flight are answered and the answers are written.
    func drain() {
        self.isDraining = true
        if !self.isReading { self.closeIfDrained() }
    }

    func closeIfDrained() {
        guard self.isDraining, self.closeReason == nil, self.calls.count == 0, let context = self.context else {
            return
        }
        self.isDraining = false
        // An empty write is complete when all before it are.
        let written = self.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in self.close(.shutdown) }
        context.writeAndFlush(NIOAny(ByteBuffer()), promise: written)
    }
}
