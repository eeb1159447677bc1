import LayoutCore
import LayoutServer
import LayoutXDR
import LinuxFiles
import TestSupport
import Testing

/// Every mapping change, on each filesystem, for both kinds of holder, inside, at the edges of and outside what is held:
/// exactly the overlapping part is recalled, for the right reason, or nobody is (specification R6.4-1).
@Suite struct MatrixTests {
    private static let block: UInt64 = 4096

    /// Blocks `lower ..< upper`; `nil` as the upper bound is "to the end".
    private struct Blocks: Hashable, Sendable, CustomStringConvertible {
        var lower: UInt64
        var upper: UInt64
        var description: String { "\(self.lower)..<\(self.upper)" }
        var offset: UInt64 { self.lower * MatrixTests.block }
        var length: UInt64 { (self.upper - self.lower) * MatrixTests.block }
        func range(toEnd: Bool = false) -> ByteRange? {
            toEnd ? ByteRange(from: self.offset) : ByteRange(offset: self.offset, length: self.length)
        }
    }

    /// What the holder holds of a file of 32 blocks.
    private static let held = Blocks(lower: 8, upper: 16)

    /// Before, over the lower edge, inside, over the upper edge, behind.
    private static let places = [
        Blocks(lower: 2, upper: 4), Blocks(lower: 7, upper: 9), Blocks(lower: 10, upper: 12),
        Blocks(lower: 15, upper: 17), Blocks(lower: 16, upper: 18), Blocks(lower: 20, upper: 22),
    ]

    /// A truncate also goes up.
    private static func places(of operation: MappingOperation) -> [Blocks] {
        operation == .truncate ? Self.places + [Blocks(lower: 40, upper: 42)] : Self.places
    }

    private static let operations: [MappingOperation] = [
        .insertRange, .collapseRange, .punchHole, .zeroRange, .truncate, .allocate, .cloneTo, .cloneFrom, .write,
    ]

    /// What must be recalled, by the words of the specification and not by the code.
    private static func expectation(_ operation: MappingOperation, _ place: Blocks, _ ioMode: IOMode) -> ByteRange? {
        guard let held = Self.held.range(), let exact = place.range(), let toEnd = place.range(toEnd: true) else {
            return nil
        }
        switch operation {
        case .insertRange, .collapseRange, .truncate: return held.intersection(toEnd)
        case .punchHole, .zeroRange, .cloneTo: return held.intersection(exact)
        case .cloneFrom: return ioMode == .readWrite ? held.intersection(exact) : nil
        case .allocate, .write: return nil
        default: return nil
        }
    }

    /// What one combination did, for the comparison of filesystems.
    private struct Outcome: Hashable {
        var status: LayoutStatus
        var recalled: ByteRange?
        var ioMode: IOModeSelector?
        var size: UInt64
    }

    @Test(arguments: TestFileSystems.images, [IOMode.read, .readWrite])
    func `each change recalls exactly the overlapping part`(on fileSystem: TestFileSystem, ioMode: IOMode) async throws
    {
        let outcomes = try await self.outcomes(on: fileSystem, ioMode)
        for operation in Self.operations {
            for place in Self.places(of: operation) {
                let outcome = try #require(outcomes[Self.key(operation, place)])
                if operation == .cloneTo || operation == .cloneFrom, fileSystem == .ext4 {
                    // Not supported there: refused before anybody is recalled.
                    #expect(outcome.status == .notSupported && outcome.recalled == nil)
                    continue
                }
                #expect(outcome.status == .ok, "\(operation) \(place)")
                #expect(outcome.recalled == Self.expectation(operation, place, ioMode), "\(operation) \(place)")
                if operation == .cloneFrom, outcome.recalled != nil { #expect(outcome.ioMode == .readWrite) }
            }
        }
    }

    @Test(
        .enabled(if: TestFileSystems.images.count == 2, "needs root and loop devices"),
        arguments: [
            IOMode.read, .readWrite,
        ]
    )
    func `both filesystems agree`(ioMode: IOMode) async throws {
        let xfs = try await self.outcomes(on: .xfs, ioMode)
        let ext4 = try await self.outcomes(on: .ext4, ioMode)
        for (key, outcome) in xfs where !key.hasPrefix("clone") { #expect(ext4[key] == outcome, "\(key)") }
    }

    private static func key(_ operation: MappingOperation, _ place: Blocks) -> String { "\(operation) \(place)" }

    private func outcomes(on fileSystem: TestFileSystem, _ ioMode: IOMode) async throws -> [String: Outcome] {
        var outcomes: [String: Outcome] = [:]
        try await withServer(on: fileSystem) { server, _ in
            let holder = try await WireClient.connect(server.addresses[0], .init("holder"))
            let changer = try await WireClient.connect(server.addresses[0], .init("changer"))
            for operation in Self.operations {
                for place in Self.places(of: operation) {
                    outcomes[Self.key(operation, place)] = try await self.outcome(
                        of: operation,
                        place,
                        ioMode,
                        holder,
                        changer
                    )
                }
            }
        }
        return outcomes
    }

    private func outcome(
        of operation: MappingOperation,
        _ place: Blocks,
        _ ioMode: IOMode,
        _ holder: WireClient,
        _ changer: WireClient
    ) async throws -> Outcome {
        let name = "\(operation)-\(place.lower)-\(ioMode)"
        let file = try await holder.open(name).handle
        _ = try await holder.write([UInt8](repeating: 7, count: Int(32 * Self.block)), at: 0, to: file)
        let other = try await changer.open("\(name)-other").handle
        _ = try await changer.write([UInt8](repeating: 9, count: Int(32 * Self.block)), at: 0, to: other)
        let before = try await changer.serverState().recallsSent
        let layout = try await holder.layoutGet(file, offset: Self.held.offset, length: Self.held.length, ioMode)
        #expect(layout.range == Self.held.range())

        async let changed = self.change(operation, place, file, other, changer)
        var outcome = Outcome(status: .ok, size: 0)
        if Self.expectation(operation, place, ioMode) != nil,
            !(try await self.isRefused(operation, changer, server: before))
        {
            let recall = try await holder.nextRecall()
            #expect(recall.handle == file && recall.operation == operation && recall.reason == .unmap)
            outcome.recalled = recall.range
            outcome.ioMode = recall.ioMode
            _ = try await holder.layoutReturn(
                file,
                recall.stateID,
                offset: recall.range.lowerBound,
                length: recall.range.wireLength
            )
        }
        switch await changed {
        case .success(let size): outcome.size = size
        case .failure(let failure): outcome.status = failure.status
        }
        // The server's own count agrees with what arrived.
        let sent = try await changer.serverState().recallsSent - before
        #expect(sent == (outcome.recalled == nil ? 0 : 1), "\(operation) \(place)")
        _ = try await holder.reply(
            to: .layoutReturn(
                LayoutReturnArguments(
                    type: .all,
                    handle: file,
                    stateID: .none,
                    ioMode: .any,
                    offset: 0,
                    length: .max,
                    isDowngrade: false,
                    ioError: 0
                )
            )
        )
        return outcome
    }

    /// Whether the change ends without a recall although one was expected: then there is none to wait for.
    private func isRefused(
        _ operation: MappingOperation,
        _ changer: WireClient,
        server before: UInt64
    ) async throws -> Bool {
        guard operation == .cloneTo || operation == .cloneFrom else { return false }
        for _ in 0..<50 {
            if try await changer.serverState().recallsSent > before { return false }
            try await Task.sleep(for: .milliseconds(4))
        }
        return true
    }

    private func change(
        _ operation: MappingOperation,
        _ place: Blocks,
        _ file: FileHandle,
        _ other: FileHandle,
        _ changer: WireClient
    ) async -> Result<UInt64, Failure> {
        do {
            switch operation {
            case .write:
                let bytes = [UInt8](repeating: 3, count: Int(place.length))
                return .success(try await changer.write(bytes, at: place.offset, to: file).size)
            case .cloneTo, .cloneFrom:
                let isTarget = operation == .cloneTo
                let arguments = CloneArguments(
                    source: isTarget ? other : file,
                    sourceOffset: place.offset,
                    handle: isTarget ? file : other,
                    offset: place.offset,
                    length: place.length,
                    waitMilliseconds: 5000
                )
                guard case .change(let result) = try await changer.call(.cloneRange(arguments)) else {
                    return .failure(Failure(.serverFault, "not a change's answer"))
                }
                return .success(result.size)
            default:
                let result = try await changer.change(operation, file, offset: place.offset, length: place.length)
                return .success(result.size)
            }
        } catch {
            return .failure(error as? Failure ?? Failure(.serverFault, "\(error)"))
        }
    }
}
