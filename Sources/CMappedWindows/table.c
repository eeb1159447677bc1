#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

// Slots never move and are never freed, so a handler may read one at any time, also one that is being reused: it then
// sees that its address is not in the window, or waits for a word that has changed, and looks again. Untouched slots
// cost no memory (bss).
struct mw_window mw_windows[MW_WINDOWS_MAX];

// Address -> slot + 1, per granule of 2 MiB, in two levels over 48 bits. mw_reserve gives whole granules to a window,
// so a granule never has two. Leaves are made on demand and stay.
#define GRANULE_SHIFT 21
#define LEAF_BITS 13
#define ROOT_BITS 14
typedef _Atomic uint32_t leaf_entry;
static _Atomic(leaf_entry *) root[(size_t)1 << ROOT_BITS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // adding, retiring, freeing; never taken in a handler
static _Atomic uint32_t used;
// Slots whose windows are gone, oldest first, in a ring.
static uint32_t idle[MW_WINDOWS_MAX];
static uint32_t idle_first, idle_count;

uint32_t mw_windows_used(void) { return atomic_load_explicit(&used, memory_order_acquire); }

static leaf_entry *entry_at(uintptr_t address) {
    const uintptr_t granule = address >> GRANULE_SHIFT;
    if (granule >> (LEAF_BITS + ROOT_BITS) != 0) { return NULL; }
    leaf_entry *leaf = atomic_load_explicit(&root[granule >> LEAF_BITS], memory_order_acquire);
    return leaf == NULL ? NULL : &leaf[granule & (((uintptr_t)1 << LEAF_BITS) - 1)];
}

// Makes the leaves for a range; called under the lock.
static int make_leaves(uintptr_t address, size_t length) {
    const uintptr_t span = (uintptr_t)1 << (GRANULE_SHIFT + LEAF_BITS);
    for (uintptr_t at = address & ~(span - 1); at < address + length; at += span) {
        const uintptr_t index = at >> (GRANULE_SHIFT + LEAF_BITS);
        if (index >> ROOT_BITS != 0) { return EOVERFLOW; }
        if (atomic_load_explicit(&root[index], memory_order_relaxed) != NULL) { continue; }
        const size_t size = sizeof(leaf_entry) << LEAF_BITS;
        void *leaf = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (leaf == MAP_FAILED) { return errno; }
        atomic_store_explicit(&root[index], leaf, memory_order_release);
    }
    return 0;
}

static void set_entries(uintptr_t address, size_t length, uint32_t value) {
    for (uintptr_t at = address; at < address + length; at += (uintptr_t)1 << GRANULE_SHIFT) {
        atomic_store_explicit(entry_at(at), value, memory_order_release);
    }
}

// A free slot, or MW_NO_WINDOW; called under the lock. Slots with waiters are passed over: a thread woken by the end
// of the old window may not have left yet, and must not be taken for a waiter of the new one.
static uint32_t take_slot(void) {
    for (uint32_t tries = idle_count; tries > 0; tries--) {
        const uint32_t slot = idle[idle_first];
        idle_first = (idle_first + 1) % MW_WINDOWS_MAX;
        idle_count--;
        if (mw_waiters(slot) == 0) { return slot; }
        idle[(idle_first + idle_count++) % MW_WINDOWS_MAX] = slot;
    }
    const uint32_t next = atomic_load_explicit(&used, memory_order_relaxed);
    if (next == MW_WINDOWS_MAX) { return MW_NO_WINDOW; }
    atomic_store_explicit(&used, next + 1, memory_order_release);
    return next;
}

uint32_t mw_window_add(uint64_t id, uintptr_t base, size_t length, uintptr_t reservation, size_t reserved, int *error) {
    pthread_mutex_lock(&lock);
    uint32_t slot = MW_NO_WINDOW;
    *error = make_leaves(reservation, reserved);
    if (*error == 0 && (slot = take_slot()) == MW_NO_WINDOW) { *error = ENOSPC; }
    if (slot != MW_NO_WINDOW) {
        struct mw_window *window = &mw_windows[slot];
        atomic_store(&window->id, id);
        atomic_store(&window->flags, 0);
        atomic_store(&window->base, base);
        atomic_store(&window->length, length);
        mw_publish_revoked(slot);
        set_entries(reservation, reserved, slot + 1);  // last: from here on the handler finds it
    }
    pthread_mutex_unlock(&lock);
    return slot;
}

void mw_window_retire(uint32_t slot, uintptr_t reservation, size_t reserved) {
    pthread_mutex_lock(&lock);
    set_entries(reservation, reserved, 0);
    pthread_mutex_unlock(&lock);
    mw_publish_failed(slot);
}

void mw_window_free(uint32_t slot) {
    pthread_mutex_lock(&lock);
    atomic_store(&mw_windows[slot].length, 0);
    idle[(idle_first + idle_count++) % MW_WINDOWS_MAX] = slot;
    pthread_mutex_unlock(&lock);
}

uint32_t mw_window_at(uintptr_t address) {
    leaf_entry *entry = entry_at(address);
    if (entry == NULL) { return MW_NO_WINDOW; }
    const uint32_t value = atomic_load_explicit(entry, memory_order_acquire);
    if (value == 0) { return MW_NO_WINDOW; }
    // Guard pages share granules with the window, so the exact bounds decide.
    struct mw_window *window = &mw_windows[value - 1];
    const uintptr_t base = atomic_load(&window->base);
    const size_t length = atomic_load(&window->length);
    if (address - base >= length) { return MW_NO_WINDOW; }
    // Still the same window? Else base and length may be one of each.
    return atomic_load_explicit(entry, memory_order_acquire) == value ? value - 1 : MW_NO_WINDOW;
}

// MARK: - State

uint32_t mw_window_word(uint32_t slot) { return atomic_load(&mw_windows[slot].word); }

static uint32_t next_generation(uint32_t word) {
    return ((word >> MW_GENERATION_SHIFT) + 1) << MW_GENERATION_SHIFT;
}

// Changes of one window's word come one at a time (its owner has a lock), so plain loads and stores will do.

void mw_publish_granted(uint32_t slot, bool writable) {
    const uint32_t word = mw_window_word(slot);
    const uint32_t generation = word >> MW_GENERATION_SHIFT << MW_GENERATION_SHIFT;
    atomic_store(&mw_windows[slot].word, generation | MW_GRANTED | (writable ? MW_WRITABLE : 0));
    mw_count(&mw_grants, 1);
    mw_wake_waiters(slot);
}

uint32_t mw_publish_revoked(uint32_t slot) {
    mw_reinstall();
    const uint32_t before = mw_window_word(slot), after = next_generation(before);
    atomic_store(&mw_windows[slot].word, after);
    if (before & MW_GRANTED) { mw_count(&mw_revokes, 1); }
    // Who waits goes on waiting: nobody is woken. (Their futex value is out of date, but they sleep already.) The owner
    // is told anew, because the grant that it may be working on will be refused.
    if (mw_waiters(slot) != 0) { mw_notify(slot); }
    return after;
}

void mw_publish_access(uint32_t slot, bool writable) {
    const uint32_t before = mw_window_word(slot);
    const bool downgrade = (before & MW_WRITABLE) != 0 && !writable;
    const uint32_t generation =
        downgrade ? next_generation(before) : before >> MW_GENERATION_SHIFT << MW_GENERATION_SHIFT;
    atomic_store(&mw_windows[slot].word, generation | MW_GRANTED | (writable ? MW_WRITABLE : 0));
    mw_wake_waiters(slot);
}

void mw_publish_failed(uint32_t slot) {
    const uint32_t before = mw_window_word(slot);
    if (before & MW_GRANTED) { mw_count(&mw_revokes, 1); }
    atomic_store(&mw_windows[slot].word, next_generation(before) | MW_FAILED);
    mw_wake_waiters(slot);
}

void mw_fail_all(void) {
    const uint32_t count = mw_windows_used();
    for (uint32_t slot = 0; slot < count; slot++) {
        atomic_store(&mw_windows[slot].word, next_generation(mw_window_word(slot)) | MW_FAILED);
    }
}

void mw_set_writable_on_demand(uint32_t slot, bool on_demand) {
    atomic_store(&mw_windows[slot].flags, on_demand ? MW_WRITABLE_ON_DEMAND : 0);
}
