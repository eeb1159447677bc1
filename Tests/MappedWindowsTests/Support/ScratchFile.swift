import Glibc

/// A file that is gone with the last descriptor or mapping of it.
final class ScratchFile: Sendable {
    let descriptor: Int32

    /// Makes an empty file in a directory, and unlinks it.
    init(in directory: String = "/tmp", size: Int = 0) {
        var template = Array("\(directory)/windows.XXXXXX".utf8CString)
        self.descriptor = unsafe mkstemp(&template)
        precondition(self.descriptor >= 0, "cannot make a file in \(directory): errno \(errno)")
        unsafe unlink(template)
        precondition(ftruncate(self.descriptor, size) == 0, "cannot set the size of a file: errno \(errno)")
    }

    deinit { close(self.descriptor) }

    func write(_ bytes: [UInt8], at offset: Int) {
        precondition(
            unsafe pwrite(self.descriptor, bytes, bytes.count, offset) == bytes.count,
            "pwrite: errno \(errno)"
        )
    }

    func read(_ count: Int, at offset: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = unsafe pread(self.descriptor, &bytes, count, offset)
        precondition(got == count, "pread of \(count) at \(offset): \(got), errno \(errno)")
        return bytes
    }

    /// Eight bytes as a number.
    func word(at offset: Int) -> UInt64 {
        self.read(8, at: offset).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }

    func insert(_ length: Int, at offset: Int) {
        precondition(LibC.fallocate(self.descriptor, 0x20, offset, length) == 0, "insert range: errno \(errno)")
    }

    func collapse(_ length: Int, at offset: Int) {
        precondition(LibC.fallocate(self.descriptor, 0x08, offset, length) == 0, "collapse range: errno \(errno)")
    }
}

let page = Int(sysconf(Int32(_SC_PAGESIZE)))
