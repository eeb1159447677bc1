import LayoutCore
import LayoutXDR
import LinuxFiles

/// What a LAYOUTGET needs from the filesystem, to be found on a thread that may block.
struct LayoutResolution: Sendable {
    let place: SharedDescriptor
    let user: UserIdentity
    let ioMode: IOMode
    /// Rounded out to blocks.
    let range: ByteRange
    /// The bytes from the start of `range` that a grant must cover; `UInt64.max`: up to the end of the file.
    let minLength: UInt64
    let extentsMax: Int
    let support: MappingSupport
    /// The lock byte of the description to open, or `nil` if the holder has one.
    let lock: UInt64?
    /// The lock bytes that the server knows of; `nil` if it is known that no others are on the file.
    let knownLocks: KnownLocks?

    /// What was found.
    struct Resolved: Sendable {
        let range: ByteRange
        /// Sorted, without gaps, exactly over `range`.
        let extents: [Extent]
        let size: UInt64
        /// Whether stores are durable once flushed from the CPU's caches.
        let isSynchronous: Bool
        /// The new description, locked, and its lock's number.
        var description: HolderDescription?
    }

    /// A description for a holder, before it has a token.
    struct HolderDescription: Sendable {
        let descriptor: SharedDescriptor
        let lock: UInt64
    }

    /// Looks, and for read-write layouts allocates.
    ///
    /// Blocks.
    func run() -> Result<Resolved, Failure> {
        Result { () throws(LinuxError) in
            let descriptor = try self.user.run { () throws(LinuxError) in
                try Self.open(self.place, self.ioMode).shared()
            }
            try OldHolders.check(descriptor, known: self.knownLocks, doing: "grant a layout", status: .layoutTryLater)
            let facts = try FileFacts(of: descriptor)
            try self.check(facts)
            let range = try self.clipped(to: facts.size)
            if facts.isDAX, facts.used == 0, self.ioMode == .readWrite, facts.size >= PersistentMemory.hugePage {
                PersistentMemory.preferHugePages(descriptor)
            }
            let extents = try self.extents(of: range, descriptor)
            guard let last = extents.last, let granted = ByteRange(range.lowerBound, last.range.upperBound) else {
                throw LinuxError(refusing: .serverFault, "the filesystem showed no extents of \(range); report this")
            }
            try Self.check(
                granted,
                covers: self.minLength,
                size: facts.size,
                blockSize: self.support.fileSystem.blockSize
            )
            var resolved = Resolved(
                range: granted,
                extents: extents,
                size: facts.size,
                isSynchronous: facts.isDAX && PersistentMemory.isSynchronous(descriptor),
                description: nil
            )
            if let lock = self.lock {
                try HolderLock.set(descriptor, holder: lock)
                resolved.description = HolderDescription(descriptor: descriptor, lock: lock)
            }
            return resolved
        }
    }

    /// Opens a description of its own, as the calling thread's user.
    static func open(_ place: SharedDescriptor, _ ioMode: IOMode) throws(LinuxError) -> OwnedDescriptor {
        try ExportRoot.openRegular(
            place,
            for: ioMode == .read ? .read : .readWrite,
            "open the file for a \(ioMode == .read ? "read" : "read-write") layout"
        )
    }

    /// Whether a grant is as long as its caller needs it (specification R6.1-2).
    static func check(
        _ granted: ByteRange,
        covers minLength: UInt64,
        size: UInt64,
        blockSize: UInt64
    ) throws(LinuxError) {
        let fileEnd = ByteRange(0, max(size, 1))?.roundedOut(to: blockSize).upperBound ?? blockSize
        let (sum, overflow) = granted.lowerBound.addingReportingOverflow(minLength)
        let needed = minLength == .max ? fileEnd : overflow ? .max : sum
        guard granted.upperBound >= needed else {
            throw LinuxError(
                refusing: .badLayout,
                "\(granted) can be granted, and \(needed - granted.lowerBound) bytes were the least: the file ends at "
                    + "\(size), and the reply may have to be longer; ask for less, or with a larger maxcount"
            )
        }
    }

    private func check(_ facts: FileFacts) throws(LinuxError) {
        guard facts.linkCount > 0 else {
            throw LinuxError(refusing: .stale, "the file was removed; look it up again")
        }
        guard !facts.isEncoded else {
            throw LinuxError(
                refusing: .layoutUnavailable,
                "the file is compressed or encrypted: read and write it through the server"
            )
        }
        guard self.ioMode == .readWrite else { return }
        guard self.support.operations.contains(.allocate) else {
            throw LinuxError(
                refusing: .layoutUnavailable,
                "\(self.support.fileSystem.kind) cannot preallocate, so a store could fail: write through the server"
            )
        }
    }

    /// The range up to the end of the file.
    private func clipped(to size: UInt64) throws(LinuxError) -> ByteRange {
        guard self.range.lowerBound < size,
            let file = ByteRange(0, size)?.roundedOut(to: self.support.fileSystem.blockSize),
            let clipped = self.range.intersection(file)
        else {
            throw LinuxError(
                refusing: .layoutUnavailable,
                "\(self.range) is past the end: the file has \(size) bytes; write there through the server, or truncate it "
                    + "upwards first"
            )
        }
        return clipped
    }

    /// The extents of the beginning of `range`, at most ``extentsMax``; for stores without holes and shared blocks.
    private func extents(of range: ByteRange, _ file: SharedDescriptor) throws(LinuxError) -> [Extent] {
        var map = try ExtentMap.read(range, of: file, limit: self.extentsMax)
        guard self.ioMode == .readWrite else { return map.extents }
        // Each round may cut extents in two, so that fewer bytes fit the limit: those need nothing more.
        for _ in 0..<4 {
            let holes = map.extents.filter { $0.state == .hole }
            let isShared = map.traits.contains(.shared)
            if holes.isEmpty, !isShared { return map.extents }
            if let first = holes.first, let last = holes.last {
                try MappingCalls.allocate(first.range.hull(last.range), of: file, keepingSize: true)
            }
            if isShared {
                guard self.support.operations.contains(.unshare) else {
                    throw LinuxError(
                        refusing: .layoutUnavailable,
                        "\(map.covered) has blocks shared with other files, which \(self.support.fileSystem.kind) cannot "
                            + "unshare: write through the server"
                    )
                }
                try MappingCalls.unshareRange(map.covered, of: file)
            }
            map = try ExtentMap.read(map.covered, of: file, limit: self.extentsMax)
        }
        throw LinuxError(
            refusing: .delay,
            "\(range) keeps getting holes or shared blocks: somebody else changes the file; try again"
        )
    }
}

/// The lock bytes of a file that belong to holders whom the server knows.
struct KnownLocks: Sendable {
    /// Those of this life.
    let own: ClosedRange<UInt64>
    /// Those of holders that an earlier life has left to this one.
    let recovered: Set<UInt64>

    func contains(_ lock: UInt64) -> Bool { self.own.contains(lock) || self.recovered.contains(lock) }
}

/// Descriptors that an earlier life of the server passed to holders of whom this one knows nothing, and that may still
/// be mapped (specification R8.3-11).
enum OldHolders {
    /// Refuses as long as the lock of such a descriptor is on the file.
    ///
    /// `known` are the others, `nil` if the file has been looked at before. `attempt` follows "cannot"; `status` is the
    /// answer.
    static func check(
        _ descriptor: SharedDescriptor,
        known: KnownLocks?,
        doing attempt: String,
        status: LayoutStatus
    ) throws(LinuxError) {
        guard let known else { return }
        let listing = try HolderLock.list(on: descriptor, limit: 1024)
        guard let old = listing.holders.first(where: { !known.contains($0) }) else { return }
        throw LinuxError(
            refusing: status,
            "cannot \(attempt): a client of an earlier start of the server, of whom nothing is known, still has the file "
                + "mapped (lock \(old)); end its process, or try again when it has noticed the restart"
        )
    }
}
