import CLinuxFiles
import Glibc
import LayoutCore

/// Reading and writing at an offset, for clients that cannot map the file.
///
/// All calls block; any thread.
package enum FileInputOutput {
    /// Bytes in one call at most; more is cut off, whatever a peer announces.
    package static var countMax: Int { 1 << 20 }

    /// Reads bytes (`pread(2)`), less than asked for only at the end of the file.
    ///
    /// - Parameters:
    ///   - count: At most ``countMax`` are read.
    ///   - offset: From 2^63 - 1 on there is nothing to read.
    ///   - file: Open for reading.
    /// - Returns: The bytes, in one array.
    /// - Throws: ``LayoutCore/LayoutStatus/ioError`` if not even one byte could be read.
    package static func read(
        _ count: Int,
        at offset: UInt64,
        of file: borrowing some Descriptor & ~Copyable
    ) throws(LinuxError) -> [UInt8] {
        let count = max(0, min(count, Self.countMax))
        guard offset < UInt64(Int64.max) - UInt64(count) else { return [] }
        let number = file.number
        var failure: Int64 = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            while done < count {
                let rest = unsafe UnsafeMutableRawBufferPointer(buffer)[done..<count]
                guard let address = unsafe UnsafeMutableRawBufferPointer(rebasing: rest).baseAddress else { return }
                let start = Int64(offset) + Int64(done)
                let result = uninterrupted { unsafe lf_pread(number, address, rest.count, start) }
                if result < 0 { failure = result }
                if result <= 0 { return }
                done += Int(result)
            }
        }
        if bytes.isEmpty {
            try checked(failure, "pread", "read \(count) bytes at \(offset)")
        }
        return bytes
    }

    /// Writes bytes (`pwrite(2)`) and returns how many: all, unless space runs out or the device fails on the way.
    ///
    /// - Parameters:
    ///   - bytes: What to write; behind ``countMax`` nothing is written.
    ///   - offset: Where; the file grows if need be.
    ///   - file: Open for writing.
    /// - Returns: How many bytes are in the file now, counted from the first.
    /// - Throws: ``LayoutCore/LayoutStatus/noSpace``, ``LayoutCore/LayoutStatus/quota``,
    ///   ``LayoutCore/LayoutStatus/fileTooBig`` or ``LayoutCore/LayoutStatus/ioError`` if nothing was written.
    package static func write(
        _ bytes: [UInt8],
        at offset: UInt64,
        to file: borrowing some Descriptor & ~Copyable
    ) throws(LinuxError) -> Int {
        let count = min(bytes.count, Self.countMax)
        let attempt = "write \(count) bytes at \(offset)"
        let start = try MappingCalls.offset(offset, attempt)
        // A write beyond RLIMIT_FSIZE raises SIGXFSZ, which ends the process (setrlimit(2)).
        let limit = min(lf_file_size_limit(), UInt64(Int64.max))
        guard offset <= limit, UInt64(count) <= limit - offset else {
            throw LinuxError(errno: EFBIG, call: "pwrite", attempt: attempt)
        }
        var done = 0
        while done < count {
            let number = file.number
            let result = uninterrupted {
                unsafe bytes.withUnsafeBytes { buffer in
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[done..<count])
                    guard let address = rest.baseAddress else { return 0 }
                    return unsafe lf_pwrite(number, address, rest.count, start + Int64(done))
                }
            }
            guard result > 0 else {
                if done == 0 { try checked(result, "pwrite", attempt) }
                return done
            }
            done += Int(result)
        }
        return done
    }
}
