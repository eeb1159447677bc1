import LayoutCore
import LayoutSimulation
import Testing

@testable import LinuxFiles

/// A file as a filesystem sees it, that is shifted one block after the other, so that it can be looked at in between.
private struct ModelFile: Hashable {
    enum Block: Hashable {
        case hole
        case unwritten(UInt64)
        case data(UInt64)
    }

    static let blockSize: UInt64 = 4096
    var blocks: [Block]
    /// Bytes.
    var size: UInt64

    /// One way in which blocks are laid out: data in one run, data that is everywhere the same, unwritten, hole.
    init(_ kinds: [Int], tail: UInt64) {
        self.blocks = kinds.enumerated().map { index, kind in
            let number = UInt64(index)
            return switch kind {
            case 0: .hole
            case 1: .unwritten(0x100_0000 + number * 2 * Self.blockSize)
            case 2: .data(0x200_0000 + number * Self.blockSize)
            default: .data(0x300_0000)
            }
        }
        self.size = UInt64(kinds.count) * Self.blockSize - tail
    }

    /// What a reader sees; blocks of zeros are all alike.
    var content: [UInt64] {
        let count = Int((self.size + Self.blockSize - 1) / Self.blockSize)
        return (0..<count).map { index in
            if index < self.blocks.count, case .data(let place) = self.blocks[index] { place } else { 0 }
        } + [self.size]
    }

    func read(_ range: ByteRange, limit: Int) -> ExtentMap {
        var assembler = ExtentAssembler(range: range, limit: limit)
        for (index, block) in self.blocks.enumerated() {
            guard let part = ByteRange(offset: UInt64(index) * Self.blockSize, length: Self.blockSize) else { continue }
            switch block {
            case .hole: break
            case .unwritten(let place):
                assembler.add(.init(range: part, storageOffset: place, state: .unwritten, traits: []))
            case .data(let place):
                assembler.add(.init(range: part, storageOffset: place, state: .data, traits: []))
            }
        }
        return assembler.finish()
    }

    /// All states that a crash can leave, from before to after, in the order in which XFS and ext4 do it.
    func states(of shift: Shift, freesForward: Bool) -> [ModelFile] {
        var states = [self]
        var file = self
        func note() { if file != states[states.count - 1] { states.append(file) } }
        let (offset, length) = (Int(shift.offset / Self.blockSize), Int(shift.length / Self.blockSize))
        if shift.isInsert {
            file.size += shift.length
            note()
            file.blocks += [Block](repeating: .hole, count: length)
            for index in (offset..<self.blocks.count).reversed() {
                file.blocks[index + length] = file.blocks[index]
                file.blocks[index] = .hole
                note()
            }
        } else {
            let going = offset..<offset + length
            for index in freesForward ? Array(going) : going.reversed() {
                file.blocks[index] = .hole
                note()
            }
            for index in offset + length..<self.blocks.count {
                file.blocks[index - length] = file.blocks[index]
                file.blocks[index] = .hole
                note()
            }
            file.size -= shift.length
            note()
        }
        return states
    }
}

@Suite struct FingerprintModelTests {
    private struct Count {
        var cases = 0
        var halfDone = 0
        var unknown = 0
    }

    /// Looks at a file before, after, and at every step in between.
    private func check(_ file: ModelFile, _ shift: Shift, limit: Int, _ count: inout Count) throws {
        let taken = try ExtentFingerprint(
            size: file.size,
            before: shift,
            blockSize: ModelFile.blockSize,
            limit: limit,
            reading: file.read(_:limit:)
        )
        // What is kept is what is read back.
        let print = try #require(ExtentFingerprint(taken.bytes))
        #expect(print == taken)
        for freesForward in shift.isInsert ? [true] : [true, false] {
            let states = file.states(of: shift, freesForward: freesForward)
            let (before, after) = (states[0], states[states.count - 1])
            for (number, state) in states.enumerated() {
                let verdict = try print.verdict(size: state.size, reading: state.read(_:limit:))
                count.cases += 1
                switch verdict {
                case .before: if state.content != before.content { Issue.record("\(number) of \(states)") }
                case .after: if state.content != after.content { Issue.record("\(number) of \(states)") }
                case .neither: count.halfDone += 1
                }
                if number == states.count - 1, verdict != .after { Issue.record("not after: \(states), \(shift)") }
                if number == 0, verdict != .before {
                    // Allowed only where a part of the file was not seen, and blocks have clones.
                    count.unknown += 1
                    let shared = file.blocks.count { $0 == .data(0x300_0000) }
                    if print.isComplete || shared < 2 { Issue.record("not before: \(file), \(shift)") }
                }
            }
        }
    }

    /// All shifts of one or two blocks.
    private func shifts(of file: ModelFile) -> [Shift] {
        let block = ModelFile.blockSize
        return [UInt64(1), 2].flatMap { length in
            (0..<UInt64(file.blocks.count)).flatMap { offset -> [Shift] in
                let insert = Shift(isInsert: true, offset: offset * block, length: length * block)
                let collapse = Shift(isInsert: false, offset: offset * block, length: length * block)
                return (offset + length) * block < file.size ? [insert, collapse] : [insert]
            }
        }
    }

    @Test(
        "every layout of four blocks: a shift that stopped anywhere is never taken for one that did not begin, or that is done",
        arguments: [0, 100] as [UInt64]
    )
    func exhaustive(_ tail: UInt64) throws {
        var count = Count()
        for layout in 0..<256 {
            let file = ModelFile((0..<4).map { layout >> (2 * $0) & 3 }, tail: tail)
            for shift in self.shifts(of: file) {
                for limit in [2, 16] { try self.check(file, shift, limit: limit, &count) }
            }
        }
        #expect(count.cases > 20_000 && count.halfDone > 5000)
    }

    @Test("the same for larger files, of which only the ends are seen", arguments: 1...4 as ClosedRange<UInt64>)
    func large(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var count = Count()
        for number in 0..<150 {
            // Some with every kind, some of clones only, some without data.
            let kinds = [[0, 1, 2, 3], [3, 3, 3, 0], [2, 2, 3], [0, 0, 0, 0, 0, 0, 1]][number % 4]
            let file = ModelFile(
                (0..<Int.random(in: 8...24, using: &random)).map { _ in
                    kinds[Int.random(in: 0..<kinds.count, using: &random)]
                },
                tail: UInt64.random(in: 0...1, using: &random) * 77
            )
            let shifts = self.shifts(of: file)
            for _ in 0..<4 {
                let shift = shifts[Int.random(in: 0..<shifts.count, using: &random)]
                try self.check(file, shift, limit: Int.random(in: 2...4, using: &random), &count)
            }
        }
        #expect(count.cases > 5000 && count.halfDone > 2000 && count.unknown < 200)
    }

    @Test("clones of one block, one after the other: a collapse in their midst cannot be told, and nothing is claimed")
    func clones() throws {
        let file = ModelFile([Int](repeating: 3, count: 40), tail: 0)
        let shift = Shift(isInsert: false, offset: 0, length: ModelFile.blockSize)
        let print = try ExtentFingerprint(
            size: file.size,
            before: shift,
            blockSize: ModelFile.blockSize,
            limit: 8,
            reading: file.read(_:limit:)
        )
        let states = file.states(of: shift, freesForward: true)
        for (number, state) in states.enumerated() {
            let expected: ExtentFingerprint.Verdict = number == states.count - 1 ? .after : .neither
            #expect(try print.verdict(size: state.size, reading: state.read(_:limit:)) == expected, "\(number)")
        }
    }

    @Test("data without a known place in the midst of the file: nothing is claimed")
    func unplaced() throws {
        var file = ModelFile([2, 2, 2, 2], tail: 0)
        file.blocks[1] = .data(0)
        let shift = Shift(isInsert: true, offset: 0, length: ModelFile.blockSize)
        let print = try ExtentFingerprint(
            size: file.size,
            before: shift,
            blockSize: ModelFile.blockSize,
            limit: 8,
            reading: file.read(_:limit:)
        )
        for state in file.states(of: shift, freesForward: true) {
            #expect(try print.verdict(size: state.size, reading: state.read(_:limit:)) == .neither)
        }
        #expect(ExtentFingerprint(print.bytes) == print)
    }

    @Test("a shift that no kernel would make has no fingerprint")
    func impossible() {
        let file = ModelFile([2, 2], tail: 0)
        let block = ModelFile.blockSize
        for (isInsert, offset, length) in [
            (true, 2 * block, block), (true, 0, 0), (true, 0, .max - block), (true, 1, block), (true, block, 3),
            (false, 0, 2 * block), (false, block, .max), (false, .max, 1), (false, 0, block + 1),
        ] as [(Bool, UInt64, UInt64)] {
            let shift = Shift(isInsert: isInsert, offset: offset, length: length)
            let error = failure { () throws(LinuxError) in
                _ = try ExtentFingerprint(
                    size: file.size,
                    before: shift,
                    blockSize: block,
                    limit: 4,
                    reading: file.read(_:limit:)
                )
            }
            #expect(error?.status == .invalid, "\(shift)")
        }
    }

    @Test("bytes that are cut, flipped or made up are not a fingerprint, or one that does no harm")
    func untrustedBytes() throws {
        let file = ModelFile([2, 0, 1, 3, 2, 2, 1, 0, 2, 3], tail: 5)
        let shift = Shift(isInsert: false, offset: 0, length: 2 * ModelFile.blockSize)
        let bytes = try ExtentFingerprint(
            size: file.size,
            before: shift,
            blockSize: ModelFile.blockSize,
            limit: 2,
            reading: file.read(_:limit:)
        ).bytes
        for count in bytes.indices { #expect(ExtentFingerprint(Array(bytes[..<count])) == nil) }
        #expect(ExtentFingerprint(bytes + [0]) == nil)
        var random = SeededGenerator(seed: 1)
        for number in 0..<20_000 {
            var changed = bytes
            if number % 4 == 0 {
                changed = (0..<Int.random(in: 0...120, using: &random)).map { _ in .random(in: 0...255, using: &random)
                }
            }
            for _ in 0..<Int.random(in: 1...3, using: &random) where !changed.isEmpty {
                changed[Int.random(in: 0..<changed.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            guard let print = ExtentFingerprint(changed) else { continue }
            for size in [file.size, print.size, 0, .max] {
                _ = try print.verdict(size: size, reading: file.read(_:limit:))
            }
        }
    }
}
