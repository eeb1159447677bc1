import LayoutCore
import LinuxFiles
import TestSupport

/// An export on one of the test filesystems, in a directory of its own.
final class Export: Sendable {
    let directory: TestDirectory
    let root: ExportRoot

    init(_ fileSystem: TestFileSystem) throws {
        self.directory = try fileSystem.makeDirectory()
        self.root = try ExportRoot(path: self.directory.path)
    }

    init(at path: String) throws {
        self.directory = try TestDirectory(in: path)
        self.root = try ExportRoot(path: self.directory.path)
    }

    var blockSize: UInt64 { self.root.fileSystem.blockSize }

    /// Makes a file that holds `content`.
    @discardableResult
    func make(_ name: String, _ content: [UInt8] = []) throws -> SharedDescriptor {
        let file = try self.root.create(bytes(name), for: .readWrite, mode: 0o644, exclusively: true).descriptor
        var offset = 0
        while offset < content.count {
            let end = min(content.count, offset + FileInputOutput.countMax)
            offset += try FileInputOutput.write(Array(content[offset..<end]), at: UInt64(offset), to: file)
        }
        return file
    }
}

/// A path as the wire carries it.
func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// The error that `body` throws, or `nil`.
func failure(_ body: () throws(LinuxError) -> Void) -> LinuxError? {
    do throws(LinuxError) {
        try body()
        return nil
    } catch {
        return error
    }
}

/// Bytes `lower ..< upper`, which must not be empty.
func range(_ lower: UInt64, _ upper: UInt64) throws -> ByteRange {
    guard let range = ByteRange(lower, upper) else { throw TestFailure("[\(lower), \(upper)) is empty") }
    return range
}
