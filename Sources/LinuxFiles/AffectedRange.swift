package import LayoutCore

extension MappingOperation {
    /// The bytes whose mapping a change may touch, rounded out to filesystem blocks.
    ///
    /// Punch, zero, allocate, write and both sides of a clone: their range with its edge blocks. Collapse and insert:
    /// everything from the block of their offset on. Truncate, either way: everything from the block of the smaller size
    /// on. Everything else: the whole file.
    /// - Parameters:
    ///   - argument: The operation's own bytes; for truncate, the new size is the lower bound.
    ///   - size: The file's size before, in bytes.
    ///   - blockSize: ``FileSystemFacts/blockSize``.
    /// - Returns: A range with block-aligned bounds, or one to the end.
    /// - Precondition: `blockSize` is a power of two.
    package func affectedRange(argument: ByteRange, size: UInt64, blockSize: UInt64) -> ByteRange {
        switch self {
        case .write, .allocate, .punchHole, .zeroRange, .cloneTo, .cloneFrom:
            argument.roundedOut(to: blockSize)
        case .collapseRange, .insertRange:
            ByteRange(from: argument.lowerBound).roundedOut(to: blockSize)
        case .truncate:
            ByteRange(from: min(argument.lowerBound, size)).roundedOut(to: blockSize)
        case .none, .remove, .attribute, .shutdown, .revoke, .unknown:
            .all
        }
    }
}
