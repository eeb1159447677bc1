internal import Glibc
internal import LayoutClient
internal import Synchronization

/// The mappings of all files, by address: C names a mapping by where it is.
final class Regions: Sendable {
    /// One mapping.
    struct Entry: Sendable {
        let region: MappedRegion
        let file: FileHandle
        /// The address of the first byte.
        let start: UInt
        /// Bytes, as they were asked for.
        let length: Int

        /// Behind the last byte of the last page.
        var end: UInt { self.start + UInt(self.length.roundedUpToPages) }
    }

    static let shared = Regions()

    /// In the order of their addresses.
    private let entries = Mutex<[Entry]>([])
    /// Spares reads and writes the lock where nothing is mapped.
    private let count = Atomic(0)

    private init() {}

    func add(_ region: MappedRegion, of file: FileHandle) -> Entry {
        let entry = Entry(
            region: region,
            file: file,
            start: unsafe UInt(bitPattern: region.baseAddress),
            length: region.count
        )
        self.entries.withLock { entries in
            entries.insert(entry, at: Self.index(behind: entry.start, in: entries))
            self.count.store(entries.count, ordering: .releasing)
        }
        return entry
    }

    /// The mapping that has all of these bytes.
    func entry(at address: UInt, _ length: Int) -> Entry? {
        self.entries.withLock { entries in
            let index = Self.index(behind: address, in: entries) - 1
            guard index >= 0 else { return nil }
            let entry = entries[index]
            guard address < entry.end, UInt(length) <= entry.end - address else { return nil }
            return entry
        }
    }

    /// Takes out the mapping that is exactly these bytes.
    func remove(_ address: UInt, _ length: Int) -> Entry? {
        self.entries.withLock { entries in
            let index = Self.index(behind: address, in: entries) - 1
            guard index >= 0, entries[index].start == address,
                entries[index].length.roundedUpToPages == length.roundedUpToPages
            else { return nil }
            defer { self.count.store(entries.count, ordering: .releasing) }
            return entries.remove(at: index)
        }
    }

    /// Whether any of these bytes is mapped here.
    func overlap(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard self.count.load(ordering: .acquiring) > 0, bytes.count > 0 else { return false }
        let first = UInt(bitPattern: bytes.baseAddress)
        return self.entries.withLock { entries in
            let index = Self.index(behind: first + UInt(bytes.count) - 1, in: entries) - 1
            return index >= 0 && entries[index].end > first
        }
    }

    /// Where the first mapping that begins behind an address is, or would be.
    private static func index(behind address: UInt, in entries: [Entry]) -> Int {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].start <= address { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension Int {
    /// The number of bytes in whole pages; the number has to be at least a page below the largest.
    var roundedUpToPages: Int { (self + pageSize - 1) & ~(pageSize - 1) }
}

/// Bytes in a page.
let pageSize = sysconf(CInt(_SC_PAGESIZE))
