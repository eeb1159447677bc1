import CLinuxFiles
import Glibc

/// What a file is opened for.
///
/// Never truncates: a truncation is a mapping change and has a call of its own.
package enum FileAccess: Hashable, Sendable {
    /// Loads and reads.
    case read
    /// Stores, writes and mapping changes, but no loads.
    case write
    /// Both.
    case readWrite

    /// The `open(2)` access mode.
    var flags: CInt {
        switch self {
        case .read: O_RDONLY
        case .write: O_WRONLY
        case .readWrite: O_RDWR
        }
    }
}

/// The `open(2)` and `openat2(2)` flags that are used here, under names that say what for.
enum OpenFlag {
    /// Never waits for the other end of a FIFO or for a lease to be broken, and makes no terminal this process's own.
    static var withoutWaiting: CInt { O_NONBLOCK | O_NOCTTY }
    /// Only a place in the tree: needs no permission on the file, opens no device, wakes no FIFO.
    static var path: CInt { lf_open_path }
    /// Fails unless it is a directory.
    static var directory: CInt { O_DIRECTORY }
    /// A symbolic link as the last component is opened itself.
    static var noFollow: CInt { O_NOFOLLOW }
    /// A file without a name, in the directory that is named.
    static var temporary: CInt { lf_open_temporary }
    /// Makes the file, and fails if there is one.
    static var createExclusively: CInt { O_CREAT | O_EXCL }
}
