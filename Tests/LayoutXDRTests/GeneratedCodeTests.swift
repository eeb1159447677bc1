import Foundation
import Testing

/// The C side is what rpcgen makes of `Protocol/layout.x` now.
@Suite struct GeneratedCodeTests {
    @Test func theCheckedInCodeIsCurrent() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("layout-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: directory) }

        let generate = Process()
        generate.executableURL = Repository.file("Protocol/generate")
        generate.arguments = [directory.path]
        try generate.run()
        generate.waitUntilExit()
        try #require(
            generate.terminationStatus == 0,
            "Protocol/generate failed; it needs rpcgen (Debian: rpcsvc-proto)"
        )

        for (made, stored) in [
            ("layout.h", "Sources/CLayoutXDR/include/layout.h"),
            ("layout_xdr.c", "Sources/CLayoutXDR/layout_xdr.c"),
        ] {
            let fresh = try Data(contentsOf: directory.appendingPathComponent(made))
            let old = try Data(contentsOf: Repository.file(stored))
            #expect(!fresh.isEmpty)
            #expect(fresh == old, "\(stored) is not what rpcgen makes of layout.x; run Protocol/generate")
        }
    }
}
