#ifndef LAYOUTCLIENT_INTERNAL_H
#define LAYOUTCLIENT_INTERNAL_H

// What the Swift side of the library needs from C: thread-local storage, and to know that it was forked before it takes
// a lock or starts a task. Not installed.

#include <linux/falloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Begins a call into the library. False in a forked child of a process that has used it: then nothing else may be
/// touched, because whoever held a lock or ran a task is not there.
bool ll_internal_enter(void);

/// Keeps what ll_error_detail returns on this thread, cut to what fits, and sets errno.
void ll_internal_fail(int error, const char *detail);

/// The calling thread's number, for messages and to know it again.
int32_t ll_internal_thread(void);

/// Counts the accesses that the calling thread holds up or down.
void ll_internal_count_access(int change);
/// How many accesses the calling thread holds.
int ll_internal_accesses(void);

/// Marks the calling thread as the one that runs the recall callback of a client, by the client's handle.
void ll_internal_set_callback_of(uintptr_t client);
/// The client whose recall callback the calling thread runs; 0 for none.
uintptr_t ll_internal_callback_of(void);

#endif
