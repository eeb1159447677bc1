import Foundation
import LayoutXDR
import Testing

/// `Protocol/Vectors`: the bytes of known messages, for this codec and for other implementations.
///
/// `REWRITE_VECTORS=1 swift test --filter GoldenVectorTests` writes the files anew, with the meanings from `layout.x`.
@Suite(.serialized) struct GoldenVectorTests {
    private static let rewrites = ProcessInfo.processInfo.environment["REWRITE_VECTORS"] == "1"

    @Test(arguments: Sample.all)
    func vectorsHold(_ sample: Sample) throws {
        let url = Vector.url(sample.name)
        let text = try Vector.text(sample.name, sample.message.kind, sample.message.encoded)
        if Self.rewrites {
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(),
                withIntermediateDirectories: true
            )
            try text.write(to: url, atomically: true, encoding: .utf8)
        }
        let stored = try String(contentsOf: url, encoding: .utf8)
        let vector = try Vector(parsing: stored)
        #expect(vector.heading == sample.message.kind.heading)
        #expect(try Message.decode(sample.message.kind, vector.bytes) == sample.message)
        #expect(sample.message.encoded == vector.bytes)
        #expect(stored == text, "the meanings beside the bytes are not those of layout.x")
    }

    @Test func everyVectorHasItsSample() throws {
        let directory = Vector.url("x").deletingLastPathComponent()
        let files = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(files.sorted() == Sample.all.map { "\($0.name).txt" }.sorted())
    }

    @Test func everyMessageHasASample() {
        let kinds = Set(Sample.all.map(\.message.kind))
        for kind in Message.Kind.all { #expect(kinds.contains(kind), "\(kind) has no vector") }
    }

    /// NULL cannot fail.
    @Test(arguments: Procedure.allCases.filter { $0 != .null })
    func everyProcedureHasASampleOfEachOutcome(_ procedure: Procedure) {
        let results: [Bool] = Sample.all.compactMap { sample in
            guard case .reply(procedure, let reply) = sample.message else { return nil }
            return (try? reply.result.get()) != nil
        }
        #expect(results.contains(true), "\(procedure) has no vector of a success")
        #expect(results.contains(false), "\(procedure) has no vector of a failure")
    }
}
