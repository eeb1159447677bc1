import CTIRPC

/// The memory that C structs point to while they are encoded.
///
/// Takes a block on the stack first, so that a short message allocates nothing, and the heap once that is full. All of
/// it is gone with the arena.
@safe
struct WireArena: ~Copyable {
    /// Bytes of the first block: 32 extents.
    ///
    /// `withUnsafeTemporaryAllocation` keeps no more than this on the stack.
    static var stackBytes: Int { 1024 }

    private var rest: UnsafeMutableRawBufferPointer
    private var heapBlocks: [UnsafeMutableRawPointer] = unsafe []

    /// An upper bound for the bytes that the arena's contents take on the wire.
    private(set) var wireBytes = 0

    /// Makes an arena that begins with `block`, which must outlive it.
    init(_ block: UnsafeMutableRawBufferPointer) { unsafe self.rest = block }

    deinit {
        for index in unsafe self.heapBlocks.indices { unsafe self.heapBlocks[index].deallocate() }
    }

    /// The bytes that an opaque of `count` bytes takes, without its count.
    static func padded(_ count: Int) -> Int { (count + 3) & ~3 }

    /// Copies bytes; the first `limit` of them.
    mutating func bytes(
        _ source: [UInt8],
        limit: Int = .max
    ) -> (pointer: UnsafeMutablePointer<CChar>?, count: UInt32) {
        let count = min(source.count, limit)
        guard count > 0 else { return (nil, 0) }
        let copy = unsafe self.allocate(count)
        unsafe UnsafeMutableRawBufferPointer(start: copy, count: count).copyBytes(from: source.prefix(count))
        self.wireBytes += Self.padded(count)
        return unsafe (copy.assumingMemoryBound(to: CChar.self), UInt32(count))
    }

    /// Makes an array of C structs, which may themselves point into the arena.
    mutating func array<Element, Wire>(
        _ source: [Element],
        _ make: (Element, inout WireArena) -> Wire
    ) -> (pointer: UnsafeMutablePointer<Wire>?, count: UInt32) {
        guard !source.isEmpty else { return (nil, 0) }
        let size = source.count * MemoryLayout<Wire>.stride
        let array = unsafe self.allocate(size).bindMemory(to: Wire.self, capacity: source.count)
        self.wireBytes += size
        for (index, element) in source.enumerated() {
            unsafe (array + index).initialize(to: make(element, &self))
        }
        return unsafe (array, UInt32(source.count))
    }

    private mutating func allocate(_ count: Int) -> UnsafeMutableRawPointer {
        let needed = (count + 15) & ~15
        if needed <= (unsafe self.rest.count), let start = unsafe self.rest.baseAddress {
            unsafe self.rest = UnsafeMutableRawBufferPointer(rebasing: self.rest[needed...])
            return unsafe start
        }
        let block = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 16)
        unsafe self.heapBlocks.append(block)
        return unsafe block
    }
}
