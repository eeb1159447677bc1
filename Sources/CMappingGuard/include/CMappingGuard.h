/*
 * What the guard asks of the kernel and Swift cannot say by itself: fanotify(7) with pre-content events, a system
 * call's end through perf_event_open(2), and what /proc tells of a blocked thread. Nothing here decides anything; the
 * meaning is in MappingGuard.
 *
 * Unless a comment says otherwise a function returns its result, or the negative errno, and may be called from any
 * thread.
 */
#ifndef CMAPPINGGUARD_H
#define CMAPPINGGUARD_H

#include "guard_journal.h"
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/* ---- fanotify (fanotify.c) --------------------------------------------------------------------------------- */

enum mg_group_kind {
    MG_GUARD,    /* permission events of marked inodes: who opens, who reaches the data */
    MG_SENTINEL, /* never an event: makes the kernel give every description its hooks */
    MG_WITNESS,  /* notes of modifications, for calls whose end tells nothing of their result */
};
/* fanotify_init(2): non-blocking, close-on-exec. */
int64_t mg_group(enum mg_group_kind kind);

enum mg_mark_kind {
    MG_MARK_FILESYSTEM, /* pre-content events of the whole filesystem, and on the same mark that they be ignored */
    MG_MARK_INODE,      /* opens and pre-content events of one inode */
    MG_MARK_MODIFIED,   /* modifications of one inode */
};
/* fanotify_mark(2) on what `descriptor` refers to; works with O_PATH, by way of /proc. */
int64_t mg_mark(int group, enum mg_mark_kind kind, int add, int descriptor);

enum { MG_EVENT_ACCESS = 1, MG_EVENT_OPEN = 2, MG_EVENT_OVERFLOW = 4, MG_EVENT_MODIFIED = 8 };
struct mg_event {
    uint64_t offset; /* of an access, rounded down to a page */
    uint64_t length; /* of an access, rounded up to pages; 0 if the kernel gave none */
    uint32_t kind;   /* MG_EVENT_ bits */
    int32_t descriptor; /* the caller's from now on; negative for none */
    int32_t thread;
};
/* read(2): how many events were written; -EAGAIN if there are none. */
int64_t mg_read_events(int group, struct mg_event *events, size_t capacity);
/* Answers the event that came with `descriptor`: 0 lets it go on, an errno makes its call fail with it.
   -ENOENT if that is answered already. Where the kernel does not take the errno the call fails with EPERM. */
int64_t mg_answer(int group, int descriptor, int error);

/* ---- The end of a system call (trace.c) -------------------------------------------------------------------- */

/* The number of the tracepoint raw_syscalls:sys_exit, from a tracefs of our own that is mounted nowhere. */
int64_t mg_trace_point(void);
/* perf_event_open(2) on a thread; `ring` receives where the samples come. With `ring` NULL it only keeps the
   tracepoint switched on, which makes every other one cheap. */
int64_t mg_trace_open(int64_t point, int thread, void *_Nullable *_Nullable ring);
/* 1 and the call's number and result, or 0 if the thread has not left a system call since. */
int64_t mg_trace_take(const void *ring, int64_t *number, int64_t *result);
void mg_trace_close(int descriptor, void *_Nullable ring);

/* ---- Threads and processes (process.c) --------------------------------------------------------------------- */

/* Whether the thread is one of this process. */
int mg_is_own_thread(int thread);
enum { MG_CALL_RUNNING = -2 };
struct mg_call {
    int64_t number; /* MG_CALL_RUNNING if the thread is on a processor; -1 outside a system call */
    uint64_t arguments[6];
    uint64_t stack;
    uint64_t instruction;
};
/* Opens /proc/THREAD/syscall; stays that thread's for ever, also when the number becomes another's. */
int64_t mg_open_call(int thread);
/* A thread that is asked about may not have gone to sleep yet: looks up to `tries` times while it runs. */
int64_t mg_read_call(int descriptor, int tries, struct mg_call *call);
struct mg_thread {
    uint64_t start; /* in clock ticks since boot: with the number it never means another thread */
    int32_t process;
    uint32_t is_io_worker; /* PF_IO_WORKER: works for an io_uring */
};
/* -ESRCH or -ENOENT for one that has ended. */
int64_t mg_thread(int thread, struct mg_thread *result);
/* The kernel function that the thread sleeps in: bytes of text written; "0" for one that runs. */
int64_t mg_sleeps_in(int thread, void *text, size_t size);
struct mg_description {
    uint64_t inode;
    uint32_t flags; /* open(2) flags */
};
/* What /proc says of a thread's descriptor; touches no file. */
int64_t mg_description(int thread, uint64_t descriptor, struct mg_description *result);
/* process_vm_readv(2); may wait for as long as the other process likes. */
int64_t mg_read_memory(int thread, uint64_t address, void *buffer, size_t size);
/* fstat(2) of an event's descriptor. */
int64_t mg_file(int descriptor, uint64_t *device, uint64_t *inode, uint64_t *size);

/* ---- The keeper (keeper.c) --------------------------------------------------------------------------------- */

/* memfd_create(2), sealed against shrinking. */
int64_t mg_memory_file(size_t size);
int64_t mg_map(int descriptor, size_t size, void *_Nullable *_Nonnull address);
/* A connected pair of SOCK_SEQPACKET sockets. */
int64_t mg_socket_pair(int *first, int *second);
/* Starts a program in a session of its own, with `descriptors` as 3 and up: its process number. */
int64_t mg_spawn(const void *path, const int *descriptors, size_t count, const void *_Nullable argument);
/* waitpid(2) without waiting. */
int64_t mg_reap(int process);
/* Sends one byte, with descriptors; receives one byte and at most `capacity` descriptors (close-on-exec): how many. */
int64_t mg_send(int socket, uint8_t byte, const int *_Nullable descriptors, size_t count);
int64_t mg_receive(int socket, uint8_t *byte, int *_Nullable descriptors, size_t capacity);
/* F_DUPFD_CLOEXEC of `descriptor` onto exactly `number`: -EBUSY if that is in use. */
int64_t mg_reserve(int descriptor, int number);
/* Raises the soft limit of open files to the hard one: the limit. */
int64_t mg_raise_open_files(void);

#pragma clang assume_nonnull end

#endif
