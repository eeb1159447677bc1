import LayoutHolder
import LayoutXDR
import LinuxFiles
import NIOCore

extension LayoutFile {
    /// What the bytes of a range are on storage: data, allocated and unwritten, or a hole.
    ///
    /// Asked under a read layout of the range, which makes the answer one of a moment without mapping changes by others. It
    /// is given back unless a region or a read still needs it.
    /// - Parameter range: Which bytes; rounded out to blocks, cut at the end of the file.
    /// - Returns: Extents in order, without gaps; empty if the range is beyond the end of the file.
    /// - Throws: ``LayoutError`` with ``LayoutCore/LayoutStatus/layoutUnavailable`` if the server is on another host.
    public func extents(_ range: Range<UInt64>) async throws(LayoutError) -> [Extent] {
        let attempt = "read the extents of \(range) of '\(self.path)'"
        try self.checkOpen(attempt)
        let attributes = try await self.attributes()
        let end = min(range.upperBound, attributes.size)
        guard range.lowerBound < end, let bytes = ByteRange(range.lowerBound, end) else { return [] }
        let rounded = bytes.roundedOut(to: UInt64(max(attributes.blockSize, 1)))
        // A recall can come between the grant and the look; then the answer is not used.
        for _ in 0..<5 {
            if let extents = try await self.readExtents(rounded, attempt) { return extents }
        }
        throw LayoutError(.delay, "cannot \(attempt): the mapping is being changed all the time; try again later")
    }

    private func readExtents(_ range: ByteRange, _ attempt: String) async throws(LayoutError) -> [Extent]? {
        let file = self.core
        let patience = self.client.configuration.patience
        return try await self.client.perform(attempt) { core, completion in
            let file = file.value
            let claim = file.addWindow(nil, LayoutHolder.Window(range, .read, followsContent: false))
            let finish = { (result: Result<[Extent]?, Failure>) in
                file.endClaim(claim)
                completion(result)
            }
            file.prepare(claim.id, timeout: patience) { result in
                if case .failure(let failure) = result { return finish(.failure(failure)) }
                guard let descriptor = file.descriptors[.read] ?? file.descriptors[.readWrite] else {
                    return finish(.success(nil))
                }
                let revocations = claim.revocations
                let box = NIOLoopBound((claim, finish), eventLoop: core.loop)
                core.mapper.flush {
                    let read: Result<[Extent], Failure>
                    do throws(LinuxError) {
                        read = .success(try ExtentMap.read(range, of: descriptor, limit: 1 << 20).extents)
                    } catch {
                        read = .failure(Failure(error.status, error.message))
                    }
                    box.eventLoop.execute {
                        let (claim, finish) = box.value
                        guard claim.revocations == revocations else { return finish(.success(nil)) }
                        finish(read.map { $0 })
                    }
                }
            }
        }
    }
}

extension FileCore {
    /// Ends a claim, and gives everything back if only it needed anything.
    func endClaim(_ claim: WindowCore) {
        self.removeWindow(claim.id)
        if self.windows.isEmpty { self.handle(.returnAllWanted) }
    }
}
