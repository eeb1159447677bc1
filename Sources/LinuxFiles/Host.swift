import CLinuxFiles
import Glibc
package import LayoutCore

/// What the server and the client need to know from the host.
///
/// Any thread.
package enum Host {
    /// The boot-time clock now (`CLOCK_BOOTTIME`).
    ///
    /// Never fails, never goes back.
    package static var now: Instant { Instant(nanoseconds: lf_boot_time_nanoseconds()) }

    /// The wall clock as filesystems see it (`CLOCK_REALTIME_COARSE`): never ahead of the time of birth of a file that is
    /// made next.
    package static var wallClock: FileTime {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME_COARSE, &now)
        return FileTime(seconds: Int64(now.tv_sec), nanoseconds: UInt32(clamping: now.tv_nsec))
    }

    /// The host's boot: 36 bytes of text that no other host, and no other boot of this one, has.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/noEntry`` where `/proc` is not mounted.
    package static func bootID() throws(LinuxError) -> String {
        let path = "/proc/sys/kernel/random/boot_id"
        let text = String(decoding: try Self.readSmallFile(path, limit: 64).prefix { $0 != 0x0a }, as: UTF8.self)
        guard text.utf8.count == 36 else {
            throw LinuxError(
                refusing: .serverFault,
                "'\(path)' holds '\(text)', not a boot ID of 36 bytes; mount /proc"
            )
        }
        return text
    }

    /// Bytes that nobody can foresee (`getrandom(2)`); waits until the kernel has some, early in the boot.
    package static func randomBytes(_ count: Int) throws(LinuxError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let wanted = count - done
            let result = uninterrupted {
                unsafe bytes.withUnsafeMutableBytes { buffer in
                    let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
                    guard let address = rest.baseAddress else { return 0 }
                    return unsafe lf_random(address, wanted)
                }
            }
            done += Int(try checked(result, "getrandom", "draw \(count) random bytes"))
        }
        return bytes
    }

    /// Sixteen bytes that nobody can foresee: a session ID, a token, a key.
    package static func randomOpaque16() throws(LinuxError) -> Opaque16 {
        let bytes = try Self.randomBytes(16)
        func half(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        return Opaque16(low: half(bytes[..<8]), high: half(bytes[8...]))
    }

    /// The command name of a process, at most 15 bytes (`/proc/PID/comm`); `nil` if it is gone.
    ///
    /// For people only: a process may call itself what it likes, and its number may be another's by now.
    package static func commandName(of pid: Int32) -> String? {
        guard pid > 0, let bytes = try? Self.readSmallFile("/proc/\(pid)/comm", limit: 64) else { return nil }
        return String(decoding: bytes.prefix { $0 != 0x0a }, as: UTF8.self)
    }

    /// The first `limit` bytes of a file of the host, at a trusted path.
    static func readSmallFile(_ path: String, limit: Int) throws(LinuxError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        let result = unsafe lf_read_small(path, &bytes, bytes.count)
        let count = Int(try checked(result, "read", "read '\(path)'"))
        return Array(bytes[..<count])
    }
}
