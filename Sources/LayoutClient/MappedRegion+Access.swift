import LayoutHolder
import LayoutXDR
import MappedWindows
import Synchronization

extension MappedRegion {
    // MARK: On the calling thread

    /// Runs `body` with bytes of the region that stay for that long.
    ///
    /// Costs some nanoseconds if they are there; waits, blocking the thread, if they are not. A recall waits for `body`, so
    /// keep it short; it ends the access by force only when this client's lease runs out.
    ///
    /// Inside, touch only these bytes: a thread that touches other bytes of a region that have been taken back would wait for
    /// itself, which ends the process. Several regions are pinned by ``withUnsafeBytes(of:_:_:)``.
    /// - Parameters:
    ///   - part: Offsets into the region; `nil` for all of it.
    ///   - body: Gets the bytes; they must not leave it.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``LayoutError`` with ``LayoutCore/LayoutStatus/noSuchAddress`` if the bytes are out of
    ///   reach, ``LayoutCore/LayoutStatus/deadlock`` if the thread pins other bytes already and these are being recalled,
    ///   ``LayoutCore/LayoutStatus/expired`` after `body` if the lease ended before it did: then what was read may be other
    ///   bytes.
    @inlinable
    public func withUnsafeBytes<Result>(
        _ part: Range<Int>? = nil,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        let pins = try self.beginAccess(part, .read)
        let result: Result
        do {
            result = try unsafe body(UnsafeRawBufferPointer(pins.bytes))
        } catch {
            _ = self.endAccess(pins)
            throw error
        }
        guard self.endAccess(pins) else { throw self.accessWasDisturbed() }
        return result
    }

    /// Runs `body` with bytes of the region that stay for that long, to store to.
    ///
    /// - Parameters:
    ///   - part: Offsets into the region; `nil` for all of it.
    ///   - body: Gets the bytes; they must not leave it.
    /// - Returns: What `body` returns.
    /// - Throws: As of ``withUnsafeBytes(_:_:)``; ``LayoutCore/LayoutStatus/access`` if the region is for reading.
    @inlinable
    public func withUnsafeMutableBytes<Result>(
        _ part: Range<Int>? = nil,
        _ body: (UnsafeMutableRawBufferPointer) throws -> Result
    ) throws -> Result {
        let pins = try self.beginAccess(part, .readWrite)
        let result: Result
        do {
            result = try unsafe body(pins.bytes)
        } catch {
            _ = self.endAccess(pins)
            throw error
        }
        guard self.endAccess(pins) else { throw self.accessWasDisturbed() }
        return result
    }

    /// Runs `body` with bytes of several regions that all stay for that long.
    ///
    /// They are taken together, so that nobody waits for one while keeping another from being taken back.
    /// - Parameters:
    ///   - parts: Regions, and offsets into them.
    ///   - access: Whether bytes are stored.
    ///   - body: Gets the bytes of each part; they must not leave it.
    /// - Returns: What `body` returns.
    /// - Throws: As of ``withUnsafeMutableBytes(_:_:)``.
    public static func withUnsafeBytes<Result>(
        of parts: [(region: MappedRegion, part: Range<Int>)],
        _ access: IOMode,
        _ body: ([UnsafeMutableRawBufferPointer]) throws -> Result
    ) throws -> Result {
        var windows: [Window] = []
        var buffers = unsafe [UnsafeMutableRawBufferPointer]()
        for (region, part) in parts {
            try region.checkAccess(access)
            for index in try region.windows(of: part, "pin bytes of '\(region.file.path)'") {
                let window = region.windows[index]
                if !windows.contains(where: { $0 === window }) { windows.append(window) }
            }
            unsafe buffers.append(UnsafeMutableRawBufferPointer(rebasing: region.bytes[part]))
        }
        return try Self.translating("pin bytes of \(parts.count) regions") {
            try Window.withPins(windows, access) { unsafe try body(buffers) }
        }
    }

    /// Pins of one access on the calling thread.
    ///
    /// The pointer in it is good until the access ends.
    @safe
    @usableFromInline
    package struct Pins {
        /// The bytes that they keep.
        @usableFromInline package let bytes: UnsafeMutableRawBufferPointer
        /// How the only window was entered; `nil` for several.
        let admission: WindowGate.Admission?
        /// The only window, or the first of several.
        let first: Int
        /// What the pins of several windows began with.
        let words: [UInt32]?
    }

    /// Begins an access on the calling thread, which has to end it; waits, blocking the thread, while the bytes are away.
    ///
    /// - Parameters:
    ///   - part: Offsets into the region; `nil` for all of it.
    ///   - access: Whether bytes are stored.
    /// - Returns: The pins, for ``endAccess(_:)``.
    /// - Throws: As of ``withUnsafeMutableBytes(_:_:)`` before its body.
    @usableFromInline
    package func beginAccess(_ part: Range<Int>?, _ access: IOMode) throws(LayoutError) -> Pins {
        let part = part ?? 0..<self.count
        guard !part.isEmpty, part.lowerBound >= 0, part.upperBound <= self.count,
            access == .read || self.access == .readWrite, !self.isUnmapped.load(ordering: .acquiring)
        else { return try self.beginUnusualAccess(part, access) }
        let first = (self.lead + part.lowerBound) / self.step
        guard first == (self.lead + part.upperBound - 1) / self.step else {
            return try self.beginUnusualAccess(part, access)
        }
        let admission = self.gates[first].begin(access)
        guard admission.isGranted else {
            let attempt = "pin bytes \(part) of a region of '\(self.file.path)'"
            try self.file.client.checkUsable(attempt)
            throw LayoutError(WindowError(refused: admission), attempt: attempt)
        }
        let bytes = unsafe UnsafeMutableRawBufferPointer(start: self.baseAddress + part.lowerBound, count: part.count)
        return unsafe Pins(bytes: bytes, admission: admission, first: first, words: nil)
    }

    /// An access to several windows, to none, or to what cannot be accessed.
    private func beginUnusualAccess(_ part: Range<Int>, _ access: IOMode) throws(LayoutError) -> Pins {
        let attempt = "pin bytes \(part) of a region of '\(self.file.path)'"
        try self.checkAccess(access)
        let indices = try self.windows(of: part, attempt)
        do throws(WindowError) {
            let words = try Window.beginPins(Array(self.windows[indices]), access)
            let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: self.bytes[part])
            return unsafe Pins(bytes: bytes, admission: nil, first: indices.lowerBound, words: words)
        } catch {
            throw LayoutError(error, attempt: attempt)
        }
    }

    /// Ends an access; `false` if the lease ended before it did.
    @usableFromInline
    package func endAccess(_ pins: Pins) -> Bool {
        if let admission = pins.admission { return self.gates[pins.first].end(admission) }
        guard let words = pins.words else { return true }
        return Window.endPins(Array(self.windows[pins.first..<pins.first + words.count]), words)
    }

    /// The error for an access that ``endAccess(_:)`` does not vouch for.
    @usableFromInline
    package func accessWasDisturbed() -> LayoutError {
        LayoutError(
            .expired,
            "cannot vouch for bytes of '\(self.file.path)': the lease ended during the access; what it read or stored may be "
                + "other bytes: check, and do it again"
        )
    }

    private func checkAccess(_ access: IOMode) throws(LayoutError) {
        try self.file.client.checkUsable("pin bytes of '\(self.file.path)'")
        guard access == .read || self.access == .readWrite else {
            throw LayoutError(
                .access,
                "cannot store to a region of '\(self.file.path)' that was mapped for reading; map it with .readWrite"
            )
        }
    }

    private static func translating<Result>(
        _ attempt: @autoclosure () -> String,
        _ body: () throws -> Result
    ) throws -> Result {
        do {
            return try body()
        } catch let error as WindowError {
            throw LayoutError(error, attempt: attempt())
        }
    }

    // MARK: Over suspensions

    /// Runs an asynchronous `body` with bytes of the region that stay for that long.
    ///
    /// For I/O into and out of the region, and for tasks: the task is suspended, and no thread blocked, while the bytes are
    /// away. A recall waits for `body`. A mapping change of the same bytes that is asked for inside fails at once with
    /// ``LayoutCore/LayoutStatus/deadlock``.
    /// - Parameters:
    ///   - part: Offsets into the region; `nil` for all of it.
    ///   - access: Whether bytes are stored.
    ///   - body: Gets the bytes; they must not leave it.
    /// - Returns: What `body` returns.
    /// - Throws: As of ``withUnsafeMutableBytes(_:_:)``; ``LayoutCore/LayoutStatus/delay`` if the bytes could not be had in
    ///   the configured patience.
    public func withPinnedBytes<Result>(
        _ part: Range<Int>? = nil,
        _ access: IOMode = .read,
        _ body: (UnsafeMutableRawBufferPointer) async throws -> Result
    ) async throws -> Result {
        let attempt = "pin bytes of '\(self.file.path)'"
        let part = part ?? 0..<self.count
        try self.checkAccess(access)
        let indices = try self.windows(of: part, attempt)
        let pins = try await self.pin(indices, access, attempt)
        let mark = PinScope.Mark(self.file.client, Set(self.ids[indices]))
        let result: Result
        do {
            defer { mark.isActive.store(false, ordering: .releasing) }
            let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: self.bytes[part])
            result = try await PinScope.$marks.withValue(PinScope.marks + [mark]) {
                unsafe try await body(bytes)
            }
        }
        try Self.translating(attempt) { for pin in pins { try pin.end() } }
        return result
    }

    /// Takes pins on windows, all or none, without blocking the thread.
    private func pin(_ indices: Range<Int>, _ access: IOMode, _ attempt: String) async throws(LayoutError) -> [HeldPin]
    {
        let held = PinScope.windows(of: self.file.client)
        for _ in 0..<100 {
            var pins: [HeldPin] = []
            var missing: Int?
            do throws(WindowError) {
                for index in indices {
                    guard let pin = try HeldPin(self.windows[index], access) else {
                        missing = index
                        break
                    }
                    pins.append(pin)
                }
            } catch {
                throw LayoutError(error, attempt: attempt)
            }
            guard let missing else { return pins }
            pins = []
            guard held.isEmpty else {
                throw LayoutError(
                    .deadlock,
                    "cannot \(attempt): they are being recalled, and the caller holds a pin that the recall may wait for"
                )
            }
            try await self.prepare(windows: missing..<missing + 1, self.file.client.configuration.patience, attempt)
        }
        throw LayoutError(.delay, "cannot \(attempt): they are recalled over and over; try again later")
    }
}

/// A long pin that can be kept in an array.
private final class HeldPin {
    private var pin: LongPin?

    init?(_ window: Window, _ access: IOMode) throws(WindowError) {
        guard let pin = try window.tryLongPin(access) else { return nil }
        self.pin = consume pin
    }

    func end() throws(WindowError) {
        guard let pin = self.pin.take() else { return }
        try pin.end()
    }
}
