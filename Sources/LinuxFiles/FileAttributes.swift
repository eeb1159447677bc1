import CLinuxFiles
import LayoutCore

/// Changes of attributes that move no byte of the file.
///
/// Each call works with any descriptor of the file, also one from `O_PATH`, and checks the permissions of the calling
/// thread. Needs `/proc`.
package enum FileAttributes {
    /// Sets the permission bits (`chmod(2)`); others are ignored.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/notPermitted`` if the file is another user's.
    package static func setMode(
        _ mode: UInt32,
        of file: borrowing some Descriptor & ~Copyable
    ) throws(LinuxError) {
        let attempt = "set a file's mode to 0\(String(mode & 0o7777, radix: 8))"
        try checked(lf_set_mode(file.number, mode & 0o7777), "chmod", attempt)
    }

    /// Sets the owner, the group, or both (`chown(2)`); `nil` leaves one alone.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/notPermitted``; ``LayoutCore/LayoutStatus/invalid`` for the number 2^32 - 1,
    ///   which Linux reserves.
    package static func setOwner(
        uid: UInt32?,
        gid: UInt32?,
        of file: borrowing some Descriptor & ~Copyable
    ) throws(LinuxError) {
        guard uid != .max, gid != .max else {
            throw LinuxError(refusing: .invalid, "4294967295 is no user or group; use another number")
        }
        try checked(lf_set_owner(file.number, uid ?? .max, gid ?? .max), "fchownat", "change a file's owner")
    }

    /// Sets the times of the last access and modification (`utimensat(2)`); `nil` leaves one alone.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/notPermitted``; ``LayoutCore/LayoutStatus/invalid`` for 10^9 nanoseconds or more.
    package static func setTimes(
        accessed: FileTime?,
        modified: FileTime?,
        of file: borrowing some Descriptor & ~Copyable
    ) throws(LinuxError) {
        for time in [accessed, modified] {
            guard time?.nanoseconds ?? 0 < 1_000_000_000 else {
                throw LinuxError(
                    refusing: .invalid,
                    "a time has 10^9 nanoseconds or more; carry them over to the seconds"
                )
            }
        }
        func raw(_ time: FileTime?) -> lf_time {
            lf_time(seconds: time?.seconds ?? 0, nanoseconds: time?.nanoseconds ?? 0, omit: time == nil ? 1 : 0)
        }
        try checked(lf_set_times(file.number, raw(accessed), raw(modified)), "utimensat", "set a file's times")
    }
}
