import Foundation

/// Where the package's files are.
enum Repository {
    static func file(_ path: String, from source: StaticString = #filePath) -> URL {
        URL(fileURLWithPath: "\(source)")
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent(path)
    }
}
