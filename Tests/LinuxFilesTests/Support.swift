import Glibc
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

/// Whether `condition` comes true, within half a minute.
///
/// For what shows once the last copy of a descriptor is closed: a program that another test starts right now has copies
/// of all descriptors of this process until it runs, and the kernel closes some a little later.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = Host.now.advanced(by: .seconds(30))
    while try !condition() {
        guard Host.now < deadline else { return false }
        usleep(2000)
    }
    return true
}

/// Whether this kernel is at least of that version.
func kernelIsAtLeast(_ major: Int, _ minor: Int) -> Bool {
    var name = utsname()
    guard unsafe uname(&name) == 0 else { return false }
    let release = unsafe withUnsafeBytes(of: name.release) { unsafe Array($0.prefix { $0 != 0 }) }
    let numbers = String(decoding: release, as: UTF8.self).split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
    guard numbers.count == 2 else { return false }
    return (numbers[0], numbers[1]) >= (major, minor)
}
