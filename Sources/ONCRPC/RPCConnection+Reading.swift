import NIOCore

/// From bytes to calls and replies.
extension RPCConnection {
    /// How much more than one record may wait while the peer does not read.
    ///
    /// The channel reads in bursts of a few buffers, so some input always comes after reading was stopped; at the end
    /// of the stream all of it does.
    private var inputLengthMax: Int { self.group.limits.recordLength + 1024 * 1024 }

    func received(_ bytes: ByteBuffer) {
        guard self.closeReason == nil else { return }
        self.group.statistics.bytesReceived += UInt64(bytes.readableBytes)
        self.lastActivity = .now()
        self.isReading = true
        self.reader.append(bytes)
        self.processRecords()
        if self.isWriteBlocked, self.reader.bufferedLength > self.inputLengthMax { self.close(.inputOverrun) }
    }

    func readBurstEnded() {
        self.isReading = false
        self.flush()
        self.closeIfDrained()
    }

    /// Whether the channel may read now; otherwise it is told to once the peer reads again.
    func mayRead() -> Bool {
        self.isReadHeld = self.isWriteBlocked
        return !self.isReadHeld
    }

    func writabilityChanged(_ isWritable: Bool) {
        self.isWriteBlocked = !isWritable
        guard isWritable else {
            self.partialRecordDeadline = nil  // it is this side that does not read on
            self.startWriteStallDeadline()
            return
        }
        self.writeStallDeadline = nil
        // Inside the loop over records, that one goes on.
        guard !self.isProcessing, self.closeReason == nil else { return }
        let wasReading = self.isReading
        self.isReading = true
        self.processRecords()
        self.isReading = wasReading
        if !wasReading {
            self.flush()
            self.closeIfDrained()
        }
        if self.isReadHeld, !self.isWriteBlocked {
            self.isReadHeld = false
            self.context?.read()
        }
    }

    private func processRecords() {
        guard !self.isProcessing else { return }
        self.isProcessing = true
        defer { self.isProcessing = false }
        var isNewRecord = self.partialRecordDeadline == nil
        while self.closeReason == nil, !self.isWriteBlocked {
            switch self.reader.next() {
            case .record(let record):
                isNewRecord = true
                self.group.statistics.recordsReceived += 1
                self.handle(record)
                // The channel counts only what it has been given.
                if self.output.readableBytes >= self.group.limits.writeBufferHigh { self.flush() }
            case .incomplete:
                self.recordIsPartial(self.reader.isMidRecord, isNew: isNewRecord)
                return
            case .violation(let reason):
                self.close(reason)
                return
            }
        }
    }

    private func handle(_ record: ByteBuffer) {
        switch InboundMessage(record) {
        case .call(let header):
            self.handleCall(header, record)
        case .callOfOtherVersion(let xid):
            self.group.statistics.rejectedVersion += 1
            let version = InboundMessage.rpcVersion
            self.writeRejection(xid: xid, .rpcMismatch(low: version, high: version))
        case .reply(let xid, let header):
            self.handleReply(xid: xid, header, record)
        case .malformed:
            self.close(.malformedMessage)
        }
    }

    private func handleCall(_ header: CallHeader, _ record: ByteBuffer) {
        let offset = header.bodyOffset
        guard let body = record.getSlice(at: record.readerIndex + offset, length: record.readableBytes - offset) else {
            self.close(.malformedMessage)
            return
        }
        let credential: RPCCredential
        do throws(RPCAuthStatus) {
            credential = try self.credentialDecoder.decode(header, of: record)
        } catch {
            self.group.statistics.rejectedAuthentication += 1
            self.writeRejection(xid: header.xid, .authError(error))
            return
        }
        self.hasBeenCalled = true
        self.firstCallDeadline = nil
        guard let id = self.calls.begin(xid: header.xid) else {
            self.group.statistics.rejectedInFlight += 1
            self.writeRejection(xid: header.xid, .systemError)
            return
        }
        self.group.statistics.callsReceived += 1
        let call = RPCCall(
            id: id,
            program: header.program,
            version: header.version,
            procedure: header.procedure,
            credential: credential,
            body: body
        )
        self.group.delegate.received(call, on: self)
    }
}
