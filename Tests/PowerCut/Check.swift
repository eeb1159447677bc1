import LayoutClient
import LayoutXDR

/// What is looked at after the machine and the server have come back: every store that was flushed is there, every
/// change that was acknowledged was made once, the one that was in doubt was made or not, and nothing lies in between
/// unless the server refuses the file and says so.
struct Check {
    let load: Load
    /// Where the files are, for looking at them without the server.
    let export: String
    let client: LayoutClient

    init(_ load: Load, export: String) async throws {
        self.load = load
        self.export = export
        self.client = try await LayoutClient.connect(to: load.url)
    }

    /// - Throws: ``Trouble`` for what must not be.
    func run() async throws {
        if let data = try await self.checkShifts("data") { try await self.checkRecords(data) }
        _ = try await self.checkShifts("big")
        try self.checkScratch()
        await self.client.close()
    }

    private func pages(of name: String) throws -> [Page.Found] {
        guard let bytes = try contents(of: "\(self.export)/\(name)") else { throw Trouble("'\(name)' is gone") }
        return Page.all(of: bytes)
    }

    // MARK: Shifts

    /// Checks where the pages are, and writes down what is true now; `nil` if the file is not used any more.
    private func checkShifts(_ name: String) async throws -> [Page.Found]? {
        guard let shifted = try ShiftedFile(journal: self.load.journal(name)) else { return nil }
        let pages = try self.pages(of: name)
        let outcome = shifted.outcome(pages.map(\.name))
        let handle = try await self.client.open(name).handle()
        if try await self.client.blockedStates().contains(where: { $0.handle == handle }) {
            guard outcome == nil else { throw Trouble("'\(name)' is blocked and is \(outcome ?? "")") }
            try await self.checkRefused(name)
            say("\(name): \(shifted.acknowledged) changes acknowledged; the one in doubt is half made: refused")
            try await self.client.unblock(name)
            // The next load makes it anew.
            _ = try Journal(path: self.load.journal(name))
            return nil
        }
        guard let outcome else {
            throw Trouble("'\(name)' is neither before nor after its last change, and the server serves it")
        }
        guard pages.allSatisfy(\.isOwn) else { throw Trouble("'\(name)' has pages with bytes of others") }
        try await self.checkServed(name)
        say("\(name): \(shifted.acknowledged) changes acknowledged, \(outcome)")
        try Journal(path: self.load.journal(name)).add(ShiftedFile(names: pages.map(\.name)).beginning)
        return pages
    }

    private func checkRefused(_ name: String) async throws {
        let file = try await self.client.open(name, .readWrite)
        do {
            _ = try await file.map(0..<UInt64(Page.size))
        } catch {
            guard error.code == .outcomeUnknown else { throw error }
            return
        }
        throw Trouble("'\(name)' is blocked, and can be mapped")
    }

    /// What the server's clients see is what is there.
    private func checkServed(_ name: String) async throws {
        let file = try await self.client.open(name)
        let size = Int(try await file.size)
        let served = try await file.read(min(size, 1 << 20), at: 0)
        guard let raw = try contents(of: "\(self.export)/\(name)"), raw.count == size,
            raw[..<served.count] == served[...]
        else { throw Trouble("'\(name)' is served as something else than it is") }
    }

    // MARK: Stores

    private func checkRecords(_ pages: [Page.Found]) async throws {
        var stored = [UInt64](repeating: 0, count: Load.records)
        let lines = try Journal.lines(of: self.load.journal("records")) ?? []
        for line in lines {
            guard line.count == 3, let record = Int(line[1]), let count = UInt64(line[2]) else { continue }
            stored[record] = count
        }
        var ahead = 0
        let settled = try Journal(path: self.load.journal("records"))
        for page in pages where page.name != 0 {
            let record = Int(page.name - 1)
            guard page.counts.lowerBound >= stored[record] else {
                throw Trouble(
                    "record \(record) was flushed with \(stored[record]), and has \(page.counts) after the cut"
                )
            }
            guard page.counts.upperBound <= stored[record] + 1 else {
                throw Trouble("record \(record) has \(page.counts), and \(stored[record]) was the last that was stored")
            }
            if page.counts.upperBound > stored[record] { ahead += 1 }
            try settled.add("stored \(record) \(page.counts.upperBound)")
        }
        guard ahead <= 1 else { throw Trouble("\(ahead) records are ahead of the journal; one was under way") }
        say("records: \(max(0, lines.count - Load.records)) stores flushed, all there")
    }

    /// Page by page: what it may be after the last line about it.
    private func checkScratch() throws {
        guard let lines = try Journal.lines(of: self.load.journal("scratch")), !lines.isEmpty else { return }
        /// A generation, 0 for zeros.
        var settled = [UInt64](repeating: 0, count: Load.scratchPages)
        var next = [UInt64?](repeating: nil, count: Load.scratchPages)
        for line in lines.dropFirst() {
            guard line.count >= 2, let page = Int(line[1]) else { continue }
            let generation = line.count > 2 ? UInt64(line[2]) ?? 0 : 0
            switch line[0] {
            case "punch", "store": next[page] = generation
            default:
                settled[page] = generation
                next[page] = nil
            }
        }
        guard let bytes = try contents(of: "\(self.export)/scratch") else { throw Trouble("'scratch' is gone") }
        for page in 0..<Load.scratchPages {
            let found = Array(bytes[page * Page.size..<(page + 1) * Page.size])
            func content(_ generation: UInt64) -> [UInt8] {
                generation == 0
                    ? [UInt8](repeating: 0, count: Page.size) : Page.bytes(UInt64(page + 1), generation)
            }
            let old = content(settled[page])
            let new = next[page].map(content) ?? old
            let isRight = found == old || found == new || (next[page] ?? 0 > 0 && Self.isMixed(found, old, new))
            guard isRight else {
                let may = next[page].map { " or \($0)" } ?? ""
                throw Trouble("page \(page) of 'scratch' is not of generation \(settled[page])\(may)")
            }
        }
        say("scratch: \(lines.count / 2) punches and stores, all as they were acknowledged")
    }

    /// Whether every word is of one of the two: a store that the power cut has torn.
    private static func isMixed(_ found: [UInt8], _ old: [UInt8], _ new: [UInt8]) -> Bool {
        stride(from: 0, to: found.count, by: 8).allSatisfy { word in
            let part = word..<word + 8
            return found[part] == old[part] || found[part] == new[part]
        }
    }
}
