/*
 * System calls that Swift cannot reach by itself: variadic ones, ones without a wrapper in glibc, and ones that are
 * newer than its headers. Nothing here decides anything; the meaning is in LinuxFiles.
 *
 * Unless a comment says otherwise a function returns its result, or the negative errno. All of them may be called
 * from any thread.
 */
#ifndef CLINUXFILES_H
#define CLINUXFILES_H

#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/* ---- Errors ------------------------------------------------------------------------------------------------ */

/* "ENOENT", or "errno" for a number without a name. Static. */
const char *lf_error_name(int error);
/* "No such file or directory". Static, never translated. */
const char *lf_error_text(int error);

/* ---- Paths and descriptors (paths.c) ----------------------------------------------------------------------- */

/* O_PATH, __O_TMPFILE | O_DIRECTORY: their values differ between architectures. */
extern const int lf_open_path;
extern const int lf_open_temporary;
/* RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS and RESOLVE_BENEATH. */
extern const uint64_t lf_resolve_beneath;
/* openat2(2), close-on-exec. */
int64_t lf_openat2(int directory, const void *path, uint64_t flags, uint64_t mode, uint64_t resolve);
/* open(2) of /proc/self/fd/NUMBER: a new open file description of what `descriptor` refers to. */
int64_t lf_reopen(int descriptor, int flags);
int64_t lf_close(int descriptor);
/* fcntl(2) F_DUPFD_CLOEXEC. */
int64_t lf_duplicate(int descriptor);
/* Clears O_NONBLOCK. */
int64_t lf_make_blocking(int descriptor);
int64_t lf_mkdirat(int directory, const void *name, uint32_t mode);
int64_t lf_unlinkat(int directory, const void *name, int flags);
/* renameat2(2). */
int64_t lf_renameat2(int from_directory, const void *from, int to_directory, const void *to, uint32_t flags);
/* getdents64(2): bytes written. */
int64_t lf_getdents(int directory, void *buffer, size_t size);
/* lseek(2); the two that glibc shows only to GNU programs. */
enum { LF_SEEK_DATA = 3, LF_SEEK_HOLE = 4 };
int64_t lf_seek(int descriptor, int64_t offset, int whence);
/* chmod, chown, utimensat of what `descriptor` refers to; works with O_PATH. */
int64_t lf_set_mode(int descriptor, uint32_t mode);
int64_t lf_set_owner(int descriptor, uint32_t uid, uint32_t gid);

struct lf_time {
    int64_t seconds;
    uint32_t nanoseconds;
    uint32_t omit; /* lf_set_times only: leave this time alone */
};
int64_t lf_set_times(int descriptor, struct lf_time accessed, struct lf_time modified);

/* ---- Facts about files and filesystems (facts.c) ----------------------------------------------------------- */

/* statx(2) STATX_ATTR_ bits. */
enum {
    LF_ATTRIBUTE_COMPRESSED = 0x4,
    LF_ATTRIBUTE_IMMUTABLE = 0x10,
    LF_ATTRIBUTE_APPEND = 0x20,
    LF_ATTRIBUTE_ENCRYPTED = 0x800,
    LF_ATTRIBUTE_DAX = 0x200000,
};

struct lf_stat {
    uint64_t inode;
    uint64_t size;
    uint64_t blocks; /* of 512 bytes */
    uint64_t attributes; /* STATX_ATTR_ bits that the filesystem knows */
    uint32_t mode;
    uint32_t nlink;
    uint32_t uid;
    uint32_t gid;
    uint32_t device_major;
    uint32_t device_minor;
    struct lf_time accessed;
    struct lf_time modified;
    struct lf_time changed;
    struct lf_time born;
    uint32_t has_born;
};
/* statx(2) of `path` below `directory`, or of `directory` itself if the path is empty; never follows a last link. */
int64_t lf_statx(int directory, const void *path, struct lf_stat *result);

struct lf_filesystem {
    uint64_t type; /* statfs(2) f_type */
    uint64_t block_size;
    uint64_t id; /* f_fsid */
    uint32_t read_only;
};
int64_t lf_statfs(int descriptor, struct lf_filesystem *result);
/* FS_IOC_GETFSUUID (Linux 6.9): the length of the UUID, whose 16 bytes go to `uuid`. */
int64_t lf_filesystem_uuid(int descriptor, void *uuid);
enum { LF_INODE_EXTENTS = 0x80000 }; /* FS_EXTENT_FL: ext4, mapped by extents */
/* FS_IOC_GETFLAGS: chattr(1) flags. */
int64_t lf_inode_flags(int descriptor);
enum { LF_XFLAG_REALTIME = 0x1 }; /* FS_XFLAG_REALTIME: XFS, data on the realtime device */
/* FS_IOC_FSGETXATTR: FS_XFLAG_ bits. */
int64_t lf_inode_xflags(int descriptor);
/* FS_IOC_GETVERSION: the inode's generation. */
int64_t lf_generation(int descriptor);
/* XFS_IOC_FSGEOMETRY_V1: bytes in a realtime extent. */
int64_t lf_xfs_realtime_extent(int descriptor);

enum { LF_KERNEL_HANDLE_MAX = 128 };
struct lf_kernel_handle {
    int32_t type;
    uint32_t length;
    uint8_t bytes[LF_KERNEL_HANDLE_MAX];
};
/* name_to_handle_at(2) of the descriptor itself; works with O_PATH. */
int64_t lf_kernel_handle(int descriptor, struct lf_kernel_handle *result);
/* open_by_handle_at(2). */
int64_t lf_open_kernel_handle(int mount, const struct lf_kernel_handle *handle, int flags);

/* ---- Mappings (mapping.c) ---------------------------------------------------------------------------------- */

struct lf_extent {
    uint64_t logical;
    uint64_t physical;
    uint64_t length;
    uint32_t flags; /* FIEMAP_EXTENT_ bits */
};
enum { LF_EXTENTS_MAX = 128 };
/* FS_IOC_FIEMAP: how many extents were written to `extents`; at most LF_EXTENTS_MAX whatever `capacity` says. */
int64_t lf_fiemap(
    int descriptor, uint64_t start, uint64_t length, uint32_t flags, struct lf_extent *extents, uint32_t capacity);
int64_t lf_fallocate(int descriptor, int mode, int64_t offset, int64_t length);
int64_t lf_ftruncate(int descriptor, int64_t size);
/* FICLONERANGE. */
int64_t lf_clone_range(
    int source, uint64_t source_offset, uint64_t length, int destination, uint64_t destination_offset);
/* Whether the file can be mapped with MAP_SYNC: -EOPNOTSUPP if not. */
int64_t lf_probe_synchronous(int descriptor);
/* FS_IOC_FSSETXATTR: asks for extents of `size` bytes, aligned so, unless somebody has asked for others. */
int64_t lf_set_extent_size_hint(int descriptor, uint32_t size);
int64_t lf_fsync(int descriptor, int data_only);
/* Of the whole filesystem that the descriptor is on. */
int64_t lf_syncfs(int descriptor);
int64_t lf_pread(int descriptor, void *buffer, size_t size, int64_t offset);
int64_t lf_pwrite(int descriptor, const void *buffer, size_t size, int64_t offset);
/* The soft limit RLIMIT_FSIZE; UINT64_MAX for none. */
uint64_t lf_file_size_limit(void);

/* ---- Locks and leases (locks.c) ---------------------------------------------------------------------------- */

/* F_OFD_SETLK: a read lock on `length` bytes. */
int64_t lf_lock_for_reading(int descriptor, int64_t start, int64_t length);
/* F_OFD_SETLK: no lock any more. */
int64_t lf_unlock(int descriptor, int64_t start, int64_t length);
struct lf_lock {
    int64_t start;
    int64_t length; /* 0: to the end */
    int32_t is_write;
};
/* F_OFD_GETLK: 1 and a lock of another description that a write lock on these bytes would meet, or 0. */
int64_t lf_find_lock(int descriptor, int64_t start, int64_t length, struct lf_lock *found);
/* F_SETLEASE and its undoing, with a harmless signal in between: 0, or -EAGAIN where others are in the way. */
int64_t lf_probe_lease(int descriptor, int exclusive);

/* ---- Sockets, threads, the host (host.c) ------------------------------------------------------------------- */

enum { LF_SOCKET_PATH_MAX = 107 };
/* A listening SOCK_SEQPACKET Unix socket, close-on-exec and non-blocking. */
int64_t lf_listen(const void *path, uint32_t mode, int backlog);
/* A connected SOCK_SEQPACKET Unix socket; connecting, sending and receiving end after `timeout_ms` with -EAGAIN. */
int64_t lf_connect(const void *path, int64_t timeout_ms);
int64_t lf_set_timeout(int socket, int64_t timeout_ms);
/* accept4(2), close-on-exec and non-blocking. */
int64_t lf_accept(int socket);
/* recv(2) without room for descriptors: the kernel closes those that were sent, and `truncated` becomes 1. */
int64_t lf_receive(int socket, void *buffer, size_t size, int *truncated);
int64_t lf_send(int socket, const void *buffer, size_t size);
/* One byte, and a descriptor unless `descriptor` is negative. */
int64_t lf_send_descriptor(int socket, uint8_t status, int descriptor);
/* One byte and at most one descriptor (close-on-exec); -1 for none. More than one: -EPROTO, and none is left open. */
int64_t lf_receive_descriptor(int socket, uint8_t *status, int *descriptor);

struct lf_peer {
    int32_t pid;
    uint32_t uid;
    uint32_t gid;
};
/* SO_PEERCRED. */
int64_t lf_peer_credentials(int socket, struct lf_peer *peer);
/* SO_PEERPIDFD (Linux 6.5), close-on-exec. */
int64_t lf_peer_pidfd(int socket);
/* pidfd_open(2), close-on-exec. */
int64_t lf_pidfd_open(int32_t pid);
/* Whether the process has not been waited for yet: 1 or 0. Its number is not another one's as long as it is 1. */
int64_t lf_is_alive(int pidfd);
/* pidfd_send_signal(2) with SIGKILL. */
int64_t lf_kill(int pidfd);

int64_t lf_epoll_create(void);
/* Waits for `descriptor` to be readable, level-triggered; `descriptor` is what lf_epoll_wait gives back. */
int64_t lf_epoll_add(int epoll, int descriptor);
int64_t lf_epoll_remove(int epoll, int descriptor);
int64_t lf_epoll_wait(int epoll, int *ready, int capacity, int timeout_ms);
int64_t lf_eventfd(void);
int64_t lf_eventfd_signal(int descriptor);

/* Raw setfsuid, setfsgid: this thread alone; the identity before the call. UINT32_MAX only asks. */
uint32_t lf_set_fsuid(uint32_t uid);
uint32_t lf_set_fsgid(uint32_t gid);
/* Raw setgroups, getgroups: this thread alone, unlike glibc's. */
int64_t lf_set_groups(const uint32_t *groups, size_t count);
int64_t lf_get_groups(uint32_t *groups, size_t capacity);

/* Names the calling thread, for people: at most 15 bytes of it. */
void lf_name_thread(const void *name);
uint64_t lf_boot_time_nanoseconds(void);
int64_t lf_random(void *buffer, size_t size);
/* The first `size` bytes of a file, for /proc. */
int64_t lf_read_small(const void *path, void *buffer, size_t size);

#pragma clang assume_nonnull end

#endif
