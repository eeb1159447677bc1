import LayoutClient

/// A file whose pages are moved by insert and collapse, and the journal of that.
///
/// A power cut in the middle of a change leaves one in doubt: the file may be as before or as after it, and nothing else.
struct ShiftedFile {
    /// A change, in pages.
    struct Shift {
        var isInsert: Bool
        var place: Int
        var count: Int

        func made(on names: [UInt64]) -> [UInt64] {
            var names = names
            if self.isInsert {
                names.insert(contentsOf: [UInt64](repeating: 0, count: self.count), at: self.place)
            } else {
                names.removeSubrange(self.place..<self.place + self.count)
            }
            return names
        }
    }

    /// The names of the pages after all changes that were acknowledged; 0 for one of zeros.
    private(set) var names: [UInt64]
    /// The change that was begun and not acknowledged.
    private(set) var inDoubt: Shift?
    private(set) var acknowledged = 0

    init(names: [UInt64]) { self.names = names }

    /// Replays a journal; `nil` if it does not say how the file began.
    init?(journal path: String) throws {
        guard let lines = try Journal.lines(of: path), let first = lines.first, first.first == "names" else {
            return nil
        }
        self.names = first.dropFirst().compactMap { UInt64($0) }
        for line in lines.dropFirst() {
            switch line[0] {
            case "done":
                if let shift = self.inDoubt { self.names = shift.made(on: self.names) }
                self.inDoubt = nil
                self.acknowledged += 1
            case "not":
                self.inDoubt = nil
            default:
                guard line.count == 3, let place = Int(line[1]), let count = Int(line[2]) else {
                    throw Trouble("'\(path)' makes no sense: \(line)")
                }
                self.inDoubt = Shift(isInsert: line[0] == "insert", place: place, count: count)
            }
        }
    }

    var beginning: String { "names " + self.names.map { "\($0)" }.joined(separator: " ") }

    /// What became of the change in doubt, as the file shows; `nil` if the file is none of what it may be.
    func outcome(_ found: [UInt64]) -> String? {
        if found == self.names { return self.inDoubt == nil ? "as acknowledged" : "change in doubt not made" }
        guard let shift = self.inDoubt, found == shift.made(on: self.names) else { return nil }
        return "change in doubt made"
    }

    /// Makes a change through the server, and notes it before and after.
    mutating func make(_ shift: Shift, on file: LayoutFile, _ journal: Journal) async throws {
        let offset = UInt64(shift.place * Page.size)
        let length = UInt64(shift.count * Page.size)
        try journal.add("\(shift.isInsert ? "insert" : "collapse") \(shift.place) \(shift.count)")
        guard try await Self.isMade(shift.isInsert, offset, length, on: file) else { return try journal.add("not") }
        try journal.add("done")
        self.names = shift.made(on: self.names)
    }

    /// Whether the change was made; a refusal because others are in the way says that it was not.
    private static func isMade(
        _ isInsert: Bool,
        _ offset: UInt64,
        _ length: UInt64,
        on file: LayoutFile
    ) async throws -> Bool {
        do {
            if isInsert {
                try await file.insertRange(at: offset, length: length)
            } else {
                try await file.collapseRange(offset..<offset + length)
            }
            return true
        } catch {
            guard error.code == .delay || error.code == .recallConflict else { throw error }
            return false
        }
    }
}
