#ifndef CMappedWindows_H
#define CMappedWindows_H

// The part of the window runtime that has to be C: what a signal handler touches, what needs initial-exec thread-local
// storage, compiler barriers and raw futexes. Policy (segments, grants, who asks for what) is in the Swift module
// MappedWindows, the only user of this header.
//
// A window is a region of address space with a state word. Threads load and store through raw pointers into the
// window; while it is not granted its pages are PROT_NONE, the touch raises SIGSEGV, and the handler parks the thread
// on the word (futex) until the window is granted again or fails. Then the instruction runs again.
//
// Windows are named by their slot in a table (an index below MW_WINDOWS_MAX); addresses travel as integers, so that
// Swift needs no unsafe pointer for them. Functions that can fail return 0 or an errno value.

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: - Bounds

/// Windows that can exist at the same time in a process.
#define MW_WINDOWS_MAX 65536u
/// Threads that can hold pins at the same time; each keeps its slot until it exits.
#define MW_THREADS_MAX 65536u
/// Different windows that one thread can pin cheaply at the same time; more than that become counted pins.
#define MW_PIN_ENTRIES 8u
/// No window: the table is full, or an address lies in no window.
#define MW_NO_WINDOW UINT32_MAX

// MARK: - The state word

/// The mapping is accessible to every thread of the process.
#define MW_GRANTED 1u
/// Stores are allowed too. Only together with MW_GRANTED.
#define MW_WRITABLE 2u
/// New pins wait: the owner drains the pins before it revokes. Only together with MW_GRANTED.
#define MW_CLOSING 4u
/// The lease is lost, the bytes are gone, or the window was released: waiting would be for ever.
#define MW_FAILED 8u
/// The generation counts from this bit up. It never goes back, also not when a slot gets a new window.
#define MW_GENERATION_SHIFT 4u

// MARK: - Set-up

/// Installs the handlers for SIGSEGV and SIGBUS and registers for membarrier(2). Call once per process.
/// In a forked child every window has failed from the start.
/// Errors: ENOSYS or EINVAL when the kernel lacks MEMBARRIER_CMD_PRIVATE_EXPEDITED (Linux 4.14), ENOMEM, else of
/// sigaction(2).
int mw_install(void);
/// Whether this is the process that called mw_install, and not a fork of it.
bool mw_is_owner(void);
/// Whether both handlers are ours: one installed later hides the windows' faults from the runtime, until the next window
/// is made or revoked. That puts it behind ours, up to eight different ones.
bool mw_handlers_are_installed(void);
/// Marks the calling thread as one that serves windows: it must never wait for one (fails loudly instead).
void mw_forbid_waiting_on_this_thread(void);
/// The calling thread's kernel ID, for messages.
int32_t mw_thread_id(void);

// MARK: - Address space (mapping.c)

/// Reserves `size` bytes (rounded up to pages) of inaccessible address space with guard pages on both sides.
int mw_reserve(size_t size, uintptr_t *base, uintptr_t *reservation, size_t *reserved);
/// Gives a reservation back, with everything that is mapped in it.
int mw_unreserve(uintptr_t reservation, size_t reserved);
/// Maps file bytes, inaccessible and invisible to forked children. `synchronous` asks for MAP_SYNC (EOPNOTSUPP without
/// DAX). `set_apart` keeps the kernel from merging the mapping with a neighbour that is not (by leaving it out of core
/// dumps).
int mw_map_file(
    uintptr_t address, size_t length, int descriptor, int64_t offset, bool synchronous, bool set_apart);
/// Maps inaccessible memory that reads as zero once it is made readable. Drops what was mapped there.
int mw_map_anonymous(uintptr_t address, size_t length);
/// Maps an empty file over the range: once it is accessible every access raises SIGBUS, as beyond the end of a file.
int mw_map_failed(uintptr_t address, size_t length, bool accessible);
/// Sets the access of whole mappings: none, read, or read and write. Cannot fail for want of map entries as long as the
/// range begins and ends where mappings do.
int mw_protect(uintptr_t address, size_t length, bool readable, bool writable);

// MARK: - Persistent memory (persist.c)

/// Flushes bytes of a window from the CPU's caches, to memory that keeps them without power: only where the window was
/// mapped with MAP_SYNC, else they may still be lost. False if some could not be accessed, because the window is not
/// granted or the file ends there: then nothing is said about any of them. Never waits for a window.
bool mw_persist(uintptr_t address, size_t length);

// MARK: - Windows (table.c)

/// Enters a window into the table: revoked, first generation. MW_NO_WINDOW and `*error` if there is no room.
/// `reservation` and `reserved` come from mw_reserve, and so do `base` and `length`, which lie inside.
uint32_t mw_window_add(uint64_t id, uintptr_t base, size_t length, uintptr_t reservation, size_t reserved, int *error);
/// Takes the window out of the lookup, fails it, and wakes its waiters. The slot stays taken.
void mw_window_retire(uint32_t window, uintptr_t reservation, size_t reserved);
/// Lets a retired slot be used again, once the last waiter has left it.
void mw_window_free(uint32_t window);
/// The window at an address, or MW_NO_WINDOW. Lock-free and async-signal-safe.
uint32_t mw_window_at(uintptr_t address);

/// The state word.
uint32_t mw_window_word(uint32_t window);
/// Marks the window accessible and wakes everybody who waits for it. The pages must be accessible already.
void mw_publish_granted(uint32_t window, bool writable);
/// Starts the next generation, not granted. Call before the pages become inaccessible, not from a signal handler.
uint32_t mw_publish_revoked(uint32_t window);
/// Changes the access of a granted window and opens its gate. Taking stores away starts a new generation.
void mw_publish_access(uint32_t window, bool writable);
/// Starts the next generation, failed, and wakes everybody. Call after the empty file is mapped.
void mw_publish_failed(uint32_t window);
/// Whether a store into a window granted for reading waits for an upgrade instead of being an error.
void mw_set_writable_on_demand(uint32_t window, bool on_demand);

// MARK: - Notices to the owner (park.c)

/// What the owner of a window should know. Level-triggered: true for as long as it is so.
struct mw_notice {
    uint32_t window;
    uint64_t id;
    uint32_t load_waiters;   ///< Threads that wait to load from, or pin, a window.
    uint32_t store_waiters;  ///< Threads that wait to store.
    bool drained;            ///< The gate is closed and no pin is left.
};

/// Changes whenever there may be a new notice. Read it before mw_next_notice and wait for a change after.
uint32_t mw_attention(void);
/// Waits until the attention word is no longer `seen`, or `nanoseconds` have passed (negative: for ever).
uint32_t mw_wait_for_attention(uint32_t seen, int64_t nanoseconds);
/// Changes the attention word and wakes everybody who waits for it. Async-signal-safe.
void mw_post_attention(void);
/// A descriptor (eventfd) that is written 1 to with every post, for owners that live in an event loop; -1 for none.
void mw_set_event_descriptor(int descriptor);
/// The first window at or above slot `from` that has something to say: its slot, or MW_NO_WINDOW.
uint32_t mw_next_notice(uint32_t from, struct mw_notice *notice);
/// How many threads wait for the window, for whatever access.
uint32_t mw_waiters(uint32_t window);

// MARK: - Statistics

/// Counts since the process started. They wrap.
struct mw_statistics {
    uint64_t faults_parked;       ///< Touches that waited for a window.
    uint64_t pins_parked;         ///< Guarded accesses that waited for a window.
    uint64_t parked_nanoseconds;  ///< Sum of both kinds of waits that have ended.
    uint64_t spurious;            ///< Faults that were out of date when the handler looked; retried.
    uint64_t chained;             ///< Faults and signals passed on to the previous handler.
    uint64_t grants;              ///< Windows granted.
    uint64_t revokes;             ///< Granted windows revoked.
};
void mw_read_statistics(struct mw_statistics *statistics);

// MARK: - Pins (pins.c)

/// Why a pin was not taken. Bit 0 is clear in all of them, and set in every word that means success.
#define MW_PIN_CLOSED 0u         ///< Not granted, or closing; the caller did not want to wait.
#define MW_PIN_FAILED 2u         ///< The window failed or was released.
#define MW_PIN_NOT_WRITABLE 4u   ///< Granted for reading, and stores are not to be waited for.
#define MW_PIN_DEADLOCK 6u       ///< Waiting could last for ever: the thread holds another pin.
#define MW_PIN_FORBIDDEN 8u      ///< Waiting would last for ever: the thread is the one that serves windows.
#define MW_PIN_NO_THREADS 10u    ///< More than MW_THREADS_MAX threads use pins.

struct mw_window {
    // First line: read by every guarded access, written by changes of state only.
    _Alignas(64) _Atomic uint32_t word;
    _Atomic uint32_t flags;
    _Atomic uintptr_t base;
    _Atomic size_t length;
    _Atomic uint64_t id;
    // Second line: written by threads that wait or hold counted pins.
    _Alignas(64) _Atomic uint32_t load_waiters;
    _Atomic uint32_t store_waiters;
    _Atomic uint32_t counted_pins;
};

// A thread's pins, on a cache line of its own: only its thread writes, whoever drains a window reads.
// An entry is 0 or count << 32 | window + 1.
struct mw_thread {
    _Alignas(64) _Atomic uint64_t entries[MW_PIN_ENTRIES];
    _Alignas(64) _Atomic uint32_t claimed;
    _Atomic uint32_t counted;  // pins that found no entry free
};

extern struct mw_window mw_windows[];
// Initial-exec: the handler and the fast path read it without a call that could allocate.
extern __thread struct mw_thread *mw_self __attribute__((tls_model("initial-exec")));

uint32_t mw_pin_begin_slow(uint32_t window, uint32_t need, bool wait);
bool mw_pin_end_slow(uint32_t window, uint32_t begun);
bool mw_pin_ended(uint32_t window, uint32_t begun, uint32_t last);

static inline uint64_t mw_pin_entry(uint32_t window) { return (uint64_t)1 << 32 | (window + 1); }

// The word as it is after everything that the access has read (as at the end of a seqlock).
static inline uint32_t mw_last_word(uint32_t window) {
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&mw_windows[window].word, memory_order_relaxed);
}

/// Begins a guarded access of the calling thread: until mw_pin_end the window is not revoked by an owner that drains.
/// `need` is MW_GRANTED, or MW_GRANTED | MW_WRITABLE. Waits while the window is not granted.
/// Returns the state word (bit 0 set), or one of MW_PIN_ above.
static inline uint32_t mw_pin_begin(uint32_t window, uint32_t need) {
    struct mw_thread *self = mw_self;
    if (__builtin_expect(self != NULL, 1)
        && __builtin_expect(atomic_load_explicit(&self->entries[0], memory_order_relaxed) == 0, 1)) {
        // The store may still sit in this core's store buffer when the word is loaded. mw_close_gate makes up for it:
        // its membarrier(2) runs a full barrier on every core that runs a thread of ours, between its store to the
        // word and its look at the entries. Here the compiler alone has to keep the order.
        atomic_store_explicit(&self->entries[0], mw_pin_entry(window), memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        uint32_t word = atomic_load_explicit(&mw_windows[window].word, memory_order_acquire);
        if (__builtin_expect((word & (need | MW_CLOSING)) == need, 1)) { return word; }
        atomic_store_explicit(&self->entries[0], 0, memory_order_release);
        // The slow path takes the entry again, and tells an owner that saw the short-lived one.
    }
    return mw_pin_begin_slow(window, need, true);
}

/// Ends the access that returned `begun`. False if the window was revoked in the meantime, by an owner that could not
/// wait any longer: then the bytes seen or stored may be another mapping's.
static inline bool mw_pin_end(uint32_t window, uint32_t begun) {
    struct mw_thread *self = mw_self;
    if (__builtin_expect(atomic_load_explicit(&self->entries[0], memory_order_relaxed) == mw_pin_entry(window), 1)) {
        // Whether the access was whole shows before its end; behind it an owner that drains may revoke at once.
        uint32_t last = mw_last_word(window);
        atomic_store_explicit(&self->entries[0], 0, memory_order_release);
        atomic_signal_fence(memory_order_seq_cst);
        uint32_t word = atomic_load_explicit(&mw_windows[window].word, memory_order_acquire);
        if (__builtin_expect(last == begun && word == begun, 1)) { return true; }
        return mw_pin_ended(window, begun, last);
    }
    return mw_pin_end_slow(window, begun);
}

/// Like mw_pin_begin, but answers MW_PIN_CLOSED instead of waiting.
static inline uint32_t mw_pin_try(uint32_t window, uint32_t need) { return mw_pin_begin_slow(window, need, false); }

/// Begins an access that no thread owns, such as I/O in flight; it may end on any thread. About 20 ns.
uint32_t mw_counted_pin_begin(uint32_t window, uint32_t need, bool wait);
/// Ends an access begun by mw_counted_pin_begin; the result is as of mw_pin_end.
bool mw_counted_pin_end(uint32_t window, uint32_t begun);

/// Makes new pins wait. True if pins are left; the end of the last one is a notice (`drained`).
bool mw_close_gate(uint32_t window);
/// Whether any pin is held on the window. Exact only behind a closed gate.
bool mw_has_pins(uint32_t window);
/// Whether the calling thread holds a pin on any window. Async-signal-safe.
bool mw_thread_has_pins(void);

#endif
