#ifndef LAYOUTCLIENT_H
#define LAYOUTCLIENT_H

/*
 * liblayoutclient: read, write, map and change files of a layout server, from C and from whatever can call C.
 *
 * Link with `pkg-config --cflags --libs layoutclient`, or load liblayoutclient.so.0 with dlopen(3). It needs no runtime
 * of another language, and exports nothing but the functions below.
 *
 * Results. As with POSIX: -1, NULL or MAP_FAILED for a failure, and errno says of what kind. ll_error_detail() has a
 * sentence about it, with the remedy. A bad argument is an error (EINVAL, EBADF), never a trap; memory that a pointer
 * names has to be there, as for memcpy(3).
 *
 *   EBADF         not an open file, or not opened for that     EINVAL      an argument makes no sense
 *   ENOTCONN      not an open client, the client was closed, or this is a forked child
 *   EHOSTUNREACH  the server cannot be reached                 ETIMEDOUT   it did not answer in time
 *   EAGAIN        others did not give their layouts back in time: nothing was done
 *   EDEADLK       the calling thread would wait for itself: nothing was done
 *   ECONNABORTED  the server lost its memory meanwhile: it may or may not have been done, so look
 *   ENODEV        the file cannot be mapped from here: use ll_pread and ll_pwrite
 *   ESTALE        the file is gone; for ll_end_access: the lease ended during the access
 * and what pread(2), pwrite(2), fallocate(2), mmap(2) and the like say.
 *
 * Threads. All functions may be called from any thread, and from several at once. They may wait for the server, each for
 * a bounded time; ll_pread and ll_pwrite do not where a mapping is there. None may be called from a signal handler. A
 * thread must not be cancelled (pthread_cancel) inside one.
 *
 * Handles (ll_client *, ll_file *, ll_access *) are numbers in the shape of pointers: do not look behind them. One that
 * was closed is known to be, and never means something else later.
 *
 * Signals. The library has handlers for SIGSEGV and SIGBUS from the first mapping on. Faults that are not in a mapping of
 * the library go to the handler that was there before, or that was installed later. One that is installed later, while
 * bytes of a mapping are away, has to pass on what it does not know. Threads that touch mappings must not block SIGSEGV.
 *
 * fork(2). In a forked child of a process that has used the library all functions fail at once with ENOTCONN, and
 * mappings are gone (SIGSEGV); the parent is not disturbed. Call exec(3), or fork before the first use.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of this interface; what works with one works with all later ones of the same major number. */
#define LL_VERSION_MAJOR 0
#define LL_VERSION_MINOR 1

/** A connection to a server. */
typedef struct ll_client ll_client;
/** An open file. */
typedef struct ll_file ll_file;
/** Mapped bytes that are kept from being taken back. */
typedef struct ll_access ll_access;

/* ---- Errors ------------------------------------------------------------------------------------------------------ */

/**
 * What went wrong in the last function of this library that failed on the calling thread, and what to do about it: a
 * sentence in UTF-8 of less than 512 bytes. Never NULL; empty if none has failed. Valid until the next failure on the
 * thread.
 */
const char *ll_error_detail(void);

/* ---- Clients ----------------------------------------------------------------------------------------------------- */

/** How a client behaves. Set all of it to zero, then `size` to sizeof; what is zero has its default. */
struct ll_options {
    size_t size;                    /**< sizeof(struct ll_options) */
    uint32_t connect_milliseconds;  /**< How long ll_connect tries. Default 10,000. */
    uint32_t patience_milliseconds; /**< How long a change waits for others; 20,000 at most, and by default. */
    uint32_t layout_milliseconds;   /**< How long a read or write waits for a mapping. Default 10,000. */
    uint32_t answer_milliseconds;   /**< How long the server may take to answer. Default 15,000. */
    uint32_t give_up_milliseconds;  /**< After how long out of reach touches raise SIGBUS. Default 120,000. */
    uint32_t flags;                 /**< LL_NO_DIRECT_IO, or 0. */
    uint64_t io_window_bytes;       /**< The unit of mappings for reads and writes. Default 16 MiB; at least 2 MiB. */
    uint64_t map_window_bytes;      /**< The unit in which bytes of ll_mmap are taken back. Default 64 MiB. */
    const char *name;               /**< How the client is called in the server's lists; NULL for none. */
};

/** For ll_options.flags: reads and writes go through the server, never through mappings. */
#define LL_NO_DIRECT_IO 1u

/**
 * Connects to a server, "layout+unix:///run/layoutd.sock" or "layout://host:port". `options` may be NULL.
 *
 * Returns NULL with EINVAL for a malformed address, EHOSTUNREACH if there is no server, or the server's refusal.
 */
ll_client *ll_connect(const char *url, const struct ll_options *options);

/**
 * Gives everything back and ends the connection, within two seconds. Files that are still open fail with ENOTCONN from
 * then on, and have to be closed all the same; touching what is still mapped raises SIGBUS.
 *
 * EDEADLK in the callback of ll_on_recall, and while the thread holds an access.
 */
int ll_disconnect(ll_client *client);

/** What a client has counted since it connected; every member only grows. */
struct ll_statistics {
    uint64_t recalls_received;      /**< Recalls that arrived, each once. */
    uint64_t recalls_dropped;       /**< Recalls that the callback was too slow for. */
    uint64_t returns;               /**< Times that layouts were given back. */
    uint64_t grants;                /**< Layouts granted. */
    uint64_t refusals;              /**< Layouts refused. */
    uint64_t windows_granted;       /**< Windows, the units of a mapping, that became accessible. */
    uint64_t windows_revoked;       /**< Windows whose access was taken back. */
    uint64_t windows_failed;        /**< Windows given up: touching them raises SIGBUS. */
    uint64_t faults_parked;         /**< Touches that waited, of all clients of the process. */
    uint64_t reads_direct;          /**< Reads from a mapping. */
    uint64_t reads_through_server;  /**< Reads through the server. */
    uint64_t writes_direct;         /**< Writes to a mapping. */
    uint64_t writes_through_server; /**< Writes through the server. */
    uint64_t fallbacks;             /**< Times that no mapping could be had, so that the server was asked. */
    uint64_t reconnections;         /**< Connections after the first. */
    uint64_t sessions_lost;         /**< Sessions that the server did not know any more. */
    uint64_t leases_lost;           /**< Times that access to everything ended, because the lease had. */
    uint64_t layouts_reclaimed;     /**< Layouts that a restarted server has confirmed. */
    uint64_t reclaims_refused;      /**< Layouts that it has not confirmed. */
};

/** Fills in the first `size` bytes, which is sizeof(struct ll_statistics) of the header that the caller was built with. */
int ll_get_statistics(ll_client *client, struct ll_statistics *statistics, size_t size);

/* ---- Recalls ----------------------------------------------------------------------------------------------------- */

/** What somebody does, or wants to do, with a file. */
enum ll_operation_kind {
    LL_OPERATION_WRITE = 1,
    LL_OPERATION_ALLOCATE = 2,
    LL_OPERATION_PUNCH_HOLE = 3,
    LL_OPERATION_ZERO_RANGE = 4,
    LL_OPERATION_COLLAPSE_RANGE = 5,
    LL_OPERATION_INSERT_RANGE = 6,
    LL_OPERATION_TRUNCATE = 7,
    LL_OPERATION_CLONE_TO = 8,
    LL_OPERATION_CLONE_FROM = 9,
    LL_OPERATION_REMOVE = 10,
    LL_OPERATION_ATTRIBUTE = 11,
    LL_OPERATION_SHUTDOWN = 12,
    LL_OPERATION_REVOKE = 13,
    LL_OPERATION_UNKNOWN = 14
};

/** Somebody wants to change a file, and its bytes are asked back. The change may still fail or be given up. */
struct ll_recall {
    size_t size;                  /**< How much of this the library has filled in. */
    const char *path;             /**< The path that the file was opened by. */
    uint32_t operation;           /**< Of enum ll_operation_kind, or a later one. */
    uint32_t requester_pid;       /**< The process that asked; 0 if the server does not say. */
    const char *requester;        /**< That process's name; "" if the server does not say. */
    uint64_t offset;              /**< The first byte that is asked back. */
    uint64_t end;                 /**< The byte behind the last; UINT64_MAX for the end of the file. */
    uint64_t argument_offset;     /**< Where the operation itself begins; of a truncate the new size. */
    uint64_t argument_end;        /**< Where it ends; UINT64_MAX for the end of the file. */
    uint64_t milliseconds_left;   /**< How long the server waits, from the arrival of the recall. */
};

/** Told of a recall; `recall` and its strings are good until it returns. */
typedef void ll_recall_callback(const struct ll_recall *recall, void *user_data);

/**
 * Has `callback` called for every recall from now on, with `user_data`; NULL ends that. One callback per client: a new
 * one takes the place of the old.
 *
 * It is called on a thread of the library's own, one call at a time, after the fact: the bytes go back by themselves, and
 * no recall waits for it. It may take its time and call any function of this library but ll_disconnect and ll_on_recall
 * (EDEADLK); if it is 256 recalls behind, the oldest are dropped and counted. When ll_on_recall or ll_disconnect returns
 * no call of the old callback is under way, or comes.
 */
int ll_on_recall(ll_client *client, ll_recall_callback *callback, void *user_data);

/* ---- Files ------------------------------------------------------------------------------------------------------- */

/**
 * Opens a file. `path` is relative to the directory that the server exports.
 *
 * Flags are those of open(2): O_RDONLY, O_WRONLY or O_RDWR, and O_CREAT (with the permissions in `mode`), O_EXCL,
 * O_TRUNC (which waits for the holders of layouts). O_CLOEXEC, O_NOCTTY, O_NONBLOCK and O_LARGEFILE mean nothing here;
 * others, O_APPEND among them, are EINVAL. Opening for writing needs the permission to read, too.
 */
ll_file *ll_open(ll_client *client, const char *path, int flags, mode_t mode);

/** Ends the use of a file. Mappings of it stay until ll_munmap. */
int ll_close(ll_file *file);

/** Reads as pread(2), but fewer bytes than asked for only at the end of the file. */
ssize_t ll_pread(ll_file *file, void *buffer, size_t count, off_t offset);

/** Writes as pwrite(2), but all or -1; after a failure some of the bytes may have been written. */
ssize_t ll_pwrite(ll_file *file, const void *buffer, size_t count, off_t offset);

/** As fstat(2). st_ino tells files of a server apart, and st_dev servers; what a server does not tell is 0. */
int ll_fstat(ll_file *file, struct stat *status);

/** Sets the size as ftruncate(2), once others have given their layouts back. */
int ll_ftruncate(ll_file *file, off_t length);

/**
 * As fallocate(2), once others have given their layouts back: 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE (with
 * KEEP_SIZE), FALLOC_FL_ZERO_RANGE (with or without), FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE.
 */
int ll_fallocate(ll_file *file, int mode, off_t offset, off_t length);

/** Brings what this client has written or stored to stable storage, as fsync(2). Nothing to do on a read-only file. */
int ll_fsync(ll_file *file);

/* ---- Mappings ---------------------------------------------------------------------------------------------------- */

/** For ll_mmap: the mapping shows the same content when bytes move, instead of the same offsets. */
#define LL_MAP_FOLLOW_CONTENT 0x40000000

/**
 * Maps bytes of a file as mmap(2). The pointer is good until ll_munmap, whatever others do to the file: bytes that have
 * been taken back are asked for again when they are touched, and the thread waits in the touch.
 *
 * `address` has to be NULL, `offset` a multiple of the page size and before the end of the file, `protection` PROT_READ
 * or PROT_READ | PROT_WRITE, `flags` MAP_SHARED, if need be with LL_MAP_FOLLOW_CONTENT. Bytes that cannot come back (cut
 * off, collapsed, a server out of reach for too long) raise SIGBUS. A system call on mapped bytes needs an access (see
 * below), or it may fail with EFAULT; ll_pread and ll_pwrite do not. Locks shared between processes do not belong there.
 */
void *ll_mmap(void *address, size_t length, int protection, int flags, ll_file *file, off_t offset);

/** Ends a mapping: all of it, by the address that ll_mmap has returned and the same length. Waits for no other thread. */
int ll_munmap(void *address, size_t length);

/** Brings mapped bytes to stable storage (MS_SYNC); MS_ASYNC and MS_INVALIDATE check the arguments only. */
int ll_msync(void *address, size_t length, int flags);

/**
 * Keeps mapped bytes from being taken back until ll_end_access, which the same thread has to call; waits until they are
 * there. `protection` says what is done with them: PROT_READ, or PROT_READ | PROT_WRITE.
 *
 * Recalls wait for it, so keep it short. Meanwhile the thread must touch no other mapped bytes of this library than those
 * of its accesses, and cannot change, unmap or disconnect (EDEADLK).
 *
 * Returns NULL with EINVAL if the bytes are not all of one mapping, EACCES if it does not allow that, ENXIO if they cannot
 * come back, EDEADLK if another access of the thread may be waited for.
 */
ll_access *ll_begin_access(void *address, size_t length, int protection);

/**
 * Ends an access. -1 with ESTALE if the lease ended before: what was read or stored may be other bytes. EPERM on another
 * thread than the one that began it; then it goes on.
 */
int ll_end_access(ll_access *access);

#ifdef __cplusplus
}
#endif

#endif
