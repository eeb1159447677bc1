#ifndef CMappedWindows_internal_h
#define CMappedWindows_internal_h

// Shared by the files of this module only.

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CMappedWindows.h"

/// Flag: a store into a window granted for reading waits for an upgrade.
#define MW_WRITABLE_ON_DEMAND 1u

// A counter on a cache line of its own, so that parking threads do not slow each other down.
struct mw_counter {
    _Alignas(64) _Atomic uint64_t value;
};
static inline void mw_count(struct mw_counter *counter, uint64_t by) {
    atomic_fetch_add_explicit(&counter->value, by, memory_order_relaxed);
}
extern struct mw_counter mw_faults_parked, mw_pins_parked, mw_parked_nanoseconds, mw_spurious, mw_chained, mw_grants,
    mw_revokes;

/// Slots below this have been used.
uint32_t mw_windows_used(void);
/// For a forked child, which has no file mapped and no thread that would grant a window: guarded accesses are refused
/// instead of waiting for ever. Wakes nobody, as it has only one thread. Async-signal-safe.
void mw_fail_all(void);
/// Wakes every thread that waits for the window's word to change.
void mw_wake_waiters(uint32_t window);
/// Waits until the window's word is no longer `seen`. Does not wait at all if `address` is not 0 and no longer in the
/// window. Async-signal-safe.
void mw_park(uint32_t window, uint32_t seen, bool store, uintptr_t address);
/// Makes the owner look at the window. Async-signal-safe.
void mw_notify(uint32_t window);
/// Whether the calling thread serves windows and so must not wait for one. Async-signal-safe.
bool mw_waiting_is_forbidden(void);
/// Puts handlers that others have installed since behind ours, as before pages of a window become inaccessible. Two
/// system calls if there are none.
void mw_reinstall(void);
/// Ends the flush (mw_persist) that the calling thread is in, if it has faulted at `address`: then it does not return.
/// For the handler.
void mw_end_flush_at(uintptr_t address);
/// Registers for the expedited membarrier; an errno value if there is none.
int mw_membarrier_register(void);

#endif
