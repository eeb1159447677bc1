import Glibc

/// A file in memory by `mmap(2)` and nothing else, at a multiple of 2 MiB as windows are, so that the kernel has the same
/// page sizes to choose from.
final class PlainMapping: Sendable {
    let count: Int
    private let address: UInt
    private let reservation: UInt
    private static var alignment: Int { 2 << 20 }

    /// Maps the first `count` bytes of a file, shared, for loads and stores.
    ///
    /// - Throws: ``BenchError`` if the file or memory cannot be had.
    init(path: String, count: Int) throws {
        let file = unsafe open(path, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { throw BenchError("open '\(path)'", errno: errno, "use --directory") }
        defer { close(file) }
        let reserved = unsafe mmap(nil, count + Self.alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let reserved = unsafe reserved, unsafe reserved != MAP_FAILED else {
            throw BenchError("reserve \(count) bytes of addresses", errno: errno, "raise the limit of memory")
        }
        self.count = count
        self.reservation = UInt(bitPattern: reserved)
        self.address = (self.reservation + UInt(Self.alignment) - 1) & ~UInt(Self.alignment - 1)
        let place = unsafe UnsafeMutableRawPointer(bitPattern: self.address)
        let result = unsafe mmap(place, count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0)
        guard unsafe result == place else {
            throw BenchError("map \(count) bytes of '\(path)'", errno: errno, "raise the limit of memory")
        }
    }

    deinit {
        unsafe munmap(UnsafeMutableRawPointer(bitPattern: self.reservation), self.count + Self.alignment)
    }

    /// The first byte; valid as long as the mapping lives.
    var base: UnsafeMutableRawPointer {
        guard let base = unsafe UnsafeMutableRawPointer(bitPattern: self.address) else {
            preconditionFailure("nothing is mapped at address 0")
        }
        return unsafe base
    }
}
