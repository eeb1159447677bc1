import Glibc
package import LayoutCore

extension LayoutStatus {
    /// What the protocol answers to a Linux error number (RFC 8881 §15.1, `errno(3)`).
    ///
    /// Conditions that pass by themselves become ``delay``, exhausted tables ``resource``; a number that has no
    /// counterpart becomes ``serverFault``.
    package init(errno: CInt) {
        self =
            switch errno {
            case 0: .ok
            case EPERM: .notPermitted
            case ENOENT: .noEntry
            case EIO, EREMOTEIO, EBADMSG, EUCLEAN, ENOTRECOVERABLE, ENODATA: .ioError
            case ENXIO, ENODEV: .noSuchAddress
            case EACCES: .access
            case EEXIST: .exists
            case EXDEV: .crossDevice
            case ENOTDIR: .notDirectory
            case EISDIR: .isDirectory
            case EINVAL: .invalid
            case EFBIG, EOVERFLOW: .fileTooBig
            case ENOSPC: .noSpace
            case EROFS: .readOnlyFileSystem
            case EMLINK: .tooManyLinks
            case ENAMETOOLONG: .nameTooLong
            case ENOTEMPTY: .notEmpty
            case EDQUOT: .quota
            case ESTALE: .stale
            case EOPNOTSUPP, ENOTTY, ENOSYS: .notSupported
            case ELOOP: .symbolicLink
            case EAGAIN, EBUSY, EINTR, ETIMEDOUT: .delay
            case ETXTBSY: .textBusy
            case EDEADLK: .deadlock
            case EMFILE, ENFILE, ENOMEM, ENOLCK, ENOBUFS, EUSERS: .resource
            default: .serverFault
            }
    }
}

extension LinuxError {
    /// What to do about an error number, where nothing better is known.
    static func remedy(for errno: CInt) -> String {
        switch errno {
        case EPERM: "check who owns it, its chattr flags and the capabilities of this process"
        case EACCES: "give the user that asks the permission, on the file and on every directory above it"
        case ENOENT: "check the name"
        case EEXIST: "choose another name, or remove what is there first"
        case ENOTDIR: "check the path: a part of it that must be a directory is none"
        case EISDIR: "name a regular file"
        case ENOTEMPTY: "remove what is in it first"
        case ENOSPC: "free space, or make the filesystem larger"
        case EDQUOT: "free space, or raise the quota of the file's owner"
        case EFBIG: "stay below the filesystem's largest file size and the limit RLIMIT_FSIZE"
        case EROFS: "remount the filesystem read-write, or export it for reading only"
        case EOPNOTSUPP, ENOTTY, ENOSYS: "this filesystem or kernel does not have the operation; use another one"
        case ETXTBSY: "the file is in use as a program or swap file; stop that use first"
        case EAGAIN, EBUSY, EINTR, ETIMEDOUT: "try again"
        case EMFILE: "raise the limit of open files of this process (LimitNOFILE)"
        case ENFILE: "raise the host's limit of open files (fs.file-max)"
        case ENOMEM, ENOBUFS: "free memory"
        case EIO, EREMOTEIO, EBADMSG, EUCLEAN: "look into the kernel's log, and check the device and the filesystem"
        case ESTALE: "look the file up again"
        case EXDEV: "name files of one filesystem"
        case ELOOP: "name what the symbolic link leads to"
        case EINVAL: "check offset and length against the filesystem's block size and the file's size"
        default: "see the call's manual page"
        }
    }
}
