import LayoutClient
import Synchronization

/// What runs until the power goes: records that are stored and flushed through leases while their file is shifted, a file
/// of very many extents whose shifts take long, and pages that are punched and stored anew.
struct Load {
    static var records: Int { 48 }
    static var bigPages: Int { 4000 }
    static var scratchPages: Int { 16 }

    let url: String
    /// The directory of the journals.
    let journals: String
    private let ready = Ready()

    /// How many of the three kinds of work are prepared.
    private final class Ready: Sendable {
        let count = Atomic(0)
    }

    init(url: String, journals: String) {
        self.url = url
        self.journals = journals
    }

    func journal(_ name: String) -> String { "\(self.journals)/\(name).journal" }

    /// Runs until the power goes; ends the process if something is wrong.
    func run() async {
        async let records: Void = Self.orEnd { try await self.storeAndShift() }
        async let big: Void = Self.orEnd { try await self.shiftBig() }
        async let punched: Void = Self.orEnd { try await self.punchAndStore() }
        _ = await (records, big, punched)
    }

    private static func orEnd(_ body: () async throws -> Void) async {
        do {
            try await body()
        } catch {
            PowerCut.end(error)
        }
    }

    /// Waits until everything is there that the load works on, and says that it begins: three times in all.
    private func begin() async throws {
        self.ready.count.add(1, ordering: .relaxed)
        while self.ready.count.load(ordering: .relaxed) < 3 { try await Task.sleep(for: .milliseconds(10)) }
        say("loading")
    }

    /// Makes a file of pages; those without a name stay holes until somebody maps them.
    private static func make(_ file: LayoutFile, _ names: [UInt64]) async throws {
        let size = UInt64(names.count * Page.size)
        try await file.truncate(to: 0)
        try await file.truncate(to: size)
        let region = try await file.map(0..<size, .readWrite)
        unsafe try await region.withPinnedBytes(nil, .readWrite) { bytes in
            for (page, name) in names.enumerated() where name != 0 {
                let part = page * Page.size..<(page + 1) * Page.size
                unsafe Page.store(name, 0, to: UnsafeMutableRawBufferPointer(rebasing: bytes[part]))
            }
        }
        try await region.flush()
        await region.unmap()
        try await file.returnLayouts()
    }

    private func connect() async throws -> LayoutClient {
        var configuration = ClientConfiguration()
        // A machine without hardware support is slow.
        configuration.connectTimeout = .seconds(60)
        configuration.answerTimeout = .seconds(60)
        return try await LayoutClient.connect(to: self.url, configuration: configuration)
    }

    // MARK: Records

    private func storeAndShift() async throws {
        let holder = try await self.connect()
        let changer = try await self.connect()
        let file = try await holder.open("data", .readWrite, options: .create)
        var shifted: ShiftedFile
        var counts = [UInt64](repeating: 0, count: Self.records)
        if let old = try ShiftedFile(journal: self.journal("data")) {
            // As `check` has found it, and settled it.
            shifted = old
            for line in try Journal.lines(of: self.journal("records")) ?? [] {
                if let record = Int(line[1]), let count = UInt64(line[2]) { counts[record] = count }
            }
        } else {
            var names: [UInt64] = [0, 0]
            for record in 0..<Self.records { names += [UInt64(record + 1), 0] }
            try await Self.make(file, names)
            shifted = ShiftedFile(names: names)
        }
        let places = shifted.names.indices.filter { shifted.names[$0] != 0 }
        guard let first = places.first, let last = places.last else { throw Trouble("no record is left") }
        let bytes = UInt64(first * Page.size)..<UInt64((last + 1) * Page.size)
        let region = try await file.map(bytes, .readWrite, following: .content)
        // What a cut has torn is made whole, so that every record starts from one count.
        var offsets = [Int](repeating: 0, count: Self.records)
        for place in places {
            let record = Int(shifted.names[place] - 1)
            offsets[record] = (place - first) * Page.size
            try await Self.store(UInt64(record + 1), counts[record], to: region, at: offsets[record])
        }
        let shifts = try Journal(path: self.journal("data"))
        try shifts.add(shifted.beginning)
        let stores = try Journal(path: self.journal("records"))
        for (record, count) in counts.enumerated() { try stores.add("stored \(record) \(count)") }
        try await self.begin()
        // One after the other would never have a store and a shift at the same time.
        let starts = (offsets, counts)
        async let storing: Void = Self.orEnd {
            try await Self.storeRecords(region, starts.0, starts.1, stores)
        }
        try await Self.shift(&shifted, changer.open("data", .readWrite), shifts)
        await storing
    }

    private static func store(_ name: UInt64, _ count: UInt64, to region: MappedRegion, at offset: Int) async throws {
        let part = offset..<offset + Page.size
        unsafe try await region.withPinnedBytes(part, .readWrite) { unsafe Page.store(name, count, to: $0) }
        try await region.flush(part)
    }

    private static func storeRecords(
        _ region: MappedRegion,
        _ offsets: [Int],
        _ counts: [UInt64],
        _ journal: Journal
    ) async throws {
        var counts = counts
        while true {
            let record = Int.random(in: 0..<Self.records)
            counts[record] += 1
            try await Self.store(UInt64(record + 1), counts[record], to: region, at: offsets[record])
            try journal.add("stored \(record) \(counts[record])")
        }
    }

    private static func shift(
        _ shifted: inout ShiftedFile,
        _ file: LayoutFile,
        _ journal: Journal
    ) async throws {
        while true {
            let names = shifted.names
            // Inside the records: what lies outside the region can be of no harm.
            let first = names.firstIndex { $0 != 0 } ?? 0
            let last = names.lastIndex { $0 != 0 } ?? 0
            let fillers = (first...last).filter { names[$0] == 0 }
            let shift: ShiftedFile.Shift
            if let filler = fillers.randomElement(), names.count > 160 || Bool.random() {
                shift = .init(isInsert: false, place: filler, count: 1)
            } else {
                shift = .init(isInsert: true, place: .random(in: first...last), count: .random(in: 1...3))
            }
            try await shifted.make(shift, on: file, journal)
            try await Task.sleep(for: .milliseconds(.random(in: 0..<20)))
        }
    }

    // MARK: Many extents

    private func shiftBig() async throws {
        let client = try await self.connect()
        let file = try await client.open("big", .readWrite, options: .create)
        var shifted: ShiftedFile
        if let old = try ShiftedFile(journal: self.journal("big")) {
            shifted = old
        } else {
            // Every second page only, so that each is an extent of its own.
            let names = (0..<Self.bigPages).map { $0 % 2 == 0 ? UInt64($0 + 1) : 0 }
            try await Self.make(file, names)
            shifted = ShiftedFile(names: names)
        }
        let journal = try Journal(path: self.journal("big"))
        try journal.add(shifted.beginning)
        try await self.begin()
        while true {
            let isInsert = shifted.names.count <= Self.bigPages
            let place = isInsert ? 1 : shifted.names.firstIndex(of: 0) ?? 1
            try await shifted.make(.init(isInsert: isInsert, place: place, count: 1), on: file, journal)
        }
    }

    // MARK: Punched pages

    private func punchAndStore() async throws {
        let client = try await self.connect()
        let file = try await client.open("scratch", .readWrite, options: .create)
        let size = UInt64(Self.scratchPages * Page.size)
        try await file.truncate(to: size)
        try await file.punchHole(0..<size)
        let region = try await file.map(0..<size, .readWrite)
        let journal = try Journal(path: self.journal("scratch"))
        try journal.add("begin")
        try await self.begin()
        var generation: UInt64 = 0
        while true {
            let page = Int.random(in: 0..<Self.scratchPages)
            if Int.random(in: 0..<3) == 0 {
                try journal.add("punch \(page)")
                try await file.punchHole(UInt64(page * Page.size)..<UInt64((page + 1) * Page.size))
                try journal.add("punched \(page)")
            } else {
                generation += 1
                try journal.add("store \(page) \(generation)")
                try await Self.store(UInt64(page + 1), generation, to: region, at: page * Page.size)
                try journal.add("stored \(page) \(generation)")
            }
        }
    }
}
