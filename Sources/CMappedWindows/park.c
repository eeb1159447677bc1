#include "internal.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Waiting for windows, and telling their owner. Everything here but mw_wait_for_attention and mw_next_notice runs in
// signal handlers: atomics, futex, write(2) and clock_gettime (vDSO) only.

struct mw_counter mw_faults_parked, mw_pins_parked, mw_parked_nanoseconds, mw_spurious, mw_chained;
struct mw_counter mw_grants, mw_revokes;

static _Atomic uint32_t attention;
static _Atomic int event_descriptor = -1;
// One bit per slot: the window may have something to say. A hint; the truth is in the windows themselves.
static _Atomic uint64_t hints[MW_WINDOWS_MAX / 64];

static long futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *timeout) {
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void mw_wake_waiters(uint32_t window) { futex(&mw_windows[window].word, FUTEX_WAKE, INT32_MAX, NULL); }

void mw_park(uint32_t slot, uint32_t seen, bool store, uintptr_t address) {
    struct mw_window *window = &mw_windows[slot];
    _Atomic uint32_t *waiters = store ? &window->store_waiters : &window->load_waiters;
    atomic_fetch_add(waiters, 1);
    // Counted, the slot cannot get a new window any more; but it may have got one before that.
    if (address == 0 || mw_window_at(address) == slot) {
        mw_notify(slot);
        const uint64_t start = now();
        while (atomic_load(&window->word) == seen) { futex(&window->word, FUTEX_WAIT, seen, NULL); }
        mw_count(&mw_parked_nanoseconds, now() - start);
    }
    atomic_fetch_sub(waiters, 1);
}

uint32_t mw_waiters(uint32_t slot) {
    return atomic_load(&mw_windows[slot].load_waiters) + atomic_load(&mw_windows[slot].store_waiters);
}

// MARK: - Notices

void mw_notify(uint32_t slot) {
    atomic_fetch_or(&hints[slot / 64], (uint64_t)1 << slot % 64);
    mw_post_attention();
}

void mw_post_attention(void) {
    atomic_fetch_add(&attention, 1);
    futex(&attention, FUTEX_WAKE, INT32_MAX, NULL);
    const int descriptor = atomic_load(&event_descriptor);
    if (descriptor >= 0) {
        const uint64_t one = 1;
        // An eventfd refuses only when it is full, and then it is readable anyway.
        const ssize_t written = write(descriptor, &one, sizeof one);
        (void)written;
    }
}

uint32_t mw_attention(void) { return atomic_load(&attention); }

uint32_t mw_wait_for_attention(uint32_t seen, int64_t nanoseconds) {
    const uint64_t end = nanoseconds < 0 ? UINT64_MAX : now() + (uint64_t)nanoseconds;
    uint32_t value;
    while ((value = atomic_load(&attention)) == seen) {
        const uint64_t time = nanoseconds < 0 ? 0 : now();
        if (time >= end) { break; }
        const uint64_t left = end - time;
        const struct timespec timeout = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
        futex(&attention, FUTEX_WAIT, seen, nanoseconds < 0 ? NULL : &timeout);
    }
    return value;
}

void mw_set_event_descriptor(int descriptor) { atomic_store(&event_descriptor, descriptor); }

static bool look(uint32_t slot, struct mw_notice *notice) {
    struct mw_window *window = &mw_windows[slot];
    notice->window = slot;
    notice->id = atomic_load(&window->id);
    notice->load_waiters = atomic_load(&window->load_waiters);
    notice->store_waiters = atomic_load(&window->store_waiters);
    const uint32_t word = atomic_load(&window->word);
    notice->drained = (word & MW_CLOSING) != 0 && !mw_has_pins(slot);
    // A thread that waited and was woken counts until it runs; it wants nothing any more if it can go on now.
    if ((word & MW_FAILED) || ((word & (MW_GRANTED | MW_CLOSING)) == MW_GRANTED)) {
        notice->load_waiters = 0;
        if (word & (MW_FAILED | MW_WRITABLE)) { notice->store_waiters = 0; }
    }
    return notice->load_waiters != 0 || notice->store_waiters != 0 || notice->drained;
}

uint32_t mw_next_notice(uint32_t from, struct mw_notice *notice) {
    const uint32_t end = mw_windows_used();
    for (uint32_t slot = from; slot < end; slot++) {
        const uint64_t bits = atomic_load(&hints[slot / 64]) >> slot % 64;
        if (bits == 0) {
            slot |= 63;  // nothing in the rest of this word
            continue;
        }
        slot += (uint32_t)__builtin_ctzll(bits);
        if (slot >= end) { break; }
        if (look(slot, notice)) { return slot; }
        // Nothing (any more): take the hint back, and look again, because something may have come in between. Another
        // caller may have missed it meanwhile, so it is announced anew.
        atomic_fetch_and(&hints[slot / 64], ~((uint64_t)1 << slot % 64));
        if (look(slot, notice)) {
            mw_notify(slot);
            return slot;
        }
    }
    return MW_NO_WINDOW;
}

// MARK: - Statistics

static uint64_t read_counter(struct mw_counter *counter) {
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

void mw_read_statistics(struct mw_statistics *statistics) {
    *statistics = (struct mw_statistics){
        .faults_parked = read_counter(&mw_faults_parked),
        .pins_parked = read_counter(&mw_pins_parked),
        .parked_nanoseconds = read_counter(&mw_parked_nanoseconds),
        .spurious = read_counter(&mw_spurious),
        .chained = read_counter(&mw_chained),
        .grants = read_counter(&mw_grants),
        .revokes = read_counter(&mw_revokes),
    };
}
