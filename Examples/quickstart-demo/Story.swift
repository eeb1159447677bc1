/// What is done to the file, and where the two clients have it mapped.
struct Story {
    /// One change.
    struct Step {
        /// For a person.
        var what: String
        var operation: Operation
        /// The clients whose mappings it affects, and who have to be asked for them.
        var recalls: [String]
    }

    let plans: [Watcher.Plan]
    let steps: [Step]

    /// Lays windows and changes out over a file.
    ///
    /// - Parameters:
    ///   - size: Of the file; at least 128 blocks, so that everything has its own place.
    ///   - block: The unit of inserts and collapses, a power of two.
    ///   - rounds: How often the changes are gone through, with other places each time.
    /// - Throws: ``DemoError`` if the file is too small.
    init(size: UInt64, block: UInt64, rounds: Int) throws {
        let eighth = size / 8 / block * block
        guard eighth >= 16 * block else {
            throw DemoError("the file has \(size) bytes; take one of at least \(128 * block), with room for windows")
        }
        // A window is an eighth of the file at most; inserted and collapsed is a part of that.
        let width = min(eighth, max(16 << 20, 16 * block) / block * block)
        let unit = width / 16 / block * block
        let content = 4 * eighth..<4 * eighth + width
        let front = eighth..<eighth + width
        let tail = (size - width) / block * block..<size
        self.plans = [
            Watcher.Plan(name: "one", contentRange: content, offsetRange: front),
            Watcher.Plan(name: "two", contentRange: content, offsetRange: tail),
        ]
        let both = ["one", "two"]
        self.steps = (0..<UInt64(rounds)).flatMap { round -> [Step] in
            // Each round leaves two units of zeros, and the next one goes on behind them.
            let place = front.lowerBound + round % 5 * 2 * unit
            // Not at the beginning of a block: so its last block is still mapped when the file grows again.
            let short = tail.lowerBound + width / 2 / block * block + block / 2
            return [
                Step(what: "insert before everything", operation: .insert(offset: 0, length: unit), recalls: both),
                Step(
                    what: "punch a hole in a window of client one",
                    operation: .punch(offset: place + unit, length: unit),
                    recalls: ["one"]
                ),
                Step(
                    what: "insert inside a window of client one",
                    operation: .insert(offset: place + 2 * unit, length: unit),
                    recalls: both
                ),
                Step(
                    what: "zero the middle of a window of client two",
                    operation: .zero(offset: tail.lowerBound + (2 + round % 5) * unit, length: unit),
                    recalls: ["two"]
                ),
                Step(
                    what: "collapse inside a window of client one",
                    operation: .collapse(offset: place + 3 * unit, length: unit),
                    recalls: both
                ),
                Step(what: "truncate into a window of client two", operation: .truncate(size: short), recalls: ["two"]),
                Step(what: "truncate to a larger size", operation: .truncate(size: size + unit), recalls: ["two"]),
                Step(what: "collapse before everything", operation: .collapse(offset: 0, length: unit), recalls: both),
            ]
        }
    }
}
