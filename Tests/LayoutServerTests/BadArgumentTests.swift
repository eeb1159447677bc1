import LayoutCore
import LayoutServer
import LayoutXDR
import TestSupport
import Testing

/// Arguments that make no sense get the protocol's error with a remedy, change nothing, and the server goes on.
@Suite struct BadArgumentTests {
    private static let block: UInt64 = 4096

    private struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var status: LayoutStatus
        var change: @Sendable (inout LayoutGetArguments) -> Void
        var testDescription: String { self.name }
    }

    private static let grants = [
        Case(name: "length 0", status: .invalid) { $0.length = 0 },
        Case(name: "offset and length overflow", status: .invalid) {
            $0.offset = .max - 10
            $0.length = 4096
        },
        Case(name: "minlength above length", status: .invalid) { $0.minLength = $0.length + 1 },
        Case(name: "iomode ANY", status: .badIOMode) { $0.ioMode = 3 },
        Case(name: "an iomode that is none", status: .badIOMode) { $0.ioMode = 77 },
        Case(name: "an unknown addressing", status: .unknownLayoutType) { $0.addressing = 9 },
        Case(name: "an undefined flag", status: .invalid) { $0.flags = LayoutGetFlags(rawValue: 0x80) },
        Case(name: "a reclaim without a restart", status: .noGrace) { $0.flags = .reclaim },
        Case(name: "no room for an extent", status: .tooSmall) { $0.maxCount = 10 },
        Case(name: "past the end of the file", status: .layoutUnavailable) { $0.offset = 1 << 40 },
        Case(name: "a stateid that was never given out", status: .badStateID) {
            $0.stateID = StateID(seqid: 4, other: StateIDOther(number: 1, boot: 2))
        },
        Case(name: "a handle with a flipped bit", status: .badHandle) {
            let low = $0.handle.low
            $0.handle = FileHandle(low: Opaque16(low: low.low ^ 1, high: low.high), high: $0.handle.high)
        },
    ]

    @Test(arguments: Self.grants)
    private func `B5, B6, B7: LAYOUTGET`(_ wrong: Case) async throws {
        try await withServer(on: .plain) { server, _ in
            let client = try await WireClient.connect(server.addresses[0], .init("client"))
            let file = try await client.open("data").handle
            _ = try await client.write([UInt8](repeating: 1, count: 65536), at: 0, to: file)
            var arguments = LayoutGetArguments(
                handle: file,
                stateID: .none,
                addressing: 1,
                ioMode: 1,
                offset: 0,
                length: 8192,
                minLength: 1,
                maxCount: 4096,
                flags: [],
                waitMilliseconds: 0,
                knownEpoch: 0
            )
            wrong.change(&arguments)
            guard case .failure(let failure) = try await client.reply(to: .layoutGet(arguments)).result else {
                return #expect(Bool(false), "granted")
            }
            #expect(failure.status == wrong.status)
            #expect(!failure.detail.isEmpty)
            // Nothing is held, and the next call is served.
            #expect(try await client.serverState().layouts == 0)
        }
    }

    @Test(arguments: TestFileSystems.available)
    func `B7: mapping changes`(on fileSystem: TestFileSystem) async throws {
        try await withServer(on: fileSystem) { server, _ in
            let client = try await WireClient.connect(server.addresses[0], .init("client"))
            let file = try await client.open("data").handle
            _ = try await client.write([UInt8](repeating: 1, count: 65536), at: 0, to: file)
            let wrong: [(MappingOperation, UInt64, UInt64)] = [
                (.insertRange, 100, 4096), (.insertRange, 4096, 100), (.insertRange, 4096, 0),
                (.insertRange, 65536, 4096), (.insertRange, .max - 4095, 4096), (.collapseRange, 0, 65536),
                (.collapseRange, 4096, 1), (.collapseRange, 61440, 8192), (.punchHole, 0, 0),
                (.punchHole, .max - 1, 4096), (.zeroRange, 0, 0), (.allocate, 0, 0),
            ]
            for (operation, offset, length) in wrong {
                let failure = await #expect(throws: Failure.self, "\(operation) \(offset) \(length)") {
                    try await client.change(operation, file, offset: offset, length: length)
                }
                #expect([.invalid, .fileTooBig].contains(failure?.status), "\(operation) \(offset) \(length)")
                #expect(failure?.detail.isEmpty == false)
            }
            let size = try await client.change(.truncate, file, offset: 65536, length: 0).size
            #expect(size == 65536)
            #expect(try await client.read(4, at: 65532, of: file).data == [1, 1, 1, 1])
        }
    }
}
