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

    /// Makes a file of `size` bytes of which none is allocated, at `path`.
    static func makeSparseFile(_ path: String, size: Int) throws {
        try self.makeFile(path) { ftruncate($0, off_t(size)) == 0 }
    }

    /// Makes a file of `size` bytes that are allocated and not written, at `path`.
    static func makeAllocatedFile(_ path: String, size: Int) throws {
        try self.makeFile(path) { bench_change($0, BENCH_ALLOCATE, 0, UInt64(size)) == 0 && fsync($0) == 0 }
    }

    private static func makeFile(_ path: String, _ fill: (CInt) -> Bool) throws {
        let file = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard file >= 0 else {
            throw BenchError("make the file '\(path)'", errno: errno, "name another place with --directory")
        }
        defer { close(file) }
        guard fill(file) else { throw BenchError("fill '\(path)'", errno: errno, "make room, or use --directory") }
    }

    /// Makes a file of `size` written bytes, on storage, at `path`.
    static func makeFile(_ path: String, size: Int) throws {
        let block = [UInt8](repeating: 0x5a, count: 1 << 20)
        try self.makeFile(path) { file in
            var left = size
            while left > 0 {
                let written = unsafe write(file, block, min(left, block.count))
                guard written > 0 else { return false }
                left -= written
            }
            return fsync(file) == 0
        }
    }
}
