import LayoutCore

/// A file on disk: one stamp per block.
///
/// The oracle: what is right is what is here.
struct SimulatedDisk {
    static var blockSize: UInt64 { 4096 }

    /// 0 reads as zeros.
    ///
    /// Every other stamp is given to one block, once.
    private(set) var stamps: [UInt64]
    private var lastStamp: UInt64

    init(blocks: Int, firstStamp: UInt64) {
        self.stamps = (0..<UInt64(blocks)).map { firstStamp + $0 }
        self.lastStamp = firstStamp + UInt64(blocks)
    }

    var size: UInt64 { UInt64(self.stamps.count) * Self.blockSize }

    func stamp(at offset: UInt64) -> UInt64? {
        let block = Int(offset / Self.blockSize)
        return block < self.stamps.count ? self.stamps[block] : nil
    }

    /// Whether the filesystem would accept the operation.
    func accepts(_ operation: MappingOperation, _ argument: ByteRange) -> Bool {
        let (first, count) = self.blocks(argument)
        switch operation {
        case .insertRange: return first < self.stamps.count && self.stamps.count + count <= 512
        case .collapseRange: return first + count < self.stamps.count
        case .punchHole, .zeroRange: return first < self.stamps.count
        case .truncate: return first <= 512
        case .none, .write, .allocate, .cloneTo, .cloneFrom, .remove, .attribute, .shutdown, .revoke, .unknown:
            return false
        }
    }

    mutating func apply(_ operation: MappingOperation, _ argument: ByteRange) {
        let (first, count) = self.blocks(argument)
        switch operation {
        case .insertRange:
            self.stamps.insert(contentsOf: Array(repeating: 0, count: count), at: first)
        case .collapseRange:
            self.stamps.removeSubrange(first..<(first + count))
        case .punchHole, .zeroRange:
            for block in first..<min(first + count, self.stamps.count) { self.stamps[block] = 0 }
        case .truncate:
            if first < self.stamps.count {
                self.stamps.removeSubrange(first...)
            } else {
                self.stamps.append(contentsOf: Array(repeating: 0, count: first - self.stamps.count))
            }
        case .none, .write, .allocate, .cloneTo, .cloneFrom, .remove, .attribute, .shutdown, .revoke, .unknown:
            preconditionFailure("the simulation does not do \(operation)")
        }
    }

    private func blocks(_ range: ByteRange) -> (first: Int, count: Int) {
        let length = range.isToEnd ? 0 : (range.upperBound - range.lowerBound) / Self.blockSize
        return (Int(range.lowerBound / Self.blockSize), Int(length))
    }

    /// The bytes whose mapping the operation may change.
    func affected(by operation: MappingOperation, _ argument: ByteRange) -> ByteRange {
        switch operation {
        case .insertRange, .collapseRange: ByteRange(from: argument.lowerBound)
        case .truncate: ByteRange(from: min(argument.lowerBound, self.size))
        case .none, .write, .allocate, .punchHole, .zeroRange, .cloneTo, .cloneFrom, .remove, .attribute, .shutdown,
            .revoke, .unknown:
            argument
        }
    }
}
