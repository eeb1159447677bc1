#define _GNU_SOURCE

#include "layoutclient.h"
#include "layoutclient_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

// MARK: - Forks

static atomic_bool used;
// Set in a child once and for all: atfork handlers run in it before anything else does.
static atomic_bool is_forked_child;

static void in_child(void) {
    if (atomic_load_explicit(&used, memory_order_relaxed)) {
        atomic_store_explicit(&is_forked_child, true, memory_order_relaxed);
    }
}

// When the library is loaded, not at first use: that could be on two threads at once, or while another one forks.
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, in_child); }

bool ll_internal_enter(void) {
    if (atomic_load_explicit(&is_forked_child, memory_order_relaxed)) { return false; }
    if (!atomic_load_explicit(&used, memory_order_relaxed)) {
        atomic_store_explicit(&used, true, memory_order_relaxed);
    }
    return true;
}

// MARK: - What a thread has

static _Thread_local char detail[512];
static _Thread_local int accesses;
static _Thread_local uintptr_t callback_of;

const char *ll_error_detail(void) { return detail; }

void ll_internal_fail(int error, const char *text) {
    size_t length = strlen(text);
    if (length >= sizeof detail) {
        length = sizeof detail - 1;
        // Not in the middle of a character of UTF-8.
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80) { length--; }
    }
    memcpy(detail, text, length);
    detail[length] = 0;
    errno = error;
}

int32_t ll_internal_thread(void) { return gettid(); }

void ll_internal_count_access(int change) { accesses += change; }

int ll_internal_accesses(void) { return accesses; }

void ll_internal_set_callback_of(uintptr_t client) { callback_of = client; }

uintptr_t ll_internal_callback_of(void) { return callback_of; }
