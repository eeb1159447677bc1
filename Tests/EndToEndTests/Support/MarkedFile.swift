import Glibc
import LayoutClient
import TestSupport

/// A file of marked pages between filler pages, whose pages move by insert and collapse, and who knows where they are.
///
/// Word 0 and the last word of a marked page name it; words 1 to 4 are counters, one per thread.
struct MarkedFile {
    static var pageSize: UInt64 { 4096 }
    static var pages: Int { 64 }
    static var threads: Int { 4 }
    static var mark: UInt64 { 0xc0_ffee_0000 }
    private static var lead: Int { 4 }

    let path: String
    /// The file page of each marked page.
    private(set) var places: [Int]
    private var total: Int
    private var random: UInt64

    /// Writes the file below a directory that is exported.
    init(in directory: TestDirectory, name: String, seed: UInt64) throws {
        self.path = directory.file(name)
        self.random = seed
        self.places = (0..<Self.pages).map { Self.lead + $0 }
        self.total = Self.lead + Self.pages + 4
        let file = unsafe open(self.path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        guard file >= 0 else { throw TestFailure("cannot create \(self.path): errno \(errno)") }
        defer { close(file) }
        for page in 0..<self.total {
            var words = [UInt64](repeating: 0xeeee_eeee_eeee_eeee, count: 512)
            if let marked = self.places.firstIndex(of: page) {
                words = [UInt64](repeating: 0, count: 512)
                words[0] = Self.mark + UInt64(marked)
                words[511] = Self.mark + UInt64(marked)
            }
            let written = unsafe pwrite(file, words, 4096, off_t(page) * 4096)
            guard written == 4096 else { throw TestFailure("cannot write \(self.path): errno \(errno)") }
        }
        fsync(file)
    }

    /// The bytes of the marked pages before any of them moved.
    static var payload: Range<UInt64> {
        UInt64(Self.lead) * Self.pageSize..<UInt64(Self.lead + Self.pages) * Self.pageSize
    }

    private mutating func below(_ bound: Int) -> Int {
        self.random = self.random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(self.random >> 33) % bound
    }

    /// Moves pages: a block or three inserted somewhere among the marked pages, or a filler page there taken out.
    ///
    /// Always below `end`, a file offset: so that a window that ends there is affected.
    mutating func shift(_ file: LayoutFile, below end: UInt64 = .max) async throws {
        try await self.shift(by: ClientShifter(file: file), below: end)
    }

    /// The same by whoever it may be.
    mutating func shift(by file: some PageShifter, below end: UInt64 = .max) async throws {
        let first = self.places[0]
        let last = min(self.places[Self.pages - 1], Int(clamping: end / Self.pageSize) - 1)
        if self.total > 160 || self.below(2) == 0, let filler = self.filler(from: first, to: last) {
            let offset = UInt64(filler) * Self.pageSize
            try await file.collapseRange(offset..<(offset + Self.pageSize))
            for page in self.places.indices where self.places[page] > filler { self.places[page] -= 1 }
            self.total -= 1
            return
        }
        let place = first + self.below(last - first + 1)
        let count = 1 + self.below(3)
        try await file.insertRange(at: UInt64(place) * Self.pageSize, length: UInt64(count) * Self.pageSize)
        for page in self.places.indices where self.places[page] >= place { self.places[page] += count }
        self.total += count
    }

    private mutating func filler(from first: Int, to last: Int) -> Int? {
        let taken = Set(self.places)
        let free = (first..<last).filter { !taken.contains($0) }
        return free.isEmpty ? nil : free[self.below(free.count)]
    }

    /// The words of a marked page, where it is now.
    func words(of page: Int) throws -> [UInt64] {
        let file = unsafe open(self.path, O_RDONLY)
        guard file >= 0 else { throw TestFailure("cannot open \(self.path): errno \(errno)") }
        defer { close(file) }
        var words = [UInt64](repeating: 0, count: 512)
        let count = unsafe pread(file, &words, 4096, off_t(self.places[page]) * 4096)
        guard count == 4096 else { throw TestFailure("cannot read \(self.path): errno \(errno)") }
        return words
    }
}

/// Who moves the bytes of a file.
protocol PageShifter {
    func insertRange(at offset: UInt64, length: UInt64) async throws
    func collapseRange(_ range: Range<UInt64>) async throws
}

/// A client, which asks the server.
private struct ClientShifter: PageShifter {
    let file: LayoutFile

    func insertRange(at offset: UInt64, length: UInt64) async throws {
        try await self.file.insertRange(at: offset, length: length)
    }

    func collapseRange(_ range: Range<UInt64>) async throws { try await self.file.collapseRange(range) }
}

/// A program that knows of no server.
struct StrangeShifter: PageShifter {
    let path: String

    func insertRange(at offset: UInt64, length: UInt64) async throws {
        try mustRun("fallocate", ["-i", "-o", "\(offset)", "-l", "\(length)", self.path])
    }

    func collapseRange(_ range: Range<UInt64>) async throws {
        try mustRun("fallocate", ["-c", "-o", "\(range.lowerBound)", "-l", "\(range.count)", self.path])
    }
}
