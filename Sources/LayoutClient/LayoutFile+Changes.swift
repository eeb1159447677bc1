import LayoutHolder
import LayoutXDR
import NIOCore

/// Mapping changes.
///
/// Each recalls the layouts that it affects from all other holders, waits until they are back, and then runs. This
/// client's own are given back with the call. Offsets and lengths are bytes.
///
/// All of them throw ``LayoutError`` with
/// - ``LayoutCore/LayoutStatus/delay`` if layouts or pins of others were not given back within `patience` (at most 20
///   seconds): nothing was done;
/// - ``LayoutCore/LayoutStatus/deadlock`` at once if the calling task holds a pin on affected bytes: nothing was done;
/// - ``LayoutCore/LayoutStatus/grace`` if the server was restarted, and waits for reclaims of others longer than `patience`:
///   nothing was done;
/// - ``LayoutCore/LayoutStatus/outcomeUnknown`` if the server has lost its memory, or was out of reach for too long, while
///   the change was under way: it may or may not have been done, and is never repeated by itself;
/// - ``LayoutCore/LayoutStatus/invalid``, ``LayoutCore/LayoutStatus/notSupported``,
///   ``LayoutCore/LayoutStatus/noSpace`` and so on as the filesystem says.
extension LayoutFile {
    /// Allocates blocks, so that writing them cannot fail for want of space; changes no byte.
    ///
    /// - Parameters:
    ///   - range: Which bytes.
    ///   - keepingSize: Whether the file stays as long as it is, if the range goes beyond its end.
    ///   - patience: How long to wait for others.
    /// - Throws: As said above for all changes.
    public func allocate(
        _ range: Range<UInt64>,
        keepingSize: Bool = false,
        patience: Duration? = nil
    ) async throws(LayoutError) {
        try await self.change(.allocate, range, "allocate", keepingSize: keepingSize, patience)
    }

    /// Frees the blocks of a range; its bytes read as zeros, the size stays.
    ///
    /// - Parameters:
    ///   - range: Which bytes; blocks that it covers in part are zeroed in part.
    ///   - patience: How long to wait for others.
    /// - Throws: As said above for all changes.
    public func punchHole(_ range: Range<UInt64>, patience: Duration? = nil) async throws(LayoutError) {
        try await self.change(.punchHole, range, "punch", patience)
    }

    /// Makes the bytes of a range read as zeros; blocks may stay.
    ///
    /// - Parameters:
    ///   - range: Which bytes.
    ///   - keepingSize: Whether the file stays as long as it is, if the range goes beyond its end.
    ///   - patience: How long to wait for others.
    /// - Throws: As said above for all changes.
    public func zeroRange(
        _ range: Range<UInt64>,
        keepingSize: Bool = false,
        patience: Duration? = nil
    ) async throws(LayoutError) {
        try await self.change(.zeroRange, range, "zero", keepingSize: keepingSize, patience)
    }

    /// Removes bytes; what is behind them moves down.
    ///
    /// - Parameters:
    ///   - range: Whole filesystem blocks, ending before the end of the file.
    ///   - patience: How long to wait for others.
    /// - Throws: As said above for all changes.
    public func collapseRange(_ range: Range<UInt64>, patience: Duration? = nil) async throws(LayoutError) {
        try await self.change(.collapseRange, range, "collapse", patience)
    }

    /// Inserts a hole; what is at or behind `offset` moves up by `length`.
    ///
    /// - Parameters:
    ///   - offset: Where: a multiple of the block size, before the end of the file.
    ///   - length: How much: a multiple of the block size.
    ///   - patience: How long to wait for others.
    /// - Throws: As said above for all changes.
    public func insertRange(
        at offset: UInt64,
        length: UInt64,
        patience: Duration? = nil
    ) async throws(LayoutError) {
        let (end, overflow) = offset.addingReportingOverflow(length)
        guard !overflow else { throw self.badRange("insert \(length) bytes at \(offset) in") }
        try await self.change(.insertRange, offset..<end, "insert", patience)
    }

    /// Sets the size: cuts bytes off, or adds zeros.
    ///
    /// - Parameters:
    ///   - size: The new size.
    ///   - patience: How long to wait for others.
    /// - Throws: As said above for all changes.
    public func truncate(to size: UInt64, patience: Duration? = nil) async throws(LayoutError) {
        let attempt = "truncate '\(self.path)' to \(size) bytes"
        try self.checkWritable(attempt)
        guard size < UInt64(Int64.max) else { throw self.badRange("truncate to \(size)") }
        try await self.change(.truncate, ByteRange(from: size), size, 0, false, patience, attempt)
    }

    /// Shares bytes of another file (or of this one) into this one, without a copy (`FICLONERANGE`).
    ///
    /// - Parameters:
    ///   - source: Where the bytes come from; on the same filesystem, opened by the same client.
    ///   - sourceRange: Which bytes of it: whole blocks, or up to its end. An empty range means from its lower bound to the
    ///     end of the source.
    ///   - offset: Where they go in this file: a multiple of the block size.
    ///   - patience: How long to wait for others.
    /// - Throws: As said above for all changes.
    public func clone(
        from source: LayoutFile,
        _ sourceRange: Range<UInt64>,
        to offset: UInt64,
        patience: Duration? = nil
    ) async throws(LayoutError) {
        let attempt = "clone \(sourceRange) of '\(source.path)' to \(offset) in '\(self.path)'"
        try self.checkWritable(attempt)
        try source.checkOpen(attempt)
        guard source.client === self.client else {
            throw LayoutError(.invalid, "cannot \(attempt): the two files were opened by different clients")
        }
        let length = sourceRange.upperBound - sourceRange.lowerBound
        let isToEnd = sourceRange.isEmpty
        let from = isToEnd ? ByteRange(from: sourceRange.lowerBound) : ByteRange(sourceRange)
        let to = isToEnd ? ByteRange(from: offset) : ByteRange(offset: offset, length: length)
        guard let from, let to, offset < UInt64(Int64.max) else { throw self.badRange(attempt) }
        let wait = self.client.wait(patience)
        let (sourceCore, core) = (source.core, self.core)
        let pins = PinScope.windows(of: self.client)
        let timeout = self.client.configuration.answerTimeout * 2 + wait
        let _: Bool = try await self.client.perform(attempt) { _, completion in
            let (source, file) = (sourceCore.value, core.value)
            if source === file, from.roundedOut(to: file.blockSize).overlaps(to.roundedOut(to: file.blockSize)) {
                return completion(.failure(Failure(.invalid, "the two ranges overlap")))
            }
            let request = { (handle: FileHandle) in
                Request.cloneRange(
                    CloneArguments(
                        source: source.handle,
                        sourceOffset: from.lowerBound,
                        handle: handle,
                        offset: offset,
                        length: length,
                        waitMilliseconds: wait.wholeMilliseconds
                    )
                )
            }
            let steps = CloneSteps(source: (source, .cloneFrom, from), destination: (file, .cloneTo, to))
            steps.begin(pins: pins, patience: wait) { result in
                switch result {
                case .failure(let failure):
                    completion(.failure(failure))
                case .success:
                    file.submit(loss: .once, timeout: timeout, wait: wait, request) { result in
                        steps.end(result)
                        completion(result.map { _ in true })
                    }
                }
            }
        }
    }

    // MARK: What they share

    private func change(
        _ operation: MappingOperation,
        _ range: Range<UInt64>,
        _ verb: String,
        keepingSize: Bool = false,
        _ patience: Duration?
    ) async throws(LayoutError) {
        let attempt = "\(verb) \(range) of '\(self.path)'"
        try self.checkWritable(attempt)
        let length = range.upperBound - range.lowerBound
        guard let argument = ByteRange(range), range.upperBound <= UInt64(Int64.max) else {
            throw self.badRange(attempt)
        }
        try await self.change(operation, argument, range.lowerBound, length, keepingSize, patience, attempt)
    }

    private func change(
        _ operation: MappingOperation,
        _ argument: ByteRange,
        _ offset: UInt64,
        _ length: UInt64,
        _ keepSize: Bool,
        _ patience: Duration?,
        _ attempt: String
    ) async throws(LayoutError) {
        let wait = self.client.wait(patience)
        let file = self.core
        let pins = PinScope.windows(of: self.client)
        let timeout = self.client.configuration.answerTimeout * 2 + wait
        let _: Bool = try await self.client.perform(attempt) { _, completion in
            let file = file.value
            let request = { (handle: FileHandle) in
                Request.change(
                    ChangeArguments(
                        operation: operation,
                        handle: handle,
                        offset: offset,
                        length: length,
                        waitMilliseconds: wait.wholeMilliseconds,
                        keepSize: keepSize
                    )
                )
            }
            file.requestChange(operation, argument, pins: pins, patience: wait) { outcome in
                switch outcome {
                case .failure(let failure):
                    completion(.failure(failure))
                case .success(let id):
                    file.submit(loss: .once, timeout: timeout, wait: wait, request) { result in
                        file.changeEnded(id, result)
                        completion(result.map { _ in true })
                    }
                }
            }
        }
    }

    private func badRange(_ attempt: String) -> LayoutError {
        LayoutError(
            .invalid,
            "cannot \(attempt) '\(self.path)': the range is empty, or goes beyond 2^63 - 1; name bytes that a file can have"
        )
    }
}

extension ByteRange {
    /// Makes a range from Swift's kind, or `nil` if it is empty or cannot be told from "to the end".
    init?(_ range: Range<UInt64>) {
        guard range.upperBound < .max else { return nil }
        self.init(range.lowerBound, range.upperBound)
    }
}
