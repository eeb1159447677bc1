import CBenchPeer
import Glibc

/// A directory that goes away with what was made in it.
final class TemporaryDirectory: Sendable {
    /// Without a slash at the end.
    let path: String

    /// Makes a directory under `parent`.
    ///
    /// - Throws: ``BenchError`` if that is not possible.
    init(under parent: String) throws {
        var template = Array("\(parent)/layout-bench-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else {
            throw BenchError("make a directory in '\(parent)'", errno: errno, "name another with --directory")
        }
        self.path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        // What cannot be removed stays.
        unsafe bench_remove_tree(self.path)
    }

    /// Makes a directory inside, and returns its path.
    func makeDirectory(_ name: String) throws -> String {
        let path = "\(self.path)/\(name)"
        guard unsafe mkdir(path, 0o755) == 0 else {
            throw BenchError("make the directory '\(path)'", errno: errno, "name another place with --directory")
        }
        return path
    }

    /// Makes a file of `size` written bytes, on storage, at `path`.
    static func makeFile(_ path: String, size: Int) throws {
        let file = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard file >= 0 else {
            throw BenchError("make the file '\(path)'", errno: errno, "name another place with --directory")
        }
        defer { close(file) }
        let block = [UInt8](repeating: 0x5a, count: 1 << 20)
        var left = size
        while left > 0 {
            let written = unsafe write(file, block, min(left, block.count))
            guard written > 0 else {
                throw BenchError("write \(size) bytes to '\(path)'", errno: errno, "make room, or use --directory")
            }
            left -= written
        }
        guard fsync(file) == 0 else { throw BenchError("fsync '\(path)'", errno: errno, "use --directory") }
    }
}
