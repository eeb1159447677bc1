import LayoutCore
import LayoutXDR
import LinuxFiles

/// READ, WRITE and COMMIT, for those who cannot reach the storage (specification §5.3).
extension LayoutService {
    func read(_ arguments: ReadArguments, _ call: ActiveCall) {
        // 24 bytes of sequence, 12 of status, end and count.
        let room = (call.replyMax - 36) & ~3
        guard room > 0 || arguments.count == 0 else {
            return self.finish(call, .replyTooBigToCache, "not even one byte fits: ask without cachethis")
        }
        guard arguments.offset <= UInt64(Int64.max) else {
            return self.finish(call, .invalid, "offset \(arguments.offset) is beyond 2^63 - 1, where no file has bytes")
        }
        let count = min(Int(arguments.count), ProtocolLimits.io, room)
        self.withFile(arguments.handle, call) { entry in
            if let failure = entry.notRegular { return self.finish(call, .failure(failure)) }
            self.deviceReads += 1
            self.withDescriptor(of: entry, for: call.user, .read) { opened in
                switch opened {
                case .failure(let failure):
                    self.finish(call, .failure(failure))
                case .success(let file):
                    self.work.run(
                        on: entry.id,
                        {
                            Result<ReadResult, Failure> { () throws(LinuxError) in
                                let data = try FileInputOutput.read(count, at: arguments.offset, of: file)
                                let end = arguments.offset + UInt64(data.count)
                                return ReadResult(isAtEnd: try FileFacts(of: file).size <= end, data: data)
                            }
                        },
                        then: { self.finish(call, $0.map { .read($0) }) }
                    )
                }
            }
        }
    }

    func write(_ arguments: WriteArguments, _ call: ActiveCall) {
        self.withFile(arguments.handle, call) { entry in
            guard !arguments.data.isEmpty else {
                // Nothing changes, but the caller learns the size.
                return self.writeNothing(entry, call)
            }
            self.deviceWrites += 1
            self.changeFile(
                entry,
                .write,
                offset: arguments.offset,
                length: UInt64(arguments.data.count),
                data: arguments.data,
                isStable: arguments.isStable,
                waitMilliseconds: arguments.waitMilliseconds,
                call
            ) { result in
                self.finish(
                    call,
                    result.map { finished in
                        .write(
                            WriteResult(
                                count: UInt32(clamping: finished.done.written),
                                size: finished.done.facts?.size ?? 0,
                                verifier: self.verifier
                            )
                        )
                    }
                )
            }
        }
    }

    private func writeNothing(_ entry: FileEntry, _ call: ActiveCall) {
        if let failure = entry.notRegular { return self.finish(call, .failure(failure)) }
        self.withDescriptor(of: entry, for: call.user, .write) { opened in
            switch opened {
            case .failure(let failure):
                self.finish(call, .failure(failure))
            case .success(let file):
                self.work.run(
                    on: nil,
                    { Result<FileFacts, Failure> { () throws(LinuxError) in try FileFacts(of: file) } },
                    then: {
                        self.finish(
                            call,
                            $0.map { .write(WriteResult(count: 0, size: $0.size, verifier: self.verifier)) }
                        )
                    }
                )
            }
        }
    }

    func commit(_ arguments: CommitArguments, _ call: ActiveCall) {
        self.withFile(arguments.handle, call) { entry in
            if let failure = entry.notRegular { return self.finish(call, .failure(failure)) }
            self.withDescriptor(of: entry, for: call.user, .write) { opened in
                switch opened {
                case .failure(let failure):
                    self.finish(call, .failure(failure))
                case .success(let file):
                    self.work.run(
                        on: entry.id,
                        {
                            Result<Void, Failure> { () throws(LinuxError) in
                                try MappingCalls.synchronize(file, dataOnly: true)
                            }
                        },
                        then: { self.finish(call, $0.map { .void }) }
                    )
                }
            }
        }
    }
}
