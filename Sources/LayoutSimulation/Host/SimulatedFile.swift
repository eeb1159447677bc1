import LayoutCore

/// A file on disk: for each block where it is, and which of the file's bytes it has been since it was made.
///
/// The oracle: what is right is what is here. A *place* is born with an insert or a longer truncate, moves with every
/// shift, and dies with a collapse or a shorter truncate; a window that follows its content has to show the same
/// places for ever.
struct SimulatedFile: Hashable {
    static var blockSize: UInt64 { 4096 }
    static var blocksMax: Int { 256 }

    struct Block: Hashable {
        var place: UInt64
        /// Where it is on the device; 0 for a hole.
        var storage: UInt64
    }

    /// A change that ran: which one, and what it did.
    struct Change: Hashable {
        var operation: OperationID
        var kind: MappingOperation
        var argument: ByteRange
    }

    /// How a shift was left when the power went.
    struct HalfDone: Hashable {
        var change: Change
    }

    private(set) var blocks: [Block]
    /// What is on stable storage for certain; ``unsynced`` came on top.
    private var stable: [Block]
    private(set) var unsynced: [Change] = []
    /// Neither before nor after a change.
    private(set) var halfDone: HalfDone?

    init(number: Int, blocks: Int) {
        self.blocks = (0..<UInt64(blocks)).map { Block(place: UInt64(number) << 32 | 1 + $0, storage: 1 + $0) }
        self.stable = self.blocks
    }

    var size: UInt64 { UInt64(self.blocks.count) * Self.blockSize }

    /// Whether the filesystem would accept a change.
    func accepts(_ kind: MappingOperation, _ argument: ByteRange) -> Bool {
        let (first, count) = Self.blocks(argument)
        switch kind {
        case .insertRange: return first < self.blocks.count && self.blocks.count + count <= Self.blocksMax
        case .collapseRange: return first + count < self.blocks.count
        case .punchHole, .zeroRange: return first < self.blocks.count
        case .truncate: return first <= Self.blocksMax
        case .none, .write, .allocate, .cloneTo, .cloneFrom, .remove, .attribute, .shutdown, .revoke, .unknown:
            return false
        }
    }

    /// The bytes whose mapping a change may change.
    func affected(by kind: MappingOperation, _ argument: ByteRange) -> ByteRange {
        switch kind {
        case .insertRange, .collapseRange: ByteRange(from: argument.lowerBound)
        case .truncate: ByteRange(from: min(argument.lowerBound, self.size))
        case .none, .write, .allocate, .punchHole, .zeroRange, .cloneTo, .cloneFrom, .remove, .attribute, .shutdown,
            .revoke, .unknown:
            argument
        }
    }

    private static func blocks(_ range: ByteRange) -> (first: Int, count: Int) {
        let length = range.isToEnd ? 0 : (range.upperBound - range.lowerBound) / Self.blockSize
        return (Int(range.lowerBound / Self.blockSize), Int(length))
    }

    // MARK: System calls

    /// Makes a change; returns the places that a truncate cut off.
    @discardableResult
    mutating func apply(_ change: Change) -> [UInt64] {
        self.unsynced.append(change)
        return Self.apply(change, to: &self.blocks)
    }

    /// The one meaning of each operation; places are numbered by the change that makes them.
    @discardableResult
    static func apply(_ change: Change, to blocks: inout [Block]) -> [UInt64] {
        let (first, count) = Self.blocks(change.argument)
        func holes(_ count: Int) -> [Block] {
            (0..<UInt64(count)).map { Block(place: change.operation.rawValue << 16 | $0, storage: 0) }
        }
        switch change.kind {
        case .insertRange:
            blocks.insert(contentsOf: holes(count), at: min(first, blocks.count))
        case .collapseRange:
            blocks.removeSubrange(min(first, blocks.count)..<min(first + count, blocks.count))
        case .punchHole, .zeroRange:
            for block in first..<max(first, min(first + count, blocks.count)) { blocks[block].storage = 0 }
        case .truncate where first < blocks.count:
            let cut = blocks[first...].map(\.place)
            blocks.removeSubrange(first...)
            return cut
        case .truncate:
            blocks.append(contentsOf: holes(first - blocks.count))
        case .none, .write, .allocate, .cloneTo, .cloneFrom, .remove, .attribute, .shutdown, .revoke, .unknown:
            preconditionFailure("the simulation does not do \(change.kind)")
        }
        return []
    }

    /// Gives the holes in a range blocks of their own: no byte moves.
    mutating func allocate(_ range: ByteRange, _ next: () -> UInt64) {
        let (first, count) = Self.blocks(range)
        for block in first..<max(first, min(first + count, self.blocks.count)) where self.blocks[block].storage == 0 {
            self.blocks[block].storage = next()
        }
    }

    mutating func sync() {
        guard self.halfDone == nil else { return }
        self.stable = self.blocks
        self.unsynced = []
    }

    // MARK: Power

    /// The power goes: of what was not synced, a prefix is there, and the next shift may be half done.
    ///
    /// Returns the changes that are as if they had never been, the half done one included.
    mutating func cutPower(_ random: inout SeededGenerator) -> [Change] {
        guard self.halfDone == nil, !self.unsynced.isEmpty else { return [] }
        let kept = Int(random.below(UInt64(self.unsynced.count) + 1))
        var lost = Array(self.unsynced[kept...])
        var blocks = self.stable
        for change in self.unsynced[..<kept] { Self.apply(change, to: &blocks) }
        if let next = lost.first, Self.isShift(next.kind), random.oneIn(2) {
            let before = blocks
            Self.apply(next, to: &blocks)
            let half = Self.halfDone(next, from: before, &random)
            let storage = half.map(\.storage)
            if storage == before.map(\.storage) {
                blocks = before
            } else if storage == blocks.map(\.storage) {
                // All that there was to move is moved.
                lost.removeFirst()
            } else {
                blocks = half
                self.halfDone = HalfDone(change: next)
            }
        }
        self.blocks = blocks
        self.unsynced = []
        self.stable = blocks
        return lost
    }

    static func isShift(_ kind: MappingOperation) -> Bool { kind == .insertRange || kind == .collapseRange }

    /// XFS sets the size before it inserts, and moves extents one by one, from the end; collapse punches first, moves
    /// extents from the front, and sets the size last.
    private static func halfDone(_ change: Change, from before: [Block], _ random: inout SeededGenerator) -> [Block] {
        let (first, count) = Self.blocks(change.argument)
        let gap = (0..<UInt64(count)).map { Block(place: change.operation.rawValue << 16 | $0, storage: 0) }
        if change.kind == .insertRange {
            let cut = first + Int(random.below(UInt64(before.count - first) + 1))
            return Array(before[..<cut]) + gap + before[cut...]
        }
        let start = first + count
        let cut = start + Int(random.below(UInt64(before.count - start) + 1))
        return Array(before[..<first]) + before[start..<cut] + gap + before[cut...]
    }

    /// An operator looked at the file, and takes it as it is.
    mutating func acceptAsItIs() {
        self.halfDone = nil
        self.sync()
    }

    // MARK: Fingerprint

    /// What the server writes down before a shift, to tell afterwards whether it was done: the size, and the extents
    /// around the shift and at the end.
    func fingerprint(at offset: UInt64, isSizeOnly: Bool = false) -> Fingerprint {
        Self.fingerprint(of: self.blocks, at: offset, isSizeOnly: isSizeOnly)
    }

    /// The fingerprint that the file will have after a change.
    func fingerprint(after change: Change, at offset: UInt64, isSizeOnly: Bool = false) -> Fingerprint {
        var blocks = self.blocks
        Self.apply(change, to: &blocks)
        return Self.fingerprint(of: blocks, at: offset, isSizeOnly: isSizeOnly)
    }

    private static func fingerprint(of blocks: [Block], at offset: UInt64, isSizeOnly: Bool) -> Fingerprint {
        var extents: [Fingerprint.Extent] = []
        for block in Int(offset / Self.blockSize)..<max(Int(offset / Self.blockSize), blocks.count) {
            let storage = blocks[block].storage
            guard storage != 0, !isSizeOnly else { continue }
            if let last = extents.last, last.logical + last.count == UInt64(block), last.storage + last.count == storage
            {
                extents[extents.count - 1].count += 1
            } else {
                extents.append(Fingerprint.Extent(logical: UInt64(block), storage: storage, count: 1))
            }
        }
        return Fingerprint(size: blocks.count, head: Array(extents.prefix(8)), tail: Array(extents.suffix(8)))
    }

    struct Fingerprint: Hashable {
        struct Extent: Hashable {
            var logical: UInt64
            var storage: UInt64
            var count: UInt64
        }
        var size: Int
        var head: [Extent]
        var tail: [Extent]
    }
}

/// One change as its caller means it: the same in every copy of the call, and in every new call for the same thing.
struct OperationID: Hashable {
    let rawValue: UInt64
    init(_ rawValue: UInt64) { self.rawValue = rawValue }
}
