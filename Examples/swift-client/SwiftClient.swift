import LayoutClient

/// Stores a number through a pointer, lets a megabyte be inserted in front of it, and loads it through the same pointer.
///
///     swift run swift-client layout+unix:///run/layoutd.sock counter
@main struct SwiftClient {
    static func main() async throws {
        guard CommandLine.arguments.count == 3 else {
            return print("Usage: swift-client layout+unix:///PATH FILE")
        }
        let client = try await LayoutClient.connect(to: CommandLine.arguments[1])
        let file = try await client.open(CommandLine.arguments[2], .readWrite, options: .create)
        if try await file.size == 0 { try await file.truncate(to: 1 << 20) }

        // Follows the bytes, wherever they move to.
        let region = try await file.map(0..<4096, .readWrite, following: .content)
        let runs = unsafe region.baseAddress.load(as: UInt64.self) + 1
        unsafe region.baseAddress.storeBytes(of: runs, as: UInt64.self)

        // Recalls the layouts of everybody who has mapped the file, and goes ahead once they are back.
        try await file.insertRange(at: 0, length: 1 << 20)

        // The page has gone: touching it asks for it again, at its new place.
        let found = unsafe region.baseAddress.load(as: UInt64.self)
        print("run \(found): \(found == runs ? "the pointer followed its bytes" : "something is wrong")")

        try await file.collapseRange(0..<1 << 20)
        await region.unmap()
        await client.close()
    }
}
