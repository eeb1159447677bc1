import LayoutCore
import MappingGuard
import Testing

/// What a blocked call is about to do, from its registers; on any host, for both architectures.
@Suite struct CallClassifierTests {
    /// Answers as it is told.
    struct Inspector: CallInspector {
        var descriptions: [UInt64: CallDescription] = [3: CallDescription(isThisFile: true, appends: false)]
        var flags: UInt64?
        var isWithoutWriter = false

        func description(_ number: UInt64) -> CallDescription? { self.descriptions[number] }
        func openFlags(at address: UInt64) -> UInt64? { self.flags }
        func hasNoWriter() -> Bool { self.isWithoutWriter }
    }

    private static let size: UInt64 = 1 << 20

    private func classify(
        _ call: BlockedCall?,
        _ access: GuardedAccess = .data(offset: 8192, length: 4096),
        table: CallTable = .x86_64,
        clones: Bool = true,
        by inspector: Inspector = Inspector()
    ) -> CallClassifier.Verdict {
        CallClassifier(table: table, clones: clones).classify(call, access, size: Self.size, inspector: inspector)
    }

    private func range(_ offset: UInt64, _ length: UInt64) throws -> ByteRange {
        try #require(ByteRange(offset: offset, length: length))
    }

    @Test("the same call has a number per architecture, and each is known by it")
    func tables() {
        #expect(CallTable.x86_64.call(285) == .fallocate && CallTable.arm64.call(47) == .fallocate)
        #expect(CallTable.x86_64.call(77) == .ftruncate && CallTable.arm64.call(46) == .ftruncate)
        #expect(CallTable.x86_64.call(47) == nil && CallTable.arm64.call(16) == nil)
        // x32, and what comes after this was written.
        #expect(CallTable.x86_64.call(0x4000_011d) == nil && CallTable.arm64.call(100_000) == nil)
        for table in CallTable.allCases {
            let known = (0..<600).compactMap { table.call($0) }
            #expect(Set(known).count == known.count, "two numbers mean the same call")
        }
    }

    @Test("calls that only read pass by their number alone", arguments: [0, 17, 19, 295, 327, 9, 59, 322] as [Int64])
    func readers(_ number: Int64) {
        let classifier = CallClassifier(table: .x86_64, clones: true)
        #expect(classifier.passesAtOnce(.data(offset: 0, length: 4096), number: number))
        #expect(self.classify(BlockedCall(number: number, 3)) == .passes)
        // A 32-bit program's openat has the number of preadv.
        #expect(!classifier.passesAtOnce(.open, number: number))
    }

    @Test(
        "every mode of fallocate is told apart",
        arguments: [
            (0, .allocate), (1, .allocate), (3, .punchHole), (0x10, .zeroRange), (0x11, .zeroRange),
            (8, .collapseRange), (0x20, .insertRange), (0x40, .allocate), (0x80, .zeroRange),
        ] as [(UInt64, MappingOperation)]
    )
    func fallocate(_ mode: UInt64, _ operation: MappingOperation) throws {
        for (table, number) in [(CallTable.x86_64, 285), (.arm64, 47)] as [(CallTable, Int64)] {
            let call = BlockedCall(number: number, 3, mode, 5000, 100)
            #expect(self.classify(call, table: table) == .change(GuardedChange(operation, try range(5000, 100))))
        }
    }

    @Test("a mode that is not known, and an argument that is none, are changes of the whole file")
    func unknownModes() {
        #expect(self.classify(BlockedCall(number: 285, 3, 0x100, 0, 1)) == .change(.unknown))
        #expect(self.classify(BlockedCall(number: 285, 3, 0, .max, .max - 1)) == .change(.unknown))
    }

    @Test("what touches the file reaches as far as the operation, and not as far as the event")
    func touched() throws {
        let block = try range(8192, 4096)
        #expect(GuardedChange(.insertRange, block).touched(size: 1 << 20) == ByteRange(from: 8192))
        #expect(GuardedChange(.collapseRange, block).touched(size: 1 << 20) == ByteRange(from: 8192))
        #expect(GuardedChange(.punchHole, block).touched(size: 1 << 20) == block)
        #expect(GuardedChange(.truncate, ByteRange(from: 900)).touched(size: 100) == ByteRange(from: 100))
        #expect(GuardedChange(.truncate, ByteRange(from: 100)).touched(size: 900) == ByteRange(from: 100))
    }

    @Test("truncate has its size from the register, whatever the event says")
    func truncate() {
        for number in [76, 77] as [Int64] {
            let call = BlockedCall(number: number, 3, 900_000)
            #expect(self.classify(call) == .change(GuardedChange(.truncate, ByteRange(from: 900_000))))
        }
    }

    @Test("opening truncates only with O_TRUNC")
    func opens() {
        let cut = CallClassifier.Verdict.change(GuardedChange(.truncate, .all))
        #expect(self.classify(BlockedCall(number: 257, 0, 0, 2), .open) == .passes)
        #expect(self.classify(BlockedCall(number: 257, 0, 0, 0o1001), .open) == cut)
        #expect(self.classify(BlockedCall(number: 2, 0, 0o1002), .open) == cut)
        #expect(self.classify(BlockedCall(number: 85, 0, 0o644), .open) == cut)
        #expect(self.classify(BlockedCall(number: 59), .open) == .passes)
        #expect(self.classify(BlockedCall(number: 56, 0, 0, 0o1000), .open, table: .arm64) == cut)
        // Flags in memory: believed if they can be read.
        let byStruct = BlockedCall(number: 437, 0, 0, 0x1000, 24)
        #expect(self.classify(byStruct, .open) == .change(.unknown))
        #expect(self.classify(byStruct, .open, by: Inspector(flags: 0)) == .passes)
        #expect(self.classify(byStruct, .open, by: Inspector(flags: 0o1002)) == cut)
    }

    @Test("writes have their own bytes, and appended ones the end of the file")
    func writes() throws {
        #expect(
            self.classify(BlockedCall(number: 1, 3, 0, 100)) == .change(GuardedChange(.write, try range(8192, 4096)))
        )
        let exact = BlockedCall(number: 18, 3, 0, 100, 9000)
        #expect(self.classify(exact) == .change(GuardedChange(.write, try range(9000, 100))))
        let end = CallClassifier.Verdict.change(GuardedChange(.write, ByteRange(from: Self.size)))
        let appending = Inspector(descriptions: [3: CallDescription(isThisFile: true, appends: true)])
        #expect(self.classify(exact, by: appending) == end)
        var flagged = BlockedCall(number: 328, 3)
        flagged.arguments[5] = 0x10
        #expect(self.classify(flagged) == end)
        flagged.arguments[5] = 0x20
        #expect(self.classify(flagged, by: appending) == .change(GuardedChange(.write, try range(8192, 4096))))
        // A descriptor that is gone could have been one that appends.
        let blind = GuardedChange(.write, ByteRange(from: 8192), isCertain: false)
        #expect(self.classify(exact, by: Inspector(descriptions: [:])) == .change(blind))
    }

    @Test("of copies the destination changes, and the source only where blocks can be shared")
    func copies() throws {
        let block = try range(8192, 4096)
        var inspector = Inspector()
        inspector.descriptions[4] = CallDescription(isThisFile: false, appends: false)
        let into = BlockedCall(number: 326, 4, 0, 3, 0, 4096)
        let from = BlockedCall(number: 326, 3, 0, 4, 0, 4096)
        let within = BlockedCall(number: 326, 3, 0, 3, 0, 4096)
        #expect(self.classify(into, by: inspector) == .change(GuardedChange(.cloneTo, block)))
        #expect(self.classify(into, clones: false, by: inspector) == .change(GuardedChange(.write, block)))
        #expect(self.classify(from, by: inspector) == .change(GuardedChange(.cloneFrom, block)))
        #expect(self.classify(from, clones: false, by: inspector) == .passes)
        #expect(self.classify(within, by: inspector) == .change(GuardedChange(.cloneTo, .all, isCertain: false)))
        #expect(self.classify(BlockedCall(number: 40, 4, 3), by: inspector) == .passes)
        #expect(self.classify(BlockedCall(number: 40, 3, 4), by: inspector) == .change(GuardedChange(.write, block)))
        #expect(self.classify(BlockedCall(number: 275, 3, 0, 4), by: inspector) == .passes)
    }

    @Test("clones and the ioctls of XFS have the kernel's range; length 0 is to the end")
    func controls() throws {
        let block = try range(8192, 4096)
        var inspector = Inspector()
        inspector.descriptions[4] = CallDescription(isThisFile: false, appends: false)
        func control(_ descriptor: UInt64, _ request: UInt64, _ access: GuardedAccess) -> CallClassifier.Verdict {
            self.classify(BlockedCall(number: 16, descriptor, request), access, by: inspector)
        }
        let data = GuardedAccess.data(offset: 8192, length: 4096)
        #expect(control(3, 0x4020_940d, data) == .change(GuardedChange(.cloneTo, block)))
        #expect(control(4, 0x4020_940d, data) == .change(GuardedChange(.cloneFrom, block)))
        #expect(control(3, 0x4004_9409, .data(offset: 0, length: 0)) == .change(GuardedChange(.cloneTo, .all)))
        let tail = GuardedChange(.cloneTo, ByteRange(from: 8192))
        #expect(control(3, 0x4020_940d, .data(offset: 8192, length: 0)) == .change(tail))
        #expect(control(4, 0xc018_9436, data) == .change(GuardedChange(.cloneTo, block)))
        #expect(control(3, 0x4030_582a, data) == .change(GuardedChange(.allocate, block)))
        #expect(control(3, 0x4030_582b, data) == .change(GuardedChange(.punchHole, block)))
        #expect(control(3, 0x1234, data) == .change(.unknown))
    }

    @Test("a ring's operation begins at its offset or at the end of the file, and passes where nobody can write")
    func rings() {
        let call = BlockedCall(number: 426, 5, 1, 1, 1)
        let from8192 = GuardedChange(.unknown, ByteRange(from: 8192), isCertain: false)
        #expect(self.classify(call) == .change(from8192))
        let atEnd = GuardedChange(.unknown, ByteRange(from: Self.size), isCertain: false)
        #expect(self.classify(call, .data(offset: 2 << 20, length: 4096)) == .change(atEnd))
        #expect(self.classify(call, by: Inspector(isWithoutWriter: true)) == .passes)
        #expect(self.classify(call, .open) == .change(.unknown))
    }

    @Test("what is not known, or cannot be seen, is a change of the whole file")
    func unknown() {
        #expect(self.classify(nil) == .change(.unknown))
        #expect(self.classify(BlockedCall(number: 9999)) == .change(.unknown))
        #expect(self.classify(BlockedCall(number: -1)) == .change(.unknown))
        // A call that opens cannot reach data: the number is of another table.
        #expect(self.classify(BlockedCall(number: 257, 0, 0, 0)) == .change(.unknown))
        #expect(self.classify(BlockedCall(number: 285, 3, 0, 0, 1), .open) == .change(.unknown))
    }
}
