#include "internal.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

// Pins: a thread says "I am using these bytes" so cheaply that a guarded access costs about as much as a function call,
// at the price of a dearer question "is anybody using them?". The thread writes to a cache line that only it writes,
// without a fence; whoever asks runs membarrier(2) first.

__thread struct mw_thread *mw_self __attribute__((tls_model("initial-exec")));

static struct mw_thread threads[MW_THREADS_MAX];
static _Atomic uint32_t threads_used;
static pthread_key_t at_thread_exit;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

int mw_membarrier_register(void) {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 ? 0 : errno;
}

// MARK: - Threads

// A thread that ends inside a guarded access (pthread_exit) uses the bytes no more, so its pins end with it.
static void leave(void *value) {
    struct mw_thread *thread = value;
    mw_self = NULL;
    for (uint32_t i = 0; i < MW_PIN_ENTRIES; i++) {
        const uint64_t entry = atomic_exchange(&thread->entries[i], 0);
        if (entry != 0) { mw_notify((uint32_t)entry - 1); }
    }
    atomic_store(&thread->counted, 0);
    atomic_store_explicit(&thread->claimed, 0, memory_order_release);
}

static void make_key(void) {
    if (pthread_key_create(&at_thread_exit, leave) != 0) { __builtin_trap(); }
}

static struct mw_thread *join(void) {
    pthread_once(&key_once, make_key);
    for (uint32_t i = 0; i < MW_THREADS_MAX; i++) {
        uint32_t unclaimed = 0;
        if (atomic_load_explicit(&threads[i].claimed, memory_order_relaxed) != 0
            || !atomic_compare_exchange_strong(&threads[i].claimed, &unclaimed, 1)) {
            continue;
        }
        uint32_t known = atomic_load(&threads_used);
        while (known <= i && !atomic_compare_exchange_weak(&threads_used, &known, i + 1)) {}
        if (pthread_setspecific(at_thread_exit, &threads[i]) != 0) {
            // No memory to be told of the thread's end: it would keep the slot, and its pins, for ever.
            atomic_store(&threads[i].claimed, 0);
            return NULL;
        }
        return mw_self = &threads[i];
    }
    return NULL;
}

bool mw_thread_has_pins(void) {
    struct mw_thread *self = mw_self;
    if (self == NULL) { return false; }
    for (uint32_t i = 0; i < MW_PIN_ENTRIES; i++) {
        if (atomic_load_explicit(&self->entries[i], memory_order_relaxed) != 0) { return true; }
    }
    return atomic_load_explicit(&self->counted, memory_order_relaxed) != 0;
}

// MARK: - The gate

bool mw_close_gate(uint32_t window) {
    // Without access there is nothing to wait for: pins of an access that was ended by force keep nothing, and what looks
    // like a pin may be an attempt that is just being refused, of whose end nobody would tell.
    if (!(atomic_load(&mw_windows[window].word) & MW_GRANTED)) { return false; }
    atomic_fetch_or(&mw_windows[window].word, MW_CLOSING);
    // From here on a thread has either made its entry visible, or will see the closed gate (see mw_pin_begin). Cannot
    // fail: mw_install has registered.
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    return mw_has_pins(window);
}

bool mw_has_pins(uint32_t window) {
    if (atomic_load(&mw_windows[window].counted_pins) != 0) { return true; }
    const uint32_t end = atomic_load(&threads_used);
    for (uint32_t t = 0; t < end; t++) {
        for (uint32_t i = 0; i < MW_PIN_ENTRIES; i++) {
            const uint64_t entry = atomic_load_explicit(&threads[t].entries[i], memory_order_acquire);
            if ((uint32_t)entry == window + 1) { return true; }
        }
    }
    return false;
}

// MARK: - Beginning

static bool is_open(uint32_t word, uint32_t need) { return (word & (need | MW_CLOSING)) == need; }

// Why a pin cannot be had now and, as far as that can be told, whether it is worth waiting for: then it has waited, and
// the caller tries again.
static bool wait_until_it_may_open(uint32_t window, uint32_t word, uint32_t need, bool wait, uint32_t *refusal) {
    const bool wants_store = (need & MW_WRITABLE) != 0;
    const bool lacks_only_stores = is_open(word, MW_GRANTED) && wants_store;
    const bool on_demand = (atomic_load(&mw_windows[window].flags) & MW_WRITABLE_ON_DEMAND) != 0;
    if (word & MW_FAILED) {
        *refusal = MW_PIN_FAILED;
    } else if (lacks_only_stores && !on_demand) {
        *refusal = MW_PIN_NOT_WRITABLE;
    } else if (!wait) {
        *refusal = MW_PIN_CLOSED;
    } else if (mw_thread_has_pins()) {
        // The other pin may be what the server waits for before it lets this window be granted again.
        *refusal = MW_PIN_DEADLOCK;
    } else if (mw_waiting_is_forbidden()) {
        *refusal = MW_PIN_FORBIDDEN;
    } else {
        mw_count(&mw_pins_parked, 1);
        mw_park(window, word, wants_store, 0);
        return true;
    }
    return false;
}

// A pin on a window that the thread has pinned already: the owner waits for the outer one, so the gate does not matter.
static bool nest(struct mw_thread *self, uint32_t window, uint32_t need, uint32_t *word) {
    for (uint32_t i = 0; i < MW_PIN_ENTRIES; i++) {
        const uint64_t entry = atomic_load_explicit(&self->entries[i], memory_order_relaxed);
        if ((uint32_t)entry != window + 1) { continue; }
        *word = atomic_load(&mw_windows[window].word);
        if ((*word & need) != need) { return false; }  // revoked without waiting for us, or stores are wanted now
        atomic_store_explicit(&self->entries[i], entry + ((uint64_t)1 << 32), memory_order_relaxed);
        return true;
    }
    return false;
}

static void tell_if_closing(uint32_t window, uint32_t word) {
    if (word & MW_CLOSING) { mw_notify(window); }
}

// One attempt. True if the pin is held; `*word` is the state in both cases.
static bool attempt(struct mw_thread *self, uint32_t window, uint32_t need, uint32_t *word) {
    for (uint32_t i = 0; i < MW_PIN_ENTRIES; i++) {
        if (atomic_load_explicit(&self->entries[i], memory_order_relaxed) != 0) { continue; }
        atomic_store_explicit(&self->entries[i], mw_pin_entry(window), memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        *word = atomic_load(&mw_windows[window].word);
        if (is_open(*word, need)) { return true; }
        atomic_store_explicit(&self->entries[i], 0, memory_order_release);
        atomic_signal_fence(memory_order_seq_cst);
        // An owner that closed the gate may have seen the entry, and wait for its end.
        tell_if_closing(window, atomic_load(&mw_windows[window].word));
        return false;
    }
    // More windows than entries: a shared counter does it, too.
    *word = mw_counted_pin_begin(window, need, false);
    if ((*word & MW_GRANTED) == 0) {
        *word = atomic_load(&mw_windows[window].word);
        return false;
    }
    atomic_fetch_add(&self->counted, 1);
    return true;
}

uint32_t mw_pin_begin_slow(uint32_t window, uint32_t need, bool wait) {
    struct mw_thread *self = mw_self != NULL ? mw_self : join();
    if (self == NULL) { return MW_PIN_NO_THREADS; }
    uint32_t word = 0, refusal;
    do {
        if (nest(self, window, need, &word) || attempt(self, window, need, &word)) { return word; }
        // `word` may be open by now (it was not when it mattered); then this does not wait, for the word has changed.
    } while (is_open(word, need) || wait_until_it_may_open(window, word, need, wait, &refusal));
    return refusal;
}

uint32_t mw_counted_pin_begin(uint32_t slot, uint32_t need, bool wait) {
    struct mw_window *window = &mw_windows[slot];
    uint32_t word, refusal;
    do {
        atomic_fetch_add(&window->counted_pins, 1);  // a full barrier against the load that follows
        word = atomic_load(&window->word);
        if (is_open(word, need)) { return word; }
        atomic_fetch_sub(&window->counted_pins, 1);
        tell_if_closing(slot, atomic_load(&window->word));
    } while (wait_until_it_may_open(slot, word, need, wait, &refusal));
    return refusal;
}

// MARK: - Ending

// The pin is gone already; `last` is the word before it went.
bool mw_pin_ended(uint32_t window, uint32_t begun, uint32_t last) {
    tell_if_closing(window, atomic_load(&mw_windows[window].word));
    return begun >> MW_GENERATION_SHIFT == last >> MW_GENERATION_SHIFT;
}

bool mw_pin_end_slow(uint32_t window, uint32_t begun) {
    struct mw_thread *self = mw_self;
    for (uint32_t i = 0; i < MW_PIN_ENTRIES; i++) {
        const uint64_t entry = atomic_load_explicit(&self->entries[i], memory_order_relaxed);
        if ((uint32_t)entry != window + 1) { continue; }
        const uint64_t rest = entry - ((uint64_t)1 << 32);
        const uint32_t last = mw_last_word(window);
        atomic_store_explicit(&self->entries[i], rest >> 32 == 0 ? 0 : rest, memory_order_release);
        atomic_signal_fence(memory_order_seq_cst);
        return mw_pin_ended(window, begun, last);
    }
    atomic_fetch_sub(&self->counted, 1);
    return mw_counted_pin_end(window, begun);
}

bool mw_counted_pin_end(uint32_t slot, uint32_t begun) {
    const uint32_t last = mw_last_word(slot);
    atomic_fetch_sub(&mw_windows[slot].counted_pins, 1);
    return mw_pin_ended(slot, begun, last);
}
