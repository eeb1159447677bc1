import LayoutXDR
import LinuxFiles
import NIOCore

extension LayoutFile {
    /// Brings bytes to stable storage.
    ///
    /// What was stored through regions or written before the call, by this client, survives a crash of every program and of
    /// the machine when this returns. Goes to the file directly where this client has a descriptor of it, else through
    /// the server. Either brings the whole file to storage.
    /// - Parameter range: The bytes that matter; `nil` for all.
    /// - Throws: ``LayoutError`` with ``LayoutCore/LayoutStatus/ioError`` if storage failed: bytes may be lost;
    ///   ``LayoutCore/LayoutStatus/outcomeUnknown`` if the session was lost since bytes were written through the server:
    ///   write them again.
    public func flush(_ range: Range<UInt64>? = nil) async throws(LayoutError) {
        let attempt = "flush '\(self.path)'"
        try self.checkWritable(attempt)
        let bytes = range.flatMap { ByteRange($0) } ?? .all
        let file = self.core
        let timeout = self.client.configuration.answerTimeout * 2
        let _: Bool = try await self.client.perform(attempt) { core, completion in
            let file = file.value
            if let failure = file.takeLostWrites() { return completion(.failure(failure)) }
            guard let descriptor = file.descriptors[.readWrite] else {
                return file.commit(bytes, timeout: timeout, completion)
            }
            // Everything is in the page cache of this host, whoever has put it there.
            let done = NIOLoopBound(completion, eventLoop: core.loop)
            let box = NIOLoopBound(file, eventLoop: core.loop)
            core.mapper.flush {
                var failure: Failure?
                do throws(LinuxError) {
                    try MappingCalls.synchronize(descriptor, dataOnly: true)
                } catch {
                    failure = Failure(error.status, error.message)
                }
                box.eventLoop.execute { [failure] in
                    if let failure { return done.value(.failure(failure)) }
                    box.value.unstableWrites = nil
                    done.value(.success(true))
                }
            }
        }
    }
}

/// Writes through the server that are not on stable storage yet.
struct UnstableWrites: Hashable {
    /// The life of the server that has them.
    var verifier: UInt64
    /// Whether it has ended since.
    var isLost = false
}

extension FileCore {
    /// The server holds bytes in memory for this client.
    func writtenUnstably(_ verifier: UInt64) {
        if let earlier = self.unstableWrites, earlier.verifier != verifier || earlier.isLost {
            self.unstableWrites?.isLost = true
        } else {
            self.unstableWrites = UnstableWrites(verifier: verifier)
        }
    }

    /// A failure if written bytes may have been lost since the last flush; told once.
    func takeLostWrites() -> Failure? {
        guard let writes = self.unstableWrites else { return nil }
        let isLost = writes.isLost || self.client.life != writes.verifier
        guard isLost else { return nil }
        self.unstableWrites = nil
        return Failure(
            .outcomeUnknown,
            "the server was restarted before bytes that were written through it were on stable storage: write them again"
        )
    }

    /// Asks the server to bring bytes to stable storage.
    func commit(_ range: ByteRange, timeout: Duration, _ completion: @escaping (Result<Bool, Failure>) -> Void) {
        let request = { (handle: FileHandle) in
            Request.commit(CommitArguments(handle: handle, offset: range.lowerBound, length: range.wireLength))
        }
        self.submit(loss: .sessionBound, timeout: timeout, request) { [self] result in
            if case .success = result, range == .all { self.unstableWrites = nil }
            completion(result.map { _ in true })
        }
    }
}
